"""One stretch of playout at the carrier, from idle to idle or to a cut: what was queued and what was heard.

Positions are bytes of mu-law since the stretch began (8 a millisecond). The carrier plays a byte at `offset + position`
of its clock, where `offset` can only grow: it is when the stretch began, later by every time the queue ran dry. So each
echo of a mark that was played bounds the offset from below, and the greatest bound is the best knowledge of it.
"""

from collections import deque
from collections.abc import Iterator

import msgspec

from voice_agent.call.carrier_clock import Stamp

BYTES_PER_MS = 8

REACHED_BYTES = 20 * BYTES_PER_MS
"""A position within one frame of a mark has reached it: echoes are known to a frame only."""

CLOCK_REACHED_BYTES = 100 * BYTES_PER_MS
"""The same where our clock stands in: the network's jitter is in it."""

NEARLY_DRY_MS = 300
"""Below this much queued audio a start mark goes out again, so that a dry moment shows on the carrier's clock."""


class Segment(msgspec.Struct, gc=False):
    """A piece of the stretch that belongs to one item."""

    item_id: str | None
    """`None`: speech of our own."""
    start: int
    end: int


class _Mark(msgspec.Struct, frozen=True, gc=False):
    name: str
    position: int
    starts: bool


class Playout:
    """The stretch. `echo` while it plays; after a `clear`, `echo_after_clear` and `heard_at`."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.queued = 0
        self.confirmed = 0
        """Played for certain: the greatest position whose mark came back in time."""
        self._begun = 0
        """So many segments are known to have begun."""
        self._marks: deque[_Mark] = deque()
        self._echoes: list[tuple[int, Stamp]] = []
        self._late_echoes: list[tuple[int, Stamp]] = []
        self._lost_start = -1
        """The greatest position of a start mark whose echo was lost."""
        self._sent_offset_ms: int | None = None
        """The same offset on our clock less the way there: no byte can play before it was sent."""

    def nearly_dry(self, now_ms: int) -> bool:
        """Whether the carrier may have played all by the time audio sent now arrives."""
        return self._sent_offset_ms is None or self._sent_offset_ms + self.queued // 8 - now_ms < NEARLY_DRY_MS

    def add(self, now_ms: int, item_id: str | None, length: int) -> None:
        """Audio was queued now."""
        begins = now_ms - self.queued // BYTES_PER_MS
        if self._sent_offset_ms is None or begins > self._sent_offset_ms:
            self._sent_offset_ms = begins
        end = self.queued + length
        if self.segments and self.segments[-1].item_id == item_id:
            self.segments[-1].end = end
        else:
            self.segments.append(Segment(item_id, self.queued, end))
        self.queued = end

    def add_mark(self, name: str, *, starts: bool = False) -> None:
        """A mark was sent at the end of what is queued. `starts`: it is a start mark."""
        self._marks.append(_Mark(name, self.queued, starts))

    def expects(self, name: str) -> bool:
        """Whether this mark is still to be echoed."""
        marks = self._marks
        return bool(marks) and (marks[0].name == name or any(mark.name == name for mark in marks))

    def echo(self, name: str, stamp: Stamp) -> None:
        """A mark came back while nothing was cleared: all before it was played."""
        position = self._take(name)
        if position > self.confirmed:
            self.confirmed = position
        self._echoes.append((position, stamp))

    def take_begun(self) -> Iterator[str]:
        """Give the items that have begun since the last look, in silence or behind speech of our own."""
        while self._begun < len(self.segments):
            segment = self.segments[self._begun]
            # A start mark at the same place follows where the queue was nearly dry: it tells when sound went on.
            if segment.start > self.confirmed or (self._marks and self._marks[0].position <= segment.start):
                break
            if segment.item_id is not None and (not self._begun or self.segments[self._begun - 1].item_id is None):
                yield segment.item_id
            self._begun += 1

    def echo_after_clear(self, name: str, stamp: Stamp) -> None:
        """A mark came back after `clear` went out: played on the way, or flushed. `heard_at` tells which."""
        self._late_echoes.append((self._take(name), stamp))

    def heard_at(
        self, cut: Stamp, *, cleared_at_ms: int, echoes_at_edges: bool, frame_ms: int
    ) -> tuple[int, bool] | None:
        """Where playout stood when `clear` arrived, and whether our clock helped; `None` without any echo.

        `clear` was sent at `cleared_at_ms`. The cut mark's echo follows that moment. A mark that the clock says was out
        of reach was flushed at that very moment; one that came back before it was played. Echoes of played marks that
        come with frames (`echoes_at_edges`) are a frame later than flushed ones. `frame_ms`: how long this carrier's
        frames are.
        """
        if not self._echoes:
            return None
        offset_ms, by_clock = self._offset()
        flushed: list[Stamp] = []
        for position, stamp in self._late_echoes:
            guessed = by_clock or stamp.by_clock
            # The stamp may be early by a frame, and the offset late by one where echoes wait for frames.
            near = CLOCK_REACHED_BYTES if guessed else 2 * frame_ms * BYTES_PER_MS
            if position > (stamp.carrier_ms - offset_ms) * BYTES_PER_MS + near:
                flushed.append(stamp)
            else:
                # All before it was played: it bounds the offset like those that came before the clear. Where our clock
                # helped, only what is more than jitter tells of a dry moment.
                later_ms = stamp.carrier_ms - position // BYTES_PER_MS
                if not guessed or (later_ms - offset_ms) * BYTES_PER_MS > CLOCK_REACHED_BYTES:
                    offset_ms = max(offset_ms, later_ms)
        cleared = min([cut, *flushed], key=lambda stamp: stamp.carrier_ms)
        late_ms = frame_ms if echoes_at_edges and flushed else 0
        heard = (cleared.carrier_ms - offset_ms + late_ms) * BYTES_PER_MS
        if self._last_lost_start(heard) >= self.confirmed:
            # No mark tells whether the queue ran dry there, nor then which of those that follow were played: what they
            # stand behind was not heard before it came.
            return min(self._bounded(heard), self.estimate(cleared_at_ms)), True
        for position, stamp in self._late_echoes:
            if stamp.carrier_ms < cleared.carrier_ms:
                self.confirmed = max(self.confirmed, position)
        return self._bounded(heard), by_clock or cleared.by_clock

    def estimate(self, cleared_at_ms: int) -> int:
        """Where playout stood when a `clear` sent at `cleared_at_ms` arrived, by our clock alone.

        Audio and `clear` travel the same way, so the way's length drops out; its jitter stays.
        """
        if self._sent_offset_ms is None:
            return 0
        return self._bounded((cleared_at_ms - self._sent_offset_ms) * BYTES_PER_MS)

    def all_played(self) -> bool:
        """Whether the last mark came back."""
        return not self._marks

    def finish(self) -> None:
        """Take everything as played: its marks were lost."""
        self.confirmed = self.queued
        self._marks.clear()

    def _take(self, name: str) -> int:
        # A later mark than the first proves that the earlier ones were passed and their echoes lost.
        while True:
            mark = self._marks.popleft()
            if mark.name == name:
                return mark.position
            if mark.starts:
                self._lost_start = mark.position

    def _last_lost_start(self, position: int) -> int:
        """The greatest position of a start mark that was passed and did not come back; -1: there is none."""
        out = [mark.position for mark in self._marks if mark.starts and mark.position <= position]
        return max(self._lost_start, *out) if out else self._lost_start

    def _offset(self) -> tuple[int, bool]:
        """The stretch's beginning on the carrier's clock as far as the echoes tell, and whether our clock helped."""
        exact = [stamp.carrier_ms - position // BYTES_PER_MS for position, stamp in self._echoes if not stamp.by_clock]
        if exact:
            return max(exact), False
        # Each is early or late by the network's jitter, so none of them is a bound.
        guesses = sorted(stamp.carrier_ms - position // BYTES_PER_MS for position, stamp in self._echoes)
        return guesses[len(guesses) // 2], True

    def _bounded(self, position: int) -> int:
        return min(max(position, self.confirmed), self.queued)

    def __repr__(self) -> str:
        return f"<Playout {self.confirmed // 8} of {self.queued // 8} ms confirmed, {len(self._marks)} marks out>"
