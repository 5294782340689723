import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from tests.support.pump import FakeBridge, FakeLeg, FakeWork, settle
from voice_agent.call.commands import (
    CallEnded,
    CheckPhone,
    CloseModel,
    ClosePhone,
    ConnectModel,
    HangUp,
    HideCaller,
    HideKeys,
    KeepDigits,
    Note,
    Report,
    RunTool,
    ShowCaller,
    ShowKeys,
)
from voice_agent.call.events import (
    EndRequested,
    HangUpFinished,
    ModelClosed,
    ModelFault,
    ModelOpened,
    PhoneChecked,
    PhoneClosed,
    TimerFired,
    ToolFinished,
)
from voice_agent.live.clock import CallClock
from voice_agent.live.session import Session
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText

ENDED = CallEnded("completed", "", 0)


class FakeRecorder:
    def __init__(self) -> None:
        self.steps: list[tuple[int, Input | None, list[Output]]] = []
        self.remarks: list[tuple[int, str]] = []

    def record(self, now_ms: int, received: Input | None, outputs: Sequence[Output]) -> None:
        self.steps.append((now_ms, received, list(outputs)))

    def remark(self, now_ms: int, what: str) -> None:
        self.remarks.append((now_ms, what))


def by_text(**answers: Sequence[Output]) -> Callable[[Input], Sequence[Output]]:
    """Answer texts by what they say; anything else not at all."""

    def answer(received: Input) -> Sequence[Output]:
        return answers.get(received.text, ()) if isinstance(received, PhoneText | ModelText) else ()

    return answer


def hold(session: Session, script: Callable[[], Awaitable[None]]) -> None:
    """Run a session and a test's script beside it, both to their ends."""

    async def main() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(session.run())
            tasks.create_task(script())  # type: ignore[arg-type] # an async function's result

    asyncio.run(main())


async def joined(session: Session, phone: FakeLeg, tasks: asyncio.TaskGroup, *first: str) -> asyncio.Task[None]:
    task = tasks.create_task(session.serve(phone, first))
    await settle()
    return task


def run_with_phone(session: Session, phone: FakeLeg, script: Callable[[], Awaitable[None]], *first: str) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(session.run())
            await joined(session, phone, tasks, *first)
            await script()

    asyncio.run(main())


def test_texts_are_fed_and_their_answers_go_to_their_legs_in_order() -> None:
    bridge = FakeBridge(
        by_text(a=[PhoneText("1"), ModelText("2"), PhoneText("3")], end=[ENDED]), first=[ConnectModel()]
    )
    phone, model = FakeLeg(), FakeLeg()
    session = Session(bridge, FakeWork(model))

    async def script() -> None:
        phone.hear(PhoneText("a"))
        model.hear(ModelText("b"))
        await settle()
        phone.hear(PhoneText("end"))

    run_with_phone(session, phone, script, "first", "second")

    assert bridge.fed[:2] == [PhoneText("first"), PhoneText("second")]
    assert set(bridge.fed[2:4]) == {PhoneText("a"), ModelText("b")}
    assert (phone.sent, model.sent) == (["1", "3"], ["2"])


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


def test_slow_work_comes_back_as_events() -> None:
    wanted: list[Output] = [RunTool("c1", "book", "{}"), HangUp(), CheckPhone()]
    bridge = FakeBridge(by_text(work=wanted, end=[ENDED]))
    work, phone = FakeWork(), FakeLeg()

    async def script() -> None:
        phone.hear(PhoneText("work"))
        await settle()
        phone.hear(PhoneText("end"))

    run_with_phone(Session(bridge, work), phone, script)

    assert set(bridge.fed[1:-1]) == {ToolFinished("c1", "done"), HangUpFinished(), PhoneChecked(alive=True)}
    assert (work.ran, work.hung_up) == ([wanted[0]], 1)


@pytest.mark.parametrize(
    ("pong", "in_progress", "alive"), [(True, None, True), (True, False, False), (False, True, False)]
)
def test_a_silent_phone_is_alive_if_it_answers_and_the_carrier_still_has_the_call(
    pong: bool, in_progress: bool | None, alive: bool
) -> None:
    bridge = FakeBridge(by_text(check=[CheckPhone()], end=[ENDED]))
    phone = FakeLeg()
    phone.answers_ping = pong

    async def script() -> None:
        phone.hear(PhoneText("check"))
        await settle()
        phone.hear(PhoneText("end"))

    run_with_phone(Session(bridge, FakeWork(in_progress=in_progress)), phone, script)

    assert bridge.fed[1] == PhoneChecked(alive)


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


