"""websockets' own client connection, plus a short way for what a model sends most: a text in one frame.

Such frames are cut out of the bytes here and given on at once, where the library parses by generators, queues what it
found and wakes a task, for four times the cost. Everything else goes the library's way as it came, and what comes out
of it - long texts, or those in several frames - is given on at once, too: so the order holds without a queue. It must
not know what the texts are.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Event, State

from voice_agent.text_frames import ClientFrames, FrameCutter, server_text

Take = Callable[[str | None], None]
"""Takes a text; `None`: a binary message, which is not kept."""

_HEAD_END = b"\r\n\r\n"


class ModelSocket(ClientConnection):
    """One connection. Usage: `connect`, then `listen` once; `recv` gives nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._take: Take | None = None
        self._early: list[str | None] = []
        """What came before there was somebody to take it."""
        self._over: asyncio.Future[None] = self.loop.create_future()
        self._cutter = FrameCutter(masked=False)
        self._frames = ClientFrames()
        self._head = b""
        """The end of what came of the answer to the upgrade, while that is not whole."""
        self._answered = False
        self._begun: bytearray | None = None
        """What has come of a message in several frames; the library bounds it."""
        self._opcode = Opcode.TEXT
        """Of that message."""

    async def listen(self, take: Take) -> ConnectionClosed:
        """Give every message to `take`, at once and in order, until the connection is lost; raises what `take` does."""
        try:
            for message in self._early:
                take(message)
            self._early.clear()
            self._take = take
            await self._over
        finally:
            self._take = _ignore
        closed = self.protocol.close_exc
        assert isinstance(closed, ConnectionClosed), "a connection that is lost is closed"
        return closed

    def write(self, text: str) -> bool:
        """Write a text at once; `False`: it cannot be now, and `send` waits or says why."""
        if self.paused or self.protocol.state is not State.OPEN or self.transport.is_closing():
            return False
        self.transport.write(self._frames.text(text))
        return True

    def data_received(self, data: bytes) -> None:
        """Take bytes of the socket."""
        if not self._answered:
            data = self._answer(data)
        for is_text, piece in self._cutter.cut(data) if data else ():
            # Within another message it is a fault, which is for the library to tell.
            if is_text and self._begun is None and self.protocol.state is State.OPEN:
                self._text(piece)
            else:
                super().data_received(piece)

    def process_event(self, event: Event) -> None:
        """Take what the library has read."""
        if isinstance(event, Response) or event.opcode not in DATA_OPCODES:  # type: ignore[union-attr] # a client's
            super().process_event(event)
            return
        assert isinstance(event, Frame), "a client is sent nothing else"
        if event.opcode is not Opcode.CONT:
            self._opcode = event.opcode
            self._begun = bytearray()
        assert self._begun is not None, "the library lets no message begin in its middle"
        self._begun += event.data
        if event.fin:
            data, self._begun = self._begun, None
            if self._opcode is Opcode.TEXT:
                self._decoded(data)
            else:
                self._give(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        if not self._over.done():
            self._over.set_result(None)

    def _answer(self, data: bytes) -> bytes:
        """Let the library read the answer to the upgrade; give what follows it."""
        head = self._head + data
        end = head.find(_HEAD_END)
        if end < 0:
            self._head = head[1 - len(_HEAD_END) :]
            super().data_received(data)
            return b""
        rest = len(head) - end - len(_HEAD_END)
        super().data_received(data[: len(data) - rest])
        self._answered = True
        if self.protocol.state is not State.OPEN:
            self._cutter.refused = True  # no frames follow
        return data[len(data) - rest :]

    def _text(self, frame: bytes) -> None:
        try:
            text = server_text(frame)
        except UnicodeDecodeError:
            super().data_received(frame)
            return
        self._give(text)

    def _decoded(self, data: bytearray) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            self.protocol.fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
            self.send_data()
            return
        self._give(text)

    def _give(self, message: str | None) -> None:
        if self._take is None:
            self._early.append(message)
            return
        try:
            self._take(message)
        except Exception as error:  # noqa: BLE001 - it is raised where somebody listens
            self._take = _ignore
            if not self._over.done():
                self._over.set_exception(error)


def _ignore(message: str | None) -> None:
    del message
