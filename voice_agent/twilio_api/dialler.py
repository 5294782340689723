"""Places calls: no faster than the account may, and each of them once.

A creation whose answer is lost is never repeated: Twilio is asked whether it has the call. It must not know what
becomes of a call that was placed.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from voice_agent.errors import PeerError, RefusedError, UnreachedError
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.dialling import OutboundCall

CLOCKS_APART = timedelta(minutes=1)
"""So much Twilio's clock may differ from ours."""


class UncertainError(PeerError):
    """Nobody knows whether a call was placed."""


def _ignore(sid: str) -> None:
    del sid


class Dialler:
    """One for an account and a process."""

    def __init__(self, api: CallsApi, per_second: int) -> None:
        """`per_second`: how many calls the account may place; Twilio's own limit is 1 unless it has granted more."""
        self._api = api
        self._between_s = 1 / per_second
        self._free_at = 0.0

    @property
    def waits_s(self) -> float:
        """How long a call would wait that was asked for now."""
        return max(0.0, self._free_at - asyncio.get_running_loop().time())

    async def place(self, call: OutboundCall, placed: Callable[[str], None] = _ignore) -> str:
        """Place a call when its turn has come; gives its SID.

        `placed` is told the SID, too: even if who waits here is cancelled, for Twilio may have granted it by then.
        Raises `RefusedError` or `UnreachedError`: there is no call; `UncertainError`: there may be one.
        """
        wait_s = self.waits_s
        self._free_at = asyncio.get_running_loop().time() + wait_s + self._between_s
        await asyncio.sleep(wait_s)
        creating = asyncio.ensure_future(self._create(call))
        try:
            sid = await asyncio.shield(creating)
        except asyncio.CancelledError:
            await asyncio.wait({creating})
            if creating.exception() is None:
                placed(creating.result())
            raise
        placed(sid)
        return sid

    async def _create(self, call: OutboundCall) -> str:
        asked_at = datetime.now(UTC)
        try:
            return await self._api.create(call)
        except (RefusedError, UnreachedError):
            raise
        except PeerError as error:
            found = await self.look_up(call.to, call.from_, asked_at)
            if found is None:
                raise UncertainError(f"{error}; Twilio does not know of a call to {call.to} so far") from error
            return found

    async def look_up(self, to: str, from_: str, since: datetime) -> str | None:
        """Find a call that was asked for at that time or later; raises `UncertainError`."""
        try:
            return await self._api.find(to, from_, since - CLOCKS_APART)
        except PeerError as error:
            raise UncertainError(f"it is not known whether {to} was called: {error}") from error
