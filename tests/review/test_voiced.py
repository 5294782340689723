import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.audio import mulaw
from voice_agent.review.voiced import Voice, words_heard

WORDS = "Thank you for calling. Goodbye."


def sound(*parts: tuple[int, int], rate: int = 24) -> bytes:
    """Make PCM16 of so many ms at so loud a level, one behind the other."""
    return np.concatenate([np.full(ms * rate, level, "<i2") for ms, level in parts]).tobytes()


def test_silence_before_the_first_word_is_no_speech() -> None:
    voice = Voice(sound((200, 3), (1000, 8000)), "pcm24k")

    assert words_heard(WORDS, voice, 180, finished=True) == ""
    assert words_heard(WORDS, voice, 700, finished=True) == "Thank you for"


def test_neither_is_a_pause() -> None:
    voice = Voice(sound((1000, 8000), (2000, 0), (1000, 8000)), "pcm24k")

    assert (voice.until(500), voice.until(1000), voice.until(3000), voice.ms) == (500, 1000, 1000, 2000)


def test_words_that_came_ahead_of_their_sound_are_still_to_come() -> None:
    voice = Voice(sound((400, 8000)), "pcm24k")

    assert words_heard(WORDS, voice, 400, finished=True) == WORDS
    assert words_heard(WORDS, voice, 400, finished=False) == "Thank"


@pytest.mark.parametrize("audio", [b"", b"\0", bytes(960), sound((10, 8000))])
def test_of_an_answer_without_voice_nothing_was_heard(audio: bytes) -> None:
    assert words_heard(WORDS, Voice(audio, "pcm24k"), 400, finished=True) == ""


def test_sound_of_the_telephone_is_looked_at_too() -> None:
    loud = bytes([0x80]) * 8 * 100

    assert Voice(bytes([mulaw.SILENCE]) * 8 * 100 + loud, "g711").until(160) == 60


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from([0, 20, 9000]))), st.text(), st.integers(0, 3000))
def test_what_was_heard_begins_the_words(parts: list[tuple[int, int]], words: str, heard_ms: int) -> None:
    voice = Voice(sound(*parts, (20, 0)), "pcm24k")
    told = words_heard(words, voice, heard_ms, finished=True)

    assert words.strip().startswith(told)
    assert 0 <= voice.until(heard_ms) <= voice.ms
