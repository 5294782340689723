"""The sign of life towards a caller who waits."""

import msgspec
import pytest

from tests.support.handovers import BILLING, DESK, SALES, a_call, handed_over
from tests.support.script import CLIPS, Script, an_agent
from voice_agent.agent import BargeIn
from voice_agent.call.commands import AgentBegan, Note, PlayAudio
from voice_agent.call.conversation import Conversation, Resumption
from voice_agent.call.events import (
    Event,
    ModelClosed,
    ResponseCreated,
    ResponseDone,
    StreamStarted,
    StreamStopped,
    ToolFinished,
    ToolRequested,
)
from voice_agent.call.facts import (
    AgentChanged,
    CallerHolds,
    Fact,
    PlaybackBusy,
    PlaybackIdle,
    ResponseAsked,
    ResponseWanted,
    SessionLost,
    SessionReady,
    ToolsBusy,
    TurnClosed,
    TurnOpened,
    TurnUnanswered,
)
from voice_agent.call.sign_of_life import SignOfLife

SILENCE_MS = 2500
LOST_MS = 1500
SIGN_MS = len(CLIPS["moment"]) // 8


def signs(script: Script) -> int:
    return sum(command.audio == CLIPS["moment"] for command in script.ordered(PlayAudio))


def a_tool_runs(script: Script) -> None:
    script.feed(
        ResponseCreated("r1", None),
        ToolRequested("r1", "i1", "c1", "look_up", "{}"),
        ResponseDone("r1", "completed"),
    )


def test_a_caller_whose_turn_is_not_answered_hears_that_somebody_is_there() -> None:
    script = Script().begin()
    script.caller_speaks()
    script.wait(4000)
    script.caller_stops()
    script.wait(SILENCE_MS - 1)
    before = signs(script)
    script.wait(1)

    assert (before, signs(script)) == (0, 1)


def test_a_caller_who_waits_for_a_tool_is_never_left_in_silence_for_longer() -> None:
    script = Script().begin()
    a_tool_runs(script)
    script.wait(3 * (SILENCE_MS + SIGN_MS) + 100)

    assert signs(script) == 3


def test_the_silence_of_a_tool_goes_on_into_that_of_the_response_about_it() -> None:
    script = Script().begin()
    a_tool_runs(script)
    script.wait(SILENCE_MS - 500)
    script.feed(ToolFinished("c1", "{}"))
    script.wait(499)
    before = signs(script)
    script.wait(1)

    assert (before, signs(script)) == (0, 1)


def test_a_session_that_stops_amid_a_response_is_covered_and_then_opened_anew() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.agent_speaks("a", 400, done=False)
    script.wait(400 + SILENCE_MS + SIGN_MS)
    covered = signs(script)
    script.wait(8000)

    assert covered == 1
    assert [note.fields["reason"] for note in script.ordered(Note) if note.level == "warning"] == [
        "the model did not go on with a response for 8 s; look at the provider's status page"
    ]
    assert script.ordered(PlayAudio)[-1].audio == CLIPS["moment"]


def test_an_answer_in_time_needs_no_sign_nor_does_the_silence_after_it() -> None:
    script = Script().begin()
    script.caller_speaks()
    script.caller_stops()
    script.wait(SILENCE_MS - 100)
    script.agent_speaks("a", 400)
    script.response_done()
    script.wait(30_000)

    assert signs(script) == 0


