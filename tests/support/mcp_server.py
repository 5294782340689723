"""A real MCP server on the loopback, by the official package: Streamable HTTP, with a key that it asks for."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

TOKEN, KEY = "token-0123456789", "key-0123456789"


class Calendar:
    """What it was asked, and where it is."""

    def __init__(self) -> None:
        self.url = ""
        self.booked: list[str] = []
        self.refused = 0
        """Requests without its token and key."""
        server = MCPServer("calendar")

        @server.tool(annotations=ToolAnnotations(read_only_hint=True))
        def free_slots(day: str) -> dict[str, Any]:
            """Find free appointment times."""
            if day == "sunday":
                raise ToolError("closed on sundays")
            return {"day": day, "first": "9:00"}

        @server.tool()
        def book(time: str) -> str:
            """Book an appointment."""
            self.booked.append(time)
            return f"booked {time}"

        @server.tool()
        async def slow() -> str:
            """Take for ever."""
            await asyncio.Event().wait()
            return ""

        self._app = server.streamable_http_app()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve ASGI; whoever lacks token or key is sent away."""
        headers = dict(scope.get("headers", ()))
        allowed = headers.get(b"authorization") == f"Bearer {TOKEN}".encode() and headers.get(b"x-key") == KEY.encode()
        if scope["type"] == "http" and not allowed:
            self.refused += 1
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"who are you?"})
            return
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def calendar_server() -> AsyncIterator[Calendar]:
    """Serve on a free port."""
    calendar = Calendar()
    listening = socket.create_server(("127.0.0.1", 0))
    calendar.url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    server = _Server(
        uvicorn.Config(calendar, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=1)
    )
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve([listening]))
        await server.ready.wait()
        try:
            yield calendar
        finally:
            server.should_exit = True
            await serving
