"""Linear-phase low-pass filters whose arithmetic is exact, so that a result is the same on every machine.

Coefficients are multiples of 2^-24 and audio is 16-bit integers: every product and every sum of them fits the 53 bits
of a float64, so neither the order of summation (BLAS kernels differ) nor the chunking can change a single bit.
float32 is not exact: one sample in about a thousand then flips between kernels. It knows filters only, no streams.
"""

import numpy as np
from numpy.typing import NDArray

_STEP = 2.0**-24
"""Coefficients are multiples of this; 16-bit samples leave 53 - 24 - 16 = 13 bits of headroom for sums."""


def lowpass(taps: int, rate_hz: int, cutoff_hz: int, beta: float) -> NDArray[np.float64]:
    """Design a windowed sinc (Kaiser window) of an odd number of taps; not yet normalised, its gain is about 1."""
    position = np.arange(taps) - taps // 2
    bandwidth = 2 * cutoff_hz / rate_hz
    return np.asarray(bandwidth * np.sinc(bandwidth * position) * np.kaiser(taps, beta), np.float64)


def exact(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to multiples of 2^-24 that add up to exactly 1, so that a constant comes out as itself."""
    steps = np.rint(taps / taps.sum() / _STEP)
    steps[np.argmax(steps)] += 1 / _STEP - steps.sum()
    return np.asarray(steps * _STEP, np.float64)


def thirds(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make every third of an interpolator's taps exact by itself: each of its three phases has a gain of 1."""
    result = np.empty_like(taps)
    for phase in range(3):
        result[phase::3] = exact(taps[phase::3])
    return result


def toeplitz(phases: list[NDArray[np.float64]], newest: list[int], window: int) -> NDArray[np.float64]:
    """Lay taps out as a matrix that turns `window` consecutive inputs into `len(newest)` outputs.

    Output `i` is made with the taps `phases[i % len(phases)]`, the first of them on input `newest[i]` of the window.
    """
    matrix = np.zeros((window, len(newest)))
    for output, first in enumerate(newest):
        for delay, tap in enumerate(phases[output % len(phases)]):
            matrix[first - delay, output] = tap
    return matrix
