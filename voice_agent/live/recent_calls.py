"""Who called whom within the last minute: so few numbers a call that they fit into memory which workers share.

It must not know how often is too often.
"""

import hashlib
from typing import Any

import numpy as np

MINUTE_S = 60
MOST_REMEMBERED = 10_000
"""Calls. A further one takes the oldest's place."""

ROOM_BYTES = MOST_REMEMBERED * 3 * 8
"""Of a moment and two numbers each."""


class RecentCalls:
    """One for a machine. Whoever shares it looks and adds while others do neither."""

    def __init__(self, room: Any = None) -> None:
        """`room`: a buffer of `ROOM_BYTES` zeros; `None`: memory of our own."""
        shared = bytearray(ROOM_BYTES) if room is None else room
        self._rows = np.frombuffer(shared, np.int64, MOST_REMEMBERED * 3).reshape(-1, 3)

    def of_caller(self, caller: str, now_s: int) -> int:
        """Tell how often somebody called."""
        return self._count(1, caller, now_s)

    def to_number(self, called: str, now_s: int) -> int:
        """Tell how often a number was called."""
        return self._count(2, called, now_s)

    def add(self, caller: str, called: str, now_s: int) -> None:
        """Remember a call."""
        self._rows[int(self._rows[:, 0].argmin())] = (now_s, _key(caller), _key(called))

    def _count(self, column: int, number: str, now_s: int) -> int:
        rows = self._rows
        return int(((rows[:, 0] > now_s - MINUTE_S) & (rows[:, column] == _key(number))).sum())


def _key(number: str) -> int:
    """Give a number that stands for a text; 0 is none's."""
    digest = hashlib.blake2b(number.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1
