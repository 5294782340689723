"""How a call comes to its end."""

import pytest

from tests.support.script import CLIPS, Script, an_agent
from voice_agent.agent import BargeIn, Limits
from voice_agent.call.commands import (
    AddToolOutput,
    CallEnded,
    ClearPlayback,
    CloseModel,
    ClosePhone,
    CreateResponse,
    HangUp,
    Note,
    PlayAudio,
    ToolAnswered,
)
from voice_agent.call.conversation import Conversation, Resumption
from voice_agent.call.ending import STREAM_WAIT_MS
from voice_agent.call.events import (
    CallerAudio,
    CallEvent,
    EndRequested,
    HangUpFinished,
    KeyPressed,
    ModelAudio,
    ModelClosed,
    ModelRefused,
    PhoneChecked,
    PhoneClosed,
    PhoneFault,
    ResponseCreated,
    ResponseDone,
    StreamStarted,
    StreamStopped,
    ToolRequested,
)
from voice_agent.call.states import Phase


def hangs_up(script: Script, response: str = "r1", *, words_ms: int = 1000) -> None:
    """The model says goodbye and calls `hang_up` in the same response."""
    script.feed(ResponseCreated(response, None))
    script._responses.add(response)
    if words_ms:
        script.agent_speaks(f"bye-{response}", words_ms, response=response)
    script.feed(ToolRequested(response, f"f-{response}", f"c-{response}", "hang_up", "{}"))
    script.response_done(response)


def answers(script: Script) -> list[str]:
    return [command.output for command in script.ordered(AddToolOutput)]


def ends(script: Script) -> list[tuple[str, str]]:
    return [(end.outcome, end.reason) for end in script.ordered(CallEnded)]


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]


# --- the goodbye -----------------------------------------------------------------------------------------------------


def test_the_line_is_closed_once_the_goodbye_was_heard() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=2000)
    script.wait(2200)
    before = script.ordered(ClosePhone)
    script.wait(200)

    assert before == []
    assert [c.reason for c in script.ordered(ClosePhone)] == ["the agent hung up"]
    assert answers(script) == ["The call has ended."]
    assert script.call.phase is Phase.LEAVING


def test_with_rest_the_carrier_is_told_to_hang_up_and_ends_the_stream() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1400)
    closed = script.ordered(ClosePhone)
    script.feed(HangUpFinished())
    script.feed(StreamStopped())

    assert len(script.ordered(HangUp)) == 1
    assert closed == []
    assert ends(script) == [("completed", "the agent hung up")]
    assert len(script.ordered(ClosePhone)) == 1


def test_a_carrier_that_refuses_to_hang_up_loses_the_stream_so_that_the_action_decides() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1400)
    commands = script.feed(HangUpFinished("401"))
    script.feed(PhoneClosed(1000))

    assert [c for c in commands if isinstance(c, Note | ClosePhone)] == [
        Note("warning", "the carrier refused to hang up", {"problem": "401"}),
        ClosePhone("the agent hung up"),
    ]
    assert ends(script) == [("completed", "the agent hung up")]


def test_a_carrier_that_does_not_answer_is_left_after_5_s() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1300)
    script.wait(4999)
    before = ends(script)
    script.wait(1)

    assert before == []
    assert ends(script) == [("completed", "the agent hung up")]
    assert len(script.ordered(ClosePhone)) == 1


def test_a_caller_who_speaks_while_the_carrier_hangs_up_is_not_answered() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1400)
    before = len(script.said)
    script.caller_speaks()
    script.caller_stops()
    script.feed(KeyPressed("1"), ToolRequested("r2", "f2", "c2", "look_up", "{}"))
    script.wait(4000)

    assert len(script.ordered(CloseModel)) == 1
    assert script.said[before:] == []


def test_an_answer_that_nobody_asked_the_carrier_for_closes_nothing() -> None:
    script = Script(rest=True).begin()

    assert script.feed(HangUpFinished()) == []


def test_a_goodbye_that_was_heard_before_its_response_is_done_ends_the_call_then() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.wait(1500)
    before = script.call.phase
    script.response_done()
    script.wait(300)

    assert before is Phase.GOODBYE
    assert len(script.ordered(ClosePhone)) == 1


