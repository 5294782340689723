"""The phone's audio to the model's and back, as a stream: mu-law 8 kHz <-> PCM16 little-endian 24 kHz, mono.

What comes out is the same bit for bit however the input is cut, odd byte counts included, and every whole 20 ms that
go in give exactly 20 ms out, at once. The price is the filter's delay, 2.000 ms up and 3.000 ms down: a stream begins
with that much of near silence, and `flush` brings out as much at its end. So the audio of a flushed stream is longer
than its input by the delay and holds all of it, to within one sample of 24 kHz (0.042 ms).

How it is fast in numpy: 16 samples of 8 kHz at a time are one product with a small Toeplitz matrix, applied to
overlapping windows of one line of samples without copying them. Rounding, clipping and mu-law encoding are a single
table look-up: the bias that makes an index of a sample rides through the filter, whose gain for a constant is
exactly 1. A chunk that comes again and again, as silence does, is filtered twice: what it gives once its past is in
itself it gives as often as it comes.

It knows nothing of items, calls or base64; who feeds it decides when a stream ends (`flush`) or is cut (`reset`).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_agent.audio import mulaw
from voice_agent.audio.fir import exact, lowpass, thirds, toeplitz

UP_TAPS: Final = thirds(lowpass(taps=97, rate_hz=24_000, cutoff_hz=4_000, beta=7.5))
"""A third-band filter: of the taps 0, 3, 6, ... only the centre is not zero, so that output 3n + 48 *is* input n.
Measured: ripple 0.002 dB from 300 to 3400 Hz, images of that band 76 dB down."""

DOWN_TAPS: Final = exact(lowpass(taps=145, rate_hz=24_000, cutoff_hz=3_700, beta=5.6))
"""Measured: ripple 0.011 dB to 3400 Hz; 4.6 kHz and above 68 dB down, 4.0 to 4.6 kHz 60 dB."""

_BLOCK = 16
"""Samples of 8 kHz made or used by one row of the product: small enough for a 20 ms frame to be whole blocks, large
enough that the matrix, which is mostly taps then, is not mostly zeros."""

_UP_PAST = 32
"""Earlier samples of 8 kHz that the 33 taps of a phase reach back to."""

_DOWN_PAST = 144
"""Earlier samples of 24 kHz that 145 taps reach back to."""

_CAPACITY = 80
"""Blocks in one product (160 ms); longer chunks are done in pieces. OpenBLAS takes a product below 2^18
multiplications for too small to share among threads, and a hop to a thread costs more than the product."""

_BIAS = 32768.5
"""Makes the index of a table out of a sample; the half makes truncation round to nearest."""

_UP_MATRIX = toeplitz(
    [UP_TAPS[phase::3] for phase in range(3)],
    newest=[_UP_PAST + output // 3 for output in range(3 * _BLOCK)],
    window=_UP_PAST + _BLOCK,
)

_DOWN_MATRIX = toeplitz(
    [DOWN_TAPS],
    newest=[_DOWN_PAST + 3 * output for output in range(_BLOCK)],
    window=_DOWN_PAST + 3 * _BLOCK,
)

_BIASED = mulaw.DECODED + _BIAS
"""The biased sample of every mu-law code, as the filter takes it."""

_PCM = np.arange(-32768, 32768).astype("<i2")
"""The bytes of every sample. With `take(mode="clip")` the ends of this table and of `mulaw.CODES` are where overload
saturates, however far the filter overshoots (up to 2.23 times); a negative index would wrap in any other mode."""

_SAMPLE_BYTES = 2
_GROUP_BYTES = 3 * _SAMPLE_BYTES
"""Three samples of 24 kHz make one of 8 kHz."""


class _Line:
    """Biased samples on their way through a filter: the past that its taps still need, then the new ones."""

    def __init__(self, matrix: NDArray[np.float64], step: int) -> None:
        """`matrix` turns a window into a block of outputs; a block uses up `step` samples."""
        window, outputs = matrix.shape
        self._matrix = matrix
        self._step = step
        self._outputs = outputs
        self._past = window - step
        self._samples = np.empty(self._past + step * _CAPACITY)
        stride = self._samples.itemsize
        self._windows = np.ndarray((_CAPACITY, window), buffer=self._samples, strides=(step * stride, stride))
        self.new = self._samples[self._past :]
        """Where to write up to `step * _CAPACITY` new samples before `filter`."""
        self.clear()

    def clear(self) -> None:
        """Forget all; from here on the past is silence."""
        # The whole line, not the past alone: what stands behind the new samples meets coefficients of zero, and zero
        # times whatever an uninitialised array holds is not always zero.
        self._samples.fill(_BIAS)

    def filter(self, count: int) -> NDArray[np.intp]:
        """Take the first `count` of `new`; give an index into a table for each output that they make."""
        blocks = -(-count // self._step)
        made: NDArray[np.intp] = np.dot(self._windows[:blocks], self._matrix).astype(np.intp)
        self._samples[: self._past] = self._samples[count : count + self._past]
        return made.ravel()[: count * self._outputs // self._step]


class Upsampler:
    """Mu-law 8 kHz in, PCM16 little-endian 24 kHz out: six bytes for each, 2.000 ms late."""

    _FEED_BYTES = _BLOCK * _CAPACITY
    _TAIL = bytes([mulaw.SILENCE]) * 16
    """The filter's delay: 48 samples of 24 kHz."""

    def __init__(self) -> None:
        self._line = _Line(_UP_MATRIX, step=_BLOCK)
        self._fresh = True
        self._last = self._again = b""
        """The last chunk, and what it gives behind itself."""

    def feed(self, data: bytes) -> bytes:
        """Give the next 6 bytes for each byte of `data`, which may be empty or of any length."""
        if len(data) <= self._FEED_BYTES:
            return self._filter(data)
        return b"".join(
            self._filter(data[start : start + self._FEED_BYTES]) for start in range(0, len(data), self._FEED_BYTES)
        )

    def flush(self) -> bytes:
        """End the stream: give its last 2 ms, and be as new. A stream that was never fed has none."""
        tail = b"" if self._fresh else self._filter(self._TAIL)
        self.reset()
        return tail

    def reset(self) -> None:
        """Forget the stream, as after a cut: nothing of it is heard in what comes next."""
        if not self._fresh:
            self._line.clear()
            self._fresh = True
            self._last = b""

    def _filter(self, data: bytes) -> bytes:
        if not data:
            return b""
        self._fresh = False
        if data != self._last:
            self._last, self._again = data, b""
            return self._convert(data)
        if not self._again or len(data) < _UP_PAST:
            self._again = self._convert(data)
        return self._again

    def _convert(self, data: bytes) -> bytes:
        _BIASED.take(np.frombuffer(data, np.uint8), out=self._line.new[: len(data)], mode="clip")
        return _PCM.take(self._line.filter(len(data)), mode="clip").tobytes()


