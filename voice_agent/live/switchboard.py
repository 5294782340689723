"""What the workers of one `serve` know of each other: who has which call, how many each has, what each has spent.

It is memory that their parent makes before it forks, so that it outlives each of them, and a lock that dies with
whoever holds it. A worker writes its own row, and the list of calls while it holds the lock; reading needs none. It is
never asked on the audio path. It must not know how a request comes from one worker to another.
"""

import hashlib
import mmap
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from voice_agent.live.recent_calls import ROOM_BYTES, RecentCalls

if sys.platform != "win32":
    import fcntl

MOST_CALLS = 8192
"""Calls and sessions that are remembered; a further one takes the place of the oldest, which is over long since."""

_ROW = np.dtype([
    ("up", "i8"), ("taking", "i8"), ("calls", "i8"), ("offered", "i8"), ("lag_ms", "i8"), ("day", "i8"), ("spent", "f8")
])  # fmt: skip
_CALL = np.dtype([("first", "u8"), ("second", "u8"), ("worker", "i8")])
"""The halves of a key's hash, and the number of whoever has it, from 1 on; 0: nobody."""
_HEAD = np.dtype([("next", "i8"), ("counted", "i8"), ("day", "i8"), ("spent", "f8")])
"""Where the next call is entered; what the history says was spent before the server began, and whether it was asked."""


