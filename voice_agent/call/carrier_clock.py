"""The carrier's clock, read from the timestamps of the caller's audio.

Mark echoes and audio frames arrive in one ordered stream, so an echo that stands between two frames happened between
their times on the carrier's clock, however the network delayed them. Our own clock only stands in where no frames come.
"""

FRAME_MS = 20
"""Twilio's frames, as observed; where they are longer, nothing is lost but exactness."""

EDGE_MS = 1
"""An echo this close behind a frame was sent with it."""

EDGE_ECHOES = 4
"""So many echoes, all sent with frames, are no chance: one in ten is by itself."""

STALL_MS = 100
"""A frame that has not come for so long is not late: the carrier sends none in silence."""

GAP_MS = 20
"""A frame that begins so much later than the last one ended: something between them was not sent, or lost."""


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
        if next_ms - self.carrier_ms >= GAP_MS:
            self.by_clock = True
            self.carrier_ms = max(self.carrier_ms, min(next_ms, next_ms - (now_ms - self._at_ms)))

    def settle_by_clock(self, seen_at_ms: int, now_ms: int) -> None:
        """No further frame is waited for: what passed on our clock since the last frame is added."""
        self.settled = True
        # Where frames have stopped since, it stands in their gap, however soon behind the last one it arrived.
        if self._at_ms - seen_at_ms >= GAP_MS or now_ms - self._at_ms >= STALL_MS:
            self.by_clock = True
            self.carrier_ms += self._at_ms - seen_at_ms


class CarrierClock:
    """The end of the newest frame, and the stamps that wait for the next one."""

    def __init__(self) -> None:
        self.carrier_ms = 0
        self.seen_at_ms: int | None = None
        self.frame_ms = FRAME_MS
        """The longest frame seen: an echo is known to one of them."""
        self._waiting: list[Stamp] = []
        self._at_edge = 0
        self._between = 0

    def frame(self, now_ms: int, timestamp_ms: int, length_ms: int) -> None:
        """A frame of the caller's audio arrived."""
        if self._waiting:
            for stamp in self._waiting:
                stamp.settle(timestamp_ms, now_ms)
            self._waiting.clear()
        # A timestamp that runs backwards would make the past unplayed.
        if timestamp_ms + length_ms > self.carrier_ms:
            self.carrier_ms = timestamp_ms + length_ms
        self.seen_at_ms = now_ms
        if length_ms > self.frame_ms:
            self.frame_ms = length_ms

    def time(self, now_ms: int) -> int:
        """Give the carrier's time at our `now_ms`: where frames have stopped our clock goes on from the last one."""
        since_ms = now_ms - (self.seen_at_ms or 0)
        return self.carrier_ms + since_ms if since_ms >= STALL_MS else self.carrier_ms

    def stamp_played(self, now_ms: int) -> Stamp:
        """Mark this moment of the stream, at which a mark came back because its audio was played."""
        if not self._waiting and self.seen_at_ms is not None:
            if now_ms - self.seen_at_ms <= EDGE_MS:
                self._at_edge += 1
            else:
                self._between += 1
        return self.stamp(now_ms)

    def stamp(self, now_ms: int) -> Stamp:
        """Mark this moment of the stream."""
        stamp = Stamp(self.carrier_ms, now_ms)
        self._waiting.append(stamp)
        return stamp

    @property
    def echoes_at_edges(self) -> bool:
        """Whether this carrier sends the echo of a mark with its next frame, not at once: up to a frame late."""
        return self._at_edge >= EDGE_ECHOES and self._between * 10 <= self._at_edge

    def settle(self, now_ms: int) -> None:
        """Settle what is waiting, without the frame that should have followed it."""
        for stamp in self._waiting:
            stamp.settle_by_clock(self.seen_at_ms or 0, now_ms)
        self._waiting.clear()
