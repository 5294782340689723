"""The server's side of an ASGI WebSocket, without a socket: the peer's deeds go in, what it would see comes out."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from voice_agent.live.phone_leg import Message
from voice_agent.wire.texts import PhoneText


class FakeWebSocket:
    """`receive` and `send` of one connection, and its raw socket."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.closed = asyncio.Event()
        self.aborted = False
        self.admitted = False
        self.stuck = False
        """Writing never ends: the peer reads nothing."""
        self.gone = False
        """Writing fails: the peer is not there."""
        self.pong: bool | None = True
        """`None`: the socket is closing, so that no ping can be sent."""
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()

    # --- the peer ----------------------------------------------------------------------------------------------------

    def says(self, *texts: str) -> None:
        for text in texts:
            self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def says_bytes(self, data: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    def leaves(self, code: int = 1000, reason: str = "") -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]

    @property
    def close_frame(self) -> tuple[int, str]:
        (message,) = (message for message in self.sent if message["type"] == "websocket.close")
        return message.get("code", 1000), message.get("reason", "")

    # --- the server's side -------------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        return await self._incoming.get()

    async def send(self, message: Message) -> None:
        if self.gone:
            raise OSError("gone")
        if self.stuck:
            await asyncio.Event().wait()
        self.sent.append(message)
        if message["type"] == "websocket.close":
            self.leaves(message.get("code", 1000), message.get("reason", ""))
            self.closed.set()

    async def ping(self) -> None:
        if self.pong is None:
            raise OSError("closing")
        if not self.pong:
            await asyncio.Event().wait()

    def abort(self) -> None:
        self.aborted = True

    def give(self, take: Callable[[PhoneText], None]) -> None:
        """What the peer says comes by `receive` here."""

    def write(self, text: str) -> bool:
        if self.gone or self.stuck:
            return False
        self.sent.append({"type": "websocket.send", "text": text})
        return True

    def let_in(self) -> None:
        self.admitted = True


def websocket_scope(
    path: str = "/twilio/media", headers: Mapping[str, str] | None = None, socket: FakeWebSocket | None = None
) -> dict[str, Any]:
    """What uvicorn gives with a WebSocket."""
    return {
        "type": "websocket",
        "path": path,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": ("192.0.2.1", 1234),
        "extensions": {} if socket is None else {"voice_agent.socket": {"socket": socket}},
    }
