"""A whole bridge under load: what it adds to the way of a frame, what it loses, what it costs.

    python -m tests.bench.bridge [CALLS] [SECONDS]

A scripted model and N callers stand around one bridge, which runs in a process of its own. Both ends speak coded audio
and read the same clock. Latency is from the frame leaving the caller to it being read at the model (up), and from a
delta leaving the model to it being read at the caller (down): the meter itself is inside, the same for every bridge.
Linux only: it reads CPU time from proc and puts processes on cores of their own.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
import uvloop

from tests.bench.bridges import Bridge, our_bridge, plain_bridge, read_port
from tests.bench.caller import CallRecord, hold_calls
from tests.bench.scripted_model import Session
from tests.bench.table import Row, Table

ROUNDS = 5
"""Each bridge is loaded so often, by turns."""

_WARM_UP_NS = 2_000_000_000
"""The beginning of a call, when bridges connect and catch up, counts for loss but not for latency."""

_CORES = sorted(os.sched_getaffinity(0))
"""Read before any bench puts this very process on some of them."""

_IN_FLIGHT_NS = 500_000_000
"""What the model sent this shortly before a call's end may be missing."""


class Result(NamedTuple):
    """How one bridge did."""

    name: str
    up_ms: list[float]
    """Latency of every frame, sorted."""
    down_ms: list[float]
    """Latency of every delta, sorted."""
    frames: int
    """All that should have arrived, both ways."""
    lost: int
    repeated: int
    """Frames that came twice or out of order."""
    cpu_ms: float
    """CPU per second of one call."""


async def measure(name: str, bridge: Bridge, calls: int, seconds: float) -> Result:
    """Load one bridge; on two or more cores it has the last one for itself."""
    model = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.scripted_model", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        url = f"ws://127.0.0.1:{await read_port(model)}/v1/realtime?model=scripted"
        async with bridge(url) as running:
            _apart(running.process_id, model.pid)
            before = _cpu_ms(running.process_id)
            records = await hold_calls(calls, seconds, running.admission)
            cpu_ms = (_cpu_ms(running.process_id) - before) / (calls * seconds)
        # The end of its input is the end of the model.
        async with asyncio.timeout(20):
            told, _ = await model.communicate(b"")
    finally:
        if model.returncode is None:
            model.kill()
            await model.wait()
    sessions = msgspec.json.decode(told, type=list[Session])
    return _account(name, records, {session.call: session for session in sessions}, cpu_ms)


def _account(name: str, records: list[CallRecord], sessions: dict[int, Session], cpu_ms: float) -> Result:
    up: list[float] = []
    down: list[float] = []
    frames = lost = repeated = 0
    for record in records:
        session = sessions.get(record.call, Session(-1, [], 0, 0, 0, []))
        heard = record.heard
        warm_ns = record.sent_ns[0] + _WARM_UP_NS
        up += [
            (at - record.sent_ns[number]) / 1e6 for number, at in session.arrived if record.sent_ns[number] > warm_ns
        ]
        deltas = dict(session.sent)
        down += [(at - deltas[number]) / 1e6 for number, at in heard.arrived if deltas.get(number, 0) > warm_ns]
        # The gaps that were seen, and what is missing at the end, where nothing came to show a gap.
        due = max((number for number, at in session.sent if at < record.ended_ns - _IN_FLIGHT_NS), default=-1) + 1
        lost += len(record.sent_ns) - len(session.arrived)
        lost += heard.lost + max(0, due - heard.expected)
        repeated += session.repeated + heard.repeated
        frames += len(record.sent_ns) + due
    return Result(name, sorted(up), sorted(down), frames, lost, repeated, cpu_ms)


def _apart(bridge: int, model: int) -> None:
    """Give the bridge the last core, model and callers the others; new threads of a process stay with the old ones."""
    if len(_CORES) > 1:
        bridges = [(each, _CORES[-1:]) for each in (bridge, *_children(bridge))]
        for process_id, cores in (*bridges, (model, _CORES[:-1]), (os.getpid(), _CORES[:-1])):
            for thread in Path(f"/proc/{process_id}/task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)


def _cpu_ms(process_id: int) -> float:
    # proc(5): after the name in parentheses the 12th and 13th fields are user and system time in ticks.
    ticks = 0
    for each in [process_id, *_children(process_id)]:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def _children(process_id: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{process_id}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def percentile(ordered: list[float], share: float) -> float:
    """Give the value that `share` of a sorted list do not exceed; nan for none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def compare(ours: list[Result], yardstick: list[Result], title: str) -> Table:
    """Lay two series side by side, each figure the median of its rounds; ours may add 3 ms at p99 and lose nothing."""
    rows = []
    for what in ("up", "down"):
        for share, bound_ms in ((0.5, None), (0.99, 3.0)):
            mine, theirs = _typical(ours, what, share), _typical(yardstick, what, share)
            bound = "" if bound_ms is None else f"+{bound_ms:.0f} ms"
            kept = bound_ms is None or mine - theirs <= bound_ms
            name = f"latency {what}, p{share * 100:.0f}"
            rows.append(Row(name, f"{mine:.1f} ms", f"{theirs:.1f} ms", f"{mine - theirs:+.1f} ms", bound, kept))
    frames = sum(result.frames for result in ours)
    for what, lost, theirs_lost in (
        ("frames lost", sum(result.lost for result in ours), sum(result.lost for result in yardstick)),
        (
            "repeated or out of order",
            sum(result.repeated for result in ours),
            sum(result.repeated for result in yardstick),
        ),
    ):
        rows.append(Row(what, f"{lost}", f"{theirs_lost}", f"of {frames}", "0", lost == 0))
    cpu_ms, their_cpu_ms = (median(result.cpu_ms for result in results) for results in (ours, yardstick))
    ratio = f"{cpu_ms / their_cpu_ms:.2f}x"
    rows.append(Row("CPU a second of a call", f"{cpu_ms:.1f} ms", f"{their_cpu_ms:.1f} ms", ratio, "", True))
    return Table(title, rows)


def _typical(results: list[Result], way: str, share: float) -> float:
    return median(percentile(result.up_ms if way == "up" else result.down_ms, share) for result in results)


def run(calls: int = 10, seconds: float = 10.0) -> Table:
    """Load both bridges alike, in turns, so that whatever else the machine does meets both."""
    yardstick, ours = [], []
    for _ in range(ROUNDS):
        yardstick.append(uvloop.run(measure("plain", plain_bridge, calls, seconds)))
        ours.append(uvloop.run(measure("ours", our_bridge, calls, seconds)))
    about = f"{calls} calls for {seconds:.0f} s, median of {ROUNDS} rounds"
    return compare(ours, yardstick, f"Bridge: {about}; yardstick: FastAPI, websockets, json, audioop, nothing checked")


def main(arguments: list[str]) -> None:
    """Measure both."""
    calls, seconds = int(arguments[0]) if arguments else 10, float(arguments[1]) if arguments[1:] else 10.0
    sys.stdout.write(run(calls, seconds).render())


if __name__ == "__main__":
    main(sys.argv[1:])
