import asyncio
import csv
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from io import StringIO
from pathlib import Path

import pytest

from tests.store.test_search import BROKE, call
from tests.support.console import Browser, a_browser
from voice_agent.call.summary import Line
from voice_agent.call.trouble import TRANSFER_FAILED, Trouble
from voice_agent.config.prices import load_prices
from voice_agent.server.console.calls import COLUMNS, MOST, calls_routes
from voice_agent.store.database import FILE_NAME, Database
from voice_agent.store.history import History, PastCall
from voice_agent.store.search import Search


@asynccontextmanager
async def a_console(folder: Path, *calls: PastCall) -> AsyncIterator[Browser]:
    async with Database(folder / FILE_NAME) as database:
        await database.prepare()
        history = History(database)
        for each in calls:
            await history.add(each)
        async with a_browser([calls_routes(Search(history), load_prices())]) as browser:
            yield browser


def many(count: int) -> list[PastCall]:
    return [call(f"CA{number}", started_at=f"2026-11-22T10:{number:04}") for number in range(count)]


def test_the_list_tells_each_call_without_its_words(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path, call("CA1", trouble=BROKE, response_ms=(100, 200, 4000, 5000))) as browser:
            listed = (await browser.get("/console/api/calls")).json()
        (row,) = listed["calls"]
        assert (row["response_ms"], row["slowest_ms"]) == (200, 5000)
        assert row["trouble"] == [
            {"kind": "late answer", "text": "late answer, 2.0 s"},
            {"kind": "fault", "text": "a tool was late"},
        ]
        assert "transcript" not in row
        assert listed["more"] is False

    asyncio.run(main())


def test_the_turn_is_shown_in_which_the_words_stand(tmp_path: Path) -> None:
    long = Line(9000, "caller", f"{'so ' * 100}a wool coat {'or ' * 100}")
    said = (Line(0, "agent", "Wool?"), long, Line(9500, "agent", "Yes.", agent="shop"), Line(9900, "note", "wool coat"))
    calls = call("CA1", transcript=said), call("CA2", transcript=said, recording=None)

    async def main() -> None:
        async with a_console(tmp_path, *calls) as browser:
            (row,) = (await browser.get("/console/api/calls?words=COAT%20wool")).json()["calls"]
            (yes,) = (await browser.get("/console/api/calls?words=yes")).json()["calls"]
            everything = (await browser.get("/console/api/calls")).json()["calls"]
        assert (row["found"]["who"], row["found"]["at_ms"]) == ("caller", 9000)
        assert "so a wool coat or" in row["found"]["text"]
        assert len(row["found"]["text"]) <= 202
        assert yes["found"] == {"who": "shop", "text": "Yes.", "at_ms": 9500}
        assert [each["found"] for each in everything] == [None, None]

    asyncio.run(main())


def test_a_part_of_a_call_says_so_and_counts_as_before(tmp_path: Path) -> None:
    broke = (Trouble(900, TRANSFER_FAILED, "desk, nobody answered"),)
    first = call("CA1", started_at="2026-11-22T10:00", outcome="transferred", trouble=broke)
    second, alone = call("CA1", started_at="2026-11-22T10:01"), call("CA2", started_at="2026-11-22T10:02")

    async def main() -> None:
        async with a_console(tmp_path, first, second, alone) as browser:
            listed = (await browser.get("/console/api/calls")).json()["calls"]
            (found,) = (await browser.get("/console/api/calls?trouble=transfer%20failed")).json()["calls"]
            counted = (await browser.get("/console/api/counted")).json()
        assert [row["part"] for row in listed] == [
            None,
            {"number": 2, "of": 2, "former": "transferred", "transfer_failed": True},
            {"number": 1, "of": 2, "former": "", "transfer_failed": False},
        ]
        assert found["part"]["number"] == 1, "what failed is found where it failed, once"
        assert counted == {"calls": 3, "trouble": 1}

    asyncio.run(main())


def test_there_is_more_than_one_page(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path, *many(5)) as browser:
            first = (await browser.get("/console/api/calls?limit=3")).json()
            rest = (await browser.get("/console/api/calls?limit=3&offset=3")).json()
        assert [len(first["calls"]), first["more"], len(rest["calls"]), rest["more"]] == [3, True, 2, False]

    asyncio.run(main())


@pytest.mark.parametrize("query", ["limit=x", "offset=x", "offset=--1", f"words={'a+' * 51}"])
def test_a_question_that_is_none_is_refused(tmp_path: Path, query: str) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as browser:
            assert (await browser.get(f"/console/api/calls?{query}")).status_code == 422

    asyncio.run(main())


