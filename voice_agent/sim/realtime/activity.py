"""Whether somebody speaks: what a session needs of a detector, and two of them.

Networks take 32 ms at 16 kHz at a time (`VoiceActivity`), so `At16k` brings a session's audio there. Where loudness is
enough (simulations, tests) `Energy` goes by the bytes as they came.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voice_agent.audio import alaw, mulaw
from voice_agent.sim.realtime.formats import PCM, PCMA, AudioFormat, Ear

CHUNK_SAMPLES = 512
"""32 ms at 16 kHz: what Silero takes at a time."""
CHUNK_MS = 32
CHUNK_BYTES = 2 * CHUNK_SAMPLES

_SILENT_DBFS = -55.0
_LOUD_DBFS = -35.0


class Detector(Protocol):
    """Listens to one session. The same audio must give the same answers, however it is cut."""

    def begin(self, audio_format: AudioFormat) -> None:
        """Listen anew, to audio of this format; forget what was heard."""

    def feed(self, audio: bytes) -> Iterable[float]:
        """Take any number of bytes; give the probability (0 to 1) of speech of each 32 ms that are whole by now."""


class VoiceActivity(Protocol):
    """A network, or what stands for one. The same chunks must give the same answers."""

    def feed(self, pcm: bytes) -> float:
        """Take 32 ms of PCM16 at 16 kHz; return the probability (0 to 1) that they hold speech."""

    def reset(self) -> None:
        """Forget what was heard, as in a new session."""


class At16k:
    """The detector that a `VoiceActivity` makes."""

    def __init__(self, activity: VoiceActivity) -> None:
        self._activity = activity
        self._ear = Ear(PCM)
        self._pcm = bytearray()

    def begin(self, audio_format: AudioFormat) -> None:
        """See `Detector`."""
        self._activity.reset()
        self._ear = Ear(audio_format)
        self._pcm.clear()

    def feed(self, audio: bytes) -> list[float]:
        """See `Detector`."""
        self._pcm += self._ear.feed(audio)
        whole = len(self._pcm) - len(self._pcm) % CHUNK_BYTES
        chunks = (bytes(self._pcm[start : start + CHUNK_BYTES]) for start in range(0, whole, CHUNK_BYTES))
        found = [self._activity.feed(chunk) for chunk in chunks]
        del self._pcm[:whole]
        return found


class Energy:
    """The detector of simulations, by loudness alone: 0 below -55 dBFS, 1 above -35, linear between."""

    def __init__(self) -> None:
        self._format = PCM
        self._size = 0
        self._silence = b""
        self._waiting = b""
        self.begin(PCM)

    def begin(self, audio_format: AudioFormat) -> None:
        """See `Detector`."""
        self._format = audio_format
        self._size = CHUNK_MS * audio_format.bytes_per_ms
        self._silence = bytes(self._size) if audio_format is PCM else bytes([mulaw.SILENCE]) * self._size
        self._waiting = b""

    def feed(self, audio: bytes) -> list[float]:
        """See `Detector`."""
        waiting = self._waiting + audio
        found = []
        while len(waiting) >= self._size:
            chunk, waiting = waiting[: self._size], waiting[self._size :]
            # Most of what anybody hears is this very chunk.
            found.append(0.0 if chunk == self._silence else _probability(chunk, self._format))
        self._waiting = waiting
        return found


@lru_cache(maxsize=256)
def _probability(chunk: bytes, audio_format: AudioFormat) -> float:
    """Judge a chunk by loudness; simulated voices are few, and repeat themselves."""
    level = level_dbfs(_samples(chunk, audio_format))
    return min(1.0, max(0.0, (level - _SILENT_DBFS) / (_LOUD_DBFS - _SILENT_DBFS)))


def _samples(audio: bytes, audio_format: AudioFormat) -> NDArray[np.int16]:
    if audio_format is PCM:
        return np.frombuffer(audio, "<i2")
    return mulaw.decode(audio.translate(alaw.TO_MULAW) if audio_format is PCMA else audio)


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """RMS level of PCM16 relative to full scale; -120 for digital silence."""
    if not samples.size:
        return -120.0
    values = samples.astype(np.float64)
    power = float(values @ values) / samples.size
    return max(-120.0, 10.0 * math.log10(power / 32768.0**2)) if power else -120.0
