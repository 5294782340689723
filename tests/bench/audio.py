"""CPU of the resamplers beside `audioop.ratecv` with its codec, which is what most samples of such a bridge use."""

import time
from collections.abc import Callable

import numpy as np

from tests.bench.table import Row, Table
from voice_agent.audio.audioop_import import audioop
from voice_agent.audio.resample import Downsampler, Upsampler

_ROUNDS = 60
_AUDIO_MS_A_ROUND = 8_000

_BOUNDS = {("up", 20): 5.0, ("down", 20): 2.0, ("up", 100): 2.5, ("down", 100): 1.0}
"""Allowed multiples of the yardstick's CPU by direction and chunk in ms."""


def _yardstick_up() -> Callable[[bytes], object]:
    state = None

    def convert(data: bytes) -> bytes:
        nonlocal state
        pcm, state = audioop.ratecv(audioop.ulaw2lin(data, 2), 2, 1, 8_000, 24_000, state)
        return pcm

    return convert


def _yardstick_down() -> Callable[[bytes], object]:
    state = None

    def convert(data: bytes) -> bytes:
        nonlocal state
        pcm, state = audioop.ratecv(data, 2, 1, 24_000, 8_000, state)
        return audioop.lin2ulaw(pcm, 2)

    return convert


def _microseconds(convert: Callable[[bytes], object], chunk: bytes, times: int) -> float:
    before = time.thread_time_ns()
    for _ in range(times):
        convert(chunk)
    return (time.thread_time_ns() - before) / times / 1_000


def _compare(ours: Callable[[bytes], object], theirs: Callable[[bytes], object], chunk: bytes, chunk_ms: int) -> Row:
    # Turn about, so that whatever else the machine does meets both; the best round of each is the least disturbed.
    direction = "up" if len(chunk) == 8 * chunk_ms else "down"
    times = _AUDIO_MS_A_ROUND // chunk_ms
    rounds = [(_microseconds(ours, chunk, times), _microseconds(theirs, chunk, times)) for _ in range(_ROUNDS)]
    best, yardstick = (min(side) for side in zip(*rounds, strict=True))
    bound = _BOUNDS[direction, chunk_ms]
    return Row(
        f"{'8 kHz -> 24 kHz' if direction == 'up' else '24 kHz -> 8 kHz'}, {chunk_ms} ms",
        f"{best:.1f} us",
        f"{yardstick:.1f} us",
        f"{best / yardstick:.2f}x",
        f"{bound:.1f}x",
        best <= bound * yardstick,
    )


def run() -> Table:
    """Measure both directions in frames of 20 ms and chunks of 100 ms."""
    noise = np.random.default_rng(1)
    rows = []
    for chunk_ms in (20, 100):
        code = noise.integers(0, 256, 8 * chunk_ms, np.uint8).tobytes()
        pcm = noise.integers(-9_000, 9_000, 24 * chunk_ms).astype("<i2").tobytes()
        rows.append(_compare(Upsampler().feed, _yardstick_up(), code, chunk_ms))
        rows.append(_compare(Downsampler().feed, _yardstick_down(), pcm, chunk_ms))
    return Table("Audio: CPU of one chunk; yardstick: audioop.ratecv and codec", rows)
