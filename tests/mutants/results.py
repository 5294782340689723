"""What is known of each mutant, in the files that mutmut keeps beside the code that it has changed."""

import json
from pathlib import Path

MADE = Path("mutants")
"""Where mutmut puts what it makes."""

KILLED = {1, 3}
"""Exit statuses of pytest: a test failed, or could not even run."""


def results() -> dict[Path, dict[str, int | None]]:
    """The exit status of the tests by mutant, for each file of results; `None`: not tested yet."""
    found = sorted(MADE.rglob("*.py.meta"))
    return {path: json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"] for path in found}
