"""What runs beside the calls for as long as the server does: a fault of ours in it must not end them.

All of it shares the server's task group, which ends with whatever fails in it. It must not know what is done.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]
"""Has no end; begun anew it goes on where it was."""

AGAIN_S = 30.0
"""From a fault to the next beginning."""


async def beside(name: str, work: Work, again_s: float = AGAIN_S) -> None:
    """Do work that has no end until it is cancelled; after a fault, which is told, begin it anew."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("%s broke off by a fault of this program and begins anew in %g s", name, again_s)
            await asyncio.sleep(again_s)
        else:
            return
