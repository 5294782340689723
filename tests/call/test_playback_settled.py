"""What playback knows of items that are settled, dropped, or told when the call ends."""

import pytest

from tests.support.script import Script, an_agent
from voice_agent.agent import BargeIn
from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    PlayAudio,
    TruncateItem,
)
from voice_agent.call.events import (
    AgentTranscript,
    KeyPressed,
    MarkEchoed,
    ModelAudio,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    StreamStarted,
    StreamStopped,
    TurnCommitted,
)
from voice_agent.call.facts import CallerStopped
from voice_agent.call.playback import Playback


def truncations(script: Script) -> list[tuple[str, int, str]]:
    return [(t.item_id, t.audio_end_ms, t.basis) for t in script.ordered(TruncateItem)]


def test_an_answer_that_was_dropped_unheard_is_not_told_when_the_call_ends() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None))
    script.caller_speaks()
    script.feed(ModelAudio("r1", "a", 0, b"\x10" * 800, 100))
    script.feed(StreamStopped())

    assert script.ordered(AgentSaid) == []


def test_all_that_was_heard_is_told_when_the_call_ends() -> None:
    script = Script().begin()
    script.agent_speaks("a", 500, done=False)
    script.wait(700)
    script.agent_speaks("b", 2000)
    script.wait(600)
    script.feed(StreamStopped())

    said = {said.item_id: said.heard_ms for said in script.ordered(AgentSaid)}
    assert said["a"] == 500
    assert abs(said["b"] - 600) <= 20


def test_its_state_is_told_in_one_line() -> None:
    script = Script().begin()
    (part,) = (part for part in script.call._parts if isinstance(part, Playback))
    idle = repr(part)
    script.agent_speaks("a", 1000)
    busy = repr(part)
    script.wait(100)
    script.echo = False
    script.caller_speaks()

    assert idle == "<Playback idle>"
    assert busy == "<Playback <Playout 0 of 1000 ms confirmed, 7 marks out>>"
    assert repr(part) == "<Playback idle, cut open>"


def test_a_response_that_must_not_be_heard_at_all_is_not_played() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.caller_speaks()
    script.feed(ResponseCreated("r1", None))
    script.agent_speaks("a", 500, response="r1")
    script.response_done(status="cancelled")

    assert script.ordered(PlayAudio) == []
    assert truncations(script) == [("a", 0, "mark")]


def test_an_echo_of_a_mark_that_was_never_sent_says_nothing() -> None:
    script = Script().begin()
    script.agent_speaks("a", 1000)

    assert script.feed(MarkEchoed("play-99")) == []


def test_a_barge_in_while_the_measure_of_another_is_awaited_settles_that_first() -> None:
    script = Script().begin()
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(500)
    script.echo = False
    script.caller_speaks("u1")
    script.feed(TurnCommitted("u1"), ResponseCreated("r2", None))
    script.agent_speaks("b", 2000, response="r2")
    before = truncations(script)
    script.feed(SpeechStarted("u2", 0))

    assert before == []
    assert truncations(script) == [("a", 500, "estimate")]


def test_what_comes_for_an_item_that_is_settled_changes_nothing_of_it() -> None:
    script = Script().begin()
    script.agent_speaks("a", 500)
    script.response_done()
    script.wait(700)

    assert script.feed(ModelAudio("r1", "a", 0, b"", 500, done=True), ResponseDone("r1", "completed")) == []


def test_a_cut_response_that_ends_when_its_measure_is_known_is_not_told_again() -> None:
    script = Script().begin()
    script.agent_speaks("a", 2000, done=False)
    script.wait(500)
    script.caller_speaks()
    script.wait(100)

    assert len(truncations(script)) == 1
    assert script.response_done(status="cancelled") == []


def test_an_item_that_goes_on_after_a_pause_is_told_when_all_of_it_was_heard() -> None:
    script = Script().begin()
    script.agent_speaks("a", 500)
    script.agent_speaks("b", 500, done=False)
    script.wait(1200)  # all that was there is heard
    script.agent_speaks("b", 1000)
    script.wait(800)
    before = [said.item_id for said in script.ordered(AgentSaid)]
    script.response_done()
    script.wait(400)

    assert before == ["a"]
    assert [(said.item_id, said.heard_ms, said.interrupted) for said in script.ordered(AgentSaid)] == [
        ("a", 500, False),
        ("b", 1500, False),
    ]


