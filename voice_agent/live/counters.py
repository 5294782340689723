"""What has been counted since the process began, for `/metrics` and for tests.

It must not know what is counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping


class Counters:
    """Counts by name and labels; a name's labels are always the same ones."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def add(self, name: str, count: int = 1, **labels: str) -> None:
        """Count something that happened."""
        self._counts[name, tuple(sorted(labels.items()))] += count

    def get(self, name: str, **labels: str) -> int:
        """Tell how often it happened."""
        return self._counts[name, tuple(sorted(labels.items()))]

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, str], int]]:
        """Give name, labels and count of everything that happened at least once, sorted."""
        for (name, labels), count in sorted(self._counts.items()):
            yield name, dict(labels), count
