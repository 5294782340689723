"""What a session and its two legs ask of each other, and the one limit that both legs keep.

It must not know which protocol a leg speaks.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from voice_agent.wire.bridge import Input

Feed = Callable[[Input], None]
"""Gives one input to the session, at once and in order; never waits."""

CLOSE_SECONDS = 0.5
"""Longest close handshake: a half-open peer otherwise stalls the end of a call by about 10 s (pipecat issue 4723)."""


class Leg(Protocol):
    """One socket of a call, from the moment its session has it."""

    @property
    def waiting(self) -> int:
        """How many texts wait to be written."""

    def send(self, text: str) -> int | None:
        """Queue one text; see `Outbox.put` for the answer."""

    def close(self, reason: str) -> None:
        """Write what is queued, then close; within `CLOSE_SECONDS` it is over either way."""

    async def run(self, feed: Feed) -> None:
        """Read and write until the socket is gone; everything that happens is fed, its end last of all."""


class PhoneSocket(Leg, Protocol):
    """The leg to the carrier."""

    async def ping(self) -> bool:
        """Ask the peer for a pong; `False`: none came within the limit."""


class CloseLimit:
    """A context whose `TimeoutError` comes some time after `begin`; without `begin`, never."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._timeout: asyncio.Timeout | None = None

    def begin(self, seconds: float = CLOSE_SECONDS) -> None:
        """Start the limit, before the context is entered or inside it; the first time counts."""
        if self._until is not None:
            return
        self._until = asyncio.get_running_loop().time() + seconds
        if self._timeout is not None:
            self._timeout.reschedule(self._until)

    async def __aenter__(self) -> None:
        self._timeout = asyncio.timeout_at(self._until)
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timeout is not None, "left before it was entered"
        timeout, self._timeout = self._timeout, None
        await timeout.__aexit__(kind, error, trace)
