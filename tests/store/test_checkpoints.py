import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from tests.store.test_history import SETUP, a_call
from voice_agent.call.commands import CallEnded, Destination
from voice_agent.call.conversation import AgentTurn, CallerTurn, Conversation, Resumption, ToolTurn
from voice_agent.errors import CommandError
from voice_agent.store.checkpoints import Checkpoint, Checkpoints, State, Stored
from voice_agent.store.database import Database

TALK = Conversation(
    "reception",
    (
        CallerTurn("u1", "Two people, please."),
        AgentTurn("a1", "At eight?", interrupted=True),
        ToolTurn("t1", "book", "{}", None),
    ),
)
FIRST = Checkpoint(setup=SETUP, webhook={"From": "+14255550123"})
LATER = Checkpoint(
    setup=SETUP,
    webhook={},
    resumption=Resumption(TALK, left_ms=60_000),
    stream_sid="MZ1",
    ended=CallEnded("transferred", "", 9, Destination("desk", "+14255550101", 30)),
    row=a_call(),
)


def within(place: Path | str, work: Callable[[Checkpoints], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Database(place) as database:
            await work(Checkpoints(database))

    asyncio.run(main())


def test_what_one_server_has_written_another_reads_whole(place: Path | str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        assert await checkpoints.find("CA1") is None
        assert await checkpoints.add("CA1", FIRST, 1000)
        assert await checkpoints.find("CA1") == Stored(
            call_sid="CA1", state="expected", number=0, checkpoint=FIRST, written_at=1000
        )
        assert await checkpoints.write("CA1", 0, "over", LATER, 1001)
        assert await checkpoints.find("CA1") == Stored(
            call_sid="CA1", state="over", number=0, checkpoint=LATER, written_at=1001
        )
        await checkpoints.forget("CA1")
        assert await checkpoints.find("CA1") is None

    within(place, work)


def test_a_call_is_new_once(place: Path | str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        assert await checkpoints.add("CA1", FIRST, 1000)
        assert not await checkpoints.add("CA1", LATER, 1001)
        found = await checkpoints.find("CA1")
        assert found is not None
        assert found.checkpoint == FIRST

    within(place, work)


def test_of_several_servers_one_lets_the_stream_in(place: Path | str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        await checkpoints.add("CA1", FIRST, 1000)
        async with asyncio.TaskGroup() as tasks:
            admitted = [tasks.create_task(checkpoints.admit("CA1", 0)) for _ in range(5)]
        assert sorted(task.result() for task in admitted) == [False] * 4 + [True]

    within(place, work)


def test_of_several_servers_one_takes_a_call_up_and_who_had_it_writes_no_more(place: Path | str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        await checkpoints.add("CA1", FIRST, 1000)
        async with asyncio.TaskGroup() as tasks:
            taken = [tasks.create_task(checkpoints.take_up("CA1", 0, LATER, 1001)) for _ in range(5)]
        assert sorted(task.result() for task in taken) == [False] * 4 + [True]
        assert not await checkpoints.write("CA1", 0, "over", FIRST, 1002)
        assert await checkpoints.admit("CA1", 1)
        found = await checkpoints.find("CA1")
        assert found is not None
        assert (found.state, found.number, found.checkpoint) == ("going", 1, LATER)

    within(place, work)


def test_what_is_old_is_given_and_then_dropped_by_its_state(place: Path | str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        for call_sid, now_s in (("CA1", 1000), ("CA2", 2000), ("CA3", 1000)):
            await checkpoints.add(call_sid, FIRST, now_s)
        await checkpoints.write("CA3", 0, "over", FIRST, 1000)

        states: tuple[State, ...] = ("expected", "going")
        assert [stored.call_sid for stored in await checkpoints.old(1500, states)] == ["CA1"]
        assert await checkpoints.find("CA1") is not None
        await checkpoints.drop_old(1500, states)
        assert [await checkpoints.find(call_sid) is None for call_sid in ("CA1", "CA2", "CA3")] == [True, False, False]

    within(place, work)


def test_calls_are_counted_until_they_are_over_whoever_has_them(place: Path | str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        counted = [await checkpoints.in_progress()]
        for number in range(3):
            await checkpoints.add(f"CA{number}", FIRST, 1000)
        await checkpoints.admit("CA1", 0)
        counted.append(await checkpoints.in_progress())
        await checkpoints.write("CA1", 0, "over", LATER, 1001)
        await checkpoints.write("CA2", 0, "lost", LATER, 1001)
        counted.append(await checkpoints.in_progress())
        assert counted == [0, 3, 2]

    within(place, work)


def test_a_row_that_cannot_be_read_is_one_line(place: Path | str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        await checkpoints.add("CA1", FIRST, 1000)
        async with checkpoints.database.writing() as connection:
            await connection.execute(text("UPDATE checkpoints SET content = '{}'"))
        with pytest.raises(CommandError, match="a call that cannot be read"):
            await checkpoints.find("CA1")

    within(place, work)


def test_a_fault_at_one_call_s_writing_does_not_tell_the_others_that_somebody_else_has_them(tmp_path: Path) -> None:
    class Faulty(Checkpoints):
        async def _write_rows(self, rows: Sequence[tuple[Any, ...]]) -> set[tuple[str, int]]:
            await asyncio.sleep(0)  # meanwhile the others come, who are written together
            if rows:
                raise RuntimeError(f"a fault at {len(rows)} rows")
            return set()

    async def main() -> list[bool | BaseException]:
        async with Database(tmp_path / "calls.sqlite") as database:
            faulty = Faulty(database)
            writing = (faulty.write(call_sid, 0, "going", FIRST, 1000) for call_sid in ("CA1", "CA2", "CA3"))
            return await asyncio.gather(*writing, return_exceptions=True)

    *_, last = asyncio.run(main())

    assert isinstance(last, CommandError)


def test_a_row_that_cannot_be_read_keeps_no_other_from_being_taken(
    place: Path | str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        for call_sid in ("CA1", "CA2"):
            await checkpoints.add(call_sid, FIRST, 1000)
        async with checkpoints.database.writing() as connection:
            await connection.execute(text("UPDATE checkpoints SET content = '{}' WHERE call_sid = 'CA1'"))

        assert [stored.call_sid for stored in await checkpoints.old(1001, ["expected"])] == ["CA2"]
        await checkpoints.drop_old(1001, ["expected"])
        assert await checkpoints.find("CA1") is None

    within(place, work)

    assert "a call that cannot be read: CA1" in caplog.text


def test_a_checkpoint_of_before_a_field_was_added_is_read(place: Path | str) -> None:
    short = msgspec.json.decode(msgspec.json.encode({"setup": SETUP, "webhook": {}}), type=Checkpoint)

    assert (short.taken_up, short.row, short.resumption) == (0, None, None)


def test_what_waits_together_is_written_together_each_for_its_own_call(place: Path | str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        for number in range(9):
            await checkpoints.add(f"CA{number}", FIRST, 1000)
        await checkpoints.take_up("CA3", 0, FIRST, 1001)
        changed = msgspec.structs.replace(LATER, taken_up=2)
        writes = [checkpoints.write(f"CA{number}", 0, "going", LATER, 1002) for number in range(9)]
        kept = await asyncio.gather(*writes, checkpoints.write("CA5", 0, "leaving", changed, 1003))

        assert kept == [number != 3 for number in range(9)] + [True]
        assert await checkpoints.find("CA3") == Stored(
            call_sid="CA3", state="expected", number=1, checkpoint=FIRST, written_at=1001
        )
        assert await checkpoints.find("CA4") == Stored(
            call_sid="CA4", state="going", number=0, checkpoint=LATER, written_at=1002
        )
        assert await checkpoints.find("CA5") == Stored(
            call_sid="CA5", state="leaving", number=0, checkpoint=changed, written_at=1003
        )

    within(place, work)


@pytest.mark.parametrize("given_up", ["write", "find", "add"])
def test_who_gives_up_waiting_locks_nobody_out(place: Path | str, given_up: str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        for call_sid in ("CA1", "CA2"):
            await checkpoints.add(call_sid, FIRST, 1000)
        ways: dict[str, Callable[[int], Coroutine[Any, Any, object]]] = {
            "write": lambda _: checkpoints.write("CA1", 0, "going", LATER, 1001),
            "find": lambda _: checkpoints.find("CA1"),
            "add": lambda turns: checkpoints.add(f"CB{turns}", FIRST, 1000),
        }
        for turns in range(0, 400, 10):
            begun = asyncio.ensure_future(ways[given_up](turns))
            for _ in range(turns):
                await asyncio.sleep(0)
            begun.cancel()
            await asyncio.gather(begun, return_exceptions=True)
            assert await checkpoints.write("CA2", 0, "going", LATER, 1002)

    within(place, work)


def test_who_had_a_call_before_is_told_so_though_it_waits_together_with_who_has_it(place: Path | str) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        await checkpoints.add("CA1", FIRST, 1000)
        await checkpoints.take_up("CA1", 0, FIRST, 1001)
        writes = (checkpoints.write("CA1", number, "going", LATER, 1002) for number in (0, 0, 1))

        # The first one is written alone, and the others together behind it.
        assert await asyncio.gather(*writes) == [False, False, True]

    within(place, work)


def test_a_store_that_cannot_be_used_is_told_to_all_who_wait(tmp_path: Path) -> None:
    async def work(checkpoints: Checkpoints) -> None:
        (tmp_path / "calls.sqlite").write_bytes(b"no database" * 200)
        writes = [checkpoints.write("CA1", number, "going", LATER, 1001) for number in range(3)]
        told = await asyncio.gather(*writes, return_exceptions=True)

        assert [type(problem) for problem in told] == [CommandError] * 3

    within(tmp_path / "calls.sqlite", work)
