import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from voice_agent.live.model_socket import ModelSocket


class Line(asyncio.Transport):
    """The way from a socket to a server; what the server says back is given to the socket by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def pause_reading(self) -> None:
        raise AssertionError("nothing waits here")

    def is_closing(self) -> bool:
        return self.closed

    def write_eof(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    abort = close


Say = Callable[[ServerProtocol], None]


def text(message: str) -> Say:
    return lambda server: server.send_text(message.encode())


def in_parts(message: str) -> Say:
    def say(server: ServerProtocol) -> None:
        data = message.encode()
        server.send_text(data[: len(data) // 2], fin=False)
        server.send_ping(b"between")
        server.send_continuation(data[len(data) // 2 :], fin=True)

    return say


def binary(server: ServerProtocol) -> None:
    server.send_binary(b"\x81\x01x")


async def hear(
    said: list[Say], cuts: list[int], take: Callable[[str | None], None], raw: bytes = b""
) -> ConnectionClosed:
    """Open a socket, let a server say all that and go away; what it sends arrives in pieces."""
    line, server = Line(), ServerProtocol(max_size=None)
    socket = ModelSocket(ClientProtocol(parse_uri("ws://model.test/")), ping_interval=None, close_timeout=0.1)
    socket.connection_made(line)
    opening = asyncio.ensure_future(socket.handshake())
    await asyncio.sleep(0)
    server.receive_data(bytes(line.written))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    for say in said:
        say(server)
    sent = b"".join(server.data_to_send()) + raw
    places = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
    for start, end in pairwise(places):
        socket.data_received(sent[start:end])
    await opening
    listening = asyncio.ensure_future(socket.listen(take))
    await asyncio.sleep(0)
    socket.connection_lost(None)
    return await listening


messages = st.one_of(
    st.text(max_size=20).map(lambda message: (text(message), message)),
    st.text(max_size=20).map(lambda message: (in_parts(message), message)),
    st.sampled_from([125, 126, 65_535, 65_536, 70_000]).map(lambda length: (text("x" * length), "x" * length)),
    st.just((binary, None)),
)


@given(st.lists(messages, max_size=6), st.lists(st.integers(0, 200_000), max_size=6))
def test_all_messages_come_in_order_however_they_arrive(told: list[tuple[Say, str | None]], cuts: list[int]) -> None:
    came: list[str | None] = []

    asyncio.run(hear([say for say, _ in told], cuts, came.append))

    assert came == [message for _, message in told]


@pytest.mark.parametrize("cut", [3, 10_000])
@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (Frame(Opcode.TEXT, b"\xff").serialize(mask=False), 1007),
        (
            Frame(Opcode.TEXT, b"\xff", fin=False).serialize(mask=False)
            + Frame(Opcode.CONT, b"").serialize(mask=False),
            1007,
        ),
        (b"\x81\x81abcd\x19", 1002),
        (
            Frame(Opcode.TEXT, b"x", fin=False).serialize(mask=False) + Frame(Opcode.TEXT, b"y").serialize(mask=False),
            1002,
        ),
        (b"\xc1\x01x", 1002),
        (Frame(Opcode.CONT, b"x").serialize(mask=False), 1002),
        (b"\x81\x7f" + (2**24).to_bytes(8), 1009),
    ],
)
def test_what_no_server_may_send_closes_with_the_librarys_code(raw: bytes, code: int, cut: int) -> None:
    came: list[str | None] = []

    closed = asyncio.run(
        hear([text("before")], [cut], came.append, raw + Frame(Opcode.TEXT, b"after").serialize(mask=False))
    )

    assert came == ["before"]
    assert closed.sent is not None
    assert closed.sent.code == code


def test_a_close_tells_its_code_and_nothing_is_taken_behind_it() -> None:
    came: list[str | None] = []

    closed = asyncio.run(
        hear(
            [text("before"), lambda server: server.send_close(4000, "enough")],
            [],
            came.append,
            Frame(Opcode.TEXT, b"after").serialize(mask=False),
        )
    )

    assert came == ["before"]
    assert closed.rcvd is not None
    assert (closed.rcvd.code, closed.rcvd.reason) == (4000, "enough")


def test_a_fault_of_who_takes_the_messages_comes_out_of_listening() -> None:
    came: list[str | None] = []

    def take(message: str | None) -> None:
        came.append(message)
        raise KeyError(message)

    with pytest.raises(KeyError, match="first"):
        asyncio.run(hear([text("first"), text("second")], [], take))
    assert came == ["first"]
