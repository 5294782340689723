"""How much faster than life a recording replays, strictly, resamplers and all."""

import time

from tests.bench.table import Row, Table
from tests.support.recorded import write
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from voice_agent.recording.reader import Recording
from voice_agent.replay.strict import replay

WANTED = 200
"""Times faster than the call was."""


def run() -> Table:
    """Replay one call of 15 s in each audio format, some times over."""
    return Table("Strict replay; yardstick: the call itself", [_row(audio) for audio in ("g711", "pcm24k")])


def _row(audio: str) -> Row:
    recording = Recording(write(header_of(setup(audio)), steps_of(simulated_call(audio), setup(audio))))
    took_s = []
    for _ in range(5):
        began = time.process_time()
        found = replay(recording, {})
        took_s.append(time.process_time() - began)
    call_s = found.duration_ms / 1000
    factor = call_s / min(took_s)
    ours = f"{min(took_s) * 1000:.0f} ms of CPU"
    return Row(audio, ours, f"{call_s:.1f} s", f"{factor:.0f}x", f"{WANTED}x", found.same and factor >= WANTED)
