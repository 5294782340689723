"""How much faster than life a call of ten minutes replays, strictly and held again, resamplers and all."""

import time
from collections.abc import Callable
from functools import partial

from tests.bench.table import Row, Table
from tests.support.recorded import write
from tests.support.scenes import interrupted_call
from tests.support.simulated import header_of, steps_of
from voice_agent.recording.reader import Recording
from voice_agent.replay.resimulated import Resimulated, resimulate
from voice_agent.replay.strict import Replayed, replay

FASTER = 300
"""Times faster than the call was: in two seconds."""


def run() -> Table:
    """Replay one call in each audio format and each way, some times over."""
    rows = []
    for audio in ("g711", "pcm24k"):
        world = interrupted_call(1, times=1000, audio=audio)
        recording = Recording(write(header_of(world.setup), steps_of(world, world.setup)))
        rows.append(_row(f"strict, {audio}", partial(replay, recording, {})))
        rows.append(_row(f"resimulated, {audio}", partial(resimulate, recording, {})))
    return Table("Replay of ten minutes; yardstick: the call itself", rows)


def _row(what: str, hold: Callable[[], Replayed | Resimulated]) -> Row:
    took_s = []
    for _ in range(3):
        began = time.process_time()
        found = hold()
        took_s.append(time.process_time() - began)
    factor = found.duration_ms / 1000 / min(took_s)
    ours = f"{min(took_s) * 1000:.0f} ms of CPU"
    return Row(what, ours, f"{found.duration_ms / 1000:.1f} s", f"{factor:.0f}x", f"{FASTER}x", factor >= FASTER)
