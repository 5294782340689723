"""The real models, loaded once: heard, spoken, detected."""

import numpy as np
import pytest

from tests.support.realtime_client import silence, tone
from voice_agent.audio.resample import Downsampler, Upsampler
from voice_agent.audio.wav import read_mulaw
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import load_speech
from voice_agent.emulator.speech.record import word_error_rate
from voice_agent.emulator.speech.recorded import FOLDER, RECORDINGS
from voice_agent.sim.realtime import CHUNK_BYTES
from voice_agent.sim.realtime.rates import To16k

told: list[str] = []


@pytest.fixture(scope="module")
def speech() -> Speech:
    told.clear()
    return load_speech(told.append)


def over_the_phone(pcm: bytes) -> bytes:
    """PCM at 24 kHz as it arrives after a telephone line, at 16 kHz."""
    return To16k().feed(Upsampler().feed(Downsampler().feed(pcm)))


def test_what_is_said_over_a_telephone_line_is_understood(speech: Speech) -> None:
    text = "What are your opening hours on Saturday?"
    pcm = b"".join(speech.speaking.speak(text))

    assert word_error_rate(text, speech.hearing.recognise(over_the_phone(pcm))) <= 0.15
    assert told == [
        "loading the detector of voice (Silero) ...",
        "loading the recogniser (Moonshine tiny) ...",
        "loading the voice (Hibari) ...",
    ]


def test_the_voice_speaks_by_the_sentence_and_always_alike(speech: Speech) -> None:
    first = list(speech.speaking.speak("Yes. No."))

    assert len(first) == 2
    assert first == list(speech.speaking.speak("Yes. No."))


def test_the_voice_reads_digits_of_all_kinds(speech: Speech) -> None:
    assert all(b"".join(speech.speaking.speak(text)) for text in ("H₂O and CO₂", "①Room", "about 10⁶ m²"))


@pytest.mark.parametrize(("name", "text"), RECORDINGS.items())
def test_the_packaged_speech_is_understood(speech: Speech, name: str, text: str) -> None:
    heard = speech.hearing.recognise(To16k().feed(Upsampler().feed(read_mulaw(FOLDER / name))))

    assert word_error_rate(text, heard) <= 0.16


@pytest.mark.parametrize("pcm", [b"", silence(2000), tone(2000, rate_hz=16_000)])
def test_what_is_no_speech_has_no_words(speech: Speech, pcm: bytes) -> None:
    assert speech.hearing.recognise(pcm) == ""


def test_the_detector_tells_voice_from_silence_and_repeats_itself(speech: Speech) -> None:
    pcm = over_the_phone(silence(640) + b"".join(speech.speaking.speak("Hello, how are you?")) + silence(640))
    chunks = [pcm[start : start + CHUNK_BYTES] for start in range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES)]
    activity = speech.new_activity()
    probabilities = [activity.feed(chunk) for chunk in chunks]
    activity.reset()

    assert max(probabilities[:19]) < 0.3
    assert max(probabilities[-10:]) < 0.3
    assert np.median(probabilities[25:45]) > 0.8
    assert [activity.feed(chunk) for chunk in chunks] == probabilities


def test_a_long_turn_is_recognised_in_pieces(speech: Speech) -> None:
    pcm = over_the_phone(b"".join(speech.speaking.speak("What are your opening hours on Saturday?")))

    assert speech.hearing.recognise((pcm + bytes(32 * 6000)) * 3).count("Saturday") == 3
