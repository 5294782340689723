import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.test_history import FORMER, a_call
from voice_agent.call.summary import Line
from voice_agent.call.trouble import TRANSFER_FAILED, UNHEARD, Trouble
from voice_agent.store.database import Database
from voice_agent.store.history import History, Order, PastCall
from voice_agent.store.search import ANY, Day, Part, Percentiles, Search, Wanted, percentiles

SAID = (Line(0, "caller", "Is the 100% Wool coat in stock?"), Line(1, "agent", "It is."))
BROKE = (
    Trouble(1, "late answer", ms=2000),
    Trouble(2, "fault", "a tool was late"),
    Trouble(3, "fault", "a tool was late"),
)


def call(sid: str, **fields: Any) -> PastCall:
    return msgspec.structs.replace(a_call(sid), **fields)


CALLS = (
    call("CA1", started_at="2026-11-20T23:59:59.999+00:00", transcript=SAID, response_ms=(100, 300), agent="shop"),
    call(
        "CA2",
        started_at="2026-11-21T00:00:00.000+00:00",
        caller="+4915112345678",
        outcome="model_failed",
        trouble=(Trouble(2000, UNHEARD, ms=300),),
    ),
    call(
        "CA3",
        started_at="2026-11-21T12:00:00.000+00:00",
        caller="anonymous",
        transcript=(),
        trouble=BROKE,
        response_ms=(),
        interruption_ms=(80,),
    ),
    call("CA4", started_at="2026-11-22T12:00:00.000+00:00", transcript=SAID, recording=None, agent=""),
)


def within(place: Path | str, work: Callable[[Search], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Database(place) as database:
            await database.prepare()
            history = History(database)
            for each in CALLS:
                await history.add(each)
            await work(Search(history))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("wanted", "sids"),
    [
        (Wanted(), ["CA4", "CA3", "CA2", "CA1"]),
        (Wanted(agent="shop"), ["CA1"]),
        (Wanted(number="0151 123"), []),
        (Wanted(number="+49 151 12345"), ["CA2"]),
        (Wanted(number="425555"), ["CA4", "CA3", "CA2", "CA1"]),
        (Wanted(number="Anonymous"), ["CA3"]),
        (Wanted(number="%"), []),
        (Wanted(number=" "), ["CA4", "CA3", "CA2", "CA1"]),
        (Wanted(outcome="model_failed"), ["CA2"]),
        (Wanted(since="2026-11-21"), ["CA4", "CA3", "CA2"]),
        (Wanted(until="2026-11-20"), ["CA1"]),
        (Wanted(since="2026-11-21", until="2026-11-21"), ["CA3", "CA2"]),
        (Wanted(trouble="a tool was late"), ["CA3"]),
        (Wanted(trouble="late answer"), ["CA3"]),
        (Wanted(trouble="a tool"), []),
        (Wanted(trouble=UNHEARD), ["CA2"]),
        (Wanted(trouble=ANY), ["CA3"]),
        # Of what was not to be recorded no words are found.
        (Wanted(words="COAT wool"), ["CA1"]),
        (Wanted(words="100%"), ["CA1"]),
        (Wanted(words="1%coat"), []),
        (Wanted(words="c_at"), []),
        (Wanted(words="coat trousers"), []),
        (Wanted(words="'; DROP TABLE calls; --"), []),
    ],
)
def test_calls_are_found_by_what_is_wanted(place: Path | str, wanted: Wanted, sids: list[str]) -> None:
    async def work(search: Search) -> None:
        assert [found.call_sid for found in await search.page(wanted, 10)] == sids

    within(place, work)


@pytest.mark.parametrize(("order", "first"), [("started", "CA4"), ("length", "CA1"), ("slowest", "CA2")])
def test_they_come_in_the_order_that_is_wanted(place: Path | str, order: Order, first: str) -> None:
    async def work(search: Search) -> None:
        longest = call("CA1", duration_ms=9000, started_at="2026-11-01", response_ms=())
        slowest = call("CA2", response_ms=(100, 3000), started_at="2026-11-02")
        for each in (longest, slowest):
            await search._history.add(each)
        assert (await search.page(Wanted(), 1, order=order))[0].call_sid == first

    within(place, work)


def test_calls_are_counted(place: Path | str) -> None:
    async def work(search: Search) -> None:
        assert await search.count(Wanted(since="2026-11-21")) == 3
        assert await search.count(Wanted(since="2026-11-21", trouble=ANY)) == 1

    within(place, work)


def test_they_come_in_pages(place: Path | str) -> None:
    async def work(search: Search) -> None:
        assert [found.call_sid for found in await search.page(Wanted(), 2, 1)] == ["CA3", "CA2"]

    within(place, work)


def test_what_there_is_to_choose_from_is_said(place: Path | str) -> None:
    async def work(search: Search) -> None:
        choices = await search.choices()
        assert choices.agents == ["reception", "shop"]
        assert choices.outcomes == ["completed", "model_failed"]
        assert choices.trouble == ["a tool was late", "fault", "late answer", "words not heard"]

    within(place, work)


def test_times_are_measured_day_by_day(place: Path | str) -> None:
    async def work(search: Search) -> None:
        assert await search.days(Wanted(until="2026-11-21")) == [
            Day("2026-11-20", 1, Percentiles(2, 100, 300), None),
            Day("2026-11-21", 2, Percentiles(1, 640, 640), Percentiles(1, 80, 80)),
        ]

    within(place, work)


def test_calls_of_a_former_program_are_searched_too(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "calls.sqlite")) as former:
        former.executescript(FORMER.format(version=1, more=""))
        broken = "INSERT INTO calls SELECT 7, 'CA7', agent, caller, called, started_at, ended_at, outcome, reason, "
        broken += "duration_ms, NULL, transcript, turns, interruptions, tool_calls, response_ms, usage FROM calls"
        former.execute(broken)
        former.commit()

    async def work(search: Search) -> None:
        # The one that was not recorded has no words to be found by.
        found = await search.page(Wanted(words="TWO people", number="14255550123"), 10)
        assert [each.call_sid for each in found] == ["CA0123"]

    within(tmp_path / "calls.sqlite", work)


