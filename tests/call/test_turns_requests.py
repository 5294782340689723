"""What becomes of a request for a response: begun, refused, failed, or not wanted any more."""

import pytest

from tests.support.script import Script, an_agent
from voice_agent.agent import BargeIn, Limits, SemanticVad
from voice_agent.call.commands import (
    CancelResponse,
    ClearPlayback,
    CloseModel,
    CreateResponse,
    Note,
    PlayAudio,
    ResponseUsed,
    SetTurnFlags,
)
from voice_agent.call.events import (
    AgentTranscript,
    CallEvent,
    KeyPressed,
    McpCalled,
    ModelAudio,
    ModelError,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    ToolFinished,
    ToolRequested,
    TurnCommitted,
    Usage,
)

BUSY = "conversation_already_has_active_response"


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]


@pytest.mark.parametrize(
    "failing",
    [
        (ModelError("server_error", "try again", "goodbye-1"),),
        (ModelError(BUSY, "busy", "goodbye-1"),),
        (ResponseCreated("r2", "goodbye-1"), ResponseDone("r2", "failed", "server_error")),
    ],
)
def test_a_goodbye_that_was_taken_back_is_not_asked_for_again_when_it_fails(failing: tuple[CallEvent, ...]) -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.feed(KeyPressed("1"))  # the caller keeps the call
    script.feed(*failing)
    script.wait(2000)
    script.feed(ResponseCreated("r3", "keys-2"))
    script.response_done("r3")

    assert requests(script) == ["goodbye-1", "keys-2"]


def test_a_goodbye_that_is_taken_back_while_it_is_made_is_not_asked_for_again_when_it_fails() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.feed(ResponseCreated("r2", "goodbye-1"), KeyPressed("1"), ResponseDone("r2", "failed", "server_error"))
    script.wait(2000)

    assert requests(script) == ["goodbye-1", "keys-2"]


def test_a_silent_caller_is_not_asked_behind_the_servers_own_answer() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=5))).begin()
    script.wait(5000)
    script.feed(ResponseCreated("r1", None), ModelError(BUSY, "busy", "idle-1"))
    script.response_done()
    script.wait(2000)

    assert requests(script) == ["idle-1"]


# --- refused ---------------------------------------------------------------------------------------------------------


def greeting() -> Script:
    """A call whose greeting was asked for."""
    return Script(an_agent(greeting="Hello.")).begin()


def notes(script: Script) -> list[Note]:
    return script.ordered(Note)


def test_what_was_refused_for_another_response_that_is_not_seen_is_asked_for_2_s_later() -> None:
    script = greeting()
    script.feed(ModelError(BUSY, "busy", "greeting-1"))
    script.wait(1999)
    before = requests(script)
    script.wait(1)

    assert before == ["greeting-1"]
    assert requests(script) == ["greeting-1", "greeting-2"]


def test_a_model_that_refuses_for_a_response_that_is_never_seen_is_given_up() -> None:
    script = greeting()
    script.feed(ModelError(BUSY, "busy", "greeting-1"))
    script.wait(2000)
    script.feed(ModelError(BUSY, "busy", "greeting-2"))
    script.wait(1999)
    before = script.ordered(CloseModel)
    script.wait(1)

    assert before == []
    assert script.ordered(CloseModel) == [CloseModel()]
    assert [note.fields["reason"] for note in notes(script) if note.level == "error"] == [
        "responses keep failing: the model says that it makes one, and none is seen"
    ]


def test_what_was_refused_for_another_response_is_asked_for_as_soon_as_that_ends() -> None:
    script = greeting()
    script.feed(ModelError(BUSY, "busy", "greeting-1"), ResponseDone("r1", "completed"))

    assert requests(script) == ["greeting-1", "greeting-2"]


def test_what_was_refused_comes_before_what_waited_behind_it() -> None:
    script = greeting()
    script.feed(KeyPressed("1"))
    script.wait(1500)
    script.feed(ModelError(BUSY, "busy", "greeting-1"), ResponseDone("r1", "completed"))

    assert requests(script) == ["greeting-1", "greeting-2"]


