"""Fuzzes one target: `python -m tests.fuzz TARGET RUNS`, in the environment that `infra/fuzz.sh` makes.

What was found interesting is kept in build/fuzz/TARGET and used the next time; an input that breaks something is
written to build/fuzz/finds, and the exit status is not 0. With `--keep` nothing is tried: the few inputs that together
reach all that was reached are put into build/fuzz/TARGET/few.
"""

import hashlib
import random
import shutil
import sys
from pathlib import Path

import atheris
from atheris.import_hook import HookManager

# As `atheris.instrument_imports` does. What is compared tells the fuzzer which bytes to write; those of a recording are
# written by `recordings`, which can make no use of it, and it would take a third of the time.
with HookManager({"voice_agent"}, set(), enable_loader_override=True, trace_dataflow="recording" not in sys.argv):
    from tests.fuzz.mutating import mutate
    from tests.fuzz.targets import TARGETS, corpus, samples

BUILD = Path("build") / "fuzz"
LONGEST = {"recording": 4096}
"""Bytes of an input; what is longer is cut off there. A recording needs few to hold more rows than a reader keeps."""
LONGEST_OTHERWISE = 16_384


def main() -> None:
    """See the module."""
    target, runs, *more = sys.argv[1:]
    folder = BUILD / target
    kept, few = folder / "kept", folder / "few"
    finds = BUILD / "finds"
    for made in (kept, finds):
        made.mkdir(parents=True, exist_ok=True)
    # A merge starts the program again, by a shell: with options of its own, which are handed on.
    again = f"{sys.executable} -m tests.fuzz {target} {runs}"
    options = [f"-runs={runs}", f"-max_len={LONGEST.get(target, LONGEST_OTHERWISE)}", "-timeout=20"]
    options += ["-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={finds}/{target}-"]
    if more == ["--keep"]:
        shutil.rmtree(few, ignore_errors=True)
        few.mkdir()
        options += ["-merge=1", str(few), str(kept)]
    elif more:
        options = more
    else:
        for data in (*samples(target), *corpus(target)):
            (kept / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        options.append(str(kept))

    chance = random.Random()

    def change(data: bytes, longest: int, seed: int) -> bytes:
        chance.seed(seed)
        return mutate(target, data, chance, lambda part: bytes(atheris.Mutate(part, longest)))[:longest]

    atheris.Setup([again, *options], TARGETS[target], custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
