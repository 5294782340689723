"""Whole bridges side by side under the same load: what each adds to the way of a frame, what it loses, what it costs.

    python -m tests.bench.bridge [--calls 10] [--rounds 5] [--seconds 5] [--json FILE] [--picture FILE] [NAME ...]

Each bridge has the last core for itself, callers and model have the others. The bridges are loaded by turns, each in a
process that has just been started, so that whatever else the machine does meets all of them. Nobody is interrupted: how
a bridge takes that is a matter of its own, which `voice-agent load` measures of ours.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
import uvloop

from tests.bench.bridges import BRIDGES, Bridge, python_of
from tests.bench.table import Row, Table
from voice_agent.emulator.load.account import Level
from voice_agent.emulator.load.level import hold_level
from voice_agent.emulator.load.picture import draw
from voice_agent.emulator.load.scripted_model import scripted_model
from voice_agent.emulator.load.watching import Processes, cores

ROUNDS = 5
SECONDS = 5.0
LEVELS = (10, 100)

MOST_LATER_MS = 3.0
"""What our p99 may be above the plain bridge's."""


class Bound(NamedTuple):
    """What our CPU may be, as a part of another bridge's, at so many calls."""

    ours: str
    theirs: str
    calls: int
    most: float


BOUNDS = (
    Bound("voice-agent, pcm24k", "plain, pcm24k", 100, 0.7),
    Bound("voice-agent, g711", "plain, g711", 100, 0.6),
    Bound("voice-agent, pcm24k", "pipecat, pcm24k", 10, 1 / 3),
)

Series = dict[str, list[Level]]
"""All rounds of each bridge."""


async def measure(bridge: Bridge, calls: int, seconds: float) -> Level:
    """Start one bridge, load it, end it."""
    async with scripted_model() as model, bridge.start(model.url) as running:
        processes, allowed = Processes(running.process_id), cores()
        ourselves = Processes(os.getpid())
        if len(allowed) > 1:
            processes.keep_to(allowed[-1:])
            ourselves.keep_to_itself(allowed[:-1])
        try:
            return await hold_level(running.admission, model, calls, seconds, processes=processes)
        finally:
            ourselves.keep_to_itself(allowed)


def measure_all(calls: int, rounds: int, seconds: float, names: Sequence[str] = ()) -> Series:
    """Load the bridges by turns; those that carry fewer calls, or are not installed here, are left out."""
    chosen = {
        name: bridge
        for name, bridge in BRIDGES.items()
        if calls <= bridge.most and Path(python_of(bridge.environment)).exists() and (not names or name in names)
    }
    series: Series = {name: [] for name in chosen}
    for number in range(rounds):
        for name, bridge in chosen.items():
            level = uvloop.run(measure(bridge, calls, seconds))
            series[name].append(level)
            sys.stderr.write(f"round {number + 1}, {name}: {_brief(level)}\n")
    return series


def _brief(level: Level) -> str:
    ways = (way.p99 if way else float("nan") for way in (level.up, level.down))
    up, down = (f"{p99:.1f}" for p99 in ways)
    late = f", own p99 {level.own_late_p99_ms:.1f} ms"
    return f"{level.calls} calls, p99 {up} and {down} ms, {level.lost} lost, CPU {level.cpu_ms} ms{late}" + (
        f"; {len(level.broken)} broke: {level.broken[0]}" if level.broken else ""
    )


