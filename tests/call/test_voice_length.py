"""How long the caller has really been speaking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.script import LOUD_FRAME, SILENT_FRAME, Script, an_agent
from voice_agent.agent import BargeIn, DigitCollection, Tool
from voice_agent.call.commands import ClearPlayback
from voice_agent.call.events import (
    CallerAudio,
    KeyPressed,
    ResponseCreated,
    SpeechStarted,
    SpeechStopped,
    ToolRequested,
)
from voice_agent.call.facts import AgentChanged, CollectionBegan, SecrecyEnded, SpeechLasted
from voice_agent.call.voice_length import LOOK_BACK_MS, PAUSE_MS, VoiceLength
from voice_agent.config.handoff_tools import handoff_tool


def lasted(voice: VoiceLength, *frames: bytes) -> bool:
    return any(
        isinstance(fact, SpeechLasted)
        for index, frame in enumerate(frames)
        for fact in voice.feed(0, CallerAudio(index * 20, frame))
    )


def begun(wanted_ms: int, *before: bytes) -> tuple[VoiceLength, bool]:
    voice = VoiceLength(wanted_ms)
    lasted(voice, *before)
    return voice, bool(list(voice.feed(0, SpeechStarted("u1", 0))))


def test_a_cough_whose_end_the_detector_tells_late_does_not_cut() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=300))).begin()
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.wait(100)
    script.frame = SILENT_FRAME
    script.wait(480)  # the silence that ends a turn
    script.caller_stops()
    script.wait(1000)

    assert script.ordered(ClearPlayback) == []


def test_speech_cuts_when_it_has_lasted_and_not_later() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=300))).begin()
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.wait(280)
    before = list(script.ordered(ClearPlayback))
    script.wait(40)

    assert before == []
    assert len(script.ordered(ClearPlayback)) == 1


def test_a_voice_too_soft_to_be_measured_cuts_by_the_detectors_word() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=300))).begin()
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.frame = SILENT_FRAME
    script.wait(900)

    assert len(script.ordered(ClearPlayback)) == 1


def test_what_was_said_before_the_detector_noticed_counts() -> None:
    voice, at_once = begun(200, *[LOUD_FRAME] * 9)

    assert not at_once
    assert lasted(voice, LOUD_FRAME)


def test_speech_lasts_from_the_very_millisecond_that_is_asked_for() -> None:
    _, short = begun(181, *[LOUD_FRAME] * 9)
    _, long = begun(180, *[LOUD_FRAME] * 9)

    assert (short, long) == (False, True)


def test_all_that_was_said_in_the_time_that_a_detector_may_take_counts() -> None:
    _, at_once = begun(LOOK_BACK_MS, *[LOUD_FRAME] * (LOOK_BACK_MS // 20))
    _, too_long = begun(LOOK_BACK_MS + 1, *[LOUD_FRAME] * (LOOK_BACK_MS // 20 + 1))

    assert (at_once, too_long) == (True, False)


def test_what_was_said_before_one_turn_does_not_count_in_the_next() -> None:
    voice, _ = begun(300, *[LOUD_FRAME] * 10)
    list(voice.feed(0, SpeechStopped("u1", 0)))
    list(voice.feed(0, SpeechStarted("u2", 0)))

    assert not lasted(voice, *[LOUD_FRAME] * 14)
    assert lasted(voice, LOUD_FRAME)


def test_between_two_turns_all_that_a_detector_may_miss_is_kept() -> None:
    voice, _ = begun(LOOK_BACK_MS)
    list(voice.feed(0, SpeechStopped("u1", 0)))
    lasted(voice, *[LOUD_FRAME] * (LOOK_BACK_MS // 20))

    assert list(voice.feed(0, SpeechStarted("u2", 0))) == [SpeechLasted()]


def test_a_frame_is_loud_when_every_eighth_sample_is() -> None:
    eighth, less = b"\x10" * 20 + b"\xff" * 140, b"\x10" * 19 + b"\xff" * 141

    assert lasted(begun(100)[0], *[eighth] * 5)
    assert not lasted(begun(100)[0], *[less] * 50)


def test_what_was_said_long_before_does_not_count() -> None:
    voice, at_once = begun(300, *[LOUD_FRAME] * 50, *[SILENT_FRAME] * (LOOK_BACK_MS // 20))

    assert not at_once
    assert not lasted(voice, *[LOUD_FRAME] * 14)


def test_a_short_pause_belongs_to_the_speech() -> None:
    voice, _ = begun(400)

    assert lasted(voice, *[LOUD_FRAME] * 8, *[SILENT_FRAME] * (PAUSE_MS // 20), *[LOUD_FRAME] * 2)


def test_a_long_pause_begins_the_count_anew() -> None:
    voice, _ = begun(400)

    assert not lasted(voice, *[LOUD_FRAME] * 15, *[SILENT_FRAME] * (PAUSE_MS // 20 + 1), *[LOUD_FRAME] * 19)
    assert lasted(voice, LOUD_FRAME)


def test_a_pause_of_200_ms_belongs_to_the_speech_and_a_longer_one_does_not() -> None:
    pause, moment = SILENT_FRAME * 10, b"\xff" * 8

    assert lasted(begun(400)[0], *[LOUD_FRAME] * 5, pause, *[LOUD_FRAME] * 5)
    assert not lasted(begun(400)[0], *[LOUD_FRAME] * 5, pause, moment, *[LOUD_FRAME] * 5)


def test_loud_begins_at_the_third_of_the_eight_segments() -> None:
    assert lasted(begun(100)[0], *[b"\xdf" * 160] * 5)
    assert not lasted(begun(100)[0], *[b"\xe0" * 160] * 5)


def test_it_is_said_once_a_turn_and_not_after_the_turn() -> None:
    voice, _ = begun(100)
    first = lasted(voice, *[LOUD_FRAME] * 5)
    again = lasted(voice, *[LOUD_FRAME] * 50)
    list(voice.feed(0, SpeechStopped("u1", 0)))
    after = lasted(voice, *[LOUD_FRAME] * 50)

    assert (first, again, after) == (True, False, False)


@pytest.mark.parametrize("frame", [b"", b"\xff", b"\x00"])
def test_frames_of_any_length_are_taken(frame: bytes) -> None:
    voice, _ = begun(100)

    assert not lasted(voice, *[frame] * 3)


@given(st.lists(st.booleans(), max_size=80), st.integers(20, 800))
def test_less_loud_audio_than_wanted_never_lasts(loud: list[bool], wanted_ms: int) -> None:
    voice, at_once = begun(wanted_ms)
    frames = [LOUD_FRAME if one else SILENT_FRAME for one in loud]

    if lasted(voice, *frames) or at_once:
        # Pauses within it count too, but it begins and ends loud, so all of it is at most the frames' length.
        assert len(frames) * 20 >= wanted_ms
        assert any(loud)


def test_it_hears_nothing_while_secret_digits_are_typed() -> None:
    """What it concludes must follow from the record, in which that audio is silent."""
    part = VoiceLength(100)
    list(part.feed(0, CollectionBegan(secret=True)))
    list(part.feed(0, SpeechStarted("u1", 0)))
    typed = [fact for _ in range(10) for fact in part.feed(0, CallerAudio(0, LOUD_FRAME))]
    list(part.feed(0, SecrecyEnded()))
    heard = [fact for _ in range(10) for fact in part.feed(0, CallerAudio(0, LOUD_FRAME))]

    assert typed == []
    assert heard == [SpeechLasted()]


def test_how_long_it_must_last_is_the_other_agents_word_from_the_hand_over_on() -> None:
    voice, _ = begun(400)
    handed_over = AgentChanged(an_agent(barge_in=BargeIn(after_ms=40)))

    assert list(voice.feed(0, handed_over)) == []
    assert not lasted(voice, LOUD_FRAME)
    assert lasted(voice, LOUD_FRAME)


@pytest.mark.parametrize("after_ms", [0, 300])
def test_a_key_whose_tone_is_heard_first_stops_no_question_whatever_other_agents_want(after_ms: int) -> None:
    pin = Tool("pin", "The PIN.", {}, "collect_digits", digits=DigitCollection(length=4))
    desk = an_agent(name="desk", tools=(pin, handoff_tool(("billing",))))
    script = Script(desk, others=(an_agent(name="billing", barge_in=BargeIn(after_ms=after_ms)),)).begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "pin", "{}"))
    script.response_done()
    script.agent_speaks("a", 4000, response="r2")
    script.response_done("r2")
    script.wait(1000)
    script.feed(SpeechStarted("u1", script.now_ms - 300))
    script.wait(60)
    script.feed(KeyPressed("1"))
    script.wait(100)

    assert script.ordered(ClearPlayback) == []
