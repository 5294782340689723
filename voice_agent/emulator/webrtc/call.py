"""One call over WebRTC: a session, the peer that it is held with, and the sidebands that listen and speak along.

It must not know how a call is asked for. Importing this module needs aiortc.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voice_agent.emulator.session_runner import Mind, SessionRunner
from voice_agent.emulator.webrtc.peer import Peer
from voice_agent.sim.realtime import CloseSocket, Input, Session
from voice_agent.sim.realtime.filtered import is_safe

MOST_UNSENT = 2000
"""Events that wait for one sideband; one that does not read them is left behind."""

_log = logging.getLogger(__name__)

Texts = asyncio.Queue[str | None]
"""What a sideband is sent; `None`: nothing more."""


class Call:
    """One call, from its offer to its end."""

    def __init__(self, session: Session, mind: Mind, *, filtered: bool) -> None:
        """`session` plays by itself. `filtered`: the browser sees the events of `webrtcfilter=on` only."""
        self._runner = SessionRunner(session, mind, self._send, self._play)
        self._peer = Peer(self._runner.take, self._runner.leave)
        self._filtered = filtered
        self._sidebands: set[Texts] = set()
        self._end: CloseSocket | None = None

    async def answer(self, offer: str) -> str:
        """Give the SDP answer; see `Peer.answer`. Then `run`."""
        try:
            return await self._peer.answer(offer)
        except BaseException:
            await self._peer.close()
            raise

    async def run(self) -> None:
        """Hold the call until its peer goes, somebody hangs up, or the session ends."""
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._peer.listen())
                self._end = await self._runner.run()
                listening.cancel()
        finally:
            # Also where it broke off by a fault: nobody is left waiting.
            await self._peer.close()
            for texts in self._sidebands:
                texts.put_nowait(None)

    def hang_up(self) -> None:
        """End it: `run` returns soon."""
        self._runner.leave()

    def take(self, received: Input) -> None:
        """Take what a sideband sent."""
        self._runner.take(received)

    @property
    def end(self) -> CloseSocket:
        """How sidebands are to be closed, once `run` has returned."""
        return self._end or CloseSocket(1000, "the call has ended")

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[Texts]:
        """Join as a sideband: every event from now on, unfiltered. The services send it no `session.created` either.

        (pydantic/pydantic-ai#6676 tells so of OpenAI's.)
        """
        texts: Texts = asyncio.Queue()
        self._sidebands.add(texts)
        try:
            yield texts
        finally:
            self._sidebands.discard(texts)

    async def _send(self, text: str) -> None:
        if not self._filtered or is_safe(text):
            self._peer.send(text)
        for texts in list(self._sidebands):
            if texts.qsize() < MOST_UNSENT:
                texts.put_nowait(text)
            else:
                _log.warning("a sideband does not read what it is sent")
                self._sidebands.discard(texts)
                texts.put_nowait(None)

    def _play(self, pcm: bytes) -> None:
        self._peer.play(pcm)
