import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import uvicorn
from uvicorn.protocols.utils import ClientDisconnected
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voice_agent.live.admission import Refusal
from voice_agent.live.phone_leg import Receive, Send
from voice_agent.server.doorstep import Doorstep
from voice_agent.server.media import Scope
from voice_agent.server.stream_socket import EXTENSION, StreamSocket

Endpoint = Callable[[StreamSocket, Receive, Send], Awaitable[None]]


@asynccontextmanager
async def connected_to(endpoint: Endpoint) -> AsyncIterator[ClientConnection]:
    """Serve one endpoint and connect to it; errors of the endpoint come out here."""
    errors: list[BaseException] = []
    refused: list[Refusal] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await endpoint(scope["extensions"][EXTENSION]["socket"], receive, send)
        except AssertionError as error:
            errors.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            application,
            ws=partial(StreamSocket, Doorstep(refused.append)),  # type: ignore[arg-type]
            ws_max_size=1000,
            lifespan="off",
            log_config=None,
        )
        server = uvicorn.Server(config)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server._serve([listening]))
            url = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
            async with connect(url, compression=None, close_timeout=0.1) as client:
                yield client
            server.should_exit = True
            await serving
    assert not errors, errors


def test_a_ping_returns_when_the_peer_answers() -> None:
    async def endpoint(stream: StreamSocket, receive: Receive, send: Send) -> None:
        reading = asyncio.ensure_future(receive())
        await stream.ping()
        await stream.ping()
        await send({"type": "websocket.send", "text": "two pongs"})
        await reading

    async def main() -> str | bytes:
        async with connected_to(endpoint) as client:
            return await client.recv()

    assert asyncio.run(main()) == "two pongs"


def test_an_abort_drops_the_connection_at_once() -> None:
    async def endpoint(stream: StreamSocket, receive: Receive, send: Send) -> None:
        stream.abort()
        message = await receive()
        assert (message["type"], message["code"]) == ("websocket.disconnect", 1005)

    async def main() -> None:
        async with connected_to(endpoint) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()

    asyncio.run(main())


def test_whatever_comes_after_the_close_is_an_os_error() -> None:
    told = asyncio.Event()

    async def endpoint(stream: StreamSocket, receive: Receive, send: Send) -> None:
        # uvicorn closes by itself: the message is longer than it may be.
        message = await receive()
        assert (message["type"], message["code"]) == ("websocket.disconnect", 1009)
        with pytest.raises(ClientDisconnected):
            await send({"type": "websocket.send", "text": "too late"})
        with pytest.raises(OSError, match="closing"):
            await stream.ping()
        told.set()

    async def main() -> None:
        async with connected_to(endpoint) as client:
            await client.send("x" * 2000)
            await told.wait()

    asyncio.run(main())


def test_a_wrong_order_of_messages_stays_a_fault_of_the_program() -> None:
    async def endpoint(stream: StreamSocket, receive: Receive, send: Send) -> None:
        with pytest.raises(RuntimeError):
            await send({"type": "websocket.accept"})

    async def main() -> None:
        async with connected_to(endpoint) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()

    asyncio.run(main())
