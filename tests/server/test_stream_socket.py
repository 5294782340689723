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
from voice_agent.live.phone_leg import FAULT, Receive, Send
from voice_agent.server.doorstep import Doorstep
from voice_agent.server.media import Scope
from voice_agent.server.stream_socket import EXTENSION, StreamSocket
from voice_agent.text_frames import ClientFrames
from voice_agent.wire.texts import PhoneText

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


def test_texts_reach_who_takes_them_in_order_with_all_that_comes_the_long_way() -> None:
    came: list[object] = []

    async def endpoint(stream: StreamSocket, receive: Receive, send: Send) -> None:
        stream.give(lambda taken: came.append(taken.text))
        assert stream.write("begin")
        while (message := await receive())["type"] == "websocket.receive":
            came.append(message.get("text") or message["bytes"])

    async def main() -> None:
        async with connected_to(endpoint) as client:
            assert await client.recv() == "begin"
            await client.send("one")
            await client.send(["t", "wo"])
            await client.send("three")
            await client.send(b"four")
            await (await client.ping())
            frames = ClientFrames()
            for byte in frames.text("fünf") + frames.text("x" * 900):
                client.transport.write(bytes([byte]))
            client.transport.write(frames.text("six") + frames.text("seven"))

    asyncio.run(main())

    assert came == ["one", "two", "three", b"four", "fünf", "x" * 900, "six", "seven"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\xfe\x07\xd0" + bytes(2004), 1009),
        (b"\x81\xff" + (100_000).to_bytes(8) + b"mask", 1009),
        (b"\x81\x01x", 1002),
        (b"\x81\x82\x00\x00\x00\x00\xc3\x28", 1007),
        (b"\xf1\x81\x00\x00\x00\x00x", 1002),
    ],
    ids=["too long", "a length of 64 bits", "no mask", "no UTF-8", "reserved bits"],
)
def test_what_no_client_may_send_closes_the_socket_and_is_given_to_nobody(frame: bytes, code: int) -> None:
    came: list[PhoneText] = []

    async def endpoint(stream: StreamSocket, receive: Receive, send: Send) -> None:
        stream.give(came.append)
        stream.write("begin")
        message = await receive()
        assert message["type"] == "websocket.disconnect"

    async def main() -> int | None:
        async with connected_to(endpoint) as client:
            await client.recv()
            client.transport.write(frame)
            with pytest.raises(ConnectionClosed):
                await client.recv()
            return client.close_code

    assert asyncio.run(main()) == code
    assert came == []


@pytest.mark.parametrize("first", [b"\x89\x80\0\0\0\0", b"\x01\x81\0\0\0\0a", b"\x81\x80\0\0\0\0"])
def test_who_sends_frames_without_content_by_the_thousand_is_dropped(first: bytes) -> None:
    """Pings, pieces of one text, texts: each costs as much as one of Twilio's."""
    empty = first if first[0] != 0x01 else b"\x00\x80\0\0\0\0"

    async def endpoint(stream: StreamSocket, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            assert message.get("text") == ""

    async def main() -> None:
        async with connected_to(endpoint) as client:
            client.transport.write(first + empty * 40_000)
            with pytest.raises(ConnectionClosed):
                await client.recv()

    asyncio.run(main())


def test_an_error_of_who_takes_the_texts_comes_where_the_application_reads() -> None:
    class OursError(Exception):
        pass

    def take(_text: PhoneText) -> None:
        raise OursError

    async def endpoint(stream: StreamSocket, receive: Receive, send: Send) -> None:
        stream.give(take)
        stream.write("begin")
        message = await receive()
        assert (message["type"], type(message["error"])) == (FAULT, OursError)
        assert (await receive())["text"] == "two"

    async def main() -> None:
        async with connected_to(endpoint) as client:
            await client.recv()
            await client.send("one")
            await client.send("two")

    asyncio.run(main())


def test_nothing_is_written_at_once_behind_the_close() -> None:
    async def endpoint(stream: StreamSocket, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        assert not stream.write("too late")

    async def main() -> None:
        async with connected_to(endpoint) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()

    asyncio.run(main())