def test_an_item_that_was_heard_is_told_when_the_next_one_of_its_response_begins() -> None:
    script = Script().begin()
    script.agent_speaks("a", 500)
    script.wait(700)
    before = script.ordered(AgentSaid)
    script.agent_speaks("b", 1000)

    assert before == []
    assert script.ordered(AgentSaid) == [AgentSaid("a", "", 500, 500, interrupted=False)]
    assert sum(len(play.audio) for play in script.ordered(PlayAudio)) == 1500 * 8


LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def test_of_an_answer_that_fails_when_all_that_came_was_heard_only_words_with_sound_count() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), AgentTranscript("r1", "a", LONG))
    script.agent_speaks("a", 1000, done=False)
    script.wait(3000)
    script.feed(ModelAudio("r1", "a", 0, b"", 1000, done=True), ResponseDone("r1", "failed", "server_error"))
    script.wait(100)

    (said,) = script.ordered(AgentSaid)
    assert said.text == "one two three"


def test_of_an_answer_that_the_server_cancels_for_the_tone_of_a_key_only_words_with_sound_count() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), AgentTranscript("r1", "a", LONG))
    script.agent_speaks("a", 1000, done=False)
    script.wait(200)
    script.feed(KeyPressed("1"), SpeechStarted("u1", script.now_ms - 300))
    script.feed(ModelAudio("r1", "a", 0, b"", 1000, done=True), ResponseDone("r1", "cancelled", "turn_detected"))
    script.wait(1500)

    (said,) = script.ordered(AgentSaid)
    assert said.text == "one two three"


def test_an_answer_is_told_when_it_was_heard_and_its_response_is_over_even_if_its_sound_came_behind_that() -> None:
    script, late = Script().begin(), Script().begin()
    script.feed(ResponseCreated("r1", None))
    script.agent_speaks("a", 500)
    script.wait(700)
    before = script.ordered(AgentSaid)
    script.response_done()
    late.feed(ResponseCreated("r1", None), ResponseDone("r1", "completed"))
    late.feed(ModelAudio("r1", "a", 0, b"\x10" * 4000, 500, done=True))
    late.wait(700)

    assert before == []
    assert script.ordered(AgentSaid) == late.ordered(AgentSaid) == [AgentSaid("a", "", 500, 500, interrupted=False)]


@pytest.mark.parametrize(("sent_ms", "heard_ms", "whole"), [(1020, 1020, True), (1021, 1000, False)])
def test_an_item_is_whole_if_no_more_than_a_frame_of_it_is_missing(sent_ms: int, heard_ms: int, whole: bool) -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ModelAudio("r1", "a", 0, b"\x10" * 8000, sent_ms, done=True))
    script.response_done()
    script.wait(1200)

    assert script.ordered(AgentSaid) == [AgentSaid("a", "", heard_ms, sent_ms, interrupted=not whole)]
    assert truncations(script) == ([] if whole else [("a", heard_ms, "mark")])


def test_an_answer_that_was_cut_is_the_only_one_to_what_the_caller_said_before() -> None:
    script = Script().begin()
    script.caller_speaks("u1")
    script.wait(100)
    script.caller_stops("u1")
    script.agent_speaks("a", 2000)
    script.wait(200)
    script.feed(SpeechStarted("u2", 0))
    script.wait(100)
    script.feed(TurnCommitted("u2"))
    script.agent_speaks("b", 500, response="r2")
    script.wait(100)

    assert [(began.item_id, began.response_ms >= 0) for began in script.ordered(AgentBegan)] == [
        ("a", True),
        ("b", False),
    ]


def test_an_answer_that_began_before_the_end_of_speech_was_known_took_no_time() -> None:
    part = Playback({})
    for event in (StreamStarted("MZ1", "CA1"), CallerStopped(5000), ModelAudio("r1", "a", 0, b"\x10" * 800, 100)):
        list(part.feed(0, event))

    assert AgentBegan("a", 0) in list(part.feed(0, MarkEchoed("start-1")))


def test_lost_marks_are_waited_for_in_whole_milliseconds() -> None:
    part = Playback({})
    for event in (StreamStarted("MZ1", "CA1"), ModelAudio("r1", "a", 0, b"\x10" * 1001, 125)):
        list(part.feed(0, event))

    due_ms = part.deadline()
    assert (due_ms, type(due_ms)) == (3125, int)
