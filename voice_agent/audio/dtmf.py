"""Keys as sound (DTMF): the tones that a telephone sends for them, and a receiver that reads them back.

Frequencies are those of ITU-T Q.23, what must be recognised and what must not is taken from Q.24. Mu-law, 8 kHz. It
must not know who presses keys nor why.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voice_agent.audio.mulaw import BYTES_PER_MS, SILENCE, decode, encode

KEYS: Final = "123456789*0#"
"""Those of a telephone; the column of A to D belongs to exchanges."""

LOW_HZ: Final = (697, 770, 852, 941)
HIGH_HZ: Final = (1209, 1336, 1477)

TONE_MS: Final = 100
PAUSE_MS: Final = 100
"""Q.24 lets a receiver miss what is shorter than 40 ms; networks shorten some, and nobody waits long for these."""

WAITS_MS: Final = {"w": 500, "W": 1000}
"""What stands for a wait between keys, as in Twilio's digits."""

LOW_DBM0: Final = -9.0
HIGH_DBM0: Final = -7.0
"""The upper tone is sent 2 dB louder, because lines dampen it more; together they are far from the clipping point."""

_SINE_PEAK: Final = 32124 / 10 ** (3.17 / 20)
"""The peak of a sine of 0 dBm0: a full-scale one is 3.17 dB louder (G.711)."""


def _level(dbm0: float) -> float:
    return _SINE_PEAK * 10 ** (dbm0 / 20)


def _tone(key: str) -> bytes:
    row, column = divmod(KEYS.index(key), len(HIGH_HZ))
    moment = np.arange(TONE_MS * BYTES_PER_MS) * (2 * math.pi / 8000)
    wave = _level(LOW_DBM0) * np.sin(LOW_HZ[row] * moment) + _level(HIGH_DBM0) * np.sin(HIGH_HZ[column] * moment)
    return encode(np.rint(wave).astype(np.int16))


_TONES: Final = {key: _tone(key) for key in KEYS}
_PAUSE: Final = bytes([SILENCE]) * (PAUSE_MS * BYTES_PER_MS)
_WAITS: Final = {name: bytes([SILENCE]) * (wait_ms * BYTES_PER_MS) for name, wait_ms in WAITS_MS.items()}


def tones(keys: str) -> bytes:
    """Make the sound of keys, a pause behind each; `w` waits half a second, `W` a second."""
    return b"".join(_WAITS[key] if key in _WAITS else _TONES[key] + _PAUSE for key in keys)


# --- the receiver ----------------------------------------------------------------------------------------------------

_WINDOW: Final = 105
"""Samples, 13.1 ms: so short that a tone may be 1.5 % off (Q.24), so long that its neighbours are in the first null."""

_STEP: Final = 80
"""Samples between two looks: 10 ms."""

_FEWEST: Final = 2
"""Looks that agree before a key counts."""

_FAINTEST_DBM0: Final = -27.0
"""Of each tone; Q.24 asks for -25 at least."""

_TWIST_DB: Final = (-8.5, 5.5)
"""How much louder the upper tone may be; Q.24's bounds with the resolution of the window."""

_PURITY: Final = 0.6
"""The part of all power that the two tones must have: speech has other frequencies besides."""

_GROUP_DB: Final = 6.0
"""How much weaker the other tones of a group must be."""


class HeardKey(NamedTuple):
    """A key, and where its sound was first seen."""

    key: str
    at_ms: int


def _goertzel() -> NDArray[np.complex128]:
    moment = np.arange(_WINDOW)
    return np.stack([np.exp(-2j * math.pi * hz / 8000 * moment) for hz in (*LOW_HZ, *HIGH_HZ)])


_BINS: Final = _goertzel()


def keys_in(audio: bytes) -> list[HeardKey]:
    """Find the keys in a sound, in order; a key that is held counts once."""
    samples = decode(audio).astype(np.float64)
    if len(samples) < _WINDOW:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_STEP]
    peaks = np.abs(windows @ _BINS.T) * (2 / _WINDOW)
    powers = (windows**2).mean(axis=1)
    looks = [_key_at(peak, float(power)) for peak, power in zip(peaks, powers, strict=True)]
    found: list[HeardKey] = []
    held = ""
    for at, key in enumerate(looks):
        agreed = looks[at : at + _FEWEST]
        if agreed != [agreed[0]] * _FEWEST or key == held:
            continue
        held = key
        if key:
            found.append(HeardKey(key, at * _STEP // BYTES_PER_MS))
    return found


def _key_at(peaks: NDArray[np.float64], power: float) -> str:
    """Name the key of one window; empty: none."""
    low, high = peaks[: len(LOW_HZ)], peaks[len(LOW_HZ) :]
    row, column = int(low.argmax()), int(high.argmax())
    if min(low[row], high[column]) < _level(_FAINTEST_DBM0):
        return ""
    twist_db = 20 * math.log10(high[column] / low[row])
    pure = (low[row] ** 2 + high[column] ** 2) / 2 >= _PURITY * power
    alone = all(
        np.sort(group)[-2] * 10 ** (_GROUP_DB / 20) <= group[best] for group, best in ((low, row), (high, column))
    )
    if not (pure and alone and _TWIST_DB[0] <= twist_db <= _TWIST_DB[1]):
        return ""
    return KEYS[row * len(HIGH_HZ) + column]
