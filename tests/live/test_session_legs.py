"""Legs that are slow, silent, late or gone, and what waits for them."""

from collections.abc import Sequence

import pytest

from tests.support.held_session import ENDED, FakeRecorder, by_text, run_with_phone
from tests.support.pump import FakeBridge, FakeLeg, FakeWork, settle
from voice_agent.call.commands import CheckPhone, CloseModel, ConnectModel, OpenStandby
from voice_agent.call.events import (
    ModelClosed,
    ModelFault,
    ModelOpened,
    ModelRefused,
    PhoneChecked,
    PhoneClosed,
    StandbyFailed,
    StandbyReady,
)
from voice_agent.live.clock import CallClock
from voice_agent.live.session import Session
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText


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


def test_a_standby_is_heard_from_its_first_text_on_when_it_is_taken_over() -> None:
    def answer(received: Input) -> Sequence[Output]:
        match received:
            case PhoneText("standby"):
                return [OpenStandby(1)]
            case PhoneText("end"):
                return [ENDED]
            case StandbyReady():
                return [ConnectModel(1), ModelText("to the new one")]
            case _:
                return ()

    bridge, work, phone = FakeBridge(answer, first=[ConnectModel()]), FakeWork(), FakeLeg()

    async def script() -> None:
        phone.hear(PhoneText("standby"))
        await settle()
        former, standby = work.legs
        former.hear(ModelText("still heard"))
        standby.hear(ModelOpened())
        await settle()
        assert former.closed is None, "an open socket proves nothing"
        for text in ("first", "second"):
            standby.hear(ModelText(text))
            former.hear(ModelText("of the former one"))
        await settle()
        standby.hear(ModelClosed(1000))
        phone.hear(PhoneText("end"))

    run_with_phone(Session(bridge, work), phone, script)

    former, standby = work.legs
    assert (former.closed, former.sent, standby.sent) == ("", [], ["to the new one"])
    assert bridge.fed[1:-1] == [
        ModelText("still heard"),
        StandbyReady(),
        ModelOpened(),
        ModelText("first"),
        ModelText("second"),
        ModelClosed(1000),
    ]
    assert work.endpoints == [0, 1]


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        (ModelRefused(503, "HTTP 503: busy"), StandbyFailed("HTTP 503: busy")),
        (ModelClosed(1013, "try again later"), StandbyFailed("its socket closed: try again later")),
        (ModelClosed(None), StandbyFailed("its socket closed: no close frame")),
        (ModelText("not now"), StandbyReady()),
    ],
)
def test_a_standby_that_is_not_to_be_had_or_not_wanted_is_closed_and_the_call_stays_where_it_is(
    heard: Input, told: Input
) -> None:
    bridge = FakeBridge(by_text(standby=[OpenStandby()], end=[ModelText("x"), ENDED]), first=[ConnectModel()])
    work, phone = FakeWork(), FakeLeg()

    async def script() -> None:
        phone.hear(PhoneText("standby"))
        await settle()
        for received in (ModelOpened(), heard, heard, ModelClosed(1000)):
            work.legs[1].hear(received)
        await settle()
        assert work.legs[0].closed is None
        if isinstance(heard, ModelText):
            assert work.legs[1].closed is not None
        work.legs[1].close("")
        phone.hear(PhoneText("end"))

    run_with_phone(Session(bridge, work), phone, script)

    assert bridge.fed == [PhoneText("standby"), told, PhoneText("end")]
    assert (work.legs[0].sent, work.legs[1].sent) == (["x"], [])


@pytest.mark.parametrize("order", [ConnectModel(), OpenStandby(), CloseModel()])
def test_a_standby_is_closed_and_heard_no_more_when_the_link_is_changed(order: Output) -> None:
    bridge = FakeBridge(by_text(standby=[OpenStandby()], change=[order], end=[ENDED]), first=[ConnectModel()])
    work, phone = FakeWork(), FakeLeg()

    async def script() -> None:
        for text in ("standby", "change"):
            phone.hear(PhoneText(text))
            await settle()
        work.legs[1].hear(ModelText("late"))
        await settle()
        phone.hear(PhoneText("end"))

    run_with_phone(Session(bridge, work), phone, script)

    assert work.legs[1].closed is not None
    assert bridge.fed == [PhoneText("standby"), PhoneText("change"), PhoneText("end")]
    assert all(leg.closed is not None for leg in work.legs)


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
