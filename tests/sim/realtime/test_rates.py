import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support.realtime_client import tone
from voice_agent.sim.realtime.activity import level_dbfs
from voice_agent.sim.realtime.rates import To16k


def converted(pcm: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return np.frombuffer(To16k().feed(pcm), np.int16)


@given(st.binary(max_size=600), st.lists(st.integers(0, 200), max_size=8))
def test_the_result_is_the_same_however_the_audio_is_cut(pcm: bytes, cuts: list[int]) -> None:
    stream = To16k()
    pieces = b""
    rest = pcm
    for cut in cuts:
        pieces += stream.feed(rest[:cut])
        rest = rest[cut:]

    assert pieces + stream.feed(rest) == To16k().feed(pcm)


def test_three_samples_become_two() -> None:
    assert len(converted(tone(1000))) == 16_000


def test_speech_passes_at_its_level_and_what_would_fold_back_does_not() -> None:
    time = np.arange(24_000) / 24_000
    levels = {}
    for hertz in (300, 3000, 6000, 9000, 11_000):
        wave = (16_000 * np.sin(2 * np.pi * hertz * time)).astype("<i2").tobytes()
        levels[hertz] = level_dbfs(converted(wave)[200:]) - level_dbfs(np.frombuffer(wave, np.int16))

    assert abs(levels[300]) < 0.1
    assert abs(levels[3000]) < 0.1
    assert abs(levels[6000]) < 1
    assert levels[9000] < -50
    assert levels[11_000] < -50


def test_the_loudest_sample_does_not_wrap() -> None:
    square = np.repeat(np.array([32767, -32768], "<i2"), 24).tobytes() * 20

    assert np.abs(np.diff(converted(square).astype(np.int64))).max() <= 65535
    assert converted(square).max() == 32767
