"""Whether somebody speaks: the interface of a detector, and one that goes by loudness alone for simulations."""

from typing import Protocol

import numpy as np

CHUNK_SAMPLES = 512
"""32 ms at 16 kHz: what Silero takes at a time."""
CHUNK_MS = 32
CHUNK_BYTES = 2 * CHUNK_SAMPLES


class VoiceActivity(Protocol):
    """A detector of one session. The same chunks must give the same answers."""

    def feed(self, pcm: bytes) -> float:
        """Take 32 ms of PCM16 at 16 kHz; return the probability (0 to 1) that they hold speech."""

    def reset(self) -> None:
        """Forget what was heard, as in a new session."""


class EnergyActivity:
    """Loudness alone: 0 below `silent_dbfs`, 1 above `loud_dbfs`, linear between. For simulations."""

    def __init__(self, silent_dbfs: float = -55.0, loud_dbfs: float = -35.0) -> None:
        self._silent_dbfs = silent_dbfs
        self._span_db = loud_dbfs - silent_dbfs

    def feed(self, pcm: bytes) -> float:
        """Take 32 ms of PCM16 at 16 kHz; see `VoiceActivity`."""
        probability = (level_dbfs(np.frombuffer(pcm, np.int16)) - self._silent_dbfs) / self._span_db
        return min(1.0, max(0.0, probability))

    def reset(self) -> None:
        """Nothing to forget: each chunk stands for itself."""


def level_dbfs(samples: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> float:
    """RMS level of PCM16 relative to full scale; -120 for digital silence."""
    if not samples.size:
        return -120.0
    values = samples.astype(np.float64)
    power = float(values @ values) / samples.size
    return max(-120.0, 10.0 * float(np.log10(power / 32768.0**2))) if power else -120.0
