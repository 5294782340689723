"""Calls that the history cannot take when they end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from voice_agent.call.events import Usage
from voice_agent.errors import CommandError
from voice_agent.live.late_rows import FILES, LateRows
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


async def killed(folder: Path, *sids: str, process: int = 1) -> None:
    """Leave what a process does whose calls are refused, and which then ends without a word."""
    late = LateRows(Store(refuses=1000), Metrics(), folder, process=process)
    for sid in sids:
        await late.add(row(sid))


async def next_start(folder: Path) -> list[str]:
    """Give the calls that the next process brings into the history."""
    store = Store(refuses=0)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        late = LateRows(store, Metrics(), folder)
        running = tasks.create_task(late.run())
        await store.taken.wait()
        await late.close()
        running.cancel()
    return [call.call_sid for call in store.rows]


def kept(
    folder: Path, store: Store, work: Callable[[LateRows], Awaitable[None]], most: int = 10
) -> tuple[list[str], Metrics]:
    """Give the calls that the store has in the end."""
    metrics = Metrics()

    async def main() -> None:
        late = LateRows(store, metrics, folder, retry_s=0, most=most)
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
    assert [*tmp_path.iterdir()] == []


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


def test_what_waits_when_a_process_is_killed_is_written_by_the_next_one_once(tmp_path: Path) -> None:
    async def main() -> list[str]:
        await killed(tmp_path, "CA1", "CA2")
        return await next_start(tmp_path)

    assert asyncio.run(main()) == ["CA1", "CA2"]
    assert [*tmp_path.iterdir()] == []


def test_what_waits_with_a_worker_is_taken_over_from_it_and_stays_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        alive = Store(refuses=2)
        late = LateRows(alive, Metrics(), tmp_path, process=1)
        await late.add(row("CA1"))

        assert await next_start(tmp_path) == ["CA1"]

        await late.add(row("CA2"))
        await late.close()

        assert [call.call_sid for call in alive.rows] == ["CA1", "CA2"]

    asyncio.run(main())
    assert [*tmp_path.iterdir()] == []


def test_what_a_full_disk_has_left_of_a_call_takes_no_other_with_it(tmp_path: Path) -> None:
    async def main() -> list[str]:
        (tmp_path / FILES.replace("*", "-1")).write_bytes(b'\n{"call_sid": "CA1", "ag')
        await killed(tmp_path, "CA2")
        return await next_start(tmp_path)

    assert asyncio.run(main()) == ["CA2"]


def test_what_still_waits_when_the_server_stops_is_written_by_the_next_one(tmp_path: Path) -> None:
    async def work(late: LateRows) -> None:
        await late.add(row("CA1"))
        await late.add(row("CA2"))

    nothing, _ = kept(tmp_path, Store(refuses=1000), work)
    assert nothing == []
    (left,) = tmp_path.glob(FILES)
    assert left.stat().st_mode & 0o077 == 0
    with left.open("a") as file:
        file.write("\n{broken\n")

    store = Store(refuses=1)

    async def wait(late: LateRows) -> None:
        assert late is not None
        await store.taken.wait()

    calls, _ = kept(tmp_path, store, wait)

    assert sorted(calls) == ["CA1", "CA2"]
    assert ROW in store.rows
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("turns", [1, 1000], ids=["while it reads", "while it waits"])
def test_what_a_server_has_taken_over_that_then_dies_is_written_by_the_next_one(tmp_path: Path, turns: int) -> None:
    async def dies() -> None:
        await killed(tmp_path, "CA1")
        late = LateRows(Store(refuses=1000), Metrics(), tmp_path, process=2)
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(late.run())
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()

    asyncio.run(dies())

    assert asyncio.run(next_start(tmp_path)) == ["CA1"]
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
