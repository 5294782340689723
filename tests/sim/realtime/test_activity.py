"""Detectors of voice by what they are fed: formats, cuts, loudness."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_speech import Loudness
from tests.support.realtime_client import silence, tone
from voice_agent.audio import alaw, mulaw
from voice_agent.sim.realtime.activity import At16k, Detector, Energy
from voice_agent.sim.realtime.formats import PCM, PCMA, PCMU, AudioFormat

DETECTORS = [Energy, lambda: At16k(Loudness())]


def coded(pcm: bytes, audio_format: AudioFormat) -> bytes:
    """Bring PCM16 at 24 kHz into a format, as crudely as a tone allows."""
    if audio_format is PCM:
        return pcm
    codes = mulaw.encode(np.frombuffer(pcm, "<i2")[::3])
    return codes.translate(alaw.FROM_MULAW) if audio_format is PCMA else codes


@pytest.mark.parametrize("audio_format", [PCM, PCMU, PCMA], ids=lambda audio_format: audio_format.type)
@pytest.mark.parametrize("new", DETECTORS, ids=["energy", "16 kHz"])
def test_a_voice_is_told_from_silence_in_every_format(new: type[Energy], audio_format: AudioFormat) -> None:
    detector: Detector = new()
    detector.begin(audio_format)

    assert list(detector.feed(coded(silence(320), audio_format))) == [0.0] * 10
    assert list(detector.feed(coded(tone(320), audio_format)))[1:] == [1.0] * 9


@given(st.binary(max_size=6000), st.lists(st.integers(0, 2000), max_size=8), st.sampled_from([PCM, PCMU, PCMA]))
@pytest.mark.parametrize("new", DETECTORS, ids=["energy", "16 kHz"])
def test_the_answers_are_the_same_however_the_audio_is_cut(
    new: type[Energy], audio: bytes, cuts: list[int], audio_format: AudioFormat
) -> None:
    whole, cut = new(), new()
    whole.begin(audio_format)
    cut.begin(audio_format)
    answers, rest = [], audio
    for size in cuts:
        answers += cut.feed(rest[:size])
        rest = rest[size:]

    assert [*answers, *cut.feed(rest)] == list(whole.feed(audio))


@pytest.mark.parametrize("new", DETECTORS, ids=["energy", "16 kHz"])
def test_a_new_beginning_forgets_half_a_chunk(new: type[Energy]) -> None:
    detector = new()
    detector.begin(PCMU)
    detector.feed(b"\x90" * 255)
    detector.begin(PCMU)

    assert list(detector.feed(b"\xff" * 255)) == []
    assert list(detector.feed(b"\xff" * 257)) == [0.0] * 2


@pytest.mark.parametrize(("amplitude", "probability"), [(50, 0.0), (184, 0.5), (1000, 1.0)])
def test_between_silent_and_loud_the_energy_counts(amplitude: int, probability: float) -> None:
    detector = Energy()

    (found,) = detector.feed(np.full(32 * 24, amplitude, "<i2").tobytes())

    assert found == pytest.approx(probability, abs=0.01)