def test_the_deadline_fires_once_it_is_reached() -> None:
    def answer(received: Input) -> Sequence[Output]:
        if isinstance(received, TimerFired):
            bridge.due_ms = None
            return [ENDED]
        return []

    bridge = FakeBridge(answer)
    bridge.due_ms = 20

    async def script() -> None:
        await session.finished()

    session = Session(bridge, FakeWork())
    hold(session, script)

    assert bridge.fed == [TimerFired()]
    assert bridge.times[0] >= 20


def test_a_deadline_that_comes_nearer_is_kept_and_one_that_moves_away_is_not_missed() -> None:
    def answer(received: Input) -> Sequence[Output]:
        match received:
            case PhoneText("near"):
                bridge.due_ms = 10
            case PhoneText("away"):
                bridge.due_ms = 30
            case TimerFired():
                return [ENDED]
        return []

    bridge = FakeBridge(answer)
    bridge.due_ms = 60_000
    phone = FakeLeg()

    async def script() -> None:
        phone.hear(PhoneText("near"))
        phone.hear(PhoneText("away"))

    run_with_phone(Session(bridge, FakeWork()), phone, script)

    assert bridge.fed[-1] == TimerFired()
    assert bridge.times[-1] >= 30


def test_time_is_whole_milliseconds_since_the_call_began() -> None:
    nanoseconds = iter([5_000_000_000, *[5_012_999_999] * 100])
    bridge = FakeBridge(by_text(end=[ENDED]))
    phone = FakeLeg()

    async def script() -> None:
        phone.hear(PhoneText("end"))

    run_with_phone(Session(bridge, FakeWork(), clock=CallClock(lambda: next(nanoseconds))), phone, script)

    assert bridge.times == [12]


def test_every_step_is_recorded_with_its_outputs_and_every_report_observed() -> None:
    recorder = FakeRecorder()
    seen: list[tuple[int, Report]] = []
    note = Note("info", "hello")
    bridge = FakeBridge(by_text(end=[note, PhoneText("x"), ENDED]), first=[note])
    phone = FakeLeg()
    session = Session(
        bridge,
        FakeWork(),
        observers=[lambda now_ms, report: seen.append((now_ms, report))],
        recorder=recorder,
        clock=CallClock(lambda: 0),
    )

    async def script() -> None:
        phone.hear(PhoneText("end"))

    run_with_phone(session, phone, script)

    assert recorder.steps == [(0, None, [note]), (0, PhoneText("end"), [note, PhoneText("x"), ENDED])]
    assert seen == [(0, note), (0, note), (0, ENDED)]


def test_a_phone_that_takes_nothing_is_dead() -> None:
    bridge = FakeBridge(lambda received: [PhoneText("audio")] if isinstance(received, PhoneText) else [ENDED])
    phone = FakeLeg(limit=2)

    async def script() -> None:
        for _ in range(3):
            phone.hear(PhoneText("go"))

    run_with_phone(Session(bridge, FakeWork()), phone, script)

    assert bridge.fed[-1] == PhoneClosed(None, "it does not take its audio")
    assert phone.closed is not None


def test_a_model_that_takes_nothing_but_expendable_audio_is_gone() -> None:
    bridge = FakeBridge(
        lambda received: [ModelText("x")] if isinstance(received, PhoneText) else [ENDED], first=[ConnectModel()]
    )
    phone = FakeLeg()

    async def script() -> None:
        for _ in range(3):
            phone.hear(PhoneText("go"))

    run_with_phone(Session(bridge, FakeWork(FakeLeg(limit=2))), phone, script)

    assert bridge.fed[-1] == ModelClosed(None, "it does not take its messages")


def test_dropped_caller_audio_is_a_recorded_event() -> None:
    class Dropping(FakeLeg):
        def send(self, text: str) -> int | None:
            super().send(text)
            return 25

    bridge = FakeBridge(
        lambda received: [ModelText("x")] if isinstance(received, PhoneText) else [ENDED], first=[ConnectModel()]
    )
    phone = FakeLeg()

    async def script() -> None:
        phone.hear(PhoneText("go"))

    run_with_phone(Session(bridge, FakeWork(Dropping())), phone, script)

    assert bridge.fed[-1] == ModelFault("25 messages of caller audio dropped: it reads too slowly")


