"""A session that is lost in the middle of a call: what the next one is told and given, and what nobody is told."""

import pytest

from tests.support.script import CLIPS, Script, an_agent
from voice_agent.agent import BargeIn, ServerVad
from voice_agent.call.caller_audio import BUFFER_MS, LOST_AUDIO, UNHEARD_MS
from voice_agent.call.commands import (
    AddAgentText,
    AddSystemText,
    AddToolCall,
    AddToolOutput,
    AddUserText,
    AgentSaid,
    AppendAudio,
    CallerBegan,
    CancelResponse,
    ConfigureSession,
    ConnectModel,
    CreateResponse,
    Note,
    PlayAudio,
    SetTurnFlags,
    ToolAnswered,
    TruncateItem,
)
from voice_agent.call.events import (
    AgentTranscript,
    CallerTranscribed,
    KeyPressed,
    ModelClosed,
    ModelOpened,
    ResponseCreated,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    ToolFinished,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.sign_of_life import LOST_MS, SILENCE_MS
from voice_agent.call.turns import HEARD_AGAIN_MS

DROPPED = ModelClosed(None)
MS = 8
"""Bytes."""


def requests(script: Script) -> list[str]:
    return [command.request.rpartition("-")[0] for command in script.ordered(CreateResponse)]


def given_again(script: Script) -> bytes:
    """Open the next session; give what it hears at once."""
    told = script.begin_session()
    return b"".join(command.audio for command in told if isinstance(command, AppendAudio))


def history(script: Script) -> list[object]:
    """Open the next session; give what it is told."""
    told = script.begin_session()
    return [one for one in told if isinstance(one, AddUserText | AddAgentText | AddToolCall | AddToolOutput)]


def test_a_session_that_takes_over_is_set_up_told_and_only_then_given_sound() -> None:
    script = Script().begin()
    script.feed(TurnCommitted("u1"), CallerTranscribed("u1", "Is it open?"), ResponseCreated("r1", None))
    script.feed(AgentTranscript("r1", "a", "It is."))
    script.agent_speaks("a", 500)
    script.response_done()
    script.wait(600)
    script.feed(DROPPED)
    script.wait(100)
    script.fresh()
    told = script.begin_session()

    kinds = [type(command) for command in told]
    assert kinds == [ConfigureSession, Note, AddUserText, AddAgentText, AddSystemText, AppendAudio]
    assert [command.text for command in told[2:4]] == ["Is it open?", "It is."]  # type: ignore[union-attr]


def test_what_is_in_the_air_is_heard_out_and_told_then() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), AgentTranscript("r1", "a", "one two three four five"))
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(500)
    script.feed(DROPPED)
    first = history(script)
    script.wait(2000)

    assert first == []
    assert script.ordered(TruncateItem) == []
    assert [said.text for said in script.ordered(AgentSaid)] == ["one two three four five"]
    assert script.ordered(AddAgentText) == [AddAgentText("heard-a", "one two three four five")]


def test_an_answer_that_breaks_off_is_heard_as_far_as_it_came_and_gone_on_with() -> None:
    script = Script().begin()
    words = "one two three four five six seven eight nine ten eleven twelve"
    script.feed(ResponseCreated("r1", None), AgentTranscript("r1", "a", words))
    script.agent_speaks("a", 1000, done=False)
    script.feed(DROPPED)
    script.begin_session()
    before = requests(script)
    script.wait(1100)

    (said,) = script.ordered(AgentSaid)
    # Words come ahead of their sound: a second holds but a few of them.
    assert said.text == "one two three"
    assert said.interrupted
    assert (before, requests(script)) == ([], ["turn"])


def test_a_caller_who_interrupts_what_is_in_the_air_cuts_it_in_no_session() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), AgentTranscript("r1", "a", "one two three four five"))
    script.agent_speaks("a", 4000)
    script.response_done()
    script.feed(DROPPED)
    script.begin_session()
    script.wait(1000)
    script.caller_speaks("u2")
    script.wait(200)
    script.caller_stops("u2")

    assert script.ordered(TruncateItem) == []
    (said,) = script.ordered(AgentSaid)
    assert said.interrupted
    assert AddAgentText("heard-a", said.text) in script.said


def test_a_greeting_of_which_nothing_came_is_asked_for_again() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.feed(ResponseCreated("r1", "greeting-1"), DROPPED)
    script.begin_session()

    assert requests(script) == ["greeting", "greeting"]
    assert [one.create_response for one in script.ordered(ConfigureSession)] == [False, False]


def test_a_turn_whose_words_are_known_is_answered_without_being_heard_again() -> None:
    script = Script().begin()
    script.wait(2000)
    script.feed(SpeechStarted("u1", 500), SpeechStopped("u1", 1600), TurnCommitted("u1"))
    script.feed(CallerTranscribed("u1", "Is it open?"), ResponseCreated("r1", None), DROPPED)
    script.fresh()
    heard = given_again(script)

    assert requests(script) == ["turn"]
    assert len(heard) == 400 * MS  # what the lost session had not settled
    assert AddUserText("history-1", "Is it open?") in script.said


def test_a_turn_that_nobody_has_written_down_is_heard_again_and_answered_by_the_server() -> None:
    script = Script().begin()
    script.wait(2000)
    script.feed(SpeechStarted("u1", 500), SpeechStopped("u1", 1600), TurnCommitted("u1"), DROPPED)
    script.fresh()
    heard = given_again(script)
    script.feed(SpeechStarted("u2", 0), SpeechStopped("u2", 1100), TurnCommitted("u2"))
    script.feed(CallerTranscribed("u2", "Is it open?"), ResponseCreated("r2", None))
    script.wait(HEARD_AGAIN_MS)

    assert len(heard) == 1500 * MS
    assert requests(script) == []
    assert script.ordered(AddUserText) == []
    assert [turn.item_id for turn in script.call.conversation().turns] == ["u2"]  # type: ignore[union-attr]