def test_an_agent_that_hangs_up_without_a_word_is_asked_for_a_goodbye() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=0)
    script.agent_speaks("bye", 1000, response="r2")
    script.response_done("r2")
    script.wait(1100)
    before = script.ordered(ClosePhone)
    script.wait(300)

    assert answers(script) == ["Say goodbye to the caller now."]
    assert requests(script) == ["goodbye-1"]
    assert before == []
    assert len(script.ordered(ClosePhone)) == 1


def test_words_that_still_play_count_as_the_goodbye_of_a_wordless_hang_up() -> None:
    script = Script().begin()
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(200)
    hangs_up(script, "r2", words_ms=0)
    script.wait(2200)

    assert requests(script) == []
    assert len(script.ordered(ClosePhone)) == 1


def test_a_goodbye_that_failed_is_asked_for_again_before_anybody_hangs_up() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=0)
    script.feed(ResponseCreated("r2", "goodbye-1"), ResponseDone("r2", "failed", "server_error"))
    script.wait(1000)
    before = script.ordered(ClosePhone)
    script.agent_speaks("bye", 1000, response="r3")
    script.response_done("r3")
    script.wait(1400)

    assert before == []
    assert requests(script) == ["goodbye-1", "goodbye-2"]
    assert len(script.ordered(ClosePhone)) == 1


def test_a_caller_who_speaks_into_the_goodbye_keeps_the_call() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=3000)
    script.wait(1000)
    script.caller_speaks()
    script.wait(500)
    script.caller_stops()
    script.wait(5000)

    assert len(script.ordered(ClearPlayback)) == 1
    assert answers(script) == ["The caller spoke: the call goes on."]
    assert [(a.call_id, a.took_ms) for a in script.ordered(ToolAnswered)] == [("c-r1", 1000)]
    assert script.call.phase is Phase.TALKING
    assert script.ordered(ClosePhone) == []


def test_a_caller_who_speaks_between_the_goodbye_and_the_hang_up_keeps_the_call() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=1000)
    script.wait(1200)
    script.caller_speaks()
    script.wait(1000)

    assert script.call.phase is Phase.TALKING
    assert script.ordered(ClosePhone) == []


def test_a_hang_up_that_crosses_the_callers_first_word_is_taken_back() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.caller_speaks()
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done(status="cancelled")
    script.wait(400)
    script.caller_stops()
    script.wait(400)

    assert answers(script) == ["The caller spoke: the call goes on."]
    assert script.call.phase is Phase.TALKING
    assert script.ordered(ClosePhone) == []


def test_a_sound_too_short_to_interrupt_does_not_take_the_goodbye_back() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    hangs_up(script, words_ms=2000)
    script.wait(500)
    script.caller_speaks()
    script.wait(300)
    script.caller_stops()
    script.wait(1600)

    assert script.ordered(ClearPlayback) == []
    assert [c.reason for c in script.ordered(ClosePhone)] == ["the agent hung up"]


def test_speech_long_enough_to_interrupt_takes_the_goodbye_back() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    hangs_up(script, words_ms=2000)
    script.wait(500)
    script.caller_speaks()
    before = script.call.phase
    script.wait(400)

    assert (before, script.call.phase) == (Phase.GOODBYE, Phase.TALKING)
    assert len(script.ordered(ClearPlayback)) == 1


def test_nobody_hangs_up_on_a_caller_who_still_speaks_when_the_goodbye_is_over() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=800))).begin()
    hangs_up(script, words_ms=1000)
    script.wait(900)
    script.caller_speaks()
    script.wait(600)
    script.caller_stops()

    assert answers(script) == ["The caller spoke: the call goes on."]
    assert requests(script) == ["turn-1"]
    assert script.ordered(ClosePhone) == []


def test_a_key_pressed_during_the_goodbye_keeps_the_call() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=1000)
    script.wait(500)
    script.feed(KeyPressed("1"))
    script.wait(1500)

    assert script.call.phase is Phase.TALKING
    assert requests(script) == ["keys-1"]


def test_a_goodbye_that_was_taken_back_is_not_said_later() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=0)
    script.caller_speaks()
    script.feed(ResponseCreated("r2", "goodbye-1"), ResponseDone("r2", "cancelled", "client_cancelled"))
    script.caller_stops()
    script.feed(ResponseCreated("r3", None))
    script.response_done("r3")
    script.wait(1000)

    assert requests(script) == ["goodbye-1"]
    assert script.call.phase is Phase.TALKING


