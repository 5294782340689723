"""Searches the history: which calls, and how long their callers waited, day by day.

It must not know who asks, nor how it is shown.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, or_, select

from voice_agent.call.trouble import TRANSFER_FAILED
from voice_agent.errors import CommandError
from voice_agent.store.database import MOVE_IT
from voice_agent.store.history import INTERRUPTED, History, Order, PastCall, in_order
from voice_agent.store.tables import CALLS

ANY = "any"

_AT_ONCE = 1000
"""Rows that are taken before something else has its turn."""

_TIMES = msgspec.json.Decoder(list[int])


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls; what is empty says nothing."""

    agent: str = ""
    number: str = ""
    """Digits that stand in the caller's number or in the called one; without any, words, as of "anonymous"."""
    since: str = ""
    """A date, or a beginning of ISO 8601 in UTC: this day and later."""
    until: str = ""
    """This day and earlier."""
    outcome: str = ""
    trouble: str = ""
    """A kind of it, or a fault's sentence; `ANY`: whatever went wrong, where more happened than an interruption."""
    words: str = ""
    """Each of them stands somewhere in what was said."""


class Choices(msgspec.Struct, frozen=True):
    """What there is to choose from."""

    agents: list[str]
    outcomes: list[str]
    trouble: list[str]


class Part(msgspec.Struct, frozen=True):
    """One of the parts of a call that was taken up more than once."""

    number: int
    """From 1 on."""
    of: int
    """So many there are."""
    former: str = ""
    """The outcome of the part before it; empty: it is the first."""
    transfer_failed: bool = False
    """The part before it was to be transferred, which came to nothing."""


class Percentiles(msgspec.Struct, frozen=True):
    """Of some times in ms."""

    count: int
    p50: int
    p95: int


class Day(msgspec.Struct, frozen=True):
    """One day in UTC."""

    day: str
    calls: int
    response: Percentiles | None
    interruption: Percentiles | None


class Search:
    """Every method raises `CommandError` as the history does."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def page(self, wanted: Wanted, limit: int, offset: int = 0, order: Order = "started") -> list[PastCall]:
        """Give so many calls behind so many others."""
        return await self._history.select(limit, *_conditions(wanted), offset=offset, order=order)

    async def keys(self, wanted: Wanted, order: Order = "started") -> list[int]:
        """Say which calls there are now, for `rows` to give them in parts: meanwhile others come and go."""
        found = select(CALLS.c.id).where(*_conditions(wanted)).order_by(*in_order(order))
        return [row[0] for row in await self._rows(found)]

    async def rows(self, keys: Sequence[int]) -> list[PastCall]:
        """Give calls by their keys, in that order."""
        return await self._history.rows(keys)

    async def count(self, wanted: Wanted) -> int:
        """Say how many calls there are."""
        rows = await self._rows(select(func.count()).select_from(CALLS).where(*_conditions(wanted)))
        return int(rows[0][0]) if rows else 0

    async def parts(self, calls: Iterable[PastCall]) -> dict[tuple[str, str], Part]:
        """Say which part of its call each is, by CallSid and beginning; of those that are one part only: nothing."""
        columns = select(CALLS.c.call_sid, CALLS.c.started_at, CALLS.c.outcome, CALLS.c.faults)
        of_these = columns.where(CALLS.c.call_sid.in_({call.call_sid for call in calls}))
        parts: dict[str, list[Any]] = defaultdict(list)
        for row in await self._rows(of_these.order_by(CALLS.c.started_at, CALLS.c.id)):
            parts[row.call_sid].append(row)
        found = {}
        for call_sid, rows in parts.items():
            for number, (former, row) in enumerate(pairwise([None, *rows]) if len(rows) > 1 else (), 1):
                failed = former is not None and f"{TRANSFER_FAILED}\n" in former.faults
                part = Part(number, len(rows), "" if former is None else former.outcome, failed)
                found[call_sid, row.started_at] = part
        return found

    async def choices(self) -> Choices:
        """Give the agents, outcomes and kinds of trouble of all calls."""
        agents, outcomes, trouble = [
            {row[0] for row in await self._rows(select(column).distinct())}
            for column in (CALLS.c.agent, CALLS.c.outcome, CALLS.c.faults)
        ]
        kinds = {line for text in trouble for line in text.splitlines()}
        # A call that no agent was for has none.
        return Choices(sorted(agents - {""}), sorted(outcomes), sorted(kinds))

    async def days(self, wanted: Wanted) -> list[Day]:
        """Give the percentiles of each day that had a call, the earliest first."""
        columns = select(CALLS.c.started_at, CALLS.c.response_ms, CALLS.c.interruption_ms)
        rows = await self._rows(columns.where(*_conditions(wanted)))
        try:
            # A hundred thousand calls take a quarter of a second, for which calls in progress would wait.
            return await asyncio.to_thread(lambda: list(_by_day(rows)))
        except msgspec.DecodeError as error:
            where = self._history.database.shown
            raise CommandError(f"{where} holds a call that cannot be read ({error}): {MOVE_IT}") from None

    async def _rows(self, query: Select[Any]) -> list[Any]:
        database = self._history.database
        if not database.is_there:
            return []
        async with database.reading() as connection:
            found: list[Any] = []
            # Rows are made as they are taken: others come to their turn in between.
            for part in (await connection.execute(query)).partitions(_AT_ONCE):
                found += part
                await asyncio.sleep(0)
            return found


def percentiles(times: list[int]) -> Percentiles | None:
    """Give median and 95th percentile by the nearest rank; `None`: there is nothing."""
    if not times:
        return None
    times = sorted(times)
    ranks = (-(-len(times) * percent // 100) - 1 for percent in (50, 95))
    return Percentiles(len(times), *(times[rank] for rank in ranks))


def _by_day(rows: Iterable[tuple[str, ...]]) -> Iterator[Day]:
    days: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for row in rows:
        days[row[0][:10]].append(row)
    for day, calls in sorted(days.items()):
        response, interruption = ([ms for call in calls for ms in _TIMES.decode(call[at])] for at in (1, 2))
        yield Day(day, len(calls), percentiles(response), percentiles(interruption))


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    for column, value in ((CALLS.c.agent, wanted.agent), (CALLS.c.outcome, wanted.outcome)):
        if value:
            yield column == value
    if number := "".join(character for character in wanted.number if character.isdigit()):
        yield or_(CALLS.c.caller.contains(number), CALLS.c.called.contains(number))
    elif name := wanted.number.strip():
        yield or_(*(column.icontains(name, autoescape=True) for column in (CALLS.c.caller, CALLS.c.called)))
    if wanted.since:
        yield CALLS.c.started_at >= wanted.since
    if wanted.until:
        # Whatever comes behind the date within a day sorts before this.
        yield CALLS.c.started_at < f"{wanted.until}~"
    if wanted.trouble:
        found = CALLS.c.faults.contains(f"{wanted.trouble}\n", autoescape=True)
        # To be interrupted is no trouble by itself: most callers do it.
        yield CALLS.c.faults.not_in(("", INTERRUPTED)) if wanted.trouble == ANY else found
    for word in wanted.words.lower().split():
        yield CALLS.c.words.contains(word, autoescape=True)
