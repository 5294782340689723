"""`make`: have mutmut change the core, as many times as it can. `judge`: hold what is alive against `survivors.md`.

Exit status 1: a mutant is alive that nobody has explained, one that is explained is dead, or too many are alive.
"""

import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from mutmut import __main__ as mutmut
from mutmut.mutation.diff_apply import get_diff_for_mutant

from tests.mutants.results import KILLED, MADE, results

MOST_ALIVE = 0.05
"""Of all mutants."""


def make() -> int:
    """Copy the project to `mutants`, and change its core; what was found out of functions that stay is kept."""
    MADE.mkdir(exist_ok=True)
    with redirect_stdout(StringIO()):  # it names every file
        mutmut.copy_src_dir()
        mutmut.copy_also_copy_files()
        mutmut.create_mutants(max_children=2)
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


sys.exit({"make": make, "judge": judge}[sys.argv[1]]())
