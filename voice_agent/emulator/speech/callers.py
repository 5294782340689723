"""Callers on a telephone line: one voice at several pitches, brought to a speaker's level, with a line's noise.

A pitch is made by speaking faster and then stretching by as much, which lowers the voice like a tape that runs slow and
brings the tempo back.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voice_agent.audio import mulaw
from voice_agent.audio.levels import rms_dbfs
from voice_agent.audio.resample import Downsampler

PITCHES = {"low": 0.82, "middle": 0.91, "high": 1.0}
"""Of the one voice. Above its own pitch it is understood less well: 9 % of the words are wrong at 1.1, 5 % at these."""

LEVEL_DBFS = -20.0
NOISE_DBFS = -50.0
"""Of a fair line: 30 dB below the voice."""

_NOISE_SAMPLES = 10 * 8000
_QUIET = 0.01
"""Samples below this part of full scale, at either end, are trimmed."""
_MARGIN_SAMPLES = 24_000 // 20
"""Left at either end: 50 ms."""


class Voice(Protocol):
    """What the callers speak with: `HibariSpeaking`."""

    def synthesise(self, text: str, speed: float = 1.0) -> Iterator[NDArray[np.float32]]:
        """Yield samples at 24 kHz, a sentence or less at a time."""


def synthesise(voice: Voice, text: str, pitch: float = 1.0) -> bytes:
    """Say a text as mu-law 8 kHz, trimmed and levelled; `pitch` below 1 is a deeper voice at the same tempo."""
    samples = np.concatenate([np.zeros(0), *voice.synthesise(text, speed=1 / pitch)])
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    if not loud.size:
        return b""  # nothing that can be said, such as "..."
    samples = samples[max(0, loud[0] - _MARGIN_SAMPLES) : loud[-1] + _MARGIN_SAMPLES]
    samples = _stretched(samples, round(len(samples) / pitch))
    # Twice: what is clipped at the first try is missing from the level.
    for _ in range(2):
        samples = samples * 10 ** ((LEVEL_DBFS - rms_dbfs(_to_phone(samples))) / 20)
    return _to_phone(samples)


def line_noise(level_dbfs: float = NOISE_DBFS) -> bytes:
    """Give ten seconds of a line's noise, mu-law 8 kHz: the same each time."""
    chance = np.random.default_rng(1)
    return _encoded(chance.normal(0, 32768 * 10 ** (level_dbfs / 20), _NOISE_SAMPLES))


def with_noise(audio: bytes, noise: bytes) -> bytes:
    """Put noise behind mu-law audio."""
    behind = (noise * (len(audio) // len(noise) + 1))[: len(audio)]
    return _encoded(mulaw.decode(audio).astype(np.float64) + mulaw.decode(behind))


def _encoded(samples: NDArray[np.float64]) -> bytes:
    return mulaw.encode(np.clip(samples, -32768, 32767).astype(np.int16))


def _stretched(samples: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Resample to another length, without loss in the band: the spectrum stays, the clock changes."""
    spectrum = np.fft.rfft(samples)
    return np.fft.irfft(spectrum, length) * (length / len(samples))


def _to_phone(samples: NDArray[np.float64]) -> bytes:
    down = Downsampler()
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return down.feed(pcm) + down.flush()