def test_where_there_is_no_history_nothing_is_found(tmp_path: Path) -> None:
    async def main() -> None:
        async with Database(tmp_path / "calls.sqlite") as database:
            search = Search(History(database))
            assert await search.page(Wanted(), 5) == []
            assert await search.days(Wanted()) == []

    asyncio.run(main())


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=300))
def test_so_many_are_not_above_a_percentile(times: list[int]) -> None:
    found = percentiles(times)
    assert found is not None

    for ms, percent in ((found.p50, 50), (found.p95, 95)):
        assert ms in times
        assert sum(time <= ms for time in times) * 100 >= percent * len(times)
        assert sum(time < ms for time in times) * 100 < percent * len(times)


def test_the_parts_of_a_call_know_each_other_whichever_were_found(tmp_path: Path) -> None:
    failed = (Trouble(900, TRANSFER_FAILED, "desk, nobody answered"),)
    first = call("CA1", started_at="2026-11-20T10:00", outcome="transferred", trouble=failed)
    second = call("CA1", started_at="2026-11-20T10:01", outcome="stream_lost")
    third, alone = call("CA1", started_at="2026-11-20T10:02"), call("CA11", started_at="2026-11-20T10:03")

    async def main() -> None:
        async with Database(tmp_path / "calls.sqlite") as database:
            history = History(database)
            for each in (third, first, alone, second):
                await history.add(each)
            search = Search(history)
            assert await search.parts([third, alone]) == {
                ("CA1", first.started_at): Part(1, 3),
                ("CA1", second.started_at): Part(2, 3, "transferred", transfer_failed=True),
                ("CA1", third.started_at): Part(3, 3, "stream_lost"),
            }
            assert await search.parts([alone]) == {}
            assert await search.parts([]) == {}

    asyncio.run(main())
