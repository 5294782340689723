"""24 kHz to 16 kHz: what the detectors and recognisers take. Streaming; the same result however the audio is cut."""

import numpy as np

from voice_agent.audio.fir import exact

_TAPS = 96
"""At 48 kHz; 2 ms. Aliases of 9 kHz and more are 50 dB down, which hearing models do not notice."""
_CUTOFF_HZ = 7200
_REACH = _TAPS // 2
"""Input samples that one output depends on besides the newest."""


def _kernel() -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Two phases of a low-pass at 48 kHz, as the columns of a matrix that multiplies frames of input, oldest first."""
    position = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(2 * _CUTOFF_HZ / 48000 * position) * np.kaiser(_TAPS, 5.6)
    # Multiples of 2^-23: sums of products with integers are exact, in whatever order they are added.
    taps = 2 * exact(taps)
    newest_first = np.zeros((_REACH + 1, 2))
    newest_first[1:, 0] = taps[0::2]
    newest_first[:-1, 1] = taps[1::2]
    return np.ascontiguousarray(newest_first[::-1])


_KERNEL = _kernel()


class To16k:
    """One stream of PCM16 from 24 kHz to 16 kHz; 1 ms late."""

    def __init__(self) -> None:
        self._waiting = np.zeros(_REACH - 1, np.float64)
        self._odd = b""

    def feed(self, pcm: bytes) -> bytes:
        """Take any number of bytes of PCM16 at 24 kHz; return what is ready at 16 kHz: two samples for every three."""
        pcm = self._odd + pcm
        whole = len(pcm) & ~1
        self._odd = pcm[whole:]
        samples = np.concatenate((self._waiting, np.frombuffer(pcm[:whole], "<i2")))
        # Frame k holds the samples up to the second of its three: the first pair comes out with two new samples.
        frames = max(0, (len(samples) - (_REACH + 1)) // 3 + 1)
        self._waiting = samples[3 * frames :]
        if not frames:
            return b""
        # The same as `as_strided`, which takes longer than the product.
        step = samples.itemsize
        view = np.ndarray((frames, _REACH + 1), np.float64, samples, strides=(3 * step, step))
        made = np.rint(view @ _KERNEL)
        return made.clip(-32768, 32767, out=made).astype("<i2").tobytes()
