import pytest

from voice_agent.agent import SemanticVad, ServerVad
from voice_agent.call.key_tones import KeyTones


def turn(key_ms: int, start_ms: int, end_ms: int) -> KeyTones:
    """A turn of the server's usual rules, told as its sound was; the key comes first."""
    tones = KeyTones(ServerVad())
    tones.pressed(key_ms)
    tones.speech_started(start_ms - 300)
    tones.speech_stopped(end_ms + 500)
    return tones


@pytest.mark.parametrize(("start_ms", "by_key"), [(849, False), (850, True), (1150, True), (1151, False)])
def test_what_begins_within_150_ms_of_a_key_is_its_tone(start_ms: int, by_key: bool) -> None:
    assert turn(1000, start_ms, 1200).by_key is by_key


@pytest.mark.parametrize(("end_ms", "alone"), [(1350, True), (1351, False)])
def test_what_ends_within_350_ms_of_it_was_nothing_else(end_ms: int, alone: bool) -> None:
    assert turn(1000, 1000, end_ms).alone is alone


def test_a_turn_that_did_not_begin_with_a_key_is_not_made_of_keys_alone() -> None:
    assert not turn(1000, 500, 1100).alone


def test_a_detector_without_a_silence_of_its_own_tells_the_end_as_it_was() -> None:
    tones = KeyTones(SemanticVad())
    tones.pressed(1000)
    tones.speech_started(700)
    tones.speech_stopped(1351)

    assert tones.by_key
    assert not tones.alone


def test_what_was_not_heard_is_no_tone() -> None:
    tones = KeyTones(ServerVad())
    assert not tones.by_key
    assert not tones.alone
    tones = turn(1000, 1000, 1200)
    tones.speech_started(5000)

    assert not tones.alone


def test_a_key_that_comes_later_is_told_of_once() -> None:
    tones = KeyTones(ServerVad(prefix_padding_ms=0))
    tones.speech_started(1000)

    assert [tones.pressed(ms) for ms in (1151, 1150, 1400)] == [False, True, False]
    assert tones.by_key


def test_a_key_behind_the_end_of_a_turn_is_not_its_beginning() -> None:
    tones = KeyTones(SemanticVad())
    tones.speech_started(700)
    tones.speech_stopped(1050)

    assert not tones.pressed(1100)
    assert not tones.alone