def test_a_request_that_was_refused_is_not_waited_for() -> None:
    script = greeting()
    script.feed(ResponseCreated("r1", None), ModelError(BUSY, "busy", "greeting-1"))
    script.agent_speaks("a", 6000)
    script.wait(5000)

    assert script.ordered(CloseModel) == []


@pytest.mark.parametrize(("code", "reason"), [("server_error", "server_error: oh"), (None, "error: oh")])
def test_a_refusal_is_told_and_the_second_one_loses_the_model(code: str | None, reason: str) -> None:
    script = greeting()
    script.feed(ModelError(code, "oh", "greeting-1"))
    first = [note for note in notes(script) if note.what == "a response failed"]
    script.feed(ModelError(code, "oh", "greeting-2"))

    assert first == [Note("warning", "a response failed", {"reason": reason})]
    assert notes(script)[-1] == Note("error", "the model is gone", {"reason": f"responses keep failing: {reason}"})


def test_a_refusal_that_names_another_request_changes_nothing() -> None:
    script = greeting()
    script.feed(ModelError("server_error", "oh", "truncate-a"))
    script.wait(3999)
    before = script.ordered(CloseModel)
    script.wait(1)

    assert requests(script) == ["greeting-1"]
    assert before == []
    assert len(script.ordered(CloseModel)) == 1


def test_a_response_that_completes_or_says_something_forgives_the_failure_before_it() -> None:
    script = Script().begin()
    for response, status in (("r1", "failed"), ("r2", "completed"), ("r3", "failed"), ("r4", "incomplete")):
        script.feed(ResponseCreated(response, None))
        if response == "r4":
            script.feed(ModelAudio("r4", "a", 0, b"\x10" * 80, 10))
        script.response_done(response, status)
    script.feed(ResponseCreated("r5", None))
    script.response_done("r5", "failed")

    assert script.ordered(CloseModel) == []


def test_a_response_that_is_left_incomplete_without_a_sound_is_asked_for_once_more() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.feed(ResponseCreated("r1", "greeting-1"), ResponseDone("r1", "incomplete", "max_output_tokens"))
    again = requests(script)
    script.feed(ResponseCreated("r2", "greeting-2"), ResponseDone("r2", "incomplete", "max_output_tokens"))

    assert again == ["greeting-1", "greeting-2"]
    assert [note.fields["reason"] for note in notes(script) if note.level == "error"] == [
        "responses keep failing: left incomplete: max_output_tokens"
    ]


@pytest.mark.parametrize(
    "came",
    [
        ModelAudio("r1", "a", 0, b"\x10" * 80, 10),
        ToolRequested("r1", "f1", "c1", "look_up", "{}"),
        McpCalled("r1", "m1", "calendar", "free_slots", "{}"),
    ],
)
def test_a_response_that_is_left_incomplete_and_of_which_something_came_is_not(came: CallEvent) -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), came, ResponseDone("r1", "incomplete", "max_output_tokens"))

    assert requests(script) == []


def test_nothing_that_came_of_another_response_counts_for_one_that_is_left_incomplete() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.agent_speaks("a", 10)
    script.feed(ResponseDone("r1", "completed"), SpeechStarted("u1", 0), TurnCommitted("u1"))
    script.feed(ResponseCreated("r2", None), ResponseDone("r2", "incomplete", "max_output_tokens"))

    assert requests(script) == ["retry-1"]


def test_the_end_of_a_response_that_is_not_known_asks_for_nothing() -> None:
    script = Script().begin()
    script.feed(ResponseDone("r7", "incomplete", "max_output_tokens"))

    assert requests(script) == []


def test_why_a_model_is_given_up_is_told() -> None:
    script = greeting()
    for number in (1, 2):
        script.feed(
            ResponseCreated(f"r{number}", f"greeting-{number}"), ResponseDone(f"r{number}", "failed", "no luck")
        )

    assert Note("error", "the model is gone", {"reason": "responses keep failing: no luck"}) in notes(script)


def test_a_cancelled_response_that_is_left_incomplete_is_not_asked_for_again() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.feed(ResponseCreated("r1", None))
    script.caller_speaks()
    script.feed(ResponseDone("r1", "incomplete", "max_output_tokens"))
    script.caller_stops()
    script.feed(ResponseCreated("r2", "turn-1"), ResponseDone("r2", "incomplete", "max_output_tokens"))

    assert requests(script) == ["turn-1", "turn-2"]


