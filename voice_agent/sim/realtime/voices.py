"""The voices: which names there are, and what becomes of the one voice that speaks here.

The services have ten voices, the stand-in has one. A name makes it a little deeper or higher by playing it slower or
faster, as a tape is: enough to tell two agents apart on a line, no more. `alloy`, `marin` and voices of one's own (an
object with an `id`) leave it as it is.
"""

import numpy as np
from numpy.typing import NDArray

HUNDREDTHS = {
    "alloy": 100,
    "marin": 100,
    "cedar": 92,
    "ash": 90,
    "echo": 94,
    "verse": 96,
    "ballad": 97,
    "sage": 103,
    "coral": 105,
    "shimmer": 108,
}
"""Of each voice's tempo, and of its pitch. Names: OpenAI's Realtime reference; `marin` and `cedar` are its advice."""


class Tape:
    """Plays PCM16 at another speed, as one stream: the same result however it is cut. The last sample is left out."""

    def __init__(self, hundredths: int) -> None:
        self._step = hundredths
        self._waiting: NDArray[np.int64] = np.zeros(0, np.int64)
        self._position = 0
        """Of the next sample that comes out, in hundredths behind the first that waits."""

    def feed(self, pcm: bytes) -> bytes:
        """Take any number of whole samples."""
        if self._step == 100:
            return pcm
        samples = np.concatenate((self._waiting, np.frombuffer(pcm, "<i2").astype(np.int64)))
        positions = np.arange(self._position, 100 * (len(samples) - 1), self._step)
        before, part = np.divmod(positions, 100)
        made: NDArray[np.int64] = (samples[before] * (100 - part) + samples[before + 1] * part) // 100
        following = self._position + self._step * len(positions)
        done = min(following // 100, len(samples))
        self._waiting = samples[done:]
        self._position = following - 100 * done
        return made.astype("<i2").tobytes()
