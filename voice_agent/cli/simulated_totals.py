"""What came of many made-up calls, added up: held in a process of its own, told in one table."""

import gc
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from voice_agent.live.clips import load_clips
from voice_agent.sim.made_up.call import oddities
from voice_agent.sim.made_up.drawing import draw
from voice_agent.sim.made_up.holding import hold

_T = TypeVar("_T")
_clips: dict[str, bytes] = {}


class Broken(msgspec.Struct, frozen=True):
    """One call that broke a rule; the first break of it."""

    seed: int
    rule: str
    at_ms: int
    what: str
    more: int
    """Further breaks in the same call."""


class Cuts(msgspec.Struct):
    """Truncations that were measured in one way."""

    count: int = 0
    least_ms: int = 0
    most_ms: int = 0

    def add(self, count: int, least_ms: int, most_ms: int) -> None:
        """Take more of them."""
        self.count += count
        self.least_ms = min(self.least_ms, least_ms)
        self.most_ms = max(self.most_ms, most_ms)


class Totals(msgspec.Struct):
    """What is told in the end."""

    calls: int = 0
    wired: int = 0
    """Of them through the wires."""
    call_ms: int = 0
    core_s: float = 0.0
    lengths: dict[int, int] = {}
    """How many calls lasted so many tenths of a second."""
    outcomes: dict[str, int] = {}
    oddities: dict[str, int] = {}
    cuts: dict[str, Cuts] = {}
    broken: list[Broken] = []

    def add(self, other: "Totals") -> None:
        """Take the totals of other calls."""
        self.calls += other.calls
        self.wired += other.wired
        self.call_ms += other.call_ms
        self.core_s += other.core_s
        self.lengths = _sum(self.lengths, other.lengths)
        self.outcomes = _sum(self.outcomes, other.outcomes)
        self.oddities = _sum(self.oddities, other.oddities)
        for basis, cuts in other.cuts.items():
            self.cuts.setdefault(basis, Cuts()).add(cuts.count, cuts.least_ms, cuts.most_ms)
        self.broken += other.broken


def _sum(one: Mapping[_T, int], other: Mapping[_T, int]) -> dict[_T, int]:
    return dict(Counter(one) + Counter(other))


def start_worker(*, from_here: bool = False) -> None:
    """Prepare a process. `from_here`: it is the command's own, which Ctrl-C is for."""
    if not from_here:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    _clips.update(load_clips())
    gc.freeze()  # or it looks again and again at modules and clips, which stay


def hold_chunk(first: int, end: int, wires: int) -> Totals:
    """Hold the calls of the seeds from `first` to before `end`; every `wires`-th goes through the wires."""
    totals = Totals()
    collects = gc.isenabled()
    gc.disable()  # while a call goes on there is next to nothing that it could find
    try:
        for seed in range(first, end):
            began_s = time.process_time()
            _hold(totals, seed, wired=wires > 0 and seed % wires == 0)
            gc.collect(0)  # the call that is over
            totals.core_s += time.process_time() - began_s
    finally:
        if collects:
            gc.enable()
    return totals


def _hold(totals: Totals, seed: int, *, wired: bool) -> None:
    call = draw(seed, random.Random(seed))  # noqa: S311 - a seed that decides everything is the point
    held, _ = hold(call, random.Random(seed), _clips, direct=not wired)  # noqa: S311 - as above
    totals.calls += 1
    totals.wired += wired
    totals.call_ms += held.duration_ms
    totals.lengths = _sum(totals.lengths, {held.duration_ms // 100: 1})
    totals.outcomes = _sum(totals.outcomes, {held.outcome: 1})
    totals.oddities = _sum(totals.oddities, dict.fromkeys(oddities(call), 1))
    for cut, error in held.cuts:
        totals.cuts.setdefault(cut.basis, Cuts()).add(1, error, error)
    if held.breaks:
        found = held.breaks[0]
        totals.broken.append(Broken(seed, found.rule, found.at_ms, found.what, len(held.breaks) - 1))


# --- the table -------------------------------------------------------------------------------------------------------

SHOWN = 20
"""Broken calls that are listed; each has a command of its own."""


def report(totals: Totals, seed: int, done: int) -> str:
    """Tell all of it, in lines."""
    if not totals.calls:
        return "no call was held"
    call_s = totals.call_ms / 1000
    speed = call_s / max(totals.core_s, 1e-9)
    shortest, median, longest = _spread(totals.lengths)
    lines = [
        f"{totals.calls:,} calls (seeds {seed} to {seed + done - 1}), {totals.wired:,} of them through the wires",
        f"{call_s:,.0f} s of calls in {totals.core_s:,.0f} s of a core: {speed:,.0f} call-seconds a core-second",
        f"{median:.1f} s in the median, {shortest:.1f} to {longest:.1f} s",
        "",
        *_table("ENDING", "CALLS", _by_count(totals.outcomes)),
        "",
        *_table("FAULTS AND ODDITIES", "CALLS", _by_count(totals.oddities)),
        "",
        f"{'CUT MEASURED BY':<44}{'CUTS':>9}  TOLD MINUS PLAYED",
        *(
            f"{basis:<44}{cuts.count:>9,}  {cuts.least_ms:+} to {cuts.most_ms:+} ms"
            for basis, cuts in sorted(totals.cuts.items())
        ),
        "",
    ]
    if not totals.broken:
        return "\n".join([*lines, "no rule was broken"])
    rules = Counter(broken.rule for broken in totals.broken)
    lines += _table("BROKEN RULE", "CALLS", rules.most_common())
    lines += [
        f"    seed {broken.seed}, {broken.at_ms} ms: {broken.what}{f' (and {broken.more} more)' if broken.more else ''}"
        for broken in totals.broken[:SHOWN]
    ]
    if len(totals.broken) > SHOWN:
        lines.append(f"    and {len(totals.broken) - SHOWN:,} more calls")
    return "\n".join(lines)


def _by_count(counts: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    return sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))


def _table(what: str, number: str, rows: Iterable[tuple[str, int]]) -> list[str]:
    return [f"{what:<44}{number:>9}", *(f"{name:<44}{count:>9,}" for name, count in rows)]


def _spread(lengths: Mapping[int, int]) -> tuple[float, float, float]:
    """Give the shortest, the median and the longest, in seconds."""
    passed, half = 0, sum(lengths.values()) / 2
    median = 0
    for tenth in sorted(lengths):
        passed += lengths[tenth]
        if passed >= half:
            median = tenth
            break
    return min(lengths) / 10, median / 10, max(lengths) / 10
