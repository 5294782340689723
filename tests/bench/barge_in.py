"""How exactly an interruption is measured: over 1,000 simulated barge-ins, each switch of the carrier both ways."""

from tests.bench.table import Row, Table
from tests.support.scenes import errors_by_basis, interrupted_call
from voice_agent.sim.carrier import Switches

SWITCHES = {
    "as documented": Switches(),
    "marks not echoed on clear": Switches(echo_marks_on_clear=False),
    "echo before frame": Switches(echo_before_frame=True),
    "echoes at frame edges": Switches(marks_at_frame_edges=True),
    "no frames in silence": Switches(silent_gaps=True),
    "buffer played after close": Switches(play_buffer_after_close=True),
    "no action after abnormal close": Switches(action_after_abnormal_close=False),
}

JITTER_MS = 60
"""The most that is drawn for a call; see `scenes.a_network`."""


def run() -> Table:
    """Interrupt, and compare what the model was told with what the carrier truly played."""
    rows: list[Row] = []
    broken = cuts = 0
    for name, switches in SWITCHES.items():
        worlds = [interrupted_call(seed, switches=switches) for seed in range(7)]
        worlds += [interrupted_call(seed, switches=switches, shortest_ms=120) for seed in range(100, 102)]
        broken += sum(len(world.invariants.finish()) for world in worlds)
        errors = errors_by_basis(worlds)
        total = sum(map(len, errors.values()))
        cuts += total
        rows += [_row(f"{name}, by {basis}", basis, errors[basis], total) for basis in sorted(errors)]
    rows.append(Row(f"{cuts} cuts; refused, late or cut audio", str(broken), "0", str(broken), "0", broken == 0))
    return Table("Barge-in: told minus truly played, ms (one-way delays 0-200 ms, jitter 0-60 ms)", rows)


def _row(what: str, basis: str, errors: list[int], total: int) -> Row:
    near = sum(abs(error) <= 20 for error in errors) / len(errors)
    least, most = min(errors), max(errors)
    worst = max(-least, most)
    bound, kept = "none", True
    if basis == "mark":
        bound, kept = "99 % <= 20, all <= 40", near >= 0.99 and worst <= 40
    elif basis == "estimate":
        bound, kept = f"all <= 40 + {JITTER_MS}", worst <= 40 + JITTER_MS
    share = f"{len(errors)} cuts, {len(errors) / total:.0%}"
    return Row(what, share, "the carrier", f"{least:+} to {most:+}, {near:.1%} <= 20", bound, kept)
