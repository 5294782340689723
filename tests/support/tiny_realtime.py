"""A Realtime endpoint of thirty lines: accepts the session, says one thing when asked to, keeps what it was sent."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

SILENCE_200_MS = base64.b64encode(b"\xff" * 1600).decode()


class TinyRealtime:
    """What happened, and what shall happen."""

    def __init__(self) -> None:
        self.url = ""
        self.usage: dict[str, Any] | None = None
        """What every response has used."""
        self.received: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.sockets: list[ServerConnection] = []
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self._news = asyncio.Event()

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.received if message["type"] == kind]

    async def got(self, kind: str, count: int) -> list[dict[str, Any]]:
        """Wait for so many messages of a kind."""
        while len(self.of_type(kind)) < count:
            self._news.clear()
            await self._news.wait()
        return self.of_type(kind)

    async def hold(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.headers.append(dict(socket.request.headers.raw_items()))
        self.sockets.append(socket)
        self.opened.set()
        await send(socket, type="session.created", session={"id": "sess_1"})
        try:
            async for text in socket:
                message = json.loads(text)
                self.received.append(message)
                self._news.set()
                await self.answer(socket, message)
        except ConnectionClosed:
            pass
        self.closed.set()

    async def answer(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] == "session.update":
            await send(socket, type="session.updated", session=message["session"])
        if message["type"] == "response.create":
            metadata = message.get("response", {}).get("metadata")
            ids = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
            response = {"id": "resp_1", "status": "in_progress", "metadata": metadata, "output": []}
            await send(socket, type="response.created", response=response)
            await send(socket, type="response.output_audio_transcript.delta", delta="Hello!", **ids)
            await send(socket, type="response.output_audio.delta", delta=SILENCE_200_MS, **ids)
            await send(socket, type="response.output_audio.done", **ids)
            await send(socket, type="response.done", response={**response, "status": "completed", "usage": self.usage})


async def send(socket: ServerConnection, **message: Any) -> None:
    await socket.send(json.dumps({"event_id": "event_1", **message}))


Model = TypeVar("Model", bound=TinyRealtime)


@asynccontextmanager
async def serving(model: Model, address: str = "127.0.0.1") -> AsyncIterator[Model]:
    """Serve on a free port of the loopback, or of another address of this machine."""
    async with serve(model.hold, address, 0, compression=None, close_timeout=0.5) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        model.url = f"ws://{address}:{port}/v1/realtime?model=test"
        yield model


def tiny_realtime() -> AbstractAsyncContextManager[TinyRealtime]:
    """Serve one that says one thing."""
    return serving(TinyRealtime())
