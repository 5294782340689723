"""A stream's socket: what keeps it from opening, and a server that does not read."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.tiny_customer import TOKEN, Stream, stream_server
from voice_agent.emulator.twilio.hearing import Hearing
from voice_agent.emulator.twilio.media_stream import MediaStream, StreamError, open_socket
from voice_agent.sim.carrier import Carrier, CarrierCall, HangUp, Switches

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def answering(received: bytes, scheme: str = "ws", path: str = "/media") -> None:
    """Open a stream at a server that answers everything with these bytes; with none it closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(received)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        await open_socket(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}", TOKEN)
    finally:
        server.close()
        await server.wait_closed()


async def silent() -> None:
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    try:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await open_socket(url, TOKEN, open_seconds=0.05)
    finally:
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("opening", "code", "says"),
    [
        (lambda: answering(b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n"), 31920, "refused the stream: HTTP 403"),
        (lambda: answering(b"HTTP/1.1 307 x\r\nLocation: /m\r\nContent-Length: 0\r\n\r\n"), 31920, "stream: HTTP 307"),
        (lambda: answering(b"SSH-2.0 hello\r\n\r\n"), 31920, "is no WebSocket server"),
        (lambda: answering(b""), 31920, "is no WebSocket server"),
        (lambda: answering(b"HTTP/1.1 400 what?\r\n\r\n", scheme="wss"), 31910, "cannot be reached"),
        (lambda: answering(b"", path="/media?token=1"), 31920, "has no query string"),
        (lambda: open_socket("ws://example.com/media", TOKEN), 31922, "needs wss://"),
        (lambda: open_socket("wss://127.0.0.1:99999/media", TOKEN), 31923, "is no address of a stream"),
        (lambda: open_socket("wss://[::1/media", TOKEN), 31923, "is no address of a stream"),
        (lambda: open_socket("wss://alder..example/media", TOKEN), 31923, "is no address of a stream"),
        (lambda: open_socket("wss:///media", TOKEN), 31923, "is no address of a stream"),
        (lambda: open_socket("ws://127.0.0.1:9/media", TOKEN), 31902, "connection refused: is the server running?"),
        (silent, 31901, "did not open the stream within 0.05 s"),
    ],
)
def test_a_stream_that_does_not_open_has_twilios_number_and_one_line(
    opening: Callable[[], Awaitable[object]], code: int, says: str
) -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            await opening()

    with pytest.raises(StreamError) as caught:
        asyncio.run(main())

    assert caught.value.code == code
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_audio_for_a_server_that_does_not_read_is_discarded_and_the_rest_is_not() -> None:
    events: list[str] = []

    async def talk(stream: Stream) -> None:
        await stream.read("stop")
        events.extend(message["event"] for message in stream.received)

    async def main() -> None:
        carrier = Carrier(CarrierCall(call_sid="CA1", stream_sid="MZ1", account_sid="AC1"), Switches(frame_ms=5))
        warned = asyncio.Event()
        hearing = Hearing(lambda _: None, lambda _: None)

        def look() -> None:
            if carrier.warnings:
                warned.set()

        stream = MediaStream(carrier, hearing, look, outbox_messages=0)
        async with asyncio.timeout(30), stream_server(talk) as url, asyncio.TaskGroup() as tasks:
            held = tasks.create_task(stream.run(await open_socket(url, TOKEN)))
            await warned.wait()
            stream.feed(HangUp())
            assert (await held).reason == "caller_hung_up"
            stream.feed(HangUp())

        assert [entry.code for entry in carrier.warnings] == [31930]
        assert events == ["connected", "start", "stop"]

    asyncio.run(main())


def test_a_stream_that_is_cancelled_leaves_no_socket_behind() -> None:
    closed = asyncio.Event()

    async def talk(stream: Stream) -> None:
        await stream.socket.wait_closed()
        closed.set()

    async def main() -> None:
        carrier = Carrier(CarrierCall(call_sid="CA1", stream_sid="MZ1", account_sid="AC1"))
        stream = MediaStream(carrier, Hearing(lambda _: None, lambda _: None), lambda: None)
        async with asyncio.timeout(30), stream_server(talk) as url, asyncio.TaskGroup() as tasks:
            held = tasks.create_task(stream.run(await open_socket(url, TOKEN)))
            await asyncio.sleep(0)
            held.cancel()
            await closed.wait()

    asyncio.run(main())
