import numpy as np

from tests.support.realtime_client import tone
from voice_agent.emulator.speech.detecting import LoudnessActivity
from voice_agent.sim.realtime import CHUNK_BYTES

QUIET = bytes(CHUNK_BYTES)


def noise(amplitude: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).normal(0, amplitude, CHUNK_BYTES // 2).astype("<i2").tobytes()


def vowel(amplitude: int = 4000) -> bytes:
    return tone(32, rate_hz=16_000, amplitude=amplitude)


def test_a_voice_stands_out_of_silence() -> None:
    activity = LoudnessActivity()

    assert activity.feed(QUIET) == 0.0
    assert activity.feed(vowel()) == 1.0


def test_hiss_as_loud_as_a_voice_is_half_believed_at_most() -> None:
    assert LoudnessActivity().feed(noise(4000)) == 0.5


def test_it_gets_used_to_a_noisy_line() -> None:
    activity = LoudnessActivity()
    for seed in range(600):
        activity.feed(vowel(400) if seed % 2 else noise(300, seed))

    assert activity.feed(vowel(400)) < 0.5
    assert activity.feed(vowel(8000)) == 1.0


def test_a_reset_forgets_the_noise() -> None:
    activity = LoudnessActivity()
    for _ in range(1500):
        activity.feed(vowel())
    used_to = activity.feed(vowel())
    activity.reset()

    assert used_to < 0.5
    assert activity.feed(vowel()) == 1.0
