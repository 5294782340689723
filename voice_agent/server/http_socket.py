"""uvicorn's own HTTP, whose connections stand on the doorstep: uvicorn itself waits forever for a first request.

Given to uvicorn as its HTTP class. It must not know what is asked.
"""

import asyncio
from typing import Any
from urllib.parse import unquote

from uvicorn.protocols.http.h11_impl import H11Protocol

from voice_agent.live.admission import Refusal
from voice_agent.server.doorstep import Doorstep
from voice_agent.server.exchange import Exchange, head_bytes
from voice_agent.server.stream_socket import EXTENSION


class HttpSocket(H11Protocol):
    """One connection, until it ends or becomes a WebSocket."""

    def __init__(self, doorstep: Doorstep, exchange: Exchange | None = None, **kwargs: object) -> None:
        """`exchange`: gives WebSockets to other workers; `None`: there are none."""
        super().__init__(**kwargs)  # type: ignore[arg-type] # uvicorn's business
        self.given = False
        self.offered = ""
        """See `exchange.GivenSocket`."""
        self._doorstep = doorstep
        self._exchange = exchange

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Begin."""
        super().connection_made(transport)
        self._doorstep.wait_for_request(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._doorstep.leave(self.transport)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take what has come, and see whether a request was among it."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_complete:
            self._doorstep.wait_for_answer(self.transport)
            # The application runs as a task, which has not begun yet.
            self.scope["extensions"] = {EXTENSION: {"socket": self}}

    @property
    def descriptor(self) -> int:
        """The connection's file descriptor."""
        return int(self.transport.get_extra_info("socket").fileno())

    def give_away(self) -> None:
        """Close it here, unanswered: it goes on elsewhere."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()

    def let_in(self) -> None:
        """Take it from the doorstep until its answer is whole, however long that takes."""
        self._doorstep.leave(self.transport)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection to the WebSocket, which has the time of an answer until it is let in."""
        if self._exchange is not None:
            path = unquote(event.target.partition(b"?")[0].decode("ascii"))
            if self._exchange.give_upgrade(path, head_bytes(event.method, event.target, self.headers), self):
                return
        self._doorstep.wait_for_answer(self.transport)
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._doorstep.turned_out(Refusal.NO_HTTP)
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        if not self.transport.is_closing():
            self._doorstep.wait_for_request(self.transport)
        super().on_response_complete()