def test_only_the_newest_model_is_heard_after_a_reconnect() -> None:
    bridge = FakeBridge(by_text(again=[ConnectModel(), ModelText("x")], end=[ENDED]), first=[ConnectModel()])
    work, phone = FakeWork(), FakeLeg()

    async def script() -> None:
        phone.hear(PhoneText("again"))
        await settle()
        work.legs[0].hear(ModelText("old"))
        work.legs[1].hear(ModelOpened())
        await settle()
        work.legs[0].close("")
        phone.hear(PhoneText("end"))

    run_with_phone(Session(bridge, work), phone, script)

    assert ModelText("old") not in bridge.fed
    assert ModelOpened() in bridge.fed
    assert work.legs[1].sent == ["x"]


def test_texts_for_a_leg_that_is_gone_are_counted() -> None:
    bridge = FakeBridge(by_text(end=[ModelText("x"), ModelText("y"), ENDED]), first=[PhoneText("too early")])
    phone = FakeLeg()
    recorder = FakeRecorder()
    session = Session(bridge, FakeWork(), recorder=recorder, clock=CallClock(lambda: 0))

    async def script() -> None:
        phone.hear(PhoneText("end"))

    run_with_phone(session, phone, script)

    assert session.unsent == 3
    assert recorder.remarks[0] == (0, "1 messages for the phone were never written")


def test_what_waited_for_a_leg_that_went_is_counted_and_remarked() -> None:
    bridge = FakeBridge(
        lambda received: [PhoneText("audio"), PhoneText("mark")] if isinstance(received, PhoneText) else [ENDED]
    )
    recorder, phone = FakeRecorder(), FakeLeg(last=PhoneClosed(None))
    session = Session(bridge, FakeWork(), recorder=recorder, clock=CallClock(lambda: 0))

    async def script() -> None:
        phone.hear(PhoneText("go"))
        await settle()
        phone.close("gone")

    run_with_phone(session, phone, script)

    assert session.unsent == 2
    assert recorder.remarks == [(0, "2 messages for the phone were never written")]


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


def test_how_much_waits_for_each_leg_can_be_asked() -> None:
    bridge = FakeBridge(
        by_text(go=[PhoneText("1"), ModelText("2"), ModelText("3")], end=[ENDED]), first=[ConnectModel()]
    )
    session, phone = Session(bridge, FakeWork()), FakeLeg()
    seen: list[tuple[int, int]] = [session.waiting]

    async def script() -> None:
        phone.hear(PhoneText("go"))
        await settle()
        seen.append(session.waiting)
        phone.hear(PhoneText("end"))

    run_with_phone(session, phone, script)

    assert seen == [(0, 0), (1, 2)]


def test_secret_digits_are_kept_by_the_work_and_are_no_report() -> None:
    told: list[Report] = []
    kept = KeepDigits("digits_1", "0042")
    outputs: list[Output] = [HideKeys("#"), HideCaller(0), kept, ShowCaller(), ShowKeys(), ENDED]
    phone, work = FakeLeg(), FakeWork()
    session = Session(FakeBridge(by_text(a=outputs)), work, observers=[lambda _now_ms, report: told.append(report)])

    async def script() -> None:
        phone.hear(PhoneText("a"))

    run_with_phone(session, phone, script)

    assert work.kept == [kept]
    assert told == [ENDED]


def test_who_listens_is_given_every_step_until_they_have_heard_enough() -> None:
    bridge = FakeBridge(by_text(a=[PhoneText("1")], b=[PhoneText("2")], end=[ENDED]))
    phone = FakeLeg()
    session = Session(bridge, FakeWork())
    heard: list[tuple[Input, list[Output]]] = []

    def listener(now_ms: int, received: Input, outputs: Sequence[Output]) -> None:
        heard.append((received, [*outputs]))
        if received == PhoneText("b"):
            stop()

    stop = session.listen(listener)

    async def script() -> None:
        for text in ("a", "b", "end"):
            phone.hear(PhoneText(text))

    run_with_phone(session, phone, script)

    assert heard == [(PhoneText("a"), [PhoneText("1")]), (PhoneText("b"), [PhoneText("2")])]
    assert session.ended == ENDED
