"""How a session ends, whoever ends it, and what nothing becomes of then."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.support.held_session import ENDED, by_text, hold, run_with_phone
from tests.support.pump import FakeBridge, FakeLeg, FakeWork, settle
from voice_agent.call.commands import CloseModel, ClosePhone, ConnectModel, RunTool
from voice_agent.call.events import EndRequested, MachineVerdict, PhoneClosed, ToolFinished
from voice_agent.live.session import Session
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import PhoneText


def test_a_call_ends_when_it_says_so_and_both_sockets_are_closed() -> None:
    bridge = FakeBridge(by_text(end=[CloseModel(), ClosePhone("bye"), ENDED]), first=[ConnectModel()])
    phone, model = FakeLeg(), FakeLeg()
    session = Session(bridge, FakeWork(model))

    async def script() -> None:
        phone.hear(PhoneText("end"))

    run_with_phone(session, phone, script)

    assert session.ended == ENDED
    assert (phone.closed, model.closed) == ("bye", "")


def test_a_call_that_ends_without_closing_its_sockets_has_them_closed() -> None:
    bridge = FakeBridge(by_text(end=[ENDED]), first=[ConnectModel()])
    phone, model = FakeLeg(), FakeLeg()

    async def script() -> None:
        phone.hear(PhoneText("end"))

    run_with_phone(Session(bridge, FakeWork(model)), phone, script)

    assert phone.closed is not None
    assert model.closed is not None


def test_nothing_is_fed_after_the_end() -> None:
    bridge = FakeBridge(by_text(end=[ENDED]))
    phone = FakeLeg(last=PhoneClosed(1000))

    async def script() -> None:
        phone.hear(PhoneText("end"))
        phone.hear(PhoneText("late"))

    run_with_phone(Session(bridge, FakeWork()), phone, script)

    assert bridge.fed == [PhoneText("end")]


def test_a_tool_that_still_runs_at_the_end_does_not_hold_the_call() -> None:
    bridge = FakeBridge(by_text(work=[RunTool("c1", "book", "{}")], end=[ENDED]))
    work, phone = FakeWork(), FakeLeg()
    work.tool_hangs = True

    async def script() -> None:
        phone.hear(PhoneText("work"))
        await settle()
        phone.hear(PhoneText("end"))

    run_with_phone(Session(bridge, work), phone, script)

    assert work.ran


def test_work_ordered_in_the_last_step_is_dropped_without_a_warning() -> None:
    bridge = FakeBridge(by_text(end=[RunTool("c1", "book", "{}"), ConnectModel(), ENDED]))
    phone = FakeLeg()

    async def script() -> None:
        phone.hear(PhoneText("end"))

    session = Session(bridge, FakeWork())
    run_with_phone(session, phone, script)

    assert session.ended == ENDED


def test_a_call_that_ended_before_its_stream_came_closes_the_stream() -> None:
    bridge = FakeBridge(by_text(), first=[ENDED])
    session, phone = Session(bridge, FakeWork()), FakeLeg()

    async def main() -> None:
        async with asyncio.timeout(30):
            await session.run()
            await session.serve(phone, ["start"])

    asyncio.run(main())

    assert phone.closed == "the call has ended"
    assert bridge.fed == []


def test_a_stream_that_comes_while_the_ended_calls_model_still_closes_is_closed_too() -> None:
    class Lingering(FakeLeg):
        def close(self, reason: str) -> None:
            """The peer takes its time."""

        def let_go(self) -> None:
            super().close("")

    bridge, model, phone = FakeBridge(by_text(), first=[ConnectModel(), ENDED]), Lingering(), FakeLeg()
    session = Session(bridge, FakeWork(model))

    async def main() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(session.run())
            await settle()
            await session.serve(phone, ["start"])
            model.let_go()

    asyncio.run(main())

    assert phone.closed == "the call has ended"


def test_somebody_else_can_ask_for_the_end() -> None:
    bridge = FakeBridge(lambda received: [ENDED] if isinstance(received, EndRequested) else [])
    session = Session(bridge, FakeWork())

    async def script() -> None:
        await settle()
        session.end("drain")
        await session.finished()
        session.end("again: too late, and no harm")

    hold(session, script)

    assert bridge.fed == [EndRequested("drain")]


def test_the_agent_can_be_asked_for_a_goodbye_before_the_end() -> None:
    bridge = FakeBridge(lambda received: [ENDED] if isinstance(received, EndRequested) else [])
    session = Session(bridge, FakeWork())

    async def script() -> None:
        await settle()
        session.end("spent", goodbye=True)

    hold(session, script)

    assert bridge.fed == [EndRequested("spent", goodbye=True)]


def test_a_call_that_is_asked_to_end_before_it_began_ends_as_soon_as_it_has() -> None:
    bridge = FakeBridge(lambda received: [ENDED] if isinstance(received, EndRequested) else [])
    session = Session(bridge, FakeWork())
    session.end("drain")

    async def main() -> None:
        async with asyncio.timeout(30):
            await session.run()

    asyncio.run(main())

    assert bridge.fed == [EndRequested("drain")]


@pytest.mark.parametrize("at", ["stream", "timer", "end"])
def test_a_fault_of_ours_ends_the_call_and_lets_the_stream_go(at: str) -> None:
    def answer(received: Input) -> Sequence[Output]:
        raise AssertionError("a bug")

    bridge = FakeBridge(answer)
    bridge.due_ms = 0 if at == "timer" else None
    session, phone = Session(bridge, FakeWork()), FakeLeg()

    async def main() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(session.serve(phone, ["boom"] if at == "stream" else []))
            if at == "end":
                asyncio.get_running_loop().call_later(0.01, session.end, "over")
            with pytest.raises(ExceptionGroup):
                await session.run()
            await serving

    asyncio.run(main())

    assert len(bridge.fed) == 1


def test_a_call_that_breaks_off_by_a_fault_may_be_asked_to_end_while_its_work_is_let_go() -> None:
    class Work(FakeWork):
        let_go = asyncio.Event()

        async def run_tool(self, order: RunTool) -> ToolFinished:
            try:
                return await super().run_tool(order)
            finally:
                await self.let_go.wait()  # hangs up on somebody, e.g.

    def answer(received: Input) -> Sequence[Output]:
        assert received != PhoneText("boom"), "a bug"
        return [RunTool("c1", "book", "{}")]

    work, phone = Work(), FakeLeg()
    work.tool_hangs = True
    session = Session(FakeBridge(answer), work)

    async def main() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(broken(session))
            serving = tasks.create_task(session.serve(phone, ["work", "boom"]))
            await settle()
            assert not running.done()
            try:
                session.end("the server stops")
                session.lose()
                session.tell(MachineVerdict("human"))
            finally:
                work.let_go.set()
            await serving

    async def broken(session: Session) -> None:
        with pytest.raises(ExceptionGroup):
            await session.run()

    asyncio.run(main())