def test_a_caller_who_speaks_into_the_last_words_is_answered_before_they_are_said_again() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(44_000)
    script.agent_speaks("a", 5000, done=False)
    script.wait(2000)  # the goodbye waits for the end of this response
    script.caller_speaks()
    script.response_done(status="cancelled")
    script.wait(1000)
    script.caller_stops()
    script.agent_speaks("b", 1000, response="r2")
    script.response_done("r2")
    script.wait(3999)
    before = requests(script)
    script.wait(1)

    assert before == []
    assert requests(script) == ["goodbye-1"]


def test_a_second_goodbye_after_one_that_was_taken_back_ends_the_call() -> None:
    script = Script().begin()
    hangs_up(script, "r1", words_ms=2000)
    script.wait(500)
    script.caller_speaks()
    script.wait(100)
    script.caller_stops()
    hangs_up(script, "r2", words_ms=500)
    script.wait(900)

    assert answers(script) == ["The caller spoke: the call goes on.", "The call has ended."]
    assert len(script.ordered(ClosePhone)) == 1


def test_more_words_after_the_goodbye_are_heard_before_the_line_is_closed() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 500)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.wait(700)
    script.feed(ModelAudio("r2", "more", 0, b"\x10" * 8000, 1000, done=True))
    script.wait(900)
    before = script.ordered(ClosePhone)
    script.wait(500)

    assert before == []
    assert len(script.ordered(ClosePhone)) == 1


def test_a_second_hang_up_during_the_goodbye_is_answered_too() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"), ToolRequested("r1", "f2", "c2", "hang_up", "{}"))
    script.response_done()
    script.wait(1400)

    assert answers(script) == ["The call is ending already.", "The call has ended."]
    assert [report.call_id for report in script.ordered(ToolAnswered)] == ["c2", "c1"]
    assert script.call.conversation().open_tool_calls == ()


# --- the model is gone -----------------------------------------------------------------------------------------------


def apologies(script: Script) -> int:
    return sum(command.audio == CLIPS["apology"] for command in script.ordered(PlayAudio))


def test_a_caller_whose_model_is_lost_hears_an_apology_and_then_the_action_decides() -> None:
    script = Script(rest=True).begin()
    script.feed(ModelClosed(1011, "internal error"))
    script.wait(350)
    before = script.ordered(ClosePhone)
    script.wait(100)
    script.feed(PhoneClosed(1000))

    assert apologies(script) == 1
    assert before == []
    assert [c.reason for c in script.ordered(ClosePhone)] == ["the model's socket closed: internal error"]
    assert script.ordered(HangUp) == []
    assert [end.outcome for end in script.ordered(CallEnded)] == ["model_failed"]


def test_the_apology_plays_behind_what_is_still_to_be_heard() -> None:
    script = Script().begin()
    script.agent_speaks("a", 3000)
    script.feed(ModelClosed(None))
    script.wait(3350)
    before = script.ordered(ClosePhone)
    script.wait(100)

    assert before == []
    assert len(script.ordered(ClosePhone)) == 1


def test_without_an_apology_to_play_the_line_is_closed_at_once() -> None:
    script = Script(clips={}).begin()
    script.feed(ModelClosed(1011))
    closed = script.ordered(ClosePhone)
    script.feed(PhoneClosed(1000))

    assert closed == [ClosePhone("the model's socket closed: 1011")]
    assert ends(script) == [("model_failed", "the model's socket closed: 1011")]


def test_an_apology_whose_end_is_never_confirmed_does_not_hold_the_line_for_ever() -> None:
    script = Script().begin()
    script.feed(ModelClosed(1011))
    script.echo = False
    script.wait(60_000)

    assert len(script.ordered(ClosePhone)) == 1


def test_an_apology_behind_endless_words_is_not_waited_for() -> None:
    script = Script().begin()
    script.agent_speaks("a", 90_000)
    script.feed(ModelClosed(1011))
    script.wait(59_999)
    before = script.ordered(ClosePhone)
    script.wait(1)
    after = len(script.ordered(ClosePhone))
    script.feed(PhoneClosed(1000))

    assert (before, after) == ([], 1)
    assert ends(script) == [("model_failed", "the model's socket closed: 1011")]


