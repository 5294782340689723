"""uvicorn's server, as this one needs it: no signals of its own, short limits, and connections that other workers give.

It must not know what is served.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from voice_agent.server.doorstep import Doorstep
from voice_agent.server.exchange import Exchange
from voice_agent.server.http_socket import HttpSocket
from voice_agent.server.stream_socket import StreamSocket

logger = logging.getLogger(__name__)

MESSAGE_BYTES = 64 * 1024
"""Longest message of a stream; Twilio's have some 400 bytes."""

SHUTDOWN_SECONDS = 2
"""How long open HTTP requests may take at the end."""


class HttpServer(uvicorn.Server):
    """uvicorn, leaving signals to whoever owns the process, and telling when it is ready."""

    def __init__(self, application: ASGIApp, doorstep: Doorstep, exchange: Exchange | None = None) -> None:
        """`exchange`: sends on what other workers have to serve; `None`: there are none."""
        self._sockets = partial(HttpSocket, doorstep, exchange)
        super().__init__(_config(application if exchange is None else exchange, self._sockets, doorstep))
        self._exchange = exchange
        self.ready = asyncio.Event()
        self._taking: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin."""
        await super().startup(sockets)
        self.ready.set()

    def accept_no_more(self) -> None:
        """Leave further connections to others who accept from the same socket; those that are here go on."""
        for server in self.servers:
            server.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    def take(self, connection: socket.socket, request: bytes, offered: str) -> None:
        """Serve a connection that another worker has accepted. `request`: what was read of it, to be served here.

        `offered`: see `GivenSocket`.
        """
        task = asyncio.get_running_loop().create_task(self._take(connection, request, offered))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take(self, connection: socket.socket, request: bytes, offered: str) -> None:
        connection.setblocking(False)

        def protocol() -> HttpSocket:
            return self._sockets(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

        try:
            _, served = await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)
        except OSError as error:
            logger.info("a connection of another worker is gone: %s", error)
            connection.close()
            if offered and self._exchange is not None:
                self._exchange.lose(offered)
            return
        served.given, served.offered = True, offered
        served.data_received(request)


def _config(application: ASGIApp, sockets: partial[HttpSocket], doorstep: Doorstep) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=sockets,  # type: ignore[arg-type] # it is called as the class would be
        ws=partial(StreamSocket, doorstep),  # type: ignore[arg-type] # as above
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,  # base64 audio does not compress enough to pay for it
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # What a proxy says about the peer is for logs at most, and anybody can say it.
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
