import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from tests.store.test_checkpoints import TALK
from tests.store.test_history import SETUP, a_call
from voice_agent.call.commands import CallEnded
from voice_agent.call.conversation import Conversation, Resumption
from voice_agent.errors import CommandError
from voice_agent.live.checkpointing import Checkpointing
from voice_agent.live.clock import wall_seconds
from voice_agent.live.late_rows import LateRows
from voice_agent.live.metrics import Metrics
from voice_agent.server.continuing import BACK, FORGOTTEN_S, MOST_TAKEN_UP, Continuing
from voice_agent.server.last_resort import message_left
from voice_agent.store.checkpoints import Checkpoint, Checkpoints, State, Stored
from voice_agent.store.database import Database
from voice_agent.store.history import History, PastCall

SID = SETUP.call_sid
LOST = Checkpoint(
    setup=SETUP,
    webhook={"AccountSid": "AC1"},
    resumption=Resumption(TALK, left_ms=60_000),
    stream_sid="MZ1",
    row=a_call(),
)


class Refusing(Checkpoints):
    """Those of a store that cannot be written for a while, as a standby."""

    refuses = False

    async def take_up(self, call_sid: str, number: int, checkpoint: Checkpoint, now_s: int) -> bool:
        if self.refuses:
            raise CommandError("the database is read-only")
        return await super().take_up(call_sid, number, checkpoint, now_s)


class RefusingHistory(History):
    """The same, of rows."""

    refuses = False

    async def add(self, call: PastCall) -> None:
        if self.refuses:
            raise CommandError("the database is read-only")
        await super().add(call)


class Server:
    """One of several on one store."""

    def __init__(self, database: Database) -> None:
        self.store = Refusing(database)
        self.history = RefusingHistory(database)
        self.metrics = Metrics()
        checkpointing = Checkpointing(self.store, self.metrics)
        self.continuing = Continuing(checkpointing, self.history, self.metrics, self.history.add)

    async def lost(self, checkpoint: Checkpoint = LOST, state: State = "going", now_s: int | None = None) -> Stored:
        await self.continuing.expect(SETUP, {})
        await self.store.write(SID, 0, state, checkpoint, wall_seconds() if now_s is None else now_s)
        stored = await self.store.find(SID)
        assert stored is not None
        return stored


def with_servers(folder: Path, work: Callable[[Server, Server], Awaitable[None]]) -> None:
    async def main() -> None:
        path = folder / "calls.sqlite"
        async with asyncio.timeout(60), Database(path) as one, Database(path) as other:
            await work(Server(one), Server(other))

    asyncio.run(main())


def test_a_call_of_a_dead_server_goes_on_elsewhere_and_its_first_part_is_in_the_history(tmp_path: Path) -> None:
    async def work(dead: Server, other: Server) -> None:
        setup = await other.continuing.take_up(await dead.lost(), "MZ1")

        assert setup is not None
        assert setup.resumed is not None
        assert (setup.resumed.conversation, setup.resumed.reason) == (TALK, BACK)
        assert setup.resumed.left_ms is not None
        assert 55_000 < setup.resumed.left_ms <= 60_000
        (row,) = await other.history.latest(5)
        assert (row.outcome, row.recording, row.transcript) == ("stream_lost", a_call().recording, a_call().transcript)
        assert [trouble.kind for trouble in row.trouble] == ["stream lost"]

    with_servers(tmp_path, work)


def test_of_two_servers_that_are_asked_one_takes_it_up(tmp_path: Path) -> None:
    async def work(one: Server, other: Server) -> None:
        known = await one.lost()

        assert await one.continuing.take_up(known, "MZ1") is not None
        assert await other.continuing.take_up(known, "MZ1") is None
        assert len(await one.history.latest(5)) == 1

    with_servers(tmp_path, work)


def test_a_store_that_cannot_be_written_keeps_no_call_from_going_on(tmp_path: Path) -> None:
    async def work(dead: Server, other: Server) -> None:
        known = await dead.lost()
        other.store.refuses = True
        setup = await other.continuing.take_up(known, "MZ1")
        assert setup is not None
        assert setup.resumed is not None
        assert await other.continuing.admit(SID, "MZ2")
        assert await other.history.latest(5) == []  # what the store has of it gets there in the end

    with_servers(tmp_path, work)


def test_a_stream_is_let_in_again_though_its_order_could_not_be_kept(tmp_path: Path) -> None:
    async def work(one: Server, other: Server) -> None:
        await one.continuing.expect(SETUP, {})
        assert await one.continuing.admit(SID, "MZ1")
        await one.store.write(SID, 0, "over", LOST, wall_seconds())
        one.store.refuses = True
        await one.continuing.expect_again(SETUP, {})
        assert await one.continuing.admit(SID, "MZ2")
        await one.store.forget(SID)
        await one.continuing.expect_again(SETUP, {})
        assert await one.continuing.admit(SID, "MZ3")

    with_servers(tmp_path, work)


