"""What the server owes to the caller's turn and to our requests, and what crosses them."""

from tests.support.script import Script, an_agent
from voice_agent.agent import BargeIn, Limits, SemanticVad
from voice_agent.call.commands import (
    CancelResponse,
    ClearPlayback,
    ConnectModel,
    CreateResponse,
    Note,
    PlayAudio,
    ResponseUsed,
    SetTurnFlags,
)
from voice_agent.call.events import (
    AgentTranscript,
    KeyPressed,
    McpCalled,
    ModelAudio,
    ModelClosed,
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
from voice_agent.call.floor import OPENING_MS

BUSY = "conversation_already_has_active_response"


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]


def notes(script: Script) -> list[Note]:
    return script.ordered(Note)


def test_an_answer_that_fell_upon_a_response_which_was_still_being_cancelled_is_asked_for_behind_it() -> None:
    script = Script().begin()
    script.feed(SpeechStarted("u1", 0), ResponseCreated("r1", None), SpeechStopped("u1", 0), TurnCommitted("u1"))
    script.feed(ModelError("conversation_already_has_active_response", "There is one already."))
    before = requests(script)
    script.feed(ResponseDone("r1", "cancelled", "client_cancelled"))

    assert (before, requests(script)) == ([], ["turn-1"])


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
    assert repr(part) == "<Turns caller silent, response r2, waiting [], Deadlines({})>"


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
    script.wait(2000)
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
    before = script.ordered(ConnectModel)[1:]
    script.wait(1)

    assert before == []
    assert len(script.ordered(ConnectModel)) == 2


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
    before = script.ordered(ConnectModel)[1:]
    script.wait(1)

    assert before == []
    assert len(script.ordered(ConnectModel)) == 2


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
    before = script.ordered(ConnectModel)[1:]
    script.wait(1)

    assert before == []
    assert len(script.ordered(ConnectModel)) == 2


def test_a_call_of_another_response_gives_a_silent_one_no_time() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), McpCalled("r0", "m1", "calendar", "free_slots", "{}"))
    script.wait(8000)

    assert len(script.ordered(ConnectModel)) == 2


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


def test_a_policy_of_one_millisecond_waits_for_that_where_turns_end_by_their_sense_too() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=1), turn_detection=SemanticVad())).begin()
    script.agent_speaks("a", 3000, done=False)
    script.wait(500)
    script.feed(SpeechStarted("u1", 0))
    at_once = script.ordered(CancelResponse)
    script.wait(1)

    assert at_once == []
    assert len(script.ordered(CancelResponse)) == 1


def test_speech_however_long_does_not_cut_a_protected_greeting() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(after_ms=400, protect_greeting=True))).begin()
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.wait(2000)

    assert script.ordered(ClearPlayback) == []


def test_a_key_and_a_turn_under_protection_are_answered_together_behind_the_greeting() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.agent_speaks("greeting", 5000)
    script.response_done()
    script.feed(KeyPressed("4"))
    script.wait(2000)
    script.caller_speaks()
    script.wait(1600)
    script.caller_stops()
    before = requests(script)
    script.wait(2000)
    script.agent_speaks("answer", 1000, response="r2")
    script.response_done("r2")
    script.wait(3000)

    assert before == ["greeting-1"]
    assert requests(script) == ["greeting-1", "keys-2"]


def test_a_result_that_comes_into_the_words_of_a_lost_session_is_where_the_next_one_goes_on() -> None:
    script = Script().begin()
    script.agent_speaks("words", 3000, done=False)
    script.feed(ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.wait(500)
    script.feed(ModelClosed(1006))
    script.begin_session()
    script.feed(ToolFinished("c1", "42"))
    script.agent_speaks("result", 1000, response="r2")
    script.response_done("r2")
    script.wait(6000)

    assert requests(script) == ["tool-1"]


def test_a_pause_in_a_protected_greeting_does_not_end_its_protection() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.agent_speaks("a", OPENING_MS, done=False)
    script.wait(OPENING_MS + 100)
    in_the_pause = script.ordered(SetTurnFlags)
    script.agent_speaks("a", 500)
    script.response_done()
    script.wait(600)

    assert in_the_pause == []
    assert len(script.ordered(SetTurnFlags)) == 1


def test_the_end_of_another_response_does_not_end_the_protection_of_the_greeting() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.feed(ResponseCreated("r1", "greeting-1"), ResponseDone("r0", "cancelled"))
    script.feed(ModelAudio("r1", "a", 0, b"\x10" * 16_000, 2000))
    script.wait(OPENING_MS + 100)
    script.caller_speaks()

    assert script.ordered(SetTurnFlags) == []
    assert script.ordered(ClearPlayback) == []


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
