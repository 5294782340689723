"""How much this server takes on: calls at once, an event loop in time, calls of one caller or number, money.

Whoever speaks already must not suffer from who comes next, so that it is decided before anything is begun. It must not
know what who is turned away hears.
"""

import os
import re
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from voice_agent.live.admission import Refusal
from voice_agent.live.clock import seconds
from voice_agent.live.loop_lag import LoopLag
from voice_agent.live.spending import Spending

if sys.platform != "win32":
    import resource

CALLS_A_LOOP = 40
"""A second of a call takes 5 to 8 ms of CPU (infra/SIZING.md), most of it in one event loop: a third of a core."""

CALLS_ON_ONE_CORE = 25
"""Where the disk and everything else share the loop's core."""

DESCRIPTORS_OF_OTHERS = 600
"""Strangers' connections, files of the program."""

DESCRIPTORS_A_CALL = 4

RANG_S = 120
"""How long a call that was placed counts before its webhook or its end is told: it may ring for 60 s, and queue."""

MOST_REMEMBERED = 10_000
"""Calls of the last minute."""

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")


def usual_most_calls() -> int:
    """Say how many calls this machine holds at once, by its cores and the descriptors of a process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    by_cores = CALLS_A_LOOP if cores > 1 else CALLS_ON_ONE_CORE
    if sys.platform == "win32":
        return by_cores
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(by_cores, (descriptors - DESCRIPTORS_OF_OTHERS) // DESCRIPTORS_A_CALL))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is most; `None`: there is no limit."""

    calls: int
    lag_ms: int
    """See `LoopLag.ms`."""
    calls_of_caller: int | None = None
    """A minute. Callers without a number are no one's."""
    calls_to_number: int | None = None
    """A minute."""


class Capacity:
    """One for a server."""

    def __init__(
        self,
        limits: Limits,
        taken: Callable[[], int],
        lag: LoopLag,
        spending: Spending,
        now_s: Callable[[], int] = seconds,
    ) -> None:
        """`taken`: how many calls there are. `now_s`: monotonic seconds."""
        self.limits = limits
        self.lag = lag
        self.spending = spending
        self._taken = taken
        self._now_s = now_s
        self._placing = 0
        self._placed: OrderedDict[str, int] = OrderedDict()
        self._minute: deque[tuple[int, str, str]] = deque()
        self._of_caller: Counter[str] = Counter()
        self._to_number: Counter[str] = Counter()

    def refusal(self, caller: str, called: str) -> Refusal | None:
        """Say why a call cannot be taken now; one that can be is counted, and has to be begun at once."""
        full = self.full()
        if full is not None:
            return full
        self._forget_old()
        most_of, most_to = self.limits.calls_of_caller, self.limits.calls_to_number
        if most_of is not None and _NUMBER.fullmatch(caller) and self._of_caller[caller] >= most_of:
            return Refusal.CALLER_CALLS_TOO_OFTEN
        if most_to is not None and self._to_number[called] >= most_to:
            return Refusal.NUMBER_CALLED_TOO_OFTEN
        self._of_caller[caller] += 1
        self._to_number[called] += 1
        self._minute.append((self._now_s(), caller, called))
        return None

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Count a call while it is being placed."""
        self._placing += 1
        try:
            yield
        finally:
            self._placing -= 1

    def placed(self, call_sid: str) -> None:
        """Count a call that was placed, until `arrived`."""
        self._placed[call_sid] = self._now_s()

    def arrived(self, call_sid: str) -> None:
        """A call that was placed has been taken or has ended: it is not on its way any more."""
        self._placed.pop(call_sid, None)

    def full(self) -> Refusal | None:
        """Say why no call can be taken, whoever calls."""
        while self._placed and next(iter(self._placed.values())) <= self._now_s() - RANG_S:
            self._placed.popitem(last=False)
        if self._taken() + self._placing + len(self._placed) >= self.limits.calls:
            return Refusal.TOO_MANY_CALLS
        if self.lag.ms > self.limits.lag_ms:
            return Refusal.TOO_BUSY
        return Refusal.DAY_IS_SPENT if self.spending.is_exhausted else None

    def _forget_old(self) -> None:
        minute_ago = self._now_s() - 60
        while self._minute and (self._minute[0][0] <= minute_ago or len(self._minute) >= MOST_REMEMBERED):
            _, caller, called = self._minute.popleft()
            for counts, key in ((self._of_caller, caller), (self._to_number, called)):
                counts[key] -= 1
                if not counts[key]:
                    del counts[key]
