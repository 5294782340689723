"""uvicorn's own WebSocket, plus what ASGI cannot say: a ping that is answered, an abort, and that it was let in.

Given to uvicorn as its WebSocket class. It must not know what a stream is.
"""

import asyncio
import itertools

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from voice_agent.live.leg import CLOSE_SECONDS
from voice_agent.server.doorstep import Doorstep

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