def test_an_answer_behind_a_sign_is_not_answered_once_more_by_what_is_said_later() -> None:
    script = Script().begin()
    script.caller_speaks()
    script.caller_stops()
    script.wait(SILENCE_MS + SIGN_MS // 2)
    script.agent_speaks("a", 400)
    script.response_done()
    script.wait(10_000)
    script.agent_speaks("b", 400, response="r2")
    script.response_done("r2")
    script.wait(1000)

    behind_sign, later = script.ordered(AgentBegan)
    assert (behind_sign.item_id, later.item_id, later.response_ms) == ("a", "b", -1)
    assert abs(behind_sign.response_ms - (SILENCE_MS + SIGN_MS + 500)) <= 20  # 500: the detector's silence


def test_mutual_silence_before_a_request_does_not_count() -> None:
    script = Script().begin()
    script.wait(30_000)
    a_tool_runs(script)
    script.wait(SILENCE_MS - 1)

    assert signs(script) == 0


def test_a_caller_who_speaks_is_not_spoken_to() -> None:
    script = Script().begin()
    a_tool_runs(script)
    script.wait(1000)
    script.caller_speaks()
    script.wait(10_000)

    assert signs(script) == 0


def test_a_sound_too_short_to_interrupt_is_owed_no_answer() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("a", 3000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.wait(200)
    script.caller_stops()
    script.wait(30_000)

    assert signs(script) == 0


def test_a_sound_long_enough_to_interrupt_is_owed_one() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("a", 3000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.wait(500)
    script.caller_stops()
    script.wait(SILENCE_MS)

    assert signs(script) == 1


def test_nobody_is_told_anything_once_the_model_or_the_caller_is_gone() -> None:
    gone, over = Script().begin(), Script().begin()
    for script, event in ((gone, ModelClosed(4000)), (over, StreamStopped())):
        a_tool_runs(script)
        script.feed(event)
        script.wait(10_000)

    assert (signs(gone), signs(over)) == (0, 0)


def test_a_sign_needs_its_clip() -> None:
    script = Script(clips={}).begin()
    a_tool_runs(script)
    script.wait(10_000)

    assert script.ordered(PlayAudio) == []


def test_its_state_is_told_in_one_line() -> None:
    script = Script().begin()
    a_tool_runs(script)
    part = next(part for part in script.call._parts if type(part).__name__ == "SignOfLife")

    assert repr(part) == "<SignOfLife owed ['tools'], heard [], Deadlines({'sign': 2500})>"


def test_a_caller_whose_call_began_before_its_session_is_owed_that() -> None:
    script = Script()
    script.begin_stream()
    script.wait(SILENCE_MS - 1)
    before = signs(script)
    script.wait(1)

    assert (before, signs(script)) == (0, 1)


def test_a_session_that_was_there_before_the_call_is_owed_to_nobody() -> None:
    script = Script()
    script.begin_session()
    script.begin_stream()
    script.wait(10_000)

    assert signs(script) == 0


def test_nothing_is_owed_any_more_once_the_model_is_gone() -> None:
    script = Script(clips={"moment": CLIPS["moment"]}).begin()
    a_tool_runs(script)
    (part,) = (part for part in script.call._parts if type(part).__name__ == "SignOfLife")
    before = part.deadline()
    script.feed(ModelClosed(4000))
    after = part.deadline()
    script.feed(ResponseDone("r1", "completed"))

    assert before == SILENCE_MS
    assert (after, part.deadline()) == (None, None)


def test_the_silence_of_who_holds_goes_on_into_that_of_the_answer() -> None:
    sign = SignOfLife(can_sign=True, resumed=False)
    for now_ms, fact in (
        (0, CallerHolds(True)),
        (1000, PlaybackBusy()),
        (2000, PlaybackIdle()),
        (3000, CallerHolds(False)),
        (3000, ResponseAsked("tool", "tool-1")),
    ):
        assert list(sign.feed(now_ms, fact)) == []

    assert sign.deadline() == 2000 + SILENCE_MS


def test_who_holds_no_more_is_owed_nothing() -> None:
    sign = SignOfLife(can_sign=True, resumed=False)
    list(sign.feed(0, CallerHolds(True)))
    list(sign.feed(1000, CallerHolds(False)))

    assert sign.deadline() is None


def test_an_agent_without_a_hold_sound_leaves_a_waiting_caller_in_silence() -> None:
    script = Script(an_agent(hold_sound=False))
    script.begin_stream()
    script.wait(3000)

    assert signs(script) == 0


def test_a_call_that_goes_on_signs_sooner() -> None:
    first, resumed = Script(), Script(resumed=Resumption(Conversation("test"), "The line broke."))
    for script in (first, resumed):
        script.begin_stream()
        script.wait(LOST_MS + 100)

    assert (signs(first), signs(resumed)) == (0, 1)


def fed(*events: tuple[int, Event | Fact], resumed: bool = False) -> SignOfLife:
    sign = SignOfLife(can_sign=True, resumed=resumed)
    for now_ms, event in events:
        assert list(sign.feed(now_ms, event)) == []
    return sign


def test_what_could_not_be_asked_of_a_lost_session_is_owed_until_the_next_one_answers_it() -> None:
    # Found by made-up calls: keys that a session which had died in silence was never asked about (seed 10002856).
    keys = ((0, SessionReady()), (1000, ResponseWanted("keys")), (40_000, SessionLost()))
    back = (*keys, (40_200, SessionReady()))

    assert fed(*keys).deadline() == 40_000 + LOST_MS
    assert fed(*back).deadline() == 40_000 + SILENCE_MS
    assert fed(*back, (42_000, ResponseAsked("keys", "keys-1"))).deadline() == 40_000 + SILENCE_MS


def test_what_was_answered_before_the_session_was_lost_is_owed_no_more() -> None:
    wanted = ((0, SessionReady()), (1000, ResponseWanted("keys")))
    answered = (*wanted, (1100, ResponseCreated("r1", None)), (3000, ResponseDone("r1", "completed")))
    back = ((5000, SessionLost()), (5200, SessionReady()))

    assert fed(*wanted).deadline() is None
    assert fed(*answered, *back).deadline() is None


@pytest.mark.parametrize(
    ("open_then", "since_ms", "owed"),
    [
        ((), 1000, False),
        ((ToolsBusy(busy=True), ToolsBusy(busy=False)), 1000, False),
        ((ResponseCreated("r1", None), ResponseDone("r1", "completed")), 1000, False),
        ((ResponseCreated("r1", None),), 0, True),
        ((TurnOpened(overheard=True),), 1000, False),
        ((TurnOpened(overheard=False),), 1000, True),
    ],
)
def test_what_was_open_in_a_lost_session_is_owed_by_the_next_one(
    open_then: tuple[Event | Fact, ...], since_ms: int, owed: bool
) -> None:
    lost = (*((0, event) for event in (SessionReady(), *open_then)), (1000, SessionLost()))

    assert fed(*lost).deadline() == since_ms + LOST_MS
    assert fed(*lost, (1200, SessionReady()), (1200, ResponseDone("r1", "cancelled"))).deadline() == (
        since_ms + SILENCE_MS if owed else None
    )
    answered = (ResponseCreated("r2", None), ResponseDone("r1", "cancelled"), ResponseDone("r2", "completed"))
    assert fed(*lost, (1200, SessionReady()), *((1200, event) for event in answered)).deadline() is None


def test_the_answer_that_a_lost_session_owed_is_owed_from_before_it_was_lost() -> None:
    # Found by made-up calls: of one whose responses kept failing the caller heard nothing for 4 s (seed 30047251).
    lost = ((0, SessionReady()), (1000, SessionLost()), (1000, TurnUnanswered()))
    back = (*lost, (1200, SessionReady()))

    assert fed(*lost).deadline() == 1000 + LOST_MS
    assert fed(*back).deadline() == 1000 + SILENCE_MS
    assert fed(*back, (3200, ResponseAsked("turn", "turn-1"))).deadline() == 1000 + SILENCE_MS
    assert fed(*back, (1300, ResponseCreated("r1", None)), (1400, ResponseDone("r1", "completed"))).deadline() is None


def test_who_has_waited_for_the_session_is_owed_nothing_once_it_is_there() -> None:
    stream = StreamStarted("MZ1", "CA1")

    assert fed((0, stream)).deadline() == SILENCE_MS
    assert fed((0, stream), (1000, SessionReady())).deadline() is None


def test_whose_call_goes_on_in_another_stream_has_waited_before_it_until_somebody_speaks() -> None:
    stream, asked = (300, StreamStarted("MZ1", "CA1")), (400, ResponseAsked("turn", "turn-1"))
    begun = (stream, (350, SessionReady()), asked)
    agent = (*begun, (900, PlaybackBusy()), (1900, PlaybackIdle()))
    caller = (*begun, (900, TurnOpened(overheard=False)), (1900, TurnClosed()))

    assert fed(stream, resumed=True).deadline() == 300 + LOST_MS
    assert fed(*begun, resumed=True).deadline() == 400 + LOST_MS
    for spoken in (agent, caller):
        assert fed(*spoken, resumed=True).deadline() == 1900 + SILENCE_MS


@pytest.mark.parametrize(("of_desk", "of_billing"), [(True, False), (False, True)])
def test_whether_there_is_a_sign_is_up_to_the_agent_who_has_the_call(of_desk: bool, of_billing: bool) -> None:
    desk = msgspec.structs.replace(DESK, hold_sound=of_desk)
    script = a_call(desk, (msgspec.structs.replace(BILLING, hold_sound=of_billing), SALES))
    handed_over(script)
    script.wait(4000)

    assert (CLIPS["moment"] in [command.audio for command in script.ordered(PlayAudio)]) is of_billing


def test_an_agent_without_a_hold_sound_gives_no_sign_for_a_wait_that_began_before_it() -> None:
    waits = ((0, SessionReady()), (100, ToolsBusy(busy=True)))
    handed_over = (*waits, (1000, AgentChanged(an_agent(hold_sound=False))))

    assert fed(*waits).deadline() == 100 + SILENCE_MS
    assert fed(*handed_over).deadline() is None


def test_the_silence_of_a_response_that_failed_goes_on_into_that_of_the_one_asked_for_before_it() -> None:
    # The server began one by itself, behind a call of its own; ours, asked for meanwhile, came when that had failed.
    part = SignOfLife(can_sign=True, resumed=False)
    before: list[Event | Fact] = [StreamStarted("MZ1", "CA1"), SessionReady()]
    for event in [*before, ResponseAsked("mcp", "mcp-1"), ResponseCreated("r1", None), ResponseDone("r1", "failed")]:
        list(part.feed(0, event))
    list(part.feed(200, ResponseCreated("r2", "mcp-1")))
    due_ms = part.deadline()
    list(part.feed(300, ResponseDone("r2", "completed")))

    assert due_ms == SILENCE_MS
    assert part.deadline() is None


def test_a_question_into_mutual_silence_is_not_owed_from_before_it_was_wanted() -> None:
    # Found by made-up calls: a sign of life over the question whether anybody is there (seed 10100158).
    before = ((0, SessionReady()), (100, ResponseCreated("r1", None)), (200, ResponseDone("r1", "completed")))
    sign = fed(*before, (4000, ResponseWanted("idle")), (4000, ResponseAsked("idle", "idle-1")))

    assert sign.deadline() == 4000 + SILENCE_MS