# --- what the server owes --------------------------------------------------------------------------------------------


def test_a_turn_that_is_neither_committed_nor_answered_is_told_and_answered_by_us() -> None:
    script = Script().begin()
    script.feed(SpeechStarted("u1", 0), SpeechStopped("u1", 0))
    script.wait(3999)
    before = requests(script)
    script.wait(1)

    assert before == []
    assert requests(script) == ["turn-1"]
    assert notes(script) == [
        Note("warning", "the server did not commit the caller's turn"),
        Note("warning", "the server did not answer the caller's turn by itself"),
    ]


def test_a_turn_that_is_committed_is_not_closed_again_2_s_later() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=300))).begin()
    script.feed(SpeechStarted("u1", 0), SpeechStopped("u1", 0), TurnCommitted("u1"))
    script.wait(3000)

    assert notes(script) == []
    assert requests(script) == ["turn-1"]


def test_a_turn_that_cut_is_answered_though_the_cut_response_ends_later() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=300))).begin()
    script.agent_speaks("a", 3000, done=False)
    script.wait(500)
    script.caller_speaks()
    script.wait(400)
    script.caller_stops()
    script.response_done(status="cancelled")

    assert requests(script) == ["turn-1"]


def test_speech_that_lasts_cuts_an_answer_of_which_nothing_plays_at_that_moment() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("a", 300, done=False)
    script.wait(100)
    script.caller_speaks()
    script.wait(500)

    assert [command.response_id for command in script.ordered(CancelResponse)] == ["r1"]


def test_a_turn_whose_end_was_told_by_its_commit_alone_cuts_nothing_later() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("a", 5000, done=False)
    script.wait(100)
    script.feed(SpeechStarted("u1", 0))
    script.wait(300)
    script.feed(TurnCommitted("u1"))
    script.wait(2000)

    assert script.ordered(CancelResponse) == []


def test_its_state_is_told_in_one_line() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done()
    script.feed(SpeechStarted("u1", 0), ToolFinished("c1", "42"))
    (part,) = (part for part in script.call._parts if type(part).__name__ == "Turns")
    speaking = repr(part)
    script.feed(TurnCommitted("u1"), ResponseCreated("r2", None))

    assert speaking == "<Turns caller speaking, response None, waiting ['tool'], Deadlines({})>"
    assert repr(part) == "<Turns caller silent, response r2, waiting [], Deadlines({'output': 8000})>"


def test_a_question_into_our_own_sign_of_life_is_answered_however_late_it_is_told() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400)), clips={"moment": b"\x81" * 8000}).begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done("r1")
    script.wait(2600)
    script.feed(SpeechStarted("u1", 0), SpeechStopped("u1", 0), TurnCommitted("u1"))

    assert requests(script) == ["turn-1"]


def test_a_result_that_a_cough_has_kept_back_is_said_after_it() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("a", 5000)
    script.feed(ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done()
    script.feed(ToolFinished("c1", "42"))
    script.feed(SpeechStarted("u1", 0), ResponseCreated("r2", "tool-1"))
    script.response_done("r2", status="cancelled")
    script.feed(SpeechStopped("u1", 0), TurnCommitted("u1"))

    assert requests(script) == ["tool-1", "tool-2"]
    assert script.ordered(ClearPlayback) == []


def test_an_answer_takes_the_place_of_a_greeting_that_was_not_yet_begun() -> None:
    script = Script(an_agent(greeting="Hello", barge_in=BargeIn(after_ms=400)))
    script.begin()
    script.feed(SpeechStarted("u1", 0), ResponseCreated("r1", "greeting-1"))
    script.feed(SpeechStopped("u1", 0), TurnCommitted("u1"))
    script.response_done("r1", status="cancelled")
    script.agent_speaks("a", 500)
    script.response_done()
    script.wait(3000)

    assert requests(script) == ["greeting-1", "turn-2"]


def test_the_tokens_of_a_response_are_told_however_it_ended() -> None:
    script = Script().begin()
    script.feed(ResponseDone("r1", "cancelled", "turn_detected", Usage(7, 1)), ResponseDone("r2", "completed"))

    assert script.ordered(ResponseUsed) == [ResponseUsed(Usage(7, 1))]


def test_what_belongs_to_another_response_does_not_keep_a_stuck_one_alive() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None))
    script.wait(7000)
    script.feed(AgentTranscript("r0", "a", "late words"))
    script.wait(999)
    before = script.ordered(CloseModel)
    script.wait(1)

    assert before == []
    assert len(script.ordered(CloseModel)) == 1


