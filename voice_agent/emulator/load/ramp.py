"""Which level of load comes next on the way to the capacity: doubled until one is not carried, then halved between.

Pure; it must not know what a level is made of.
"""

FIRST = 10
NEAR = 0.1
"""The search ends when the two sides are this near to each other."""


class Ramp:
    """Usage: ask `next`, try, tell `note`; `None`: `carried` is the capacity, as far as `most` shows it."""

    def __init__(self, most: int, first: int = FIRST) -> None:
        """`most`: calls that are never exceeded."""
        self._most = most
        self._first = min(first, most)
        self.carried = 0
        """The most calls so far that were carried."""
        self.refused: int | None = None
        """The fewest that were not; `None`: all were."""

    def next(self) -> int | None:
        """Give the calls to try."""
        if self.refused is None:
            if self.carried >= self._most:
                return None
            return min(self._most, 2 * self.carried) if self.carried else self._first
        if self.refused - self.carried <= max(1, NEAR * self.carried):
            return None
        return (self.carried + self.refused) // 2

    def note(self, calls: int, carried: bool) -> None:
        """Take what came of a level."""
        if carried:
            self.carried = max(self.carried, calls)
        elif self.refused is None or calls < self.refused:
            self.refused = calls
