import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.asgi import FakeWebSocket
from tests.support.pump import settle
from voice_agent.call.events import PhoneClosed, PhoneFault
from voice_agent.live import phone_leg
from voice_agent.live.phone_leg import PhoneLeg
from voice_agent.wire.bridge import Input
from voice_agent.wire.texts import PhoneText

Script = Callable[[FakeWebSocket, PhoneLeg], Awaitable[None]]


def run_leg(script: Script, *, stuck: bool = False, gone: bool = False) -> tuple[list[Input], FakeWebSocket]:
    """Run a leg while the script does what it likes; give what was fed."""
    fed: list[Input] = []
    sockets: list[FakeWebSocket] = []

    async def main() -> None:
        socket = FakeWebSocket()
        socket.stuck, socket.gone = stuck, gone
        sockets.append(socket)
        leg = PhoneLeg(socket.receive, socket.send, socket)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(leg.run(fed.append))
            await script(socket, leg)
            await running

    asyncio.run(main())
    return fed, sockets[0]


def test_texts_are_fed_and_binary_messages_are_faults_that_leave_the_call_alive() -> None:
    async def script(socket: FakeWebSocket, leg: PhoneLeg) -> None:
        socket.says("one")
        socket.says_bytes(b"\x00")
        socket.says("two")
        socket.leaves(1000, "bye")

    fed, _ = run_leg(script)

    assert fed == [PhoneText("one"), PhoneFault("a binary message"), PhoneText("two"), PhoneClosed(1000, "bye")]


@pytest.mark.parametrize("code", [1005, 1006])
def test_without_a_close_frame_there_is_no_code(code: int) -> None:
    async def script(socket: FakeWebSocket, leg: PhoneLeg) -> None:
        socket.leaves(code)

    fed, _ = run_leg(script)

    assert fed == [PhoneClosed(None)]


def test_what_is_queued_is_written_in_order_before_the_close() -> None:
    async def script(socket: FakeWebSocket, leg: PhoneLeg) -> None:
        for text in ("media", "mark", "clear"):
            leg.send(text)
        assert leg.waiting == 3
        leg.close("done")

    fed, socket = run_leg(script)

    assert socket.texts == ["media", "mark", "clear"]
    assert socket.close_frame == (1000, "done")
    assert fed == [PhoneClosed(1000, "done")]


def test_a_long_reason_fits_into_the_close_frame() -> None:
    async def script(socket: FakeWebSocket, leg: PhoneLeg) -> None:
        leg.close("é" * 100)

    _, socket = run_leg(script)

    assert socket.close_frame == (1000, "é" * 61)


def test_a_peer_that_reads_nothing_any_more_is_dropped_soon_after_the_close() -> None:
    async def script(socket: FakeWebSocket, leg: PhoneLeg) -> None:
        leg.send("media")
        await settle()
        leg.close("done")

    fed, socket = run_leg(script, stuck=True)

    assert fed == [PhoneClosed(None, "it did not answer the close")]
    assert socket.aborted


def test_the_end_of_a_peer_that_went_while_it_was_written_to_is_told_by_the_reader() -> None:
    async def script(socket: FakeWebSocket, leg: PhoneLeg) -> None:
        leg.send("media")
        await settle()
        socket.leaves(1006)

    fed, _ = run_leg(script, gone=True)

    assert fed == [PhoneClosed(None)]


def test_a_stream_that_takes_nothing_any_more_is_noticed_by_its_full_outbox() -> None:
    async def script(socket: FakeWebSocket, leg: PhoneLeg) -> None:
        await settle()
        results = [leg.send("media") for _ in range(phone_leg.OUTBOX_LIMIT + 1)]
        assert results == [*[0] * phone_leg.OUTBOX_LIMIT, None]
        socket.leaves()

    run_leg(script, stuck=True)


@pytest.mark.parametrize(("pong", "alive"), [(True, True), (None, False)])
def test_a_ping_tells_whether_the_peer_lives(pong: bool | None, alive: bool) -> None:
    async def main() -> bool:
        socket = FakeWebSocket()
        socket.pong = pong
        return await PhoneLeg(socket.receive, socket.send, socket).ping()

    assert asyncio.run(main()) is alive


def test_where_the_server_cannot_ping_nothing_is_proved_against_the_peer() -> None:
    async def main() -> bool:
        socket = FakeWebSocket()
        return await PhoneLeg(socket.receive, socket.send, None).ping()

    assert asyncio.run(main())


def test_a_ping_that_is_not_answered_has_its_limit() -> None:
    async def main() -> bool:
        socket = FakeWebSocket()
        socket.pong = False
        return await PhoneLeg(socket.receive, socket.send, socket, ping_seconds=0.01).ping()

    assert not asyncio.run(main())
