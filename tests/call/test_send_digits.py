"""The tool that presses keys."""

import json
from typing import Any

import pytest

from tests.support.script import Script, an_agent
from voice_agent.agent import DigitsToSend, Tool
from voice_agent.audio.dtmf import keys_in, tones
from voice_agent.call.commands import AddToolOutput, ClearPlayback, PlayAudio, ToolAnswered, TruncateItem
from voice_agent.call.events import KeyPressed, ModelClosed, ResponseCreated, ResponseDone, ToolRequested
from voice_agent.call.facts import AgentChanged, LineToolCalled, SoundWanted
from voice_agent.call.playback import SOUND_WAIT_MS
from voice_agent.call.send_digits import SendDigits

ANY = Tool("send_digits", "", {}, "send_digits", keys=DigitsToSend())
DOORS = Tool("open_door", "", {}, "send_digits", keys=DigitsToSend(named={"front": "12#", "back": "9w9"}))


def a_call() -> Script:
    return Script(an_agent(tools=(Tool("hang_up", "", {}, "hang_up"), ANY, DOORS))).begin()


def ask(script: Script, digits: str, call_id: str = "c1", name: str = "send_digits") -> None:
    response = f"r-{call_id}"
    arguments = json.dumps({"digits": digits})
    script.feed(
        ResponseCreated(response, None),
        ToolRequested(response, f"i-{call_id}", call_id, name, arguments),
        ResponseDone(response, "completed"),
    )


def answers(script: Script) -> list[dict[str, Any]]:
    return [json.loads(answer.output) for answer in script.ordered(AddToolOutput)]


def played(script: Script) -> str:
    return "".join(key.key for audio in script.ordered(PlayAudio) for key in keys_in(audio.audio))


def test_keys_are_played_as_tones_and_the_model_is_answered_when_they_were_heard() -> None:
    script = a_call()
    ask(script, "1 2-3#")
    script.wait(799)
    before = answers(script)
    script.wait(1)

    assert script.ordered(PlayAudio) == [PlayAudio(tones("123#"))]
    assert played(script) == "123#"
    assert before == []
    assert answers(script) == [{"sent": "123#"}]


def test_they_wait_for_what_the_agent_says_first() -> None:
    script = a_call()
    script.agent_speaks("a", 1000)
    script.response_done()
    ask(script, "5")
    script.wait(999)
    before = played(script)
    script.wait(300)

    assert before == ""
    assert played(script) == "5"
    assert answers(script) == [{"sent": "5"}]


def test_several_are_sent_one_after_the_other() -> None:
    script = a_call()
    ask(script, "1", "c1")
    ask(script, "front", "c2", "open_door")
    script.wait(3000)

    assert played(script) == "112#"
    assert answers(script) == [{"sent": "1"}, {"sent": "12#"}]


def test_a_voice_does_not_cut_them_but_what_is_behind_them() -> None:
    script = a_call()
    ask(script, "12345")
    script.wait(200)
    script.agent_speaks("a", 3000, response="r2")
    script.caller_speaks()
    cleared = script.wait(700)
    script.wait(200)

    assert [command for command in cleared if isinstance(command, ClearPlayback)] == []
    assert answers(script) == [{"sent": "12345"}]
    assert len(script.ordered(ClearPlayback)) == 1


def test_a_voice_that_nothing_is_behind_clears_nothing() -> None:
    script = a_call()
    ask(script, "12345")
    script.wait(200)
    script.caller_speaks()
    script.wait(1500)

    assert script.ordered(ClearPlayback) == []
    assert answers(script) == [{"sent": "12345"}]


def test_a_barge_in_behind_them_cuts_as_ever() -> None:
    script = a_call()
    ask(script, "1")
    script.agent_speaks("a", 3000, response="r2")
    script.wait(500)
    script.caller_speaks()

    assert len(script.ordered(ClearPlayback)) == 1


def test_where_marks_are_lost_they_count_as_heard_soon_after_their_end() -> None:
    script = a_call()
    script.echo = False
    ask(script, "1")
    script.wait(200 + SOUND_WAIT_MS - 1)
    before = answers(script)
    script.wait(1)

    assert before == []
    assert answers(script) == [{"sent": "1"}]


def test_where_marks_are_lost_what_a_voice_cuts_behind_them_was_heard_until_then() -> None:
    script = a_call()
    script.echo = False
    ask(script, "12345")
    script.wait(200)
    script.agent_speaks("a", 3000, response="r2")
    script.caller_speaks()
    script.response_done("r2", "cancelled")
    before = script.ordered(TruncateItem)
    script.wait(800 + SOUND_WAIT_MS + 700)

    assert before == []
    assert len(script.ordered(ClearPlayback)) == 1
    (cut,) = script.ordered(TruncateItem)
    assert cut.audio_end_ms == pytest.approx(SOUND_WAIT_MS, abs=60)


@pytest.mark.parametrize(
    ("name", "digits", "error"),
    [
        ("send_digits", "", '"digits" must be 1 to 32 of 0-9, *, #, w (half a second) and W (a second)'),
        ("send_digits", "12a", '"digits" must be 1 to 32 of 0-9, *, #, w (half a second) and W (a second)'),
        ("send_digits", "1" * 33, '"digits" must be 1 to 32 of 0-9, *, #, w (half a second) and W (a second)'),
        ("open_door", "side", "there are no such digits; there are: front, back"),
    ],
)
def test_what_cannot_be_pressed_is_answered_at_once(name: str, digits: str, error: str) -> None:
    script = a_call()
    ask(script, digits, name=name)

    assert answers(script) == [{"error": error}]
    assert script.ordered(PlayAudio) == []


@pytest.mark.parametrize("arguments", ["{", "[]", '{"digits": 12}', '{"digits": ' + "[" * 100_000])
def test_arguments_that_are_no_texts_are_answered_at_once(arguments: str) -> None:
    script = a_call()
    script.feed(ToolRequested("r1", "i1", "c1", "send_digits", arguments))

    assert answers(script) == [{"error": "the arguments must be a JSON object of texts"}]


def test_no_arguments_are_no_keys_and_every_key_may_be_sent_up_to_the_most() -> None:
    script = a_call()
    script.feed(ToolRequested("r1", "i1", "c1", "send_digits", ""))
    refused = script.ordered(ToolAnswered)
    most = "1234567890*#".ljust(32, "9")
    ask(script, most, "c2")
    script.wait(10_000)

    assert [answer.failed for answer in refused] == [True]
    assert answers(script)[0]["error"].startswith('"digits" must be 1 to 32')
    assert played(script) == most


def test_nothing_is_sent_once_the_model_is_gone() -> None:
    script = a_call()
    script.agent_speaks("a", 1000)
    ask(script, "5")
    script.feed(ModelClosed(4000))
    script.wait(5000)

    assert played(script) == ""
    assert answers(script) == []


def test_keys_of_the_caller_are_not_those_of_the_agent() -> None:
    script = a_call()
    ask(script, "5")
    script.feed(KeyPressed("7"))
    script.wait(300)

    assert answers(script) == [{"sent": "5"}]


def test_another_agent_s_tool_presses_keys_from_the_hand_over_on() -> None:
    part = SendDigits(an_agent())
    called = LineToolCalled("c1", "send_digits", '{"digits":"5"}')
    happenings = (called, AgentChanged(an_agent(tools=(ANY,))), called)

    assert [list(part.feed(0, happening)) for happening in happenings] == [[], [], [SoundWanted(tones("5"))]]
