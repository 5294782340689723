"""What somebody who listens to the agent can tell: whether it speaks, for how long, since when it is silent.

By loudness, not by messages: an agent that streams silence is silent. Pure; times are the stream's milliseconds.
"""

from collections.abc import Callable

from voice_agent.sim.track import BYTES_PER_MS, Track

WINDOW_MS = 20
_WINDOW_BYTES = WINDOW_MS * BYTES_PER_MS

PAUSE_MS = 800
"""Silence that ends what was said; between words and sentences it is shorter, also with synthetic voices."""

_LOUD = bytes((~code & 0x7F) >= 0x10 for code in range(256))
"""For each mu-law byte 1 if its amplitude reaches the second of eight segments: 132 of 32124, -48 dBFS."""

_LOUD_BYTES = _WINDOW_BYTES // 20
"""Of a window that holds a voice; clicks are shorter."""


class Hearing:
    """Follows one track by windows of 20 ms."""

    def __init__(self, on_began: Callable[[int], None], on_fell_silent: Callable[[int], None]) -> None:
        """The callbacks get the time of the first and of the last sound of what was said."""
        self._on_began = on_began
        self._on_fell_silent = on_fell_silent
        self.heard_until_ms = 0
        self.speaking = False
        """Between the first sound and `PAUSE_MS` of silence."""
        self.began_ms = 0
        """The first sound of what is said, or was said last."""
        self.last_sound_ms: int | None = None
        """The end of the last sound; `None` before any."""

    @property
    def silent_ms(self) -> int:
        """How long nothing has been heard."""
        return self.heard_until_ms - (self.last_sound_ms or 0)

    @property
    def spoken_ms(self) -> int:
        """How long the agent has been speaking, short pauses included; 0 while it is silent."""
        return (self.last_sound_ms or 0) - self.began_ms if self.speaking else 0

    def listen(self, track: Track, now_ms: int) -> None:
        """Hear all whole windows up to `now_ms`."""
        while self.heard_until_ms + WINDOW_MS <= now_ms:
            begin_ms = self.heard_until_ms
            self.heard_until_ms = begin_ms + WINDOW_MS
            sound = track.read(begin_ms * BYTES_PER_MS, self.heard_until_ms * BYTES_PER_MS)
            if sound is not None and sound.translate(_LOUD).count(1) >= _LOUD_BYTES:
                self.last_sound_ms = self.heard_until_ms
                if not self.speaking:
                    self.speaking = True
                    self.began_ms = begin_ms
                    self._on_began(begin_ms)
            elif self.speaking and self.silent_ms >= PAUSE_MS:
                self._fall_silent()

    def stop(self) -> None:
        """The stream has ended: whatever was said is over."""
        if self.speaking:
            self._fall_silent()

    def _fall_silent(self) -> None:
        self.speaking = False
        self._on_fell_silent(self.last_sound_ms or 0)
