"""Who may speak."""

import pytest

from tests.support.script import Script, an_agent
from voice_agent.agent import BargeIn
from voice_agent.call.commands import (
    AddToolOutput,
    CancelResponse,
    ClearPlayback,
    ConfigureSession,
    ConnectModel,
    CreateResponse,
    PlayAudio,
    SetTurnFlags,
)
from voice_agent.call.events import (
    KeyPressed,
    ModelAudio,
    ModelError,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TimerFired,
    ToolFinished,
    ToolRequested,
    TurnCommitted,
)


def requests(script: Script) -> list[str]:
    return [c.request.rsplit("-", 1)[0] for c in script.ordered(CreateResponse)]


def begun_with(**barge_in: object) -> Script:
    greeting = "Hello." if "protect_greeting" in barge_in else None
    return Script(an_agent(greeting=greeting, barge_in=BargeIn(**barge_in))).begin()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("greeting", "barge_in", "flag"),
    [
        (None, BargeIn(), True),
        ("Hello.", BargeIn(), False),
        (None, BargeIn(after_ms=300), False),
        ("Hello.", BargeIn(protect_greeting=True), False),
    ],
)
def test_the_policy_sets_both_flags_of_the_session(greeting: str | None, barge_in: BargeIn, flag: bool) -> None:
    script = Script(an_agent(greeting=greeting, barge_in=barge_in)).begin()

    (configured,) = script.ordered(ConfigureSession)
    assert (configured.interrupt_response, configured.create_response) == (flag, flag)


def test_at_once_the_server_cancels_and_answers_by_itself() -> None:
    script = begun_with()
    script.agent_speaks("a", 3000)
    script.wait(500)
    script.caller_speaks()
    script.response_done(status="cancelled")
    script.wait(500)
    script.caller_stops()
    script.wait(100)

    assert len(script.ordered(ClearPlayback)) == 1
    assert script.ordered(CancelResponse) == []
    assert requests(script) == []


def test_a_turn_that_the_server_does_not_answer_is_answered_by_us() -> None:
    script = begun_with()
    script.caller_speaks()
    script.caller_stops()
    script.wait(2500)

    assert requests(script) == ["turn"]


