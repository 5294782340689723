"""Sines and their measurement.

Every tone has a whole number of Hz and is measured over one second, so that bin k of a spectrum is k Hz.
"""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

TELEPHONE_BAND_HZ = range(300, 3401, 100)


def sine(hz: int, peak: float, rate_hz: int, seconds: int = 2) -> NDArray[np.int16]:
    """Make a sine; with two seconds the second one is free of what a filter does at the start."""
    moment = np.arange(seconds * rate_hz) / rate_hz
    return np.rint(peak * np.sin(2 * np.pi * hz * moment)).astype(np.int16)


def spectrum(samples: NDArray[np.int16], rate_hz: int) -> Samples:
    """Give the peak amplitude at every Hz over the last second."""
    return np.abs(np.fft.rfft(samples[-rate_hz:])) * 2 / rate_hz


def decibels(ratio: float) -> float:
    return 20 * float(np.log10(ratio))


def sinad(samples: NDArray[np.int16], hz: int, rate_hz: int) -> float:
    """Measure a tone against all else below 4 kHz, in dB."""
    power = spectrum(samples, rate_hz)[1:4000] ** 2
    signal = power[hz - 1]
    return 10 * float(np.log10(signal / (power.sum() - signal)))
