"""`python -m tests.planted [NUMBER ...]`: plant the known bugs one at a time, and tell what notices each.

Each bug goes into a copy of the package, and three things look at the copy: the recorded calls replayed strictly, the
same held again, and calls made up by seeds. The exit status is 1 if a bug goes unnoticed, or if the unchanged copy
does not pass.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.planted.bugs import BUGS, Bug

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 150
"""So many made-up calls look at each bug; all of them at once take a few seconds."""

LOOKERS = {
    "strict": ["replay", "tests/calls", "--way", "strict"],
    "held again": ["replay", "tests/calls", "--way", "resimulated"],
    "made up": ["simulate", "--calls", str(SEEDS), "--seed", "1", "--wires", "0", "--out", "simulated"],
}
PATIENCE_S = 300


def plant(bug: Bug, package: Path) -> None:
    """Change one file of the copy; raises `AssertionError` where the code is another than the bug knows."""
    path = package / bug.file
    source = path.read_text()
    assert source.count(bug.was) == 1, f"{bug.name}: {bug.file} does not hold it exactly once: {bug.was}"
    path.write_text(source.replace(bug.was, bug.becomes))


def noticed(folder: Path) -> dict[str, str]:
    """Let each of the three look at a copy; give what those say that do not pass, one line each."""
    found = {}
    for name, arguments in LOOKERS.items():
        run = subprocess.run(
            [sys.executable, "-m", "voice_agent.cli.main", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert run.stdout, f"{name} could not be run: {run.stderr}"
        if run.returncode:
            found[name] = _first_complaint(run.stdout + run.stderr)
    return found


def _first_complaint(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = (
        line for line in lines if any(word in line for word in (", seed ", " ms: ", "differs", "unmet", "Error"))
    )
    return next(telling, lines[-1] if lines else "no word")[:110]


def look_at(bug: Bug | None) -> dict[str, str]:
    """Make a copy with this bug in it, and let it be looked at."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "voice_agent", folder / "voice_agent", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "tests").mkdir()
        shutil.copytree(ROOT / "tests" / "calls", folder / "tests" / "calls")
        if bug is not None:
            plant(bug, folder / "voice_agent")
        return noticed(folder)


def main(numbers: list[str]) -> int:
    """Plant the bugs of these numbers, all of them for none."""
    chosen = [BUGS[int(number) - 1] for number in numbers] if numbers else list(BUGS)
    if unfit := look_at(None):
        sys.stdout.write(f"the package as it is does not pass: {unfit}\n")
        return 1
    unnoticed = 0
    sys.stdout.write(f"| | The core, changed so that it ... | {' | '.join(LOOKERS)} |\n|---|---|---|---|---|\n")
    for bug in chosen:
        found = look_at(bug)
        unnoticed += not found
        marks = " | ".join("yes" if name in found else "" for name in LOOKERS)
        sys.stdout.write(f"| {BUGS.index(bug) + 1} | {bug.name} | {marks} |\n")
        for name, line in found.items():
            sys.stderr.write(f"    {name}: {line}\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{len(chosen) - unnoticed} of {len(chosen)} were noticed.\n")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
