"""The only clock of the project: what a call's `now_ms` is made from, and the time of day for headers and names.

Everything below takes time as an argument; everything above asks here. It must not know what the time is for.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

NS_PER_MS = 1_000_000


class CallClock:
    """Whole milliseconds since a call began, never decreasing: from a monotonic clock, rounded down."""

    def __init__(self, read_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """Begin a call now. `read_ns` is a monotonic clock in nanoseconds."""
        self._read_ns = read_ns
        self._began_ns = read_ns()

    def now_ms(self) -> int:
        """Give the call's age."""
        return (self._read_ns() - self._began_ns) // NS_PER_MS


def seconds() -> int:
    """Give whole monotonic seconds, for the age of what this process remembers for a while."""
    return int(time.monotonic())


def utc_now() -> datetime:
    """Give the time of day, for headers, file names and history: never for intervals."""
    return datetime.now(UTC)


def wall_seconds() -> int:
    """Give the time of day in whole seconds since 1970, for what another process may have to judge."""
    return int(utc_now().timestamp())


def wall_ns() -> int:
    """Give the time of day in nanoseconds since 1970, for what is compared with other programs' records."""
    return time.time_ns()
