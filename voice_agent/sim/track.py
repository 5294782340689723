"""One direction of a phone call as sound on a clock: what was said when, and where it was cut.

Positions are samples since the stream began; at 8 kHz mu-law a sample is a byte and a millisecond is eight. A track
knows nothing of messages, frames or marks.
"""

import msgspec

BYTES_PER_MS = 8
"""8 kHz, one byte a sample: protocol.md 9.3."""
SILENCE = b"\xff"
"""The mu-law byte for no sound."""


class Stretch(msgspec.Struct, gc=False):
    """Audio that plays without a pause from `start`; `end` is where it stops, or stopped when it was cut."""

    start: int
    end: int
    audio: bytes

    def played(self, now: int) -> int:
        """How many bytes of it had been played at sample `now`."""
        end = self.end if self.end < now else now
        return end - self.start if end > self.start else 0


class Track:
    """Audio queued end to end and played at the clock's pace; since the pace never changes, no step simulates it."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        """All that was ever queued, in order, cut or not."""
        self.end = 0
        """The sample at which the queue runs dry."""
        self._reading = 0  # the first stretch that `read` may still need

    def put(self, now: int, audio: bytes) -> Stretch:
        """Queue audio behind what is playing; with an empty queue it begins at `now`."""
        start = now if now > self.end else self.end
        stretch = Stretch(start, start + len(audio), audio)
        self.stretches.append(stretch)
        self.end = stretch.end
        return stretch

    def cut(self, now: int) -> None:
        """Stop at `now`; what was not played by then never will be."""
        for stretch in reversed(self.stretches):
            if stretch.end <= now:
                break
            # What had not begun keeps no place: whatever is queued next may begin before it would have.
            stretch.start, stretch.end = min(stretch.start, now), now
        self.end = min(self.end, now)

    def read(self, start: int, end: int) -> bytes | None:
        """The sound between two samples, silence filled in; `None` if there is none at all. `start` never decreases."""
        if start >= self.end:
            return None
        stretches = self.stretches
        while self._reading < len(stretches) and stretches[self._reading].end <= start:
            self._reading += 1
        parts: list[bytes] = []
        at = start
        for index in range(self._reading, len(stretches)):
            stretch = stretches[index]
            if stretch.start >= end:
                break
            begin, stop = max(stretch.start, at), min(stretch.end, end)
            if stop > begin:
                parts += (SILENCE * (begin - at), stretch.audio[begin - stretch.start : stop - stretch.start])
                at = stop
        if not parts:
            return None
        parts.append(SILENCE * (end - at))
        return b"".join(parts)

    def render(self, until: int) -> bytes:
        """The whole track from 0 to `until`, silence filled in."""
        sound = bytearray(SILENCE * until)
        for stretch in self.stretches:
            size = stretch.played(until)
            sound[stretch.start : stretch.start + size] = stretch.audio[:size]
        return bytes(sound)