def test_days_and_choices_come_together(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path, call("CA1", outcome="stopped")) as browser:
            told = (await browser.get("/console/api/history?agent=reception")).json()
        assert told["choices"]["outcomes"] == ["stopped"]
        assert told["days"][0]["response"] == {"count": 1, "p50": 640, "p95": 640}

    asyncio.run(main())


def test_calls_are_counted_and_those_with_trouble(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path, *many(3), call("CAx", trouble=BROKE), call("CAy", started_at="2026")) as browser:
            assert (await browser.get("/console/api/counted?since=2026-11-22")).json() == {"calls": 4, "trouble": 1}

    asyncio.run(main())


def test_the_table_holds_all_that_was_found_and_no_formula(tmp_path: Path) -> None:
    hostile = '=HYPERLINK("https://evil.example"),\n"x"'

    async def main() -> None:
        calls = [*many(MOST + 1), call("CAx", agent="other", reason=hostile), call("CAy", agent="other", reason="-1+2")]
        async with a_console(tmp_path, *calls) as browser:
            whole = await browser.get("/console/api/calls.csv?agent=reception")
            others = (await browser.get("/console/api/calls.csv?agent=other")).text
        assert "attachment" in whole.headers["content-disposition"]
        rows = list(csv.DictReader(StringIO(whole.text)))
        assert tuple(rows[0]) == COLUMNS
        assert {row["call_sid"] for row in rows} == {f"CA{number}" for number in range(MOST + 1)}
        assert {row["caller"] for row in rows} == {"+14255550123"}
        assert {row["reason"] for row in csv.DictReader(StringIO(others))} == {f"'{hostile}", "'-1+2"}

    asyncio.run(main())


def test_a_call_that_ends_while_a_table_is_written_leaves_each_call_in_it_once(tmp_path: Path) -> None:
    class Busy(Search):
        async def rows(self, keys: Sequence[int]) -> list[PastCall]:
            found = await super().rows(keys)
            await self._history.add(call(f"CA later {found[0].call_sid}", started_at="2026-11-23"))
            return found

    async def main() -> None:
        async with Database(tmp_path / FILE_NAME) as database:
            await database.prepare()
            history = History(database)
            for each in many(3 * MOST):
                await history.add(each)
            async with a_browser([calls_routes(Busy(history), load_prices())]) as browser:
                table = (await browser.get("/console/api/calls.csv")).text
        sids = [row["call_sid"] for row in csv.DictReader(StringIO(table))]
        assert sids == [f"CA{number}" for number in reversed(range(3 * MOST))]

    asyncio.run(main())


def test_where_nobody_has_called_yet_everything_is_empty(tmp_path: Path) -> None:
    async def main() -> None:
        async with Database(tmp_path / FILE_NAME) as database:
            routes = calls_routes(Search(History(database)), load_prices())
            async with a_browser([routes]) as browser:
                assert (await browser.get("/console/api/calls")).json() == {"calls": [], "more": False}
                assert (await browser.get("/console/api/history")).json()["days"] == []
                assert (await browser.get("/console/api/counted")).json() == {"calls": 0, "trouble": 0}
                assert (await browser.get("/console/api/calls.csv")).text == f"{','.join(COLUMNS)}\r\n"
        assert not (tmp_path / FILE_NAME).exists()

    asyncio.run(main())


def test_the_table_has_the_order_of_the_list(tmp_path: Path) -> None:
    async def main() -> None:
        calls = [call(f"CA{ms}", started_at="2026-11-22", duration_ms=ms) for ms in (5, 9, 7)]
        async with a_console(tmp_path, *calls) as browser:
            table = (await browser.get("/console/api/calls.csv?order=length")).text
        assert [row["duration_ms"] for row in csv.DictReader(StringIO(table))] == ["9", "7", "5"]

    asyncio.run(main())


def test_a_table_that_breaks_off_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with a_console(tmp_path, *many(MOST + 1)) as browser:
            with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
                other.execute("UPDATE calls SET response_ms = 'no JSON' WHERE call_sid = 'CA0'")
                other.commit()
            rows = list(csv.reader(StringIO((await browser.get("/console/api/calls.csv")).text)))
        assert len(rows) == 1 + MOST + 1
        assert rows[-1][0].startswith("the table ends here: ")
        assert "not whole" in caplog.text

    asyncio.run(main())


def test_a_database_that_cannot_be_used_is_a_line(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path, call("CA1")) as browser:
            with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
                other.execute("UPDATE calls SET response_ms = 'no JSON'")
                other.commit()
            for path in ("/console/api/calls", "/console/api/history", "/console/api/calls.csv"):
                answer = await browser.get(path)
                assert answer.status_code == 409
                assert "\n" not in answer.json()["detail"]

    asyncio.run(main())
