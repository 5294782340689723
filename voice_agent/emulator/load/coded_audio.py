"""Audio that says which frame of which call it is, and goes through any resampler unharmed.

Every 20 ms are one constant level, a different one from its neighbours; a constant comes out of a linear-phase filter,
or of linear interpolation, as itself as soon as the filter holds nothing else. So loss, repetition and reordering show
in the sound, whatever a bridge does to lengths, chunks and delays. Levels go round every 64 frames; two of the 64 spell
the number of the call.
"""

from functools import cache

import numpy as np

from voice_agent.audio import mulaw

FRAME_MS = 20
CALLS = 32 * 32
"""How many calls can be told apart: two digits of 32."""

_ROUND = 64
_PROBES = 6
"""Milliseconds of one unbroken level that make a frame: more than a slope between two levels ever shows by chance, and
few enough to be found in the first half of a frame behind a filter of 6 ms."""

_TOLERANCE = 2
"""How far a resampler may move a constant, in steps of 16 bits, by its rounding; by its ripple a 256th of the level
more. Levels are 16 apart at least, and a 32nd of themselves."""


def code(number: int, call: int) -> int:
    """Give the mu-law code of frame `number`: positive levels, and negative ones for the two digits of the call."""
    place = number % _ROUND
    return (call // 32, 32 + call % 32)[place] if place < 2 else 0x80 + 2 * place


@cache
def mulaw_frames(first: int, count: int, call: int) -> bytes:
    """Give frames as mu-law 8 kHz; `first` below 64, since they go round."""
    return b"".join(bytes([code(first + index, call)]) * (FRAME_MS * 8) for index in range(count))


@cache
def pcm_frames(first: int, count: int, call: int) -> bytes:
    """Give frames as PCM16 at 24 kHz; `first` below 64, since they go round."""
    return mulaw.decode(mulaw_frames(first, count, call)).astype("<i2").repeat(3).tobytes()


class Follower:
    """Listens to coded audio as it arrives, in chunks of any length, and keeps account of the frames."""

    def __init__(self, *, pcm: bool) -> None:
        self.pcm = pcm
        """Whether it hears PCM16 at 24 kHz, or mu-law at 8 kHz."""
        self._step = 24 if pcm else 8
        self._skip = 0
        """Samples until the next probe; there is one a millisecond."""
        self._level = mulaw.SILENCE
        self._lasted = 0
        self._next = 0
        self._digits = [-1, -1]
        self.arrived: list[tuple[int, int]] = []
        """Number of a frame and when it was recognised, in ns of the clock that was given."""
        self.lost = 0
        self.repeated = 0
        """Frames that came again or after a later one."""
        self.bytes = 0

    @property
    def call(self) -> int:
        """Whose audio it is; -1 until both digits were heard."""
        high, low = self._digits
        return -1 if -1 in self._digits else 32 * high + low

    @property
    def expected(self) -> int:
        """The number of the frame that should come next."""
        return self._next

    def hear(self, audio: bytes, now_ns: int) -> None:
        """Take the next chunk."""
        self.bytes += len(audio)
        for level in self._probes(audio):
            self._lasted = self._lasted + 1 if level == self._level else 1
            self._level = level
            if self._lasted == _PROBES:
                self._frame(level, now_ns)

    def _probes(self, audio: bytes) -> bytes:
        samples = np.frombuffer(audio, "<i2" if self.pcm else np.uint8)
        probes = samples[self._skip :: self._step]
        self._skip = (self._skip - len(samples)) % self._step
        if not self.pcm:
            return probes.tobytes()
        codes = mulaw.CODES[probes.astype(np.intp) + 32768]
        levels = mulaw.DECODED[codes].astype(np.intp)
        near = np.abs(levels - probes) <= _TOLERANCE + (np.abs(levels) >> 8)
        return np.where(near, codes, mulaw.SILENCE).astype(np.uint8).tobytes()

    def _frame(self, level: int, now_ns: int) -> None:
        if level < 0x40:
            place = level // 32
            self._digits[place] = level % 32
        elif level >= 0x84 and level % 2 == 0:
            place = (level - 0x80) // 2
        else:
            return
        ahead = (place - self._next) % _ROUND
        if ahead >= _ROUND // 2:
            self.repeated += 1
            return
        self.lost += ahead
        self._next += ahead + 1
        self.arrived.append((self._next - 1, now_ns))