def test_a_cut_response_that_ends_after_the_turn_leaves_the_answer_to_the_server() -> None:
    script = begun_with()
    script.agent_speaks("a", 3000)
    script.feed(ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.wait(500)
    script.caller_speaks()
    script.caller_stops()
    script.feed(ToolFinished("c1", "42"))
    script.response_done(status="cancelled")
    script.wait(1999)
    before = requests(script)
    script.wait(1)

    assert before == []
    assert requests(script) == ["tool"]  # which answers the turn too


def test_speech_shorter_than_the_policy_asks_does_not_cut() -> None:
    script = begun_with(after_ms=400)
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.wait(300)
    script.caller_stops()
    script.wait(1000)

    assert script.ordered(ClearPlayback) == []
    assert requests(script) == []


def test_speech_as_long_as_the_policy_asks_cuts_and_cancels() -> None:
    script = begun_with(after_ms=400)
    script.agent_speaks("a", 5000, done=False)
    script.wait(500)
    script.caller_speaks()
    script.wait(400)
    script.response_done(status="cancelled")
    script.wait(300)
    script.caller_stops()

    assert len(script.ordered(ClearPlayback)) == 1
    assert [c.response_id for c in script.ordered(CancelResponse)] == ["r1"]
    assert requests(script) == ["turn"]


def test_a_response_is_cancelled_once_however_often_the_caller_speaks_before_it_ends() -> None:
    script = begun_with(after_ms=400)
    script.agent_speaks("a", 5000, done=False)
    for turn in ("u1", "u2"):
        script.caller_speaks(turn)
        script.wait(500)
        script.caller_stops(turn)

    assert [c.event_id for c in script.ordered(CancelResponse)] == ["cancel-r1"]


def test_a_short_answer_at_the_end_of_the_agents_sentence_is_answered() -> None:
    script = begun_with(after_ms=400)
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(900)
    script.caller_speaks()
    script.wait(300)
    script.caller_stops()

    assert requests(script) == ["turn"]


def test_speech_that_outlasts_the_agents_sentence_cuts_nothing_and_is_answered() -> None:
    script = begun_with(after_ms=400)
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(900)
    script.caller_speaks()
    script.wait(600)
    script.caller_stops()

    assert script.ordered(ClearPlayback) == []
    assert requests(script) == ["turn"]


def test_after_a_protected_greeting_a_policy_of_length_needs_no_other_flags() -> None:
    script = begun_with(protect_greeting=True, after_ms=400)
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(1200)
    script.caller_speaks()
    script.wait(500)
    script.caller_stops()

    assert script.ordered(SetTurnFlags) == []
    assert requests(script) == ["greeting", "turn"]


def test_what_is_said_before_a_protected_greeting_is_not_protected() -> None:
    script = begun_with(protect_greeting=True)
    script.caller_speaks()
    script.feed(ResponseCreated("r1", "greeting-1"))
    script.response_done(status="cancelled")
    script.wait(1500)
    script.caller_stops()
    script.feed(ResponseCreated("r2", None))  # behind an MCP call
    script.caller_speaks("u2")
    script.feed(ModelAudio("r2", "a", 0, b"\x10" * 1600, 200))

    assert [command.response_id for command in script.ordered(CancelResponse)] == ["r1", "r2"]
    assert script.ordered(PlayAudio) == []


def test_a_turn_under_protection_is_answered_exactly_once_when_the_text_was_heard() -> None:
    script = begun_with(protect_greeting=True)
    script.agent_speaks("a", 3000)
    script.response_done()
    script.wait(1600)
    script.caller_speaks()
    script.wait(500)
    script.caller_stops()
    script.wait(500)
    before = requests(script)
    script.wait(1000)

    assert before == ["greeting"]
    assert requests(script) == ["greeting", "turn"]
    (flags,) = script.ordered(SetTurnFlags)
    assert (flags.interrupt_response, flags.create_response) == (True, True)


def test_a_turn_committed_before_the_new_flags_are_in_force_is_answered_by_us() -> None:
    script = begun_with(protect_greeting=True)
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(800)
    script.caller_speaks()
    script.wait(400)  # the greeting ends, the flags go out
    script.caller_stops()
    script.feed(SessionUpdated())

    assert requests(script) == ["greeting", "turn"]


def test_once_the_flags_are_back_the_server_answers() -> None:
    script = begun_with(protect_greeting=True)
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(1500)
    script.feed(SessionUpdated())
    script.caller_speaks()
    script.caller_stops()
    script.feed(ResponseCreated("r2", None))

    assert requests(script) == ["greeting"]


def test_a_protected_greeting_waits_for_a_caller_who_speaks_first() -> None:
    script = begun_with(protect_greeting=True)
    script.caller_speaks()
    commands = script.feed(ResponseCreated("r1", script.ordered(CreateResponse)[0].request))
    script.feed(ResponseDone("r1", "cancelled", "client_cancelled"))
    before = requests(script)
    script.caller_stops()

    assert any(isinstance(c, CancelResponse) for c in commands)
    assert before == ["greeting"]
    assert requests(script) == ["greeting", "greeting"]


def test_a_protected_greeting_waits_for_the_tone_of_a_key_too() -> None:
    script = begun_with(protect_greeting=True)
    script.wait(300)
    script.feed(KeyPressed("5"), SpeechStarted("u1", 0))
    script.feed(ResponseCreated("r1", script.ordered(CreateResponse)[0].request))
    script.feed(ResponseDone("r1", "cancelled", "client_cancelled"))
    script.caller_stops()

    assert requests(script)[:2] == ["greeting", "greeting"]


def test_a_protected_greeting_that_failed_is_as_protected_when_it_is_said_once_more() -> None:
    script = begun_with(protect_greeting=True)
    script.feed(ResponseCreated("r1", script.ordered(CreateResponse)[0].request))
    script.feed(ResponseDone("r1", "failed", "server_error"))
    script.agent_speaks("a", 5000, response="r2")
    script.wait(3000)
    script.caller_speaks()
    script.wait(1500)

    assert requests(script) == ["greeting", "greeting"]
    assert script.ordered(ClearPlayback) == []


def test_no_response_is_asked_for_between_speech_started_and_the_end_of_the_turn() -> None:
    script = begun_with()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done()
    script.caller_speaks()
    commands = script.feed(ToolFinished("c1", "42"))
    script.wait(500)
    during = requests(script)
    script.feed(SpeechStopped("u1", 0))
    still = requests(script)
    script.feed(TurnCommitted("u1"))
    script.feed(ResponseCreated("r2", None))
    script.response_done("r2")
    script.wait(3000)

    assert any(isinstance(c, AddToolOutput) for c in commands)
    assert (during, still) == ([], [])
    assert requests(script) == []  # the server's own answer had the tool's result before it


def test_a_response_that_crosses_the_callers_first_word_is_cancelled_unheard() -> None:
    script = begun_with()
    script.feed(KeyPressed("4"))
    script.wait(1500)
    script.caller_speaks()
    commands = script.feed(ResponseCreated("r1", script.ordered(CreateResponse)[0].request))
    script.agent_speaks("a", 400, response="r1")

    assert [c.response_id for c in commands if isinstance(c, CancelResponse)] == ["r1"]
    assert not script.call._parts[1]._playout  # type: ignore[attr-defined]


def test_an_answer_refused_because_the_servers_own_is_active_is_not_repeated() -> None:
    script = begun_with()
    script.caller_speaks()
    script.caller_stops()
    script.wait(2000)
    (request,) = script.ordered(CreateResponse)
    script.feed(ModelError("conversation_already_has_active_response", "busy", request.request))
    script.feed(ResponseCreated("r1", None), ResponseDone("r1", "completed"))
    script.wait(5000)

    assert requests(script) == ["turn"]


def test_a_response_to_something_new_refused_because_another_is_active_is_asked_for_after_it() -> None:
    script = begun_with()
    script.feed(KeyPressed("4"))
    script.wait(1500)
    (request,) = script.ordered(CreateResponse)
    script.feed(ResponseCreated("r1", None))
    script.feed(ModelError("conversation_already_has_active_response", "busy", request.request))
    before = requests(script)
    script.feed(ResponseDone("r1", "completed"))

    assert before == ["keys"]
    assert requests(script) == ["keys", "keys"]


def test_a_result_that_comes_after_the_turn_was_committed_is_not_in_its_answer_and_is_spoken_of_next() -> None:
    script = begun_with()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done()
    script.caller_speaks()
    script.caller_stops()
    script.feed(ToolFinished("c1", "42"))
    script.feed(ResponseCreated("r2", None))
    before = requests(script)
    script.response_done("r2")

    assert before == []
    assert requests(script) == ["tool"]


def test_a_greeting_refused_because_another_response_is_active_is_asked_for_again() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    (request,) = script.ordered(CreateResponse)
    script.feed(ModelError("conversation_already_has_active_response", "busy", request.request))
    script.wait(2500)

    assert requests(script) == ["greeting", "greeting"]


def test_a_failed_response_is_retried_once_and_then_the_session_is_opened_anew() -> None:
    script = begun_with()
    script.caller_speaks()
    script.caller_stops()
    script.feed(ResponseCreated("r1", None), ResponseDone("r1", "failed", "server_error"))
    retried = requests(script)
    script.feed(ResponseCreated("r2", script.ordered(CreateResponse)[0].request), ResponseDone("r2", "failed", "x"))

    assert retried == ["retry"]
    assert len(script.ordered(ConnectModel)) == 2


def test_a_greeting_that_failed_is_asked_for_again_as_a_greeting() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    (asked,) = script.ordered(CreateResponse)
    script.feed(ResponseCreated("r1", asked.request), ResponseDone("r1", "failed", "server_error"))
    again = script.ordered(CreateResponse)[-1]

    assert requests(script) == ["greeting", "greeting"]
    assert (again.instructions, again.tool_choice) == (asked.instructions, asked.tool_choice)


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_a_protected_greeting_that_failed_stays_protected_when_it_is_said_again(status: str) -> None:
    script = begun_with(protect_greeting=True)
    script.feed(ResponseCreated("r1", "greeting-1"))
    script.response_done("r1", status)
    script.agent_speaks("a", 2000, response="r2")
    script.wait(500)
    script.caller_speaks()
    script.wait(100)

    assert requests(script) == ["greeting", "greeting"]
    assert script.ordered(ClearPlayback) == []
    assert script.ordered(SetTurnFlags) == []


def test_a_protected_greeting_that_was_refused_is_asked_for_again() -> None:
    script = begun_with(protect_greeting=True)
    script.feed(ModelError("server_error", "try again", "greeting-1"))
    script.agent_speaks("a", 500, response="r1")
    script.response_done()
    script.wait(1000)

    assert requests(script) == ["greeting", "greeting"]
    assert len(script.ordered(SetTurnFlags)) == 1


def test_a_session_that_does_not_begin_what_was_asked_for_is_opened_anew() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.wait(4000)

    assert len(script.ordered(ConnectModel)) == 2


def test_a_session_that_begins_a_response_and_says_nothing_is_opened_anew() -> None:
    script = begun_with()
    script.caller_speaks()
    script.caller_stops()
    script.feed(ResponseCreated("r1", None))
    script.wait(8000)

    assert len(script.ordered(ConnectModel)) == 2


def test_all_that_is_new_is_spoken_of_in_one_response() -> None:
    script = begun_with()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done()
    script.feed(ResponseCreated("r2", None), KeyPressed("1"))
    script.wait(1500)
    script.feed(ToolFinished("c1", "42"))
    script.response_done("r2")
    script.feed(ResponseCreated("r3", "keys-1"))
    script.response_done("r3")

    assert requests(script) == ["keys"]


def test_a_session_is_given_up_once_even_by_a_timer_that_comes_very_late() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.feed(ResponseCreated("r1", None))
    script.now_ms += 20_000
    script.feed(TimerFired())

    assert len(script.ordered(ConnectModel)) == 2


def test_nothing_is_asked_of_a_session_that_was_given_up() -> None:
    script = begun_with()
    script.feed(KeyPressed("1"))
    script.wait(1500)
    script.feed(ResponseCreated("r0", "keys-1"), ResponseDone("r0", "failed", "x"))
    script.feed(ResponseCreated("r1", "keys-2"), KeyPressed("2"))
    script.wait(1500)
    before = len(script.said)
    script.feed(ResponseDone("r1", "failed", "x"))

    told = [type(command).__name__ for command in script.said[before:]]
    assert told[:3] == ["Note", "Note", "ConnectModel"]
    assert requests(script) == ["keys", "keys"]


def test_a_turn_that_is_never_committed_is_closed() -> None:
    script = begun_with(after_ms=300)
    script.feed(SpeechStarted("u1", 0), SpeechStopped("u1", 0))
    script.wait(2000)

    assert requests(script) == ["turn"]


def test_an_answer_that_is_not_heard_yet_gives_way_whatever_length_the_policy_asks_for() -> None:
    script = begun_with(after_ms=400)
    script.feed(ResponseCreated("r1", None))
    commands = script.caller_speaks()
    script.agent_speaks("a", 400, response="r1")
    script.response_done("r1", "cancelled")
    script.caller_stops()

    assert [c.response_id for c in commands if isinstance(c, CancelResponse)] == ["r1"]
    assert not script.ordered(PlayAudio)
    assert requests(script) == ["turn"]


@pytest.mark.parametrize(
    ("reason", "clips", "heard"),
    [
        ("content_filter", {"withheld": b"\x82" * 400}, 1),
        ("max_output_tokens", {"withheld": b"\x82" * 400}, 0),
        ("content_filter", {}, 0),
    ],
)
def test_an_answer_that_was_filtered_is_excused_by_its_clip(reason: str, clips: dict[str, bytes], heard: int) -> None:
    script = Script(clips=clips).begin()
    script.caller_speaks()
    script.caller_stops()
    script.feed(ResponseCreated("r1", None), ResponseDone("r1", "incomplete", reason))

    assert sum(play.audio == b"\x82" * 400 for play in script.ordered(PlayAudio)) == heard
    assert requests(script) == [] if heard else ["retry"]


def test_a_filtered_answer_is_not_excused_into_the_callers_words() -> None:
    script = Script(clips={"withheld": b"\x82" * 400}).begin()
    script.feed(ResponseCreated("r1", None))
    script.caller_speaks()
    script.feed(ResponseDone("r1", "incomplete", "content_filter"))

    assert script.ordered(PlayAudio) == []
