"""Small servers on this machine for one test: HTTP with one answer, WebSocket with one first word."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response


@asynccontextmanager
async def http_server(status: int = 200, body: str = "", header: str = "", wait: bool = False) -> AsyncIterator[str]:
    """Give the URL of a server that answers everything alike (`header`: one line more), or with `wait` not at all."""
    until = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if wait:
            await until.wait()
        lines = [
            f"HTTP/1.1 {status} x",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *([header] if header else []),
        ]
        writer.write("\r\n".join([*lines, "", body]).encode())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        until.set()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def websocket_server(
    first: str | bytes | None = None, status: int = 101, close: int = 1000
) -> AsyncIterator[str]:
    """Give the URL of a server that sends one message and waits, closes at once, or refuses the upgrade."""

    async def talk(socket: ServerConnection) -> None:
        if first is None:
            await socket.close(close, "no more")
            return
        await socket.send(first)
        await socket.wait_closed()

    def refuse(socket: ServerConnection, request: Request) -> Response | None:
        del request
        if status == 101:
            return None
        body = json.dumps({"error": {"message": "Incorrect API key provided"}})
        return socket.respond(HTTPStatus(status), body)

    async with serve(talk, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
