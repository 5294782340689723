"""What stands between a witness and the stand-ins: a relay that notes both sides' events, and a line that is slow."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

MESSAGE_BYTES = 24 * 1024 * 1024


class Told(msgspec.Struct, frozen=True):
    """One Realtime event."""

    at_s: float
    """`time.monotonic()`."""
    by: Literal["client", "server"]
    event: dict[str, Any]


class Notes:
    """What went through a relay."""

    def __init__(self) -> None:
        self.url = ""
        self.told: list[Told] = []

    def of(self, by: Literal["client", "server"], event_type: str) -> list[dict[str, Any]]:
        """All events of a type, in order."""
        return [told.event for told in self.told if told.by == by and told.event["type"] == event_type]


@asynccontextmanager
async def noting_relay(to_url: str) -> AsyncIterator[Notes]:
    """Pass Realtime sessions on to a server, and note every event."""
    notes = Notes()

    async def copy(
        source: ServerConnection | ClientConnection,
        target: ServerConnection | ClientConnection,
        by: Literal["client", "server"],
    ) -> None:
        with suppress(ConnectionClosed):
            async for text in source:
                notes.told.append(Told(time.monotonic(), by, json.loads(text)))
                await target.send(text)
        await target.close()

    async def hold(client: ServerConnection) -> None:
        assert client.request is not None, "the handler runs after the handshake"
        query = urlsplit(client.request.path).query
        async with (
            connect(f"{to_url}?{query}", compression=None, max_size=MESSAGE_BYTES) as server,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(copy(client, server, "client"))
            tasks.create_task(copy(server, client, "server"))

    async with serve(hold, "127.0.0.1", 0, compression=None, max_size=MESSAGE_BYTES) as listening:
        notes.url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/v1/realtime"
        yield notes


class SlowLine:
    """Two ports of this machine, the near one and the far one, and the way between them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.to_port = 0
        """To be set before somebody connects."""


@asynccontextmanager
async def slow_line(one_way_ms: int) -> AsyncIterator[SlowLine]:
    """Give a line on which every byte is `one_way_ms` late in each direction."""
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read at once, write when it is due."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            data = b"."
            while data:
                try:
                    data = await reader.read(65536)
                except OSError:
                    data = b""
                under_way.put_nowait((time.monotonic() + one_way_ms / 1000, data))

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    writer.close()
                    return
                writer.write(data)

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is held by a task of its own"
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", line.to_port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(carry(reader, far_writer))
                group.create_task(carry(far_reader, writer))
        except asyncio.CancelledError:
            writer.transport.abort()
            far_writer.transport.abort()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    line = SlowLine(server.sockets[0].getsockname()[1])
    try:
        yield line
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
