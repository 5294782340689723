"""How loud mu-law audio is, and where it is silent. Whole-signal measures for reports and tests, not for streams."""

import math
from typing import Final, NamedTuple

from voice_agent.audio.audioop_import import audioop
from voice_agent.audio.mulaw import BYTES_PER_MS

FLOOR_DBFS: Final = -96.0
"""What digital silence measures: below the smallest level that 16 bits can hold."""

_WINDOW_MS = 10
"""Time over which loudness is taken when silences are searched: half a frame, so that no syllable hides a gap."""

_WINDOW_BYTES = _WINDOW_MS * BYTES_PER_MS
_FULL_SCALE = 32768


class Gap(NamedTuple):
    """A silence."""

    start_ms: int
    length_ms: int


def rms_dbfs(data: bytes) -> float:
    """Measure mu-law audio in dB below a full-scale square wave (a full-scale sine is at -3); `FLOOR_DBFS` at least."""
    rms = audioop.rms(audioop.ulaw2lin(data, 2), 2)
    return 20 * math.log10(rms / _FULL_SCALE) if rms else FLOOR_DBFS


def gaps(data: bytes, longer_than_ms: int, quieter_than_dbfs: float = -50.0) -> list[Gap]:
    """Find the silences of mu-law 8 kHz audio that last longer than `longer_than_ms`, in order, to 10 ms.

    Silence at the beginning and at the end counts; audio without any sound is one gap.
    """
    found: list[Gap] = []
    start_ms: int | None = None
    end_ms = len(data) // BYTES_PER_MS
    for now_ms in range(0, end_ms, _WINDOW_MS):
        start = now_ms * BYTES_PER_MS
        window = data[start : start + _WINDOW_BYTES]
        if rms_dbfs(window) < quieter_than_dbfs:
            start_ms = now_ms if start_ms is None else start_ms
        elif start_ms is not None:
            found.append(Gap(start_ms, now_ms - start_ms))
            start_ms = None
    if start_ms is not None:
        found.append(Gap(start_ms, end_ms - start_ms))
    return [gap for gap in found if gap.length_ms > longer_than_ms]
