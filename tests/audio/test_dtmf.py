"""Keys as sound: what is sent against ITU-T Q.23 and Q.24, measured without the receiver, and the receiver itself."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.audio.tones import decibels
from voice_agent.audio import dtmf
from voice_agent.audio.dtmf import keys_in, tones
from voice_agent.audio.mulaw import decode, encode
from voice_agent.audio.wav import read_mulaw
from voice_agent.config.settings import PACKAGED_AGENTS
from voice_agent.live.clips import PACKAGED_CLIPS

PAIRS = {
    "1": (697, 1209), "2": (697, 1336), "3": (697, 1477),
    "4": (770, 1209), "5": (770, 1336), "6": (770, 1477),
    "7": (852, 1209), "8": (852, 1336), "9": (852, 1477),
    "*": (941, 1209), "0": (941, 1336), "#": (941, 1477),
}  # fmt: skip
"""ITU-T Q.23, table 1, typed from it."""

FULL_SINE_DBM0 = 3.17
KEY_MS = 200


def spectrum(key: str) -> NDArray[np.float64]:
    """The peak at every 10 Hz over the 100 ms of a tone."""
    samples = decode(tones(key))[:800].astype(np.float64)
    return np.abs(np.fft.rfft(samples * np.hanning(800))) * 4 / 800


def pair(low_hz: int, high_hz: int, *, ms: int, low_db: float = -10, high_db: float = -10) -> bytes:
    """Any two tones, as a foreign telephone sends them, in dBm0."""
    moment = np.arange(ms * 8) / 8000
    peak = 32124 / 10 ** (FULL_SINE_DBM0 / 20)
    wave = sum(
        peak * 10 ** (level / 20) * np.sin(2 * np.pi * hz * moment)
        for hz, level in ((low_hz, low_db), (high_hz, high_db))
    )
    return encode(np.rint(wave).astype(np.int16))


def heard(audio: bytes) -> str:
    return "".join(found.key for found in keys_in(audio))


@pytest.mark.parametrize(("key", "hertz"), PAIRS.items())
def test_a_key_is_the_two_tones_of_q23_at_their_levels(key: str, hertz: tuple[int, int]) -> None:
    peaks = spectrum(key)
    top = sorted(range(len(peaks)), key=lambda at: -peaks[at])[:2]
    levels = [decibels(np.abs(peaks[round(hz / 10)]) / 32124) + FULL_SINE_DBM0 for hz in hertz]

    assert all(min(abs(at * 10 - hz) for hz in hertz) <= 10 for at in top)
    assert levels == pytest.approx([-9, -7], abs=1.0)  # a bin of 10 Hz is up to 5 Hz beside its tone


@pytest.mark.parametrize("key", PAIRS)
def test_all_else_is_far_below_the_tones(key: str) -> None:
    samples = decode(tones(key))[:800].astype(np.float64)
    moment = np.arange(800) / 8000
    waves = [wave(2 * np.pi * hz * moment) for hz in PAIRS[key] for wave in (np.sin, np.cos)]
    matrix = np.stack(waves, axis=1)
    rest = samples - matrix @ np.linalg.lstsq(matrix, samples, rcond=None)[0]

    # Q.24 wants 20 dB; mu-law alone leaves about 37.
    assert decibels(np.sqrt((samples**2).mean() / (rest**2).mean())) > 30


def test_a_key_lasts_100_ms_and_so_does_the_pause_behind_it() -> None:
    audio = tones("5")

    assert len(audio) == KEY_MS * 8
    assert set(audio[800:]) == {0xFF}
    assert np.abs(decode(audio[790:800])).max() > 1000


def test_a_wait_is_half_a_second_of_silence_and_a_long_one_a_second() -> None:
    assert tones("1w2") == tones("1") + b"\xff" * 4000 + tones("2")
    assert tones("1W2") == tones("1ww2")


def test_no_tone_comes_near_the_clipping_point() -> None:
    assert max(np.abs(decode(tones(key))).max() for key in PAIRS) < 20_000


def test_the_code_of_no_sample_hangs_on_the_last_digits_of_a_sine() -> None:
    """Else two machines could make different bytes, and a recording would not replay on the other."""
    moment = np.arange(800) * (2 * np.pi / 8000)
    exact = np.concatenate(
        [
            dtmf._level(-9) * np.sin(low * moment) + dtmf._level(-7) * np.sin(high * moment)
            for low, high in PAIRS.values()
        ]
    )
    other = [encode(np.rint(exact + shift).astype(np.int16)) for shift in (-1e-7, 0, 1e-7)]

    assert other[0] == other[1] == other[2] == b"".join(tones(key)[:800] for key in PAIRS)


@given(st.text(list(PAIRS), max_size=12), st.integers(0, 400))
def test_what_is_sent_is_heard_wherever_it_begins(keys: str, shift: int) -> None:
    assert heard(b"\xff" * shift + tones(keys)) == keys


@given(st.sampled_from(list(PAIRS)), st.integers(-25, -4), st.integers(-4, 4), st.integers(0, 79))
@example("7", -4, 4, 3)
@example("*", -21, 4, 73)
def test_a_foreign_key_of_40_ms_is_heard_at_any_level_of_q24(key: str, level: int, twist: int, shift: int) -> None:
    low, high = level - max(twist, 0), level + min(twist, 0)
    audio = pair(*PAIRS[key], ms=40, low_db=max(low, -25), high_db=max(high, -25))

    assert heard(b"\xff" * (200 + shift) + audio + b"\xff" * 400) == key


@given(st.sampled_from(list(PAIRS)), st.sampled_from([-1.5, 1.5]))
def test_a_key_is_heard_within_one_and_a_half_percent_of_its_frequencies(key: str, percent: float) -> None:
    low, high = (round(hz * (1 + percent / 100)) for hz in PAIRS[key])

    assert heard(pair(low, high, ms=60) + b"\xff" * 400) == key


def test_a_key_that_is_held_counts_once_and_one_pressed_again_twice() -> None:
    assert heard(pair(770, 1336, ms=900)) == "5"
    assert heard(tones("55")) == "55"


@pytest.mark.parametrize(
    "audio",
    [
        b"",
        b"\xff" * 8000,
        pair(697, 697, ms=200),  # one tone only
        pair(1209, 1336, ms=200),  # two of the same group
        pair(697, 1209, ms=200, low_db=-5, high_db=-20),  # one far louder than the other
        pair(697, 1209, ms=200, low_db=-40, high_db=-40),
        pair(697, 1209, ms=15) + b"\xff" * 800,
    ],
)
def test_what_is_no_key_is_not_heard(audio: bytes) -> None:
    assert heard(audio) == ""


def test_noise_and_speech_press_no_key() -> None:
    folders = [PACKAGED_CLIPS, *(PACKAGED_AGENTS / name for name in ("callers", "replies"))]
    speech = b"".join(read_mulaw(path) for folder in folders for path in sorted(folder.glob("*.wav")))
    noise = np.random.default_rng(1).normal(0, 3000, 80_000)

    assert heard(encode(np.rint(noise).clip(-32000, 32000).astype(np.int16))) == ""
    assert len(speech) > 80_000
    assert heard(speech) == ""
