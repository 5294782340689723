"""The carrier's clock, read from the timestamps of the caller's audio.

Mark echoes and audio frames arrive in one ordered stream, so an echo that stands between two frames happened between
their times on the carrier's clock, however the network delayed them. Our own clock only stands in where no frames come.
"""

CONTIGUOUS_MS = 40
"""A larger step between frames (normally 20 ms) is a gap in which nothing was sent."""


class Stamp:
    """When something was received from the carrier; its place in the stream is settled by the next frame."""

    __slots__ = ("_at_ms", "by_clock", "carrier_ms", "settled")

    def __init__(self, carrier_ms: int, at_ms: int) -> None:
        self.carrier_ms = carrier_ms
        self._at_ms = at_ms
        self.settled = False
        self.by_clock = False

    def settle(self, next_ms: int, now_ms: int) -> None:
        """The next frame begins at `next_ms` of the carrier and arrived at our `now_ms`."""
        self.settled = True
        if next_ms - self.carrier_ms >= CONTIGUOUS_MS:
            self.by_clock = True
            self.carrier_ms = max(self.carrier_ms, min(next_ms, next_ms - (now_ms - self._at_ms)))

    def settle_by_clock(self, seen_at_ms: int) -> None:
        """No further frame is waited for: what passed on our clock since the last frame is added."""
        self.settled = True
        if self._at_ms - seen_at_ms >= CONTIGUOUS_MS:
            self.by_clock = True
            self.carrier_ms += self._at_ms - seen_at_ms


class CarrierClock:
    """The end of the newest frame, and the stamps that wait for the next one."""

    def __init__(self) -> None:
        self.carrier_ms = 0
        self.seen_at_ms: int | None = None
        self._waiting: list[Stamp] = []

    def frame(self, now_ms: int, timestamp_ms: int, length_ms: int) -> None:
        """A frame of the caller's audio arrived."""
        if self._waiting:
            for stamp in self._waiting:
                stamp.settle(timestamp_ms, now_ms)
            self._waiting.clear()
        # A timestamp that runs backwards would make the past unplayed.
        self.carrier_ms = max(self.carrier_ms, timestamp_ms + length_ms)
        self.seen_at_ms = now_ms

    def stamp(self, now_ms: int) -> Stamp:
        """Mark this moment of the stream."""
        stamp = Stamp(self.carrier_ms, now_ms)
        self._waiting.append(stamp)
        return stamp

    def settle(self) -> None:
        """Settle what is waiting, without the frame that should have followed it."""
        for stamp in self._waiting:
            stamp.settle_by_clock(self.seen_at_ms or 0)
        self._waiting.clear()
