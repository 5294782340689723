"""How much this server takes on: calls at once, an event loop in time, calls of one caller or number, money.

Whoever speaks already must not suffer from who comes next, so that it is decided before anything is begun. It must not
know what who is turned away hears.
"""

import asyncio
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from voice_agent.config.callers import is_number
from voice_agent.live.admission import Refusal
from voice_agent.live.clock import seconds
from voice_agent.live.loop_lag import LoopLag
from voice_agent.live.recent_calls import RecentCalls
from voice_agent.live.spending import Spending
from voice_agent.live.switchboard import Seat

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

TELL_S = 0.1
"""From one word to the other workers, how many calls there are here, to the next; calls that come are told at once."""


def usual_most_calls(workers: int = 1) -> int:
    """Say how many calls this machine holds at once, by its cores and the descriptors of each process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # A worker's loop has a core for itself where there is one more than workers.
    by_cores = CALLS_A_LOOP * workers if cores > workers else CALLS_ON_ONE_CORE * cores
    if sys.platform == "win32":
        return by_cores
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    by_descriptors = (descriptors - DESCRIPTORS_OF_OTHERS) // DESCRIPTORS_A_CALL
    return max(1, min(by_cores, by_descriptors * workers))


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
        *,
        seat: Seat | None = None,
        elsewhere: Callable[[str], None] | None = None,
    ) -> None:
        """`taken`: how many calls there are here. `now_s`: monotonic seconds.

        `seat`: among the workers who share these limits; `None`: there is no other. `elsewhere`: is told of arrivals of
        calls that were not placed here.
        """
        self.limits = limits
        self.lag = lag
        self.spending = spending
        self._taken = taken
        self._now_s = now_s
        self._placing = 0
        self._placed: OrderedDict[str, int] = OrderedDict()
        self._seat = seat
        self._elsewhere = elsewhere
        self._recent = RecentCalls() if seat is None else seat.recent

    def refusal(self, caller: str, called: str) -> Refusal | None:
        """Say why a call cannot be taken now; one that can be is counted, and has to be begun at once."""
        with nullcontext() if self._seat is None else self._seat.alone():
            refusal = self.full() or self._too_often(caller, called)
            if refusal is None:
                if self._counts_callers:
                    self._recent.add(caller, called, self._now_s())
                if self._seat is not None:
                    self._seat.tell(self._here() + 1, self.lag.ms)
        return refusal

    @property
    def _counts_callers(self) -> bool:
        return self.limits.calls_of_caller is not None or self.limits.calls_to_number is not None

    def _too_often(self, caller: str, called: str) -> Refusal | None:
        most_of, most_to, now_s = self.limits.calls_of_caller, self.limits.calls_to_number, self._now_s()
        if most_of is not None and is_number(caller) and self._recent.of_caller(caller, now_s) >= most_of:
            return Refusal.CALLER_CALLS_TOO_OFTEN
        if most_to is not None and self._recent.to_number(called, now_s) >= most_to:
            return Refusal.NUMBER_CALLED_TOO_OFTEN
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
        if self._placed.pop(call_sid, None) is None and self._elsewhere is not None:
            self._elsewhere(call_sid)

    def forget_placed(self, call_sid: str) -> None:
        """The same, said by another worker."""
        self._placed.pop(call_sid, None)

    async def keep_telling(self) -> None:
        """Tell the other workers how many calls there are here, until it is cancelled."""
        assert self._seat is not None, "there is nobody else"
        while True:
            self._seat.tell(self._here(), self.lag.ms)
            await asyncio.sleep(TELL_S)

    def full(self) -> Refusal | None:
        """Say why no call can be taken, whoever calls."""
        others = 0 if self._seat is None else self._seat.calls_of_others
        if self._here() + others >= self.limits.calls:
            return Refusal.TOO_MANY_CALLS
        if self.lag.ms > self.limits.lag_ms:
            return Refusal.TOO_BUSY
        return Refusal.DAY_IS_SPENT if self.spending.is_exhausted else None

    def _here(self) -> int:
        while self._placed and next(iter(self._placed.values())) <= self._now_s() - RANG_S:
            self._placed.popitem(last=False)
        return self._taken() + self._placing + len(self._placed)
