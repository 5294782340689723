"""What the model's tokens cost, as they are reported: of each call, and of all calls of a day.

A call that has cost enough is asked to say goodbye; whether the day's is spent, whoever takes calls has to ask. A day
is one of this machine's clock. The carrier's minutes and the transcription of the caller's words are not in it. It must
not know what follows.
"""

from collections.abc import Callable
from datetime import date, datetime

from voice_agent.call.commands import Report, ResponseUsed
from voice_agent.config.prices import Price
from voice_agent.live.clock import utc_now
from voice_agent.live.switchboard import Seat

SPENT = "the spending limit of a call was reached"


def day_began() -> datetime:
    """Give the last midnight by this machine's clock."""
    return utc_now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


def _today() -> date:
    return day_began().date()


class Spending:
    """One for a server."""

    def __init__(
        self,
        per_call: float | None = None,
        per_day: float | None = None,
        today: Callable[[], date] = _today,
        *,
        seat: Seat | None = None,
    ) -> None:
        """No limit: `None`. `seat`: among the workers whose calls count together; `None`: there is no other."""
        self._per_call = per_call
        self._per_day = per_day
        self._today = today
        self._day = today()
        self._spent = 0.0
        self._seat = seat
        self.of_this_server = 0.0
        """What the calls have cost that it has held since it began."""

    @property
    def today(self) -> float:
        """What this day has cost so far, all workers together."""
        if self._seat is not None:
            return self._seat.spent(self._today().toordinal())
        if self._today() != self._day:
            self._day, self._spent = self._today(), 0.0
        return self._spent

    @property
    def is_exhausted(self) -> bool:
        """Whether the day's is spent."""
        return self._per_day is not None and self.today >= self._per_day

    def add(self, cost: float) -> None:
        """Count what a call has cost now."""
        if self._seat is not None:
            self._seat.spend(cost, self._today().toordinal())
        else:
            self._spent = self.today + cost

    @property
    def must_count(self) -> bool:
        """Whether what was spent today before the server began is still to be told to `count`."""
        return self._per_day is not None and (self._seat is None or self._seat.must_count)

    def count(self, cost: float) -> None:
        """Count what was spent today by a former run of the server."""
        if self._seat is not None:
            self._seat.counted(cost, self._today().toordinal())
        else:
            self.add(cost)

    def of_call(
        self, say_goodbye: Callable[[str], None], price: Callable[[], Price | None]
    ) -> Callable[[int, Report], None]:
        """Make the observer of one call, which is told once, with a reason, that it has cost enough.

        `price`: of the model that serves the call now; `None` where its tokens cost nothing.
        """
        spent = 0.0
        told = False

        def observe(_: int, report: Report) -> None:
            nonlocal spent, told
            paid = price() if isinstance(report, ResponseUsed) else None
            if paid is None or not isinstance(report, ResponseUsed):
                return
            cost = max(0.0, paid.cost(report.usage))  # counts may be less than nothing, where a gateway has none
            self.add(cost)
            self.of_this_server += cost
            spent += cost
            if self._per_call is not None and spent >= self._per_call and not told:
                told = True
                say_goodbye(SPENT)

        return observe
