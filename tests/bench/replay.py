"""How much faster than life a recording replays, strictly and held again, resamplers and all."""

import time
from collections.abc import Callable
from functools import partial

from tests.bench.table import Row, Table
from tests.support.recorded import write
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from voice_agent.recording.reader import Recording
from voice_agent.replay.resimulated import Resimulated, resimulate
from voice_agent.replay.strict import Replayed, replay

STRICT, RESIMULATED = 200, 100
"""Times faster than the call was."""


def run() -> Table:
    """Replay one call of 15 s in each audio format and each way, some times over."""
    rows = []
    for audio in ("g711", "pcm24k"):
        recording = Recording(write(header_of(setup(audio)), steps_of(simulated_call(audio), setup(audio))))
        rows.append(_row(f"strict, {audio}", STRICT, partial(replay, recording, {})))
        rows.append(_row(f"resimulated, {audio}", RESIMULATED, partial(resimulate, recording, {})))
    return Table("Replay; yardstick: the call itself", rows)


def _row(what: str, wanted: int, hold: Callable[[], Replayed | Resimulated]) -> Row:
    took_s = []
    for _ in range(5):
        began = time.process_time()
        found = hold()
        took_s.append(time.process_time() - began)
    factor = found.duration_ms / 1000 / min(took_s)
    ours = f"{min(took_s) * 1000:.0f} ms of CPU"
    return Row(what, ours, f"{found.duration_ms / 1000:.1f} s", f"{factor:.0f}x", f"{wanted}x", factor >= wanted)
