import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from voice_agent.emulator.load.callers import Callers, CallRecord, straight_to


async def ignore(socket: ServerConnection) -> None:
    """Take a stream and never read what comes."""
    socket.transport.pause_reading()
    await socket.wait_closed()


async def refuse(socket: ServerConnection, _: Request) -> Response:
    return socket.respond(HTTPStatus.FORBIDDEN, "not signed")


def one_call(
    handle: Callable[[ServerConnection], Awaitable[None]],
    process: Callable[[ServerConnection, Request], Awaitable[Response]] | None = None,
) -> tuple[CallRecord, float]:
    """Hold a call until it speaks or has failed; gives its record, and so many seconds it listened after the end."""

    async def hold() -> tuple[CallRecord, float]:
        async with serve(handle, "127.0.0.1", 0, process_request=process, close_timeout=0.1) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            callers = Callers(straight_to(f"ws://127.0.0.1:{port}/"), "ab")
            async with asyncio.TaskGroup() as tasks:
                await callers.begin(1, tasks)
                end_ns = time.perf_counter_ns()
                (record,) = await callers.end()
        return record, (record.ended_ns - end_ns) / 1e9

    return asyncio.run(hold())


def test_a_caller_listens_until_the_hang_up_however_long_the_server_takes_to_close() -> None:
    record, longer_s = one_call(ignore)

    assert record.broken == ""
    # The server is waited for for a second; what the model says in it nobody is there to hear.
    assert longer_s < 0.5


def test_a_stream_that_is_refused_says_why_in_a_few_words() -> None:
    assert one_call(ignore, refuse)[0].broken == "no stream: server rejected WebSocket connection: HTTP 403"
