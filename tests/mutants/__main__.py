"""What a run of mutmut left alive, held against `survivors.md`: `again` before a run, `judge` after it.

Exit status 1: a mutant is alive that nobody has explained, one that is explained is dead, or too many are alive.
"""

import json
import re
import sys
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant

MADE = Path("mutants")
"""Where mutmut works and keeps its results."""

STATS = MADE / "mutmut-stats.json"
"""Which test reaches which function: of functions that are new, mutmut asks only new tests by itself."""

KILLED = {1, 3}
"""Exit statuses of pytest: a test failed, or could not even run."""

MOST_ALIVE = 0.05
"""Of all mutants."""


def results() -> dict[Path, dict[str, int | None]]:
    """The exit status of the tests by mutant, for each file of results; `None`: not tested yet."""
    found = sorted(MADE.rglob("*.py.meta"))
    return {path: json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"] for path in found}


def again() -> int:
    """Forget about the survivors, so that mutmut sets today's tests on them; the dead are dead."""
    STATS.unlink(missing_ok=True)
    for path, statuses in results().items():
        data = json.loads(path.read_text(encoding="utf-8"))
        data["exit_code_by_key"] = {name: status if status in KILLED else None for name, status in statuses.items()}
        path.write_text(json.dumps(data), encoding="utf-8")
    return 0


def told(mutant: str, path: Path) -> str:
    """One mutant in one line: where, what stood there, what stands there now."""
    lines = get_diff_for_mutant(mutant, path=path.relative_to(MADE).with_suffix("")).splitlines()[2:]
    was, now = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    # voice_agent.call.keys.xǁKeysǁ_give__mutmut_2, voice_agent.call.transcript.x_cut_words__mutmut_3
    module, _, function = mutant.removeprefix("voice_agent.call.").partition(".x")
    name = function.rpartition("__mutmut_")[0].lstrip("\u01c1").replace("\u01c1", ".")
    return f"{module}.{name if '.' in name else name[1:]}: {was} => {now}"


def explained() -> dict[str, re.Pattern[str]]:
    """The mutants of `survivors.md`: what stands there as code; three dots stand for anything."""
    text = Path(__file__).with_name("survivors.md").read_text(encoding="utf-8")
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    return {line: re.compile(re.escape(line).replace(re.escape("..."), ".*")) for line in lines}


def judge() -> int:
    """Print what is alive and not explained, what is explained and not alive, and the sum."""
    tested = [(name, path, status) for path, found in results().items() for name, status in found.items()]
    alive = [told(name, path) for name, path, status in tested if status not in KILLED and status is not None]
    missing = sum(status is None for _, _, status in tested)
    known = explained()
    new = {line for line in alive if not any(pattern.fullmatch(line) for pattern in known.values())}
    gone = {line for line, pattern in known.items() if not any(map(pattern.fullmatch, alive))}
    say = [f"alive: {line}" for line in sorted(new)]
    if missing:
        say += [f"{missing} of {len(tested)} mutants are not tested yet; make mutants goes on"]
    else:
        say += [f"dead, though survivors.md explains why it lives: {line}" for line in sorted(gone)]
    share = f"{len(alive)} of {len(tested)} mutants are alive ({len(alive) / len(tested):.1%})"
    sys.stdout.write("\n".join([*say, f"{share}, {len(new)} of them unexplained\n"]))
    return int(bool(missing or new or gone) or len(alive) > MOST_ALIVE * len(tested))


sys.exit({"again": again, "judge": judge}[sys.argv[1]]())