@pytest.mark.parametrize(
    ("checkpoint", "written_s"),
    [
        (msgspec.structs.replace(LOST, taken_up=MOST_TAKEN_UP), 0),
        (LOST, 61),
        (msgspec.structs.replace(LOST, stream_sid="MZ2"), 0),
    ],
    ids=["lost time and again", "its time is up", "another stream"],
)
def test_some_calls_do_not_go_on(tmp_path: Path, checkpoint: Checkpoint, written_s: int) -> None:
    async def work(one: Server, other: Server) -> None:
        known = await one.lost(checkpoint, now_s=wall_seconds() - written_s)

        assert await other.continuing.take_up(known, "MZ1") is None

    with_servers(tmp_path, work)


def test_before_a_word_was_said_a_call_begins_anew(tmp_path: Path) -> None:
    silent = msgspec.structs.replace(LOST, resumption=Resumption(Conversation("reception")))

    async def work(one: Server, other: Server) -> None:
        setup = await other.continuing.take_up(await one.lost(silent), "")

        assert setup is not None
        assert setup.resumed is None

    with_servers(tmp_path, work)


def test_a_stream_that_one_server_has_ordered_another_may_let_in_once(tmp_path: Path) -> None:
    async def work(one: Server, other: Server) -> None:
        assert await one.continuing.expect(SETUP, {"AccountSid": "AC1"})
        known = await other.continuing.find(SID)
        assert known is not None
        assert other.continuing.adopt(known) == SETUP
        assert await other.continuing.admit(SID, "MZ1")
        assert not await one.continuing.admit(SID, "MZ2")
        assert not await one.continuing.expect(SETUP, {})

    with_servers(tmp_path, work)


def test_a_call_that_is_being_ended_elsewhere_is_waited_for(tmp_path: Path) -> None:
    async def work(one: Server, other: Server) -> None:
        await one.lost(state="leaving")
        ended = msgspec.structs.replace(LOST, ended=CallEnded("completed", "", 1))
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(other.continuing.ended(SID))
            await asyncio.sleep(0)
            await one.store.write(SID, 0, "over", ended, wall_seconds())
        stored = asked.result()
        assert stored is not None
        assert stored.state == "over"

    with_servers(tmp_path, work)


def test_a_call_whose_end_is_in_the_history_is_not_put_there_again(tmp_path: Path) -> None:
    async def work(dead: Server, other: Server) -> None:
        stored = await dead.lost(now_s=wall_seconds() - FORGOTTEN_S - 1)
        assert stored.checkpoint.row is not None
        await dead.history.add(stored.checkpoint.row)
        await other.continuing.sweep()

        assert len(await other.history.latest(5)) == 1

    with_servers(tmp_path, work)


def test_a_call_that_died_alone_is_put_into_the_history_in_the_end(tmp_path: Path) -> None:
    async def work(dead: Server, other: Server) -> None:
        await dead.lost(now_s=wall_seconds() - FORGOTTEN_S - 1)
        await other.continuing.sweep()

        assert [row.outcome for row in await other.history.latest(5)] == ["stream_lost"]
        assert await other.continuing.find(SID) is None

    with_servers(tmp_path, work)


def test_a_call_that_died_alone_is_in_the_store_until_the_history_has_it(tmp_path: Path) -> None:
    async def work(dead: Server, other: Server) -> None:
        await dead.lost(now_s=wall_seconds() - FORGOTTEN_S - 1)
        other.history.refuses = True
        await other.continuing.sweep()
        assert await other.continuing.find(SID) is not None

        other.history.refuses = False
        await other.continuing.sweep()
        assert [row.outcome for row in await other.history.latest(5)] == ["stream_lost"]
        assert await other.continuing.find(SID) is None

    with_servers(tmp_path, work)


def test_the_first_part_of_a_call_that_goes_on_waits_for_a_history_that_refuses_it(tmp_path: Path) -> None:
    async def work(dead: Server, other: Server) -> None:
        late = LateRows(other.history, other.metrics, tmp_path)
        checkpointing = Checkpointing(other.store, other.metrics)
        continuing = Continuing(checkpointing, other.history, other.metrics, late.add)
        known = await dead.lost()
        other.history.refuses = True
        assert await continuing.take_up(known, "MZ1") is not None

        other.history.refuses = False
        await late.close()
        assert [row.outcome for row in await other.history.latest(5)] == ["stream_lost"]

    with_servers(tmp_path, work)


def test_what_is_known_behind_an_end_before_its_row_is_there_is_told_with_it(tmp_path: Path) -> None:
    async def work(one: Server, other: Server) -> None:
        told = message_left({"RecordingSid": "RE1", "RecordingDuration": "12"})
        await other.continuing.remark(SID, "message left", told)
        await one.history.add(msgspec.structs.replace(a_call(), outcome="model_failed"))

        assert [row.reason for row in await other.history.latest(5)] == [f"goodbye; {told}"]

    with_servers(tmp_path, work)


def test_a_remark_that_the_store_cannot_take_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(one: Server, other: Server) -> None:
        (tmp_path / "calls.sqlite").write_bytes(b"no database" * 200)
        await one.continuing.remark(SID, "message left", "a message")

    with_servers(tmp_path, work)

    assert [record.levelname for record in caplog.records] == ["ERROR"]