def test_sound_words_and_tool_calls_each_keep_a_response_alive() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None))
    for event in (
        ModelAudio("r1", "a", 0, b"", 0),
        AgentTranscript("r1", "a", "words"),
        ToolRequested("r1", "f1", "c1", "look_up", "{}"),
    ):
        script.wait(7999)
        script.feed(event)
    script.wait(7999)
    before = script.ordered(CloseModel)
    script.wait(1)

    assert before == []
    assert len(script.ordered(CloseModel)) == 1


def test_a_turn_that_is_closed_twice_is_answered_once() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=300))).begin()
    script.feed(SpeechStarted("u1", 0), SpeechStopped("u1", 0), TurnCommitted("u1"), SpeechStopped("u1", 0))
    script.wait(3000)

    assert notes(script) == []
    assert requests(script) == ["turn-1"]


def test_a_caller_who_goes_on_before_the_turn_is_committed_is_not_taken_as_done() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=300))).begin()
    script.feed(SpeechStarted("u1", 0), SpeechStopped("u1", 0))
    script.wait(1000)
    script.feed(SpeechStarted("u1", 0))
    script.wait(5000)

    assert notes(script) == []
    assert requests(script) == []


def test_a_caller_who_goes_on_before_the_answer_is_not_answered_yet() -> None:
    script = Script().begin()
    script.feed(SpeechStarted("u1", 0), SpeechStopped("u1", 0), TurnCommitted("u1"))
    script.wait(1000)
    script.feed(SpeechStarted("u2", 0))
    script.wait(5000)

    assert notes(script) == []
    assert requests(script) == []


def test_a_turn_of_which_only_the_commit_is_told_is_answered_even_after_a_cough() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("a", 3000)
    script.response_done()
    script.caller_speaks()
    script.wait(100)
    script.caller_stops()
    script.wait(100)
    before = requests(script)
    script.feed(TurnCommitted("u2"))

    assert before == []
    assert requests(script) == ["turn-1"]


def test_a_cough_into_a_pause_of_an_answer_that_goes_on_is_not_answered() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("a", 300, done=False)
    script.wait(100)
    script.caller_speaks()
    script.wait(250)  # what was there is heard, more is to come
    script.caller_stops()
    script.agent_speaks("a", 500)
    script.response_done()
    script.wait(1000)

    assert requests(script) == []


def test_a_response_that_calls_a_server_may_be_silent_for_as_long_as_a_tool_may_take_and_8_s() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=0, tool_seconds=3))).begin()
    script.feed(ResponseCreated("r1", None), McpCalled("r1", "m1", "calendar", "free_slots", "{}"))
    script.wait(10_999)
    before = script.ordered(CloseModel)
    script.wait(1)

    assert before == []
    assert len(script.ordered(CloseModel)) == 1


def test_a_call_of_another_response_gives_a_silent_one_no_time() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), McpCalled("r0", "m1", "calendar", "free_slots", "{}"))
    script.wait(8000)

    assert len(script.ordered(CloseModel)) == 1


def test_a_policy_of_one_millisecond_waits_for_that() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=1))).begin()
    script.agent_speaks("a", 3000, done=False)
    script.wait(500)
    script.feed(SpeechStarted("u1", 0))
    at_once = script.ordered(CancelResponse)
    script.caller_speaks("u1")
    script.wait(20)

    assert at_once == []
    assert len(script.ordered(CancelResponse)) == 1


def test_a_result_that_waited_for_the_end_of_the_turn_is_said_with_the_answer() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done()
    script.caller_speaks()
    script.feed(ToolFinished("c1", "42"))
    script.wait(500)
    script.caller_stops()
    script.feed(ResponseCreated("r2", "tool-1"))
    script.response_done("r2")
    script.wait(1000)

    assert requests(script) == ["tool-1"]


