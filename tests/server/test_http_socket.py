"""Connections as strangers make them, at a real socket with short limits."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial

import uvicorn

from voice_agent.live.admission import Refusal
from voice_agent.live.phone_leg import Receive, Send
from voice_agent.server.doorstep import Doorstep
from voice_agent.server.http_socket import HttpSocket
from voice_agent.server.media import Scope
from voice_agent.server.stream_socket import EXTENSION, StreamSocket

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LONG = 4_000_000
"""More than the kernel's buffers hold."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/console":
        scope["extensions"][EXTENSION]["socket"].let_in()
        await asyncio.sleep(0.1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/long":
        await send({"type": "http.response.body", "body": b"x" * LONG, "more_body": True})
    await send({"type": "http.response.body", "body": b"xx"})


class Site:
    def __init__(
        self, port: int, doorstep: Doorstep, told: list[Refusal], news: asyncio.Event, sockets: ExitStack
    ) -> None:
        self.port = port
        self.doorstep = doorstep
        self.told = told
        self.news = news
        self._sockets = sockets

    async def connect(self, *sent: bytes) -> socket.socket:
        loop = asyncio.get_running_loop()
        connection = self._sockets.enter_context(socket.socket())
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", self.port))
        await loop.sock_sendall(connection, b"".join(sent))
        return connection


@asynccontextmanager
async def a_site(most: int = 100, request_seconds: float = 0.4, answer_seconds: float = 0.05) -> AsyncIterator[Site]:
    told: list[Refusal] = []
    news = asyncio.Event()

    def tell(refusal: Refusal) -> None:
        told.append(refusal)
        news.set()

    doorstep = Doorstep(tell, most=most, request_seconds=request_seconds, answer_seconds=answer_seconds)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        http, ws = partial(HttpSocket, doorstep), partial(StreamSocket, doorstep)
        config = uvicorn.Config(application, http=http, ws=ws, lifespan="off", log_config=None)  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server._serve([listening]))
            with ExitStack() as sockets:
                yield Site(listening.getsockname()[1], doorstep, told, news, sockets)
            server.should_exit = True
            await serving


async def rest(connection: socket.socket, until: bytes = b"never") -> bytes:
    """Read up to some bytes, or until the server closes, however it does."""
    received = b""
    try:
        while until not in received:
            part = await asyncio.get_running_loop().sock_recv(connection, 65_536)
            if not part:
                break
            received += part
    except ConnectionResetError:
        pass
    return received


def test_a_connection_that_asks_nothing_or_asks_slowly_is_closed() -> None:
    async def main() -> list[Refusal]:
        async with a_site() as site:
            slow = [await site.connect(sent) for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nX: ")]
            assert [await rest(connection) for connection in slow] == [b""] * 3
            assert len(site.doorstep) == 0
            return site.told

    assert asyncio.run(main()) == [Refusal.NO_REQUEST] * 3


def test_after_an_answer_the_next_request_has_its_time_and_no_more() -> None:
    async def main() -> tuple[int, bool, list[Refusal]]:
        async with a_site(answer_seconds=10) as site:
            # One byte more keeps uvicorn's own patience from running out.
            connection = await site.connect(GET, GET, b"G")
            answers = await rest(connection)
            return answers.count(b"HTTP/1.1 200"), answers.endswith(b"0\r\n\r\n"), site.told

    assert asyncio.run(main()) == (2, True, [Refusal.NO_REQUEST])


def test_who_was_let_in_is_answered_however_long_that_takes_and_then_waits_as_anybody() -> None:
    async def main() -> tuple[bytes, int, list[Refusal]]:
        async with a_site() as site:
            connection = await site.connect(GET.replace(b"/ ", b"/console "))
            answer = await rest(connection, until=b"0\r\n\r\n")
            standing = len(site.doorstep)
            await rest(connection)
            return answer, standing, site.told

    answer, standing, told = asyncio.run(main())
    assert answer.startswith(b"HTTP/1.1 200")
    assert (standing, told) == (1, [Refusal.NO_REQUEST])


def test_a_body_that_goes_on_after_its_answer_is_cut_off() -> None:
    async def main() -> list[Refusal]:
        async with a_site() as site:
            await rest(await site.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx"))
            return site.told

    assert asyncio.run(main()) == [Refusal.NO_REQUEST]


def test_who_does_not_read_the_answer_is_closed() -> None:
    async def main() -> list[Refusal]:
        async with a_site(request_seconds=60, answer_seconds=0.1) as site:
            await site.connect(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
            await site.news.wait()
            return site.told

    assert asyncio.run(main()) == [Refusal.ANSWER_NOT_READ]


def test_of_a_crowd_of_idle_connections_few_remain_and_who_asks_is_answered() -> None:
    async def main() -> tuple[bytes, int, list[Refusal]]:
        async with a_site(most=50, request_seconds=60) as site:
            for _ in range(300):
                await site.connect()
            answer = await rest(await site.connect(GET), b"xx")
            return answer[:15], len(site.doorstep), site.told

    answer, standing, told = asyncio.run(main())

    assert answer == b"HTTP/1.1 200 OK"
    assert standing == 50
    assert told == [Refusal.CROWD] * 251


def test_what_is_no_http_is_refused() -> None:
    async def main() -> tuple[bytes, list[Refusal]]:
        async with a_site(request_seconds=60) as site:
            return await rest(await site.connect(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")), site.told

    answer, told = asyncio.run(main())

    assert answer.startswith(b"HTTP/1.1 400")
    assert told == [Refusal.NO_HTTP]
