"""How many seconds of calls a core simulates in a second: direct, and through the wires.

A caller asks again and again, and the agent speaks about half of the time, in deltas of 20 ms; frames come every 20 ms.
The yardstick is the call itself, as for a replay.
"""

import gc
import random
import time

from tests.bench.table import Row, Table
from tests.support.scenes import asked_call, talkative
from voice_agent.sim.world import World

LENGTH_MS = 120_000
RUNS = 9
FASTER = {"direct": 600, "through the wires": 350}
"""Times faster than life, by the way of joining."""


def hold(way: str) -> World:
    """Hold one call."""
    return asked_call(1, talkative(random.Random(1)), asks=10, delta_ms=20, direct=way == "direct")


def run() -> Table:
    """Hold calls of two minutes both ways, by turns; the quickest of each counts."""
    took_s: dict[str, list[float]] = {way: [] for way in FASTER}
    hold("direct")
    gc.freeze()  # as `simulate` does
    for _ in range(RUNS):
        for way, times in took_s.items():
            began = time.process_time()
            hold(way)
            times.append(time.process_time() - began)
    sound = hold("direct").carrier.agent.stretches
    spoken = sum(stretch.end - stretch.start for stretch in sound) / 8 / LENGTH_MS
    rows = [_row(way, min(times)) for way, times in took_s.items()]
    return Table(f"Simulated calls; the agent speaks {spoken:.0%} of the time; yardstick: the call itself", rows)


def _row(way: str, took_s: float) -> Row:
    factor = LENGTH_MS / 1000 / took_s
    ours = f"{took_s * 1000:.0f} ms of CPU"
    return Row(way, ours, f"{LENGTH_MS / 1000:.0f} s", f"{factor:.0f}x", f"{FASTER[way]}x", factor >= FASTER[way])
