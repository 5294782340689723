from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from voice_agent.audio import mulaw
from voice_agent.audio.levels import rms_dbfs
from voice_agent.emulator.speech.callers import LEVEL_DBFS, NOISE_DBFS, PITCHES, line_noise, synthesise, with_noise


class Hummer:
    """A voice that says everything as 440 Hz for a second, with half a second of silence at either end."""

    def synthesise(self, text: str, speed: float = 1.0) -> Iterator[NDArray[np.float32]]:
        time = np.arange(int(24_000 / speed)) / 24_000
        silence = np.zeros(12_000, np.float32)
        yield silence
        yield (0.1 * np.sin(2 * np.pi * 440 * time) * bool(text)).astype(np.float32)
        yield silence


def pitch_hz(audio: bytes) -> float:
    spectrum = np.abs(np.fft.rfft(mulaw.decode(audio).astype(float)))
    return float(spectrum.argmax()) * 8000 / len(audio)


@pytest.mark.parametrize("pitch", PITCHES.values())
def test_a_pitch_moves_the_voice_and_keeps_its_tempo_and_level(pitch: float) -> None:
    said = synthesise(Hummer(), "Hello.", pitch)

    assert pitch_hz(said) == pytest.approx(440 * pitch, abs=3)
    assert len(said) / 8000 == pytest.approx(1.0 + 0.1 / pitch, abs=0.02)
    assert rms_dbfs(said) == pytest.approx(LEVEL_DBFS, abs=0.5)


def test_there_are_three_of_them() -> None:
    assert len(set(PITCHES.values())) == 3


def test_what_cannot_be_said_is_no_sound() -> None:
    assert synthesise(Hummer(), "") == b""


def test_a_line_s_noise_has_its_level_and_is_the_same_each_time() -> None:
    noise = line_noise()

    assert rms_dbfs(noise) == pytest.approx(NOISE_DBFS, abs=1)
    assert line_noise() == noise


def test_noise_is_put_behind_speech_of_any_length() -> None:
    noise = line_noise()
    silence = with_noise(b"\xff" * (len(noise) + 1000), noise)
    assert len(silence) == len(noise) + 1000
    assert rms_dbfs(silence) == pytest.approx(NOISE_DBFS, abs=1)

    said = synthesise(Hummer(), "Hello.")
    assert rms_dbfs(with_noise(said, noise)) == pytest.approx(LEVEL_DBFS, abs=0.5)
    assert with_noise(said, noise) != said
