"""Speech events beside keys: a detector takes the tone of a key for speech."""

from typing import Any

import pytest

from tests.support.script import CLIPS, Script, an_agent
from voice_agent.agent import BargeIn, DigitCollection, ServerVad, Tool
from voice_agent.call.commands import CancelResponse, ClearPlayback, CreateResponse, Note, PlayAudio, SetTurnFlags
from voice_agent.call.events import (
    KeyPressed,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.sign_of_life import SILENCE_MS as SILENCE_MS_TO_SIGN
from voice_agent.call.turns import BY_KEY, ONLY_TONES

PADDING_MS, SILENCE_MS = 300, 500
"""The session's defaults: by so much a turn is said to begin earlier and to end later than its sound."""

TOOL = Tool("pin", "The PIN.", {}, "collect_digits", digits=DigitCollection(length=6, timeout_seconds=30))


def speaking_agent(**changes: Any) -> Script:
    """A call in which the agent speaks, and will for 10 s."""
    script = Script(an_agent(tools=(TOOL,), **changes)).begin()
    script.agent_speaks("a", 10_000)
    script.response_done()
    script.wait(2000)
    return script


def collecting(**changes: Any) -> Script:
    """The same, while digits are collected and the server has confirmed that it does not decide."""
    script = speaking_agent(**changes)
    script.feed(ResponseCreated("r2", None), ToolRequested("r2", "i2", "c1", "pin", "{}"))
    script.feed(ResponseDone("r2", "completed"), SessionUpdated())
    return script


def sound_begins(script: Script, ago_ms: int = 0) -> None:
    """Speech of which the server tells `ago_ms` after its sound began."""
    script.feed(SpeechStarted("u1", script.now_ms - ago_ms - PADDING_MS))


def sound_ends(script: Script, ago_ms: int = 0) -> None:
    script.feed(SpeechStopped("u1", script.now_ms - ago_ms + SILENCE_MS), TurnCommitted("u1"))


def notes(script: Script) -> list[str]:
    return [note.what for note in script.ordered(Note)]


@pytest.mark.parametrize("ago_ms", [-140, 0, 140])
def test_the_tone_of_a_key_stops_nothing(ago_ms: int) -> None:
    script = speaking_agent()
    script.feed(KeyPressed("1"))
    script.wait(300)  # the way of the server's word
    sound_begins(script, 300 + ago_ms)
    script.wait(200)
    sound_ends(script, 300)
    script.wait(1500)

    assert script.ordered(ClearPlayback) == []
    assert notes(script) == [BY_KEY]


@pytest.mark.parametrize("ago_ms", [-200, 200])
def test_speech_that_does_not_begin_with_the_key_stops_the_agent(ago_ms: int) -> None:
    script = speaking_agent()
    script.feed(KeyPressed("1"))
    script.wait(300)
    sound_begins(script, 300 + ago_ms)

    assert len(script.ordered(ClearPlayback)) == 1


def test_a_voice_that_outlasts_the_tone_stops_the_agent() -> None:
    script = speaking_agent()
    script.feed(KeyPressed("1"))
    sound_begins(script)
    script.wait(849)  # 350 ms of tone, and the silence that its end would need
    before = script.ordered(ClearPlayback)
    script.wait(1)

    assert before == []
    assert len(script.ordered(ClearPlayback)) == 1


def test_a_voice_that_outlasts_the_tones_of_several_keys_stops_the_agent() -> None:
    script = speaking_agent()
    script.feed(KeyPressed("1"))
    sound_begins(script)
    script.wait(400)
    script.feed(KeyPressed("2"))
    script.wait(849)
    before = script.ordered(ClearPlayback)
    script.wait(1)

    assert before == []
    assert len(script.ordered(ClearPlayback)) == 1


def test_a_key_that_is_pressed_while_somebody_speaks_does_not_shorten_how_long_that_must_last() -> None:
    script = speaking_agent(barge_in=BargeIn(after_ms=2000))
    script.caller_speaks()
    script.wait(1000)
    script.feed(KeyPressed("1"))
    script.wait(980)
    before = script.ordered(ClearPlayback)
    script.wait(40)

    assert before == []
    assert len(script.ordered(ClearPlayback)) == 1


def test_who_types_owes_nobody_an_answer_and_waits_for_none() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.feed(KeyPressed("1"))
    sound_begins(script)
    script.wait(200)
    sound_ends(script, 100)
    script.wait(1500 + SILENCE_MS_TO_SIGN - 200 - 1)
    before = script.ordered(PlayAudio)
    script.wait(1)

    assert before == []
    assert [command.audio for command in script.ordered(PlayAudio)] == [CLIPS["moment"]]


def test_each_further_key_may_be_what_is_heard() -> None:
    script = speaking_agent()
    script.feed(KeyPressed("1"))
    sound_begins(script)
    for key in "234":
        script.wait(400)
        script.feed(KeyPressed(key))
    script.wait(500)
    sound_ends(script, 400)
    script.wait(3000)

    assert script.ordered(ClearPlayback) == []


def test_while_digits_are_collected_the_server_decides_nothing() -> None:
    script = collecting()
    for key in "123456":
        script.feed(KeyPressed(key))

    assert [(flags.interrupt_response, flags.create_response) for flags in script.ordered(SetTurnFlags)] == [
        (False, False),
        (True, True),
    ]


def test_a_policy_under_which_the_server_never_decides_stays_as_it_is() -> None:
    script = collecting(barge_in=BargeIn(after_ms=300))
    for key in "123456":
        script.feed(KeyPressed(key))

    assert script.ordered(SetTurnFlags) == []


def test_a_protected_greeting_stays_protected_behind_a_collection() -> None:
    script = Script(an_agent(tools=(TOOL,), greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.agent_speaks("a", 3000)
    script.feed(ToolRequested("r1", "i2", "c1", "pin", "{}"))
    script.response_done()
    for key in "123456":
        script.feed(KeyPressed(key))
    before = script.ordered(SetTurnFlags)
    script.wait(4000)

    assert before == []
    assert [flags.create_response for flags in script.ordered(SetTurnFlags)] == [True]


def test_a_key_whose_message_comes_behind_its_tone_stops_nothing_either() -> None:
    script = collecting()
    sound_begins(script, 20)
    script.wait(100)
    script.feed(KeyPressed("1"))
    script.wait(200)
    sound_ends(script, 100)
    script.wait(5000)

    assert script.ordered(ClearPlayback) == []
    assert notes(script) == [BY_KEY, ONLY_TONES]


def test_a_voice_stops_the_question_when_no_key_has_come() -> None:
    script = collecting()
    sound_begins(script, 20)
    script.wait(149)
    before = script.ordered(ClearPlayback)
    script.wait(1)

    assert before == []
    assert len(script.ordered(ClearPlayback)) == 1


def test_tones_are_no_turn_that_is_answered() -> None:
    script = collecting()
    script.wait(9000)
    asked = len(script.ordered(CreateResponse))
    script.feed(KeyPressed("1"))
    sound_begins(script)
    script.wait(200)
    sound_ends(script, 50)
    script.wait(2000)

    assert len(script.ordered(CreateResponse)) == asked
    assert notes(script) == [BY_KEY, ONLY_TONES]


def test_words_behind_a_key_are_answered() -> None:
    script = collecting()
    script.wait(9000)
    asked = len(script.ordered(CreateResponse))
    script.feed(KeyPressed("1"))
    sound_begins(script)
    script.wait(1500)
    sound_ends(script, 100)
    script.wait(100)

    assert [request.request for request in script.ordered(CreateResponse)[asked:]] == ["turn-1"]
    assert notes(script) == [BY_KEY]


def test_an_answer_that_a_tone_has_cut_is_asked_for_again() -> None:
    script = collecting()
    script.wait(9000)
    script.feed(ResponseCreated("r3", None))
    sound_begins(script)
    script.wait(100)
    script.feed(KeyPressed("1"))
    script.wait(100)
    sound_ends(script, 50)
    script.feed(ResponseDone("r3", "cancelled"))

    assert [cancel.response_id for cancel in script.ordered(CancelResponse)] == ["r3"]
    assert [request.request for request in script.ordered(CreateResponse)] == ["turn-1"]


def test_without_a_silence_in_its_rules_the_same_holds() -> None:
    script = collecting(turn_detection=ServerVad(silence_duration_ms=100, prefix_padding_ms=0))
    script.feed(KeyPressed("1"))
    script.feed(SpeechStarted("u1", script.now_ms))
    script.wait(200)
    script.feed(SpeechStopped("u1", script.now_ms), TurnCommitted("u1"))
    script.wait(1000)

    assert script.ordered(ClearPlayback) == []
    assert notes(script) == [BY_KEY, ONLY_TONES]