def test_a_turn_in_which_the_next_session_hears_nothing_is_answered_by_a_request() -> None:
    script = Script().begin()
    script.feed(SpeechStarted("u1", 0), SpeechStopped("u1", 0), TurnCommitted("u1"), DROPPED)
    script.begin_session()
    script.wait(HEARD_AGAIN_MS - 1)
    before = requests(script)
    script.wait(1)

    assert (before, requests(script)) == ([], ["turn"])


def test_an_open_turn_is_heard_from_its_beginning_and_told_once() -> None:
    script = Script().begin()
    script.wait(3000)
    script.feed(SpeechStarted("u1", 1000))
    script.wait(500)
    script.feed(DROPPED)
    script.wait(300)
    script.fresh()
    heard = given_again(script)
    script.feed(SpeechStarted("u2", 0))

    assert len(heard) == 2800 * MS
    assert len(script.ordered(CallerBegan)) == 1


def test_between_turns_only_the_last_moment_is_given_again() -> None:
    script = Script().begin()
    script.wait(3000)
    script.feed(DROPPED)
    script.wait(200)
    script.fresh()

    assert len(given_again(script)) == (UNHEARD_MS + 200) * MS


@pytest.mark.parametrize("speech_ms", [8000, 14_000, 30_000])
def test_of_a_long_turn_10_s_are_given_again_and_the_rest_is_counted(speech_ms: int) -> None:
    script = Script().begin()
    script.feed(SpeechStarted("u1", 0))
    script.wait(speech_ms)
    script.feed(DROPPED)
    script.fresh()
    heard = given_again(script)
    lost = [note.fields["lost_ms"] for note in script.ordered(Note) if note.what == LOST_AUDIO]

    assert len(heard) == min(speech_ms, BUFFER_MS) * MS
    assert sum(lost) == max(0, speech_ms - BUFFER_MS)


def test_a_long_time_without_a_session_takes_the_place_of_what_was_said_before() -> None:
    script = Script().begin()
    script.feed(SpeechStarted("u1", 0))
    script.wait(3000)
    script.feed(DROPPED)
    script.wait(2900)
    script.feed(DROPPED)
    script.wait(5900)
    script.fresh()
    heard = given_again(script)

    assert len(heard) == BUFFER_MS * MS
    assert [note.fields["lost_ms"] for note in script.ordered(Note) if note.what == LOST_AUDIO] == [1800]


def test_a_tool_that_runs_meanwhile_is_told_as_open_and_answered_once() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"), DROPPED)
    told = history(script)
    script.feed(ToolFinished("c1", "42"))

    assert told == [AddToolCall("history-1", "c1", "look_up", "{}")]
    assert script.ordered(AddToolOutput) == [AddToolOutput("output-c1", "c1", "42")]
    assert requests(script) == ["tool"]


def test_a_tool_that_ends_while_there_is_no_session_is_answered_in_the_history() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"), DROPPED)
    script.feed(ToolFinished("c1", "42"))
    meanwhile = script.ordered(AddToolOutput)
    told = history(script)

    assert (meanwhile, len(script.ordered(ToolAnswered))) == ([], 1)
    assert told == [
        AddToolCall("history-1", "c1", "look_up", "{}"),
        AddToolOutput("history-1-output", "c1", "42"),
    ]
    assert requests(script) == ["tool"]


def test_keys_that_are_pressed_meanwhile_are_told_when_there_is_a_session() -> None:
    script = Script().begin()
    script.feed(DROPPED, KeyPressed("4"))
    script.wait(2000)
    before = script.ordered(AddUserText)
    script.begin_session()
    script.wait(2000)

    assert before == []
    assert [one.text for one in script.ordered(AddUserText)] == ["The caller pressed these keys: 4"]
    assert requests(script) == ["keys"]


def test_nothing_is_said_to_a_session_that_is_not_there() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.agent_speaks("a", 1000, done=False)
    script.feed(DROPPED)
    script.fresh()
    script.wait(1200)  # the greeting is heard: from now on the server would decide
    told = script.said

    after = told[[type(command) for command in told].index(ConnectModel, 1) :]
    assert [one for one in after if isinstance(one, SetTurnFlags | CreateResponse | CancelResponse)] == []
    script.begin_session()
    assert script.ordered(ConfigureSession)[-1].create_response


def test_a_sign_of_life_covers_a_session_that_is_slow_to_come_back() -> None:
    script = Script().begin()
    script.wait(10_000)
    script.feed(DROPPED)
    script.wait(LOST_MS - 1)
    before = script.ordered(PlayAudio)
    script.wait(1)

    assert before == []
    assert [command.audio for command in script.ordered(PlayAudio)] == [CLIPS["moment"]]


def test_a_caller_whose_turn_was_open_for_a_dead_session_waits_no_longer_than_any_other() -> None:
    script = Script().begin()
    script.feed(SpeechStarted("u1", 0))
    script.wait(40_000)  # the session is dead, and nobody knows it yet
    script.feed(DROPPED)
    script.begin_session()  # and hears nothing
    script.wait(SILENCE_MS)

    assert [command.audio for command in script.ordered(PlayAudio)] == [CLIPS["moment"]]


def test_the_rules_of_turns_are_those_that_hold_when_the_session_is_opened() -> None:
    script = Script(an_agent(turn_detection=ServerVad(silence_duration_ms=200), barge_in=BargeIn(after_ms=300))).begin()
    script.feed(DROPPED)
    script.feed(ModelOpened(), SessionCreated("s2"), SessionUpdated())

    first, second = script.ordered(ConfigureSession)
    assert first == second
