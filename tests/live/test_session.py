from collections.abc import Sequence

from tests.support.held_session import ENDED, FakeRecorder, by_text, hold, run_with_phone
from tests.support.pump import FakeBridge, FakeLeg, FakeWork, settle
from voice_agent.call.commands import (
    CheckPhone,
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
from voice_agent.call.events import HangUpFinished, PhoneChecked, TimerFired, ToolFinished
from voice_agent.live.clock import CallClock
from voice_agent.live.session import Session
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText


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


def test_why_a_tool_failed_is_known_when_the_core_reports_that_it_did() -> None:
    seen: list[dict[str, str]] = []

    def answer(received: Input) -> Sequence[Output]:
        if isinstance(received, ToolFinished):
            seen.append(dict(session.causes))
        return by_text(work=[RunTool("c1", "book", "{}")], again=[RunTool("c2", "book", "{}")], end=[ENDED])(received)

    work, phone = FakeWork(), FakeLeg()
    session = Session(FakeBridge(answer), work)

    async def script() -> None:
        work.cause = "alder.py:3: KeyError"
        phone.hear(PhoneText("work"))
        await settle()
        work.cause = ""
        phone.hear(PhoneText("again"))
        await settle()
        phone.hear(PhoneText("end"))

    run_with_phone(session, phone, script)

    assert seen == [{"c1": "alder.py:3: KeyError"}] * 2


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