def test_a_model_lost_before_the_stream_starts_is_apologised_for_when_it_does() -> None:
    script = Script()
    script.feed(ModelRefused(401, "the endpoint says 401: check the key"))
    before = list(script.said)
    script.begin_stream()
    script.wait(500)
    script.feed(PhoneClosed(1000))

    assert not any(isinstance(c, PlayAudio | ClosePhone) for c in before)
    assert apologies(script) == 1
    assert ends(script) == [("model_failed", "the endpoint says 401: check the key")]


def test_a_model_lost_during_the_goodbye_changes_nothing_once_the_words_are_all_there() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=2000)
    script.feed(ModelClosed(1011))
    script.wait(2400)
    script.feed(PhoneClosed(1000))

    assert apologies(script) == 0
    assert ends(script) == [("completed", "the agent hung up")]
    assert answers(script) == []  # nobody is there to read it


def test_a_model_lost_in_the_middle_of_the_goodbye_is_apologised_for() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000, done=False)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.feed(ModelClosed(1011))
    script.wait(1500)
    script.feed(PhoneClosed(1000))

    assert apologies(script) == 1
    assert [end.outcome for end in script.ordered(CallEnded)] == ["model_failed"]


# --- limits ----------------------------------------------------------------------------------------------------------


def test_the_agent_says_goodbye_before_the_time_limit() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0)), rest=True).begin()
    script.wait(44_999)
    before = requests(script)
    script.wait(1)
    script.agent_speaks("bye", 1000)
    script.response_done()
    script.wait(1400)

    assert before == []
    assert requests(script) == ["goodbye-1"]
    assert len(script.ordered(HangUp)) == 1


def test_a_call_that_does_not_come_to_its_goodbye_ends_at_the_time_limit() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(44_000)
    script.caller_speaks()
    script.wait(15_999)
    before = script.ordered(ClosePhone)
    script.wait(1)
    script.feed(PhoneClosed(1000))

    assert before == []
    assert requests(script) == []
    assert ends(script) == [("completed", "the time limit was reached")]


@pytest.mark.parametrize(("left_ms", "then_ms"), [(50_000, 50_000), (0, 30_000)])
def test_a_caller_who_comes_back_has_what_was_left_of_the_time_or_enough_to_be_told_why(
    left_ms: int, then_ms: int
) -> None:
    back = Resumption(Conversation("test"), "The line is busy.", left_ms=left_ms)
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0)), resumed=back).begin()
    script.agent_speaks("back", 1000)
    script.response_done()
    script.wait(then_ms - 15_001)
    before = requests(script)
    script.wait(1)

    assert before == ["greeting-1"]
    assert requests(script) == ["greeting-1", "goodbye-2"]
    assert script.call.resumption().left_ms == 15_000


def test_a_stream_that_never_comes_uses_nothing_of_the_time() -> None:
    for left_ms in (None, 50_000):
        script = Script(resumed=Resumption(Conversation("test"), "Back.", left_ms=left_ms))
        script.wait(STREAM_WAIT_MS)

        assert script.call.resumption().left_ms == left_ms


def test_a_goodbye_under_way_is_not_asked_for_twice_at_the_time_limit() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(44_500)
    hangs_up(script, words_ms=2000)
    script.wait(2400)

    assert requests(script) == []
    assert [c.reason for c in script.ordered(ClosePhone)] == ["the agent hung up"]


def test_a_goodbye_that_does_not_end_is_cut_off_after_30_s() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=60_000)
    script.wait(29_999)
    before = script.ordered(ClosePhone)
    script.wait(1)

    script.feed(PhoneClosed(1000))
    assert before == []
    assert Note("warning", "the goodbye took too long") in script.said
    assert ends(script) == [("completed", "the agent hung up")]


def test_a_stream_that_does_not_come_ends_the_call_after_10_s() -> None:
    script = Script()
    script.wait(9_999)
    before = ends(script)
    script.wait(1)

    assert before == []
    assert ends(script) == [("no_stream", "the stream did not come")]
    assert script.ordered(ClosePhone) == []
    assert isinstance(script.said[-1], CallEnded)


# --- the caller is gone ----------------------------------------------------------------------------------------------


def waiting(script: Script) -> None:
    del script


def talking(script: Script) -> None:
    script.begin()