class Switchboard:
    """One for a parent, made before it forks."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        sizes = (_HEAD.itemsize, workers * _ROW.itemsize, MOST_CALLS * _CALL.itemsize, ROOM_BYTES)
        # For the lock, too, as long as there are workers.
        self._file = _file_without_a_name()
        os.ftruncate(self._file, sum(sizes))
        memory = mmap.mmap(self._file, sum(sizes))
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        self.head: Any = np.frombuffer(memory, _HEAD, 1, starts[0])
        self.rows: Any = np.frombuffer(memory, _ROW, workers, starts[1])
        self.calls: Any = np.frombuffer(memory, _CALL, MOST_CALLS, starts[2])
        self.recent = RecentCalls(memoryview(memory)[starts[3] :])

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock: no other process does meanwhile. Not to be nested."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def clear(self, number: int) -> None:
        """A worker has died: it has no call any more, and takes none until another one sits down in its place."""
        row = self.rows[number]
        row["up"] = row["taking"] = row["calls"] = row["lag_ms"] = 0
        with self.alone():
            # What it has offered to others nobody withdraws; what others have offered is decided in a moment.
            self.rows["offered"] = 0
            self.calls["worker"][self.calls["worker"] == number + 1] = 0


class Seat:
    """One worker's place at the board."""

    def __init__(self, board: Switchboard, number: int) -> None:
        """`number`: from 0 on."""
        self.number = number
        self.workers = board.workers
        self.recent = board.recent
        self.alone = board.alone
        self._board = board
        self._row = board.rows[number]
        self._undecided: Counter[str] = Counter()
        """A webhook may come twice at once."""
        self._others = [row for place, row in enumerate(board.rows) if place != number]

    # --- how many calls there are ------------------------------------------------------------------------------------

    def sit_down(self) -> None:
        """Take calls from now on."""
        self._row["calls"] = self._row["lag_ms"] = 0
        self._row["up"] = self._row["taking"] = 1

    def close(self) -> None:
        """Take no more calls; those that are here stay."""
        self._row["taking"] = 0

    def leave(self) -> None:
        """Be asked for nothing any more."""
        self._row["up"] = self._row["taking"] = 0

    def tell(self, calls: int, lag_ms: int) -> None:
        """Say how many calls there are here, and how late the event loop is."""
        self._row["calls"], self._row["lag_ms"] = calls, lag_ms

    @property
    def calls_of_others(self) -> int:
        """How many calls the other workers have."""
        return sum(int(row["calls"]) for row in self._others if row["up"])

    @property
    def others_take(self) -> bool:
        """Whether another worker takes calls."""
        return any(row["taking"] for row in self._others)

    @property
    def first(self) -> int:
        """Which worker does what one has to do for all that are there."""
        return next((number for number, row in enumerate(self._board.rows) if row["taking"]), 0)

    def is_up(self, number: int) -> bool:
        """Tell whether a worker is there."""
        return bool(self._board.rows[number]["up"])

    # --- who has which -----------------------------------------------------------------------------------------------

    def find(self, key: str) -> int | None:
        """Say which worker has a call, or whatever else has a name; `None`: none that is there."""
        first, second = _hash(key)
        calls = self._board.calls
        for place in np.flatnonzero(calls["first"] == first):
            worker = int(calls[place]["worker"]) - 1
            if calls[place]["second"] == second and worker >= 0 and self.is_up(worker):
                return worker
        return None

    def enter(self, key: str) -> None:
        """Say that it is here, whoever had it before."""
        with self.alone():
            first, second = _hash(key)
            calls, head = self._board.calls, self._board.head
            same = np.flatnonzero((calls["first"] == first) & (calls["second"] == second))
            if len(same):
                place = int(same[0])
            else:
                place = int(head["next"][0])
                head["next"][0] = (place + 1) % MOST_CALLS
            calls[place] = (first, second, self.number + 1)

    def enter_new(self, key: str) -> None:
        """Say that it is here, unless another worker has it."""
        if self.find(key) is None:
            self.enter(key)

    def offer(self, most_lag_ms: int) -> int:
        """Say which worker should take a call now that none has: the emptiest.

        It counts as that worker's until it is `decided` there, for calls may come at once.
        """
        with self.alone():
            number = self.emptiest(most_lag_ms)
            self._board.rows[number]["offered"] += 1
        return number

    def decide(self, call_sid: str) -> None:
        """Begin to decide about a call that was offered to us."""
        self._undecided[call_sid] += 1

    def decided(self, call_sid: str) -> None:
        """A call has been taken, and is counted, or it has not: it is on offer no more, if it was."""
        if self._undecided[call_sid]:
            self._undecided[call_sid] -= 1
            self.withdraw(self.number)
        if not self._undecided[call_sid]:
            del self._undecided[call_sid]

    def withdraw(self, number: int) -> None:
        """Take an offer back."""
        row = self._board.rows[number]
        with self.alone():
            row["offered"] = max(0, row["offered"] - 1)

    def emptiest(self, most_lag_ms: int) -> int:
        """Say which worker should have what none has: of those that are in time the one with the fewest calls."""
        rows = self._board.rows
        taking = [number for number in range(self.workers) if rows[number]["taking"]]
        in_time = [number for number in taking if rows[number]["lag_ms"] <= most_lag_ms] or taking
        if not in_time:
            return self.number
        return min(in_time, key=lambda number: int(rows[number]["calls"] + rows[number]["offered"]))

    # --- money -------------------------------------------------------------------------------------------------------

    def spend(self, cost: float, day: int) -> None:
        """Count what a call of ours has cost. `day`: a number of its own for each."""
        if self._row["day"] != day:
            self._row["spent"], self._row["day"] = 0.0, day
        self._row["spent"] += cost

    def spent(self, day: int) -> float:
        """Say what all calls of a day have cost."""
        counted = (*self._board.rows, self._board.head[0])
        return sum(float(row["spent"]) for row in counted if row["day"] == day)

    @property
    def must_count(self) -> bool:
        """Whether nobody has said yet what was spent before the server began."""
        return not self._board.head["counted"][0]

    def counted(self, cost: float, day: int) -> None:
        """Say what was spent before the server began. Several may, who all say the same."""
        head = self._board.head
        head["spent"], head["day"] = cost, day
        head["counted"] = 1


def _file_without_a_name() -> int:
    """Open one; where there is memory for that, no folder has to be writable."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("voice-agent workers")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _hash(key: str) -> tuple[int, int]:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
