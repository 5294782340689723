"""`python -m tests.bench [NAME ...]`: run all benches, or those named, and print their tables.

The exit status is 1 if a bound was broken. A bench measures us and a yardstick in one run: only the comparison counts.
"""

import sys
from collections.abc import Callable

from tests.bench import audio, barge_in, bridge, cost, replay, world
from tests.bench.table import Table

BENCHES: dict[str, Callable[[], Table | list[Table]]] = {
    "audio": audio.run,
    "barge-in": barge_in.run,
    "bridge": bridge.run,
    "cost": cost.run,
    "replay": replay.run,
    "world": world.run,
}


def main(names: list[str]) -> int:
    """Run the benches of these names, all of them for none."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"no bench {unknown[0]!r}; there are: {', '.join(BENCHES)}\n")
        return 2
    kept = True
    for name in names or BENCHES:
        told = BENCHES[name]()
        for table in [told] if isinstance(told, Table) else told:
            sys.stdout.write(table.render() + "\n")
            kept = kept and table.kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
