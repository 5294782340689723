"""Calls that the history cannot take when they end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from voice_agent.call.events import Usage
from voice_agent.errors import CommandError
from voice_agent.live.late_rows import FILE_NAME, LateRows
from voice_agent.live.metrics import Metrics
from voice_agent.store.history import PastCall

ROW = PastCall(
    call_sid="CA1",
    agent="reception",
    caller="+14255550123",
    called="+14255550100",
    started_at="2026-11-27T10:00:00.000+00:00",
    ended_at="2026-11-27T10:01:00.000+00:00",
    outcome="completed",
    reason="the agent hung up",
    duration_ms=60_000,
    recording=None,
    transcript=(),
    turns=1,
    interruptions=0,
    tool_calls=0,
    response_ms=(700,),
    usage=Usage(1, 2),
)


def row(sid: str) -> PastCall:
    return msgspec.structs.replace(ROW, call_sid=sid)


class Store:
    """A history that refuses so often."""

    def __init__(self, refuses: int) -> None:
        self.refuses = refuses
        self.rows: list[PastCall] = []
        self.taken = asyncio.Event()

    async def add(self, call: PastCall) -> None:
        if self.refuses:
            self.refuses -= 1
            raise CommandError("the database is gone")
        self.rows.append(call)
        self.taken.set()


def kept(
    folder: Path, store: Store, work: Callable[[LateRows], Awaitable[None]], most: int = 10
) -> tuple[list[str], Metrics]:
    """Give the calls that the store has in the end."""
    metrics = Metrics()

    async def main() -> None:
        late = LateRows(store, metrics, folder / FILE_NAME, retry_s=0, most=most)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(late.run())
            await work(late)
            running.cancel()
        await late.close()

    asyncio.run(main())
    return [call.call_sid for call in store.rows], metrics


def test_a_call_that_the_history_refuses_is_written_when_it_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(refuses=3)

    async def work(late: LateRows) -> None:
        await late.add(row("CA1"))
        await store.taken.wait()
        await late.add(row("CA2"))

    with caplog.at_level(logging.INFO):
        calls, metrics = kept(tmp_path, store, work)

    assert calls == ["CA1", "CA2"]
    assert [record.message for record in caplog.records] == [
        "the call waits for the history: the database is gone",
        "the history has taken the call after all",
    ]
    assert (metrics.get("history_delayed"), metrics.get("history_lost")) == (1, 0)
    assert not (tmp_path / FILE_NAME).exists()


def test_a_call_that_is_refused_for_ever_keeps_no_other_from_being_written(tmp_path: Path) -> None:
    class Picky(Store):
        async def add(self, call: PastCall) -> None:
            if call.call_sid == "CA1":
                raise CommandError("it holds what a database cannot")
            await super().add(call)

    store = Picky(refuses=1)

    async def work(late: LateRows) -> None:
        await late.add(row("CA1"))
        await late.add(row("CA2"))
        await store.taken.wait()

    calls, _ = kept(tmp_path, store, work)

    assert calls == ["CA2"]


def test_of_several_workers_all_leave_what_waits_and_one_takes_it_over(tmp_path: Path) -> None:
    async def main() -> list[str]:
        for sid in ("CA1", "CA2"):
            late = LateRows(Store(refuses=1000), Metrics(), tmp_path / FILE_NAME)
            await late.add(row(sid))
            await late.close()
        others = Store(refuses=0)
        first = Store(refuses=0)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            late = LateRows(others, Metrics(), tmp_path / FILE_NAME, takes_over=False)
            running = [tasks.create_task(late.run())]
            await asyncio.sleep(0)
            late = LateRows(first, Metrics(), tmp_path / FILE_NAME)
            running.append(tasks.create_task(late.run()))
            await first.taken.wait()
            await late.close()
            for each in running:
                each.cancel()
        assert others.rows == []
        return [call.call_sid for call in first.rows]

    assert asyncio.run(main()) == ["CA1", "CA2"]


def test_what_still_waits_when_the_server_stops_is_written_by_the_next_one(tmp_path: Path) -> None:
    async def work(late: LateRows) -> None:
        await late.add(row("CA1"))
        await late.add(row("CA2"))

    nothing, _ = kept(tmp_path, Store(refuses=1000), work)
    assert nothing == []
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write("{broken\n")

    store = Store(refuses=1)

    async def wait(late: LateRows) -> None:
        assert late is not None
        await store.taken.wait()

    calls, _ = kept(tmp_path, store, wait)

    assert sorted(calls) == ["CA1", "CA2"]
    assert ROW in store.rows
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("turns", [1, 1000], ids=["while it reads", "while it waits"])
def test_what_a_server_has_taken_over_that_then_dies_is_written_by_the_next_one(tmp_path: Path, turns: int) -> None:
    def leave(sid: str) -> None:
        kept(tmp_path, Store(refuses=1000), lambda late: late.add(row(sid)))

    async def dies() -> None:
        late = LateRows(Store(refuses=1000), Metrics(), tmp_path / FILE_NAME)
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(late.run())
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()

    leave("CA1")
    asyncio.run(dies())
    # Another worker of the same server comes to its end in order.
    leave("CA2")

    store = Store(refuses=0)

    async def wait(late: LateRows) -> None:
        assert late is not None
        await store.taken.wait()

    calls, _ = kept(tmp_path, store, wait)

    assert calls == ["CA1", "CA2"]
    assert [*tmp_path.iterdir()] == []


def test_a_call_for_which_there_is_no_place_any_more_is_named_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(late: LateRows) -> None:
        await late.add(row("CA1"))
        await late.add(row("CA2"))

    _, full = kept(tmp_path, Store(refuses=1000), work, most=1)
    _, unwritable = kept(tmp_path / "nowhere", Store(refuses=1000), work)

    assert full.get("history_lost") == 1
    assert unwritable.get("history_lost") == 2
    lost = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.__dict__["call"] for record in lost] == ["CA2", "CA1", "CA2"]
    assert "1 calls wait already" in lost[0].message
    assert "cannot be written either" in lost[1].message
