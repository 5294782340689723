"""Listening in on a call: both directions of its sound, as they cross the server, to a WebSocket of a page.

Nothing is done for it while nobody listens. Who listens is given copies, through a queue with a bound: whoever does not
read is let go, and the call does not notice. What a record must not hold (secret digits) is not heard either.
"""

import asyncio
from collections.abc import Sequence

import pybase64
from fastapi import APIRouter, HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect

from voice_agent.live.masking import MaskingRecorder
from voice_agent.live.session import Session
from voice_agent.live.session_needs import Recorder
from voice_agent.recording.cutting import find_audio
from voice_agent.server.console.live import Live
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import PhoneText

CALLER, AGENT, CLEAR = b"\0", b"\1", b"\2"
"""The first byte of each message: whose mu-law follows, or that the agent's is cut here."""

MOST_WAITING = 500
"""Messages: some seconds of both."""

MOST_LISTENERS = 8
"""Of a server."""

TRY_AGAIN_LATER = 1013
"""https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number"""


class Tap:
    """Takes the sound out of a call's steps; fits `session.Recorder`."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.too_slow = False

    def record(self, now_ms: int, received: Input | None, outputs: Sequence[Output]) -> None:
        """Take one step."""
        del now_ms
        if type(received) is PhoneText:
            self._take(CALLER, received.text)
        for output in outputs:
            if type(output) is PhoneText:
                self._take(AGENT, output.text)

    def remark(self, now_ms: int, what: str) -> None:
        """Nothing that could be heard."""

    def end(self) -> None:
        """Nothing more comes."""
        self.queue.put_nowait(None)

    def _take(self, whose: bytes, text: str) -> None:
        if self.queue.qsize() >= MOST_WAITING:
            self.too_slow = True
            return
        found = find_audio("phone", text)
        if found is not None:
            self._give(whose, text[found[0] : found[1]])
        elif whose == AGENT and '"clear"' in text[:40]:
            self.queue.put_nowait(CLEAR)

    def _give(self, whose: bytes, payload: str) -> None:
        try:
            self.queue.put_nowait(whose + pybase64.b64decode(payload, validate=True))
        except ValueError:
            return  # the call has skipped it, too


class Listening:
    """Those who listen, of one server."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._taps: set[Tap] = set()

    def close(self) -> None:
        """Let everybody go, because the server stops."""
        for tap in self._taps:
            tap.end()

    async def serve(self, socket: WebSocket, call_sid: str) -> None:
        """Let a page listen until it goes, the call ends or it is too slow."""
        # A browser tells a page nothing of one that was not accepted, so that is done before it is refused.
        await socket.accept()
        try:
            held = self._live.session(call_sid)
        except HTTPException as error:
            await socket.close(1008, str(error.detail))
            return
        if len(self._taps) >= MOST_LISTENERS:
            await socket.close(TRY_AGAIN_LATER, f"{MOST_LISTENERS} listen already")
            return
        tap = Tap()
        agents = (held.setup.agent, *held.setup.others)
        recorder: Recorder = MaskingRecorder(tap) if any(agent.has_secrets for agent in agents) else tap
        # Somebody may be in the middle of typing what is secret.
        recorder.record(0, None, held.session.hidden)
        stop = held.session.listen(recorder.record)
        self._taps.add(tap)
        try:
            async with asyncio.TaskGroup() as tasks:
                gone = tasks.create_task(_until_gone(socket, tap))
                over = tasks.create_task(_until_over(held.session, tap))
                await self._pass_on(socket, tap)
                gone.cancel()
                over.cancel()
        finally:
            stop()
            self._taps.discard(tap)

    async def _pass_on(self, socket: WebSocket, tap: Tap) -> None:
        try:
            while (sound := await tap.queue.get()) is not None and not tap.too_slow:
                await socket.send_bytes(sound)
            if tap.too_slow:
                await socket.close(TRY_AGAIN_LATER, "the connection is too slow to listen")
            else:
                await socket.close(1000)
        except (WebSocketDisconnect, OSError, RuntimeError):
            return  # the page is gone


async def _until_gone(socket: WebSocket, tap: Tap) -> None:
    """Read, which a page has no use for, so that its end is noticed."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
    tap.end()


async def _until_over(session: Session, tap: Tap) -> None:
    await session.finished()
    tap.end()


def listening_routes(listening: Listening) -> APIRouter:
    """Make the route."""
    router = APIRouter()

    @router.websocket("/console/api/live/{call_sid}/sound")
    async def sound(socket: WebSocket, call_sid: str) -> None:
        await listening.serve(socket, call_sid)

    return router