def in_its_goodbye(script: Script) -> None:
    hangs_up(script.begin(), words_ms=2000)


def in_its_apology(script: Script) -> None:
    script.begin().feed(ModelClosed(1011))


def leaving(script: Script) -> None:
    hangs_up(script.begin())
    script.wait(1400)


SCENES = {
    Phase.WAITING: waiting,
    Phase.TALKING: talking,
    Phase.GOODBYE: in_its_goodbye,
    Phase.APOLOGY: in_its_apology,
    Phase.LEAVING: leaving,
}


@pytest.mark.parametrize("phase", SCENES)
@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (StreamStopped(), "caller_hung_up"),
        (PhoneClosed(None), "stream_lost"),
        (PhoneChecked(alive=False), "stream_lost"),
        (PhoneFault("another format", fatal=True), "stream_lost"),
    ],
)
def test_every_phase_ends_with_its_caller(phase: Phase, event: CallEvent, outcome: str) -> None:
    script = Script()
    SCENES[phase](script)
    reached = script.call.phase
    script.feed(event)

    assert reached is phase
    assert [end.outcome for end in script.ordered(CallEnded)] == ["completed" if phase is Phase.LEAVING else outcome]
    assert isinstance(script.said[-1], CallEnded)
    assert len(script.ordered(CloseModel)) == 1
    assert len(script.ordered(ClosePhone)) <= 1
    assert script.call.phase is Phase.ENDED
    assert script.call.deadline() is None
    assert script.feed(event) == []


@pytest.mark.parametrize("phase", SCENES)
def test_whoever_ends_the_call_from_outside_ends_it_in_every_phase(phase: Phase) -> None:
    script = Script()
    SCENES[phase](script)
    script.feed(EndRequested("drained"))
    script.feed(PhoneClosed(1000))

    expected = ("completed", "the agent hung up") if phase is Phase.LEAVING else ("stopped", "drained")
    assert ends(script) == [expected]
    assert len(script.ordered(ClosePhone)) == (0 if phase is Phase.WAITING else 1)


def test_what_is_queued_is_not_played_on_behind_an_end_from_outside() -> None:
    script = Script().begin()
    script.agent_speaks("i1", 60_000)
    script.feed(EndRequested("drained"))

    assert [type(c) for c in script.said if isinstance(c, ClearPlayback | ClosePhone)] == [ClearPlayback, ClosePhone]


def test_nothing_is_cleared_on_a_line_that_has_gone() -> None:
    script = Script().begin()
    script.agent_speaks("i1", 60_000)
    script.feed(StreamStopped())

    assert script.ordered(ClearPlayback) == []


def test_a_skipped_message_is_told_and_ends_nothing() -> None:
    script = Script().begin()

    assert script.feed(PhoneFault("not JSON")) == [
        Note("warning", "a message of the stream was skipped", {"problem": "not JSON"})
    ]


def test_a_stream_of_another_format_is_closed_with_the_reason() -> None:
    script = Script()
    script.feed(PhoneFault("start.mediaFormat: audio/L16", fatal=True))

    assert [c.reason for c in script.ordered(ClosePhone)] == ["start.mediaFormat: audio/L16"]
    assert ends(script) == [("stream_lost", "start.mediaFormat: audio/L16")]
    assert script.ordered(Note) == [
        Note("warning", "the stream cannot be used", {"problem": "start.mediaFormat: audio/L16"})
    ]


def test_a_stream_that_does_not_answer_its_check_is_dead() -> None:
    script = Script().begin()
    script.feed(PhoneChecked(alive=False))

    assert ends(script) == [("stream_lost", "the stream is dead")]


def test_a_stream_that_starts_again_changes_nothing_of_the_end() -> None:
    script = Script().begin()
    hangs_up(script)
    script.feed(StreamStarted("MZ1", "CA1"))
    script.wait(1400)

    assert script.call.phase is Phase.LEAVING


def test_a_stream_that_answers_its_check_lives_on() -> None:
    script = Script().begin()
    script.feed(CallerAudio(0, b"\xff" * 160), PhoneChecked(alive=True))

    assert script.call.phase is Phase.TALKING


def test_what_went_before_is_told_in_one_line() -> None:
    script = Script().begin()

    assert repr(script.call._ending).startswith("<Ending talking, Deadlines({")
