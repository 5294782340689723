"""uvicorn's own WebSocket, plus what ASGI cannot say: a ping that is answered, an abort, and that it was let in.

Given to uvicorn as its WebSocket class. It must not know what a stream is.

It also has a short way for what comes 50 times a second and call, a text in one frame: such frames are cut out of the
bytes here and given on at once. uvicorn's way - a parser of generators, a queue, a task to be woken, reading paused and
resumed for each message - costs four times as much as all that the bridge does with the frame. Everything else goes
that way as it came, whole frames at a time: so the parser there always stands at the beginning of a frame.
"""

import asyncio
import itertools
from collections.abc import Callable

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from voice_agent.live.leg import CLOSE_SECONDS
from voice_agent.live.phone_leg import FAULT
from voice_agent.server.doorstep import Doorstep
from voice_agent.text_frames import MOST_AT_ONCE, FrameCutter, client_text, server_frame
from voice_agent.wire.texts import PhoneText

EXTENSION = "voice_agent.socket"
"""The key in the scope's `extensions` under which the socket itself stands."""


class StreamSocket(WebSocketsSansIOProtocol):
    """One WebSocket; fits `live.phone_leg.RawSocket`."""

    def __init__(self, doorstep: Doorstep, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type] # uvicorn's business
        self._doorstep = doorstep
        self.close_timeout = CLOSE_SECONDS
        self._payloads = itertools.count()
        self._pings: dict[bytes, asyncio.Future[None]] = {}
        self._take: Callable[[PhoneText], None] | None = None
        self._upgraded = False
        self._alone = False
        """For certain: nothing is on the long way that a text could overtake, and the peer has not closed."""
        self._cutter = FrameCutter(masked=True, most=self.config.ws_max_size)

    def give(self, take: Callable[[PhoneText], None]) -> None:
        """Give texts straight to `take` from now on, at once and in order with what still comes by `receive`.

        If `take` raises, the error comes by `receive`, as a message of the type `FAULT`.
        """
        self._take = take

    def data_received(self, data: bytes) -> None:
        """Take bytes of the socket."""
        if not self._upgraded:
            # What comes first is the request for the upgrade, and nothing else.
            self._upgraded = True
            super().data_received(data)
            return
        frames = self._cutter.cut(data)
        if len(frames) > MOST_AT_ONCE:
            self.abort()
            return
        for is_text, frame in frames:
            take = self._take
            if take is None or not is_text or self.close_sent or not (self._alone or self._is_alone()):
                self._go_the_long_way(frame)
                continue
            try:
                text = PhoneText(client_text(frame))
            except UnicodeDecodeError:
                self._go_the_long_way(frame)
                continue
            try:
                take(text)
            except Exception as error:  # noqa: BLE001 - it is raised where the application reads
                self._take = None
                self.queue.put_nowait({"type": FAULT, "error": error})  # type: ignore[arg-type] # no message of ASGI

    def _go_the_long_way(self, frame: bytes) -> None:
        self._alone = False
        super().data_received(frame)

    def _is_alone(self) -> bool:
        # `frames`: of a message that is not whole yet.
        self._alone = self.queue.empty() and not self.frames and self.conn.close_rcvd is None
        return self._alone

    def write(self, text: str) -> bool:
        """Write a text at once; `False`: it cannot be now, and `send` waits or says why."""
        if not self.writable.is_set() or self.disconnected or self.close_sent or not self.handshake_complete:
            return False
        self.transport.write(server_frame(text))
        return True

    async def ping(self) -> None:
        """Send a ping and wait for its pong; raises `OSError` when the socket is closing."""
        if self.close_sent or self.transport.is_closing():
            raise OSError("the socket is closing")
        payload = b"check %d" % next(self._payloads)
        answered = self.loop.create_future()
        self._pings[payload] = answered
        try:
            self.conn.send_ping(payload)
            self.transport.write(b"".join(self.conn.data_to_send()))
            await answered
        finally:
            del self._pings[payload]

    def let_in(self) -> None:
        """Take it from the doorstep: from now on it is a call's."""
        self._doorstep.leave(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._doorstep.leave(self.transport)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Drop the connection and whatever is not written yet."""
        self.transport.abort()

    async def run_asgi(self) -> None:
        """Give the socket to the application (and run it)."""
        self.scope["extensions"][EXTENSION] = {"socket": self}
        await super().run_asgi()

    async def send(self, message: ASGISendEvent) -> None:
        """Send one ASGI message; raises `OSError` once the socket is closed, also where uvicorn closed it by itself.

        It does so for a message that is too long and for a missing pong, and would then raise `RuntimeError`.
        """
        try:
            await super().send(message)
            if message["type"] == "websocket.http.response.body":
                # uvicorn forgets that, and logs an error for each upgrade that was answered with a status of ours.
                self.handshake_complete = True
        except RuntimeError as error:
            if self.close_sent:
                raise ClientDisconnected from error
            raise

    def handle_pong(self, event: Frame) -> None:
        """Tell our own pings' pongs from the keepalive's."""
        answered = self._pings.get(bytes(event.data))
        if answered is None:
            super().handle_pong(event)
        elif not answered.done():
            answered.set_result(None)
