"""What a bridge did to the frames of one level of load: how late, how many lost, how truly it says what was heard.

Pure: from what callers and model noted. It must not know how the load was made.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from voice_agent.emulator.load.callers import CallRecord
from voice_agent.emulator.load.coded_audio import FRAME_MS
from voice_agent.emulator.load.scripted_model import DELTA_FRAMES, Session

MOST_P99_MS = 20.0
"""A bridge that adds more than a frame at the 99th percentile does not keep up."""

OWN_LATE_MS = 10.0
"""If callers and model were later than this themselves at the 99th percentile, they were the limit."""

_IN_FLIGHT_NS = 500_000_000
"""What was sent this shortly before the end may be on its way."""

_COLLECTED_FRAMES = 25
"""So many of a caller's last frames may stay in a bridge that collects some before it sends them on."""


class Window(NamedTuple):
    """When all calls were in progress, in ns of the clock of callers and model."""

    begin_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """How long that was."""
        return (self.end_ns - self.begin_ns) / 1e9


class Spread(msgspec.Struct, frozen=True):
    """A distribution in brief."""

    count: int
    p50: float
    p99: float
    least: float
    most: float


class Level(msgspec.Struct, frozen=True):
    """One level of load. Latencies and errors in ms; nothing that could not be measured stands there."""

    calls: int
    seconds: float
    up: Spread | None
    """From a caller's frame leaving to it being read at the model."""
    down: Spread | None
    """From the first delta of an answer leaving the model to it being read at the caller."""
    frames: int
    """All that should have arrived, both ways."""
    lost: int
    repeated: int
    """Frames that came twice or out of order."""
    broken: tuple[str, ...]
    """Why calls did not begin or ended early, one entry a call."""
    truncation: Spread | None
    """`audio_end_ms` less what the caller had really heard when `clear` came."""
    own_late_p99_ms: float
    """How late callers and model were themselves."""
    heard_s: float = 0.0
    """Seconds of audio that reached the model while it was measured: less than all where the bridge falls behind."""
    cpu_ms: float | None = None
    """Of the server, per second of a caller's audio that reached the model."""
    memory_mb: float | None = None
    """Resident, per call, over what the server took without calls."""
    server_lag_ms: float | None = None
    """How late the server's event loop says it is."""

    @property
    def carried(self) -> bool:
        """Whether the bridge carries so many calls."""
        ways = (self.up, self.down)
        prompt = all(way is not None and way.p99 < MOST_P99_MS for way in ways)
        return prompt and not self.lost and not self.repeated and not self.broken

    @property
    def own_limit(self) -> bool:
        """Whether callers and model were too late themselves for the level to say anything about the bridge."""
        return self.own_late_p99_ms > OWN_LATE_MS


def percentile(ordered: Sequence[float], share: float) -> float:
    """Give the value that `share` of a sorted list do not exceed; nan for none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def spread(values: list[float]) -> Spread | None:
    """Sum values up; `None`: there are none."""
    if not values:
        return None
    ordered = sorted(values)
    p50, p99 = percentile(ordered, 0.5), percentile(ordered, 0.99)
    return Spread(len(ordered), round(p50, 2), round(p99, 2), round(ordered[0], 2), round(ordered[-1], 2))


def account(
    records: Sequence[CallRecord], sessions: Mapping[int, Session], window: Window, own_late_ms: list[float]
) -> Level:
    """Add one level up; `sessions` by the number of their call."""
    up: list[float] = []
    down: list[float] = []
    errors: list[float] = []
    frames = lost = repeated = heard = 0
    for record in records:
        session = sessions.get(record.call)
        if session is None:
            frames += len(record.sent_ns)
            lost += len(record.sent_ns)
            continue
        up += _late_up(record, session, window)
        down += _late_down(record, session, window)
        heard += sum(window.begin_ns <= at < window.end_ns for _, at in session.heard.arrived)
        errors += _truncation_errors(record, session)
        due = max(0, len(record.sent_ns) - _COLLECTED_FRAMES)
        wanted = _wanted(record, session)
        frames += due + len(wanted)
        lost += session.heard.lost + max(0, due - session.heard.expected)
        lost += len(wanted - {number for number, _ in record.heard.arrived})
        repeated += session.heard.repeated + record.heard.repeated
    return Level(
        calls=len(records),
        seconds=round(window.seconds, 2),
        up=spread(up),
        down=spread(down),
        frames=frames,
        lost=lost,
        repeated=repeated,
        broken=tuple(record.broken for record in records if record.broken),
        truncation=spread(errors),
        heard_s=round(heard * FRAME_MS / 1000, 2),
        own_late_p99_ms=round(percentile(sorted(own_late_ms), 0.99), 2),
    )


def _late_up(record: CallRecord, session: Session, window: Window) -> list[float]:
    return [
        (at - record.sent_ns[number]) / 1e6
        for number, at in session.heard.arrived
        if number < len(record.sent_ns) and window.begin_ns <= record.sent_ns[number] < window.end_ns
    ]


def _late_down(record: CallRecord, session: Session, window: Window) -> list[float]:
    # The first of an answer only: some bridges hold what comes faster than it plays, and lose nothing by it.
    began = {
        delta.first: delta.at_ns
        for delta in session.sent
        if delta.opening and window.begin_ns <= delta.at_ns < window.end_ns
    }
    return [(at - began[number]) / 1e6 for number, at in record.heard.arrived if number in began]


def _wanted(record: CallRecord, session: Session) -> set[int]:
    """Give the model's frames that must have arrived: what is left of an answer that was broken off need not."""
    return {
        number
        for delta in session.sent
        if delta.at_ns < record.ended_ns - _IN_FLIGHT_NS and delta.response not in session.broken_off
        for number in range(delta.first, delta.first + DELTA_FRAMES)
    }


def _truncation_errors(record: CallRecord, session: Session) -> list[float]:
    first = {delta.response: delta.first for delta in reversed(session.sent)}
    errors = []
    for told in session.truncations:
        # Some bridges tell the model first and clear then: the two belong together though one is a little earlier.
        cut = min(record.cuts, key=lambda cut: abs(cut.at_ns - told.at_ns), default=None)
        if cut is not None and told.response in first:
            heard_ms = max(0.0, (cut.played_frames - first[told.response]) * FRAME_MS)
            errors.append(told.audio_end_ms - heard_ms)
    return errors