def test_an_answer_does_not_begin_over_the_caller_because_a_clip_of_ours_went_before_it() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400)), clips={"moment": b"\x81" * 8000}).begin()
    script.feed(ResponseCreated("r1", None))
    script.wait(2600)  # the sign of life plays
    script.feed(SpeechStarted("u1", 0))
    script.wait(100)
    script.feed(ModelAudio("r1", "a", 0, b"\x10" * 1600, 200))

    assert [command.response_id for command in script.ordered(CancelResponse)] == ["r1"]
    assert len(script.ordered(PlayAudio)) == 1


def outlasted(**agent: object) -> Script:
    """An answer is due behind what is heard; somebody begins 100 ms before its end, and is heard longer."""
    script = Script(an_agent(**{"barge_in": BargeIn(after_ms=600)} | agent)).begin()
    script.agent_speaks("a", 1000)
    script.response_done()
    script.feed(ResponseCreated("r2", None))
    script.wait(900)
    script.caller_speaks()
    script.wait(200)
    return script


def test_what_a_server_begins_by_itself_into_a_cough_is_said_after_it() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=600))).begin()
    script.agent_speaks("a", 3000)
    script.response_done()
    script.caller_speaks()
    script.feed(ResponseCreated("r2", None))
    script.response_done("r2", "cancelled")
    script.wait(200)
    before = requests(script)
    script.caller_stops()

    assert before == []
    assert [command.response_id for command in script.ordered(CancelResponse)] == ["r2"]
    assert requests(script) == ["mcp-1"]


def test_an_answer_does_not_begin_over_a_caller_who_has_outlasted_the_one_before() -> None:
    script = outlasted()
    heard = len(script.ordered(PlayAudio))
    script.feed(ModelAudio("r2", "b", 0, b"\x10" * 1600, 200))
    script.response_done("r2", "cancelled")
    script.caller_stops()

    assert [command.response_id for command in script.ordered(CancelResponse)] == ["r2"]
    assert len(script.ordered(PlayAudio)) == heard
    assert script.ordered(ClearPlayback) == []
    assert requests(script) == ["turn-1"]


def test_an_answer_begins_behind_the_last_one_while_somebody_coughs() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=600))).begin()
    script.agent_speaks("a", 1000)
    script.response_done()
    script.feed(ResponseCreated("r2", None))
    script.wait(900)
    script.caller_speaks()
    script.feed(ModelAudio("r2", "b", 0, b"\x10" * 4000, 500))
    script.wait(200)
    script.caller_stops()
    script.response_done("r2")
    script.wait(1000)

    assert script.ordered(CancelResponse) == []
    assert requests(script) == []


def test_the_flags_are_given_back_once() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.agent_speaks("a", 500)
    script.response_done()
    script.wait(600)
    script.agent_speaks("b", 500, response="r2")
    script.response_done("r2")
    script.wait(600)

    assert len(script.ordered(SetTurnFlags)) == 1


def test_what_is_heard_before_a_protected_greeting_has_begun_gives_no_flags_back() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.feed(ResponseCreated("r0", None), ModelAudio("r0", "x", 0, b"\x10" * 800, 100))
    script.wait(300)

    assert script.ordered(SetTurnFlags) == []


def test_an_answer_that_crosses_a_turn_gives_way_to_the_answer_to_that_turn() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.feed(KeyPressed("1"))
    script.wait(1500)
    script.caller_speaks()
    script.feed(ResponseCreated("r1", "keys-1"))
    script.wait(500)
    script.caller_stops()
    script.response_done("r1", "cancelled")

    assert requests(script) == ["keys-1", "turn-2"]


def test_a_cough_whose_commit_is_late_does_not_cut() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(500)
    script.feed(SpeechStarted("u1", 0))
    script.wait(600)
    script.feed(SpeechStopped("u1", 0))
    script.wait(400)

    assert script.ordered(ClearPlayback) == []


def test_where_turns_end_by_their_sense_no_silence_is_waited_for() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400), turn_detection=SemanticVad())).begin()
    script.agent_speaks("a", 3000, done=False)
    script.wait(500)
    script.feed(SpeechStarted("u1", 0))  # too soft to be measured
    script.wait(399)
    before = script.ordered(CancelResponse)
    script.wait(1)

    assert before == []
    assert len(script.ordered(CancelResponse)) == 1