class Downsampler:
    """PCM16 little-endian 24 kHz in, mu-law 8 kHz out: a byte for each six, 3.000 ms late."""

    _FEED_BYTES = _BLOCK * _CAPACITY * _GROUP_BYTES
    _TAIL = bytes(72 * _SAMPLE_BYTES)
    """The filter's delay: 72 samples of 24 kHz."""

    def __init__(self) -> None:
        self._line = _Line(_DOWN_MATRIX, step=3 * _BLOCK)
        self._carried = b""
        """Fed, but not yet a group of three samples."""
        self._fresh = True
        self._last = self._again = b""
        """The last chunk, and what it gives behind itself."""

    def feed(self, data: bytes) -> bytes:
        """Give a byte for every 6 that are complete; the rest, half samples included, waits for the next `feed`."""
        if self._carried:
            data = self._carried + data
        whole = len(data) - len(data) % _GROUP_BYTES
        self._carried = data[whole:]
        if whole <= self._FEED_BYTES:
            return self._filter(data[:whole])
        return b"".join(
            self._filter(data[start : min(start + self._FEED_BYTES, whole)])
            for start in range(0, whole, self._FEED_BYTES)
        )

    def flush(self) -> bytes:
        """End the stream: give its last 3 ms, and be as new. A stream that never held a sample has none.

        An incomplete group is filled up with silence; half a sample is dropped.
        """
        rest = self._carried[: len(self._carried) // _SAMPLE_BYTES * _SAMPLE_BYTES]
        padding = bytes(-len(rest) % _GROUP_BYTES)
        tail = b"" if self._fresh and not rest else self._filter(rest + padding + self._TAIL)
        self.reset()
        return tail

    def reset(self) -> None:
        """Forget the stream, as after a cut: nothing of it is heard in what comes next."""
        self._carried = b""
        if not self._fresh:
            self._line.clear()
            self._fresh = True
            self._last = b""

    def _filter(self, data: bytes) -> bytes:
        if not data:
            return b""
        self._fresh = False
        if data != self._last:
            self._last, self._again = data, b""
            return self._convert(data)
        if not self._again or len(data) < _DOWN_PAST * _SAMPLE_BYTES:
            self._again = self._convert(data)
        return self._again

    def _convert(self, data: bytes) -> bytes:
        samples = np.frombuffer(data, "<i2")
        np.add(samples, _BIAS, out=self._line.new[: len(samples)])
        return mulaw.CODES.take(self._line.filter(len(samples)), mode="clip").tobytes()