def typical(levels: Sequence[Level]) -> Level:
    """Give the median of each figure; what was lost, repeated or broken is added up."""

    def middle(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return round(median(known), 2) if known else None

    first = levels[0]
    ways = {}
    for way in ("up", "down"):
        spreads = [spread for level in levels if (spread := getattr(level, way)) is not None]
        if spreads:
            fields = {name: median(getattr(each, name) for each in spreads) for name in ("p50", "p99", "least", "most")}
            ways[way] = msgspec.structs.replace(spreads[0], **fields)
    return msgspec.structs.replace(
        first,
        **ways,
        frames=sum(level.frames for level in levels),
        lost=sum(level.lost for level in levels),
        repeated=sum(level.repeated for level in levels),
        broken=tuple(why for level in levels for why in level.broken),
        cpu_ms=middle([level.cpu_ms for level in levels]),
        memory_mb=middle([level.memory_mb for level in levels]),
        own_late_p99_ms=median(level.own_late_p99_ms for level in levels),
    )


def table(series: Mapping[str, Sequence[Level]], rounds: int, seconds: float) -> str:
    """Give one line of Markdown a bridge: medians, CPU with its least and most."""
    calls = next(iter(series.values()))[0].calls
    heads = (
        f"{calls} calls, {seconds:g} s, {rounds} rounds",
        "CPU ms per call-second",
        "calls a core at 70 %",
        "to the model p50 / p99 ms",
        "to the caller p50 / p99 ms",
        "lost",
        "MB a call",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, levels in series.items():
        level = typical(levels)
        cpus = sorted(each.cpu_ms for each in levels if each.cpu_ms is not None)
        cpu = f"{level.cpu_ms:.2f} [{cpus[0]:.2f}, {cpus[-1]:.2f}]" if level.cpu_ms else "-"
        carried = f"{700 / level.cpu_ms:.0f}" if level.cpu_ms else "-"
        up, down = (f"{way.p50:.1f} / {way.p99:.1f}" if way else "-" for way in (level.up, level.down))
        lost = f"{level.lost} of {level.frames:,}"
        lines.append(f"| {name} | {cpu} | {carried} | {up} | {down} | {lost} | {level.memory_mb or 0:.1f} |")
    return "\n".join([*lines, ""])


def compare(series: Mapping[str, Sequence[Level]], title: str) -> Table:
    """Hold ours against the others, as far as they were measured."""
    middle = {name: typical(levels) for name, levels in series.items()}
    rows = []
    for bound in BOUNDS:
        if bound.ours in middle and bound.theirs in middle and middle[bound.ours].calls == bound.calls:
            rows += _compared(middle[bound.ours], middle[bound.theirs], bound)
    for name, level in middle.items():
        if name.startswith("voice-agent"):
            wrong = level.lost + level.repeated + len(level.broken)
            rows.append(Row(f"{name}: lost, repeated, broken", str(wrong), "", f"of {level.frames}", "0", wrong == 0))
    return Table(title, rows)


def _compared(ours: Level, theirs: Level, bound: Bound) -> list[Row]:
    rows = []
    if ours.cpu_ms and theirs.cpu_ms:
        ratio = ours.cpu_ms / theirs.cpu_ms
        rows.append(
            Row(
                f"{bound.ours} : {bound.theirs}, CPU",
                f"{ours.cpu_ms:.2f} ms",
                f"{theirs.cpu_ms:.2f} ms",
                f"{ratio:.2f}x",
                f"{bound.most:.2f}x",
                ratio <= bound.most,
            )
        )
    for what, mine, other in (("up", ours.up, theirs.up), ("down", ours.down, theirs.down)):
        if mine and other:
            later = mine.p99 - other.p99
            kept = later <= MOST_LATER_MS
            cells = (f"{mine.p99:.1f} ms", f"{other.p99:.1f} ms", f"{later:+.1f} ms", f"+{MOST_LATER_MS:g} ms")
            rows.append(Row(f"{bound.ours} : {bound.theirs}, p99 {what}", *cells, kept))
    return rows


def run() -> list[Table]:
    """Load all bridges with few calls, and with many those that carry them."""
    tables = []
    for calls in LEVELS:
        series = measure_all(calls, ROUNDS, SECONDS)
        sys.stdout.write(table(series, ROUNDS, SECONDS) + "\n")
        tables.append(compare(series, f"Bridges: {calls} calls for {SECONDS:g} s, medians of {ROUNDS} rounds by turns"))
    return tables


def main(arguments: list[str]) -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help=", ".join(BRIDGES))
    parser.add_argument("--calls", default=",".join(map(str, LEVELS)), help="levels, with commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    told = parser.parse_args(arguments)
    drawn: Series = {}
    kept: dict[int, Series] = {}
    for calls in map(int, told.calls.split(",")):
        series = kept[calls] = measure_all(calls, told.rounds, told.seconds, told.names)
        sys.stdout.write(table(series, told.rounds, told.seconds) + "\n" + compare(series, "").render() + "\n")
        for name, levels in series.items():
            drawn.setdefault(name, []).append(typical(levels))
    if told.json:
        told.json.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
    if told.picture:
        told.picture.write_text(draw(drawn), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
