import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.simulated import setup
from voice_agent.call.commands import CallEnded, CallerSaid, Note
from voice_agent.call.conversation import CallerTurn, Conversation, Resumption
from voice_agent.live.checkpointing import CallCheckpoint, Checkpointing, Place, kept_setup, kept_webhook
from voice_agent.live.metrics import Metrics
from voice_agent.store.checkpoints import Checkpoint, Checkpoints, State, Stored
from voice_agent.store.database import Database

SID = "CA1"


class Watched(Checkpoints):
    """Tells when it has been written to."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.written = asyncio.Event()

    async def write(self, call_sid: str, number: int, state: State, checkpoint: Checkpoint, now_s: int) -> bool:
        kept = await super().write(call_sid, number, state, checkpoint, now_s)
        self.written.set()
        return kept


class Kept:
    """A call that is kept, and how the store sees it."""

    def __init__(self, database: Database) -> None:
        self.store = Watched(database)
        self.metrics = Metrics()
        self.all = Checkpointing(self.store, self.metrics)
        self.made = 0
        self.resumption: Resumption | None = None
        self.superseded = asyncio.Event()

    async def begin(self) -> CallCheckpoint:
        await self.store.add(SID, self._stands(), 1000)
        self.all.remember(SID, Place(stream_sid="MZ1"))
        await self.store.admit(SID, 0)
        writer = self.all.open(SID, self._stands, self._supersede)
        assert writer is not None
        return writer

    async def found(self) -> Stored:
        stored = await self.store.find(SID)
        assert stored is not None
        return stored

    def _stands(self) -> Checkpoint:
        self.made += 1
        return Checkpoint(setup=setup(), webhook={"made": str(self.made)}, resumption=self.resumption)

    def _supersede(self) -> None:
        self.superseded.set()


def kept(folder: Path, work: Callable[[Kept], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), Database(folder / "calls.sqlite") as database:
            await work(Kept(database))

    asyncio.run(main())


def test_what_is_said_is_written_behind_the_call_and_much_at_once_is_written_once(tmp_path: Path) -> None:
    async def work(call: Kept) -> None:
        async with await call.begin() as writer:
            for _ in range(50):
                writer.observe(0, CallerSaid("u1", "Hello?"))
                writer.observe(0, Note("info", "nothing that matters"))
            before = call.made
            await call.store.written.wait()
            assert (await call.found()).checkpoint.webhook["made"] == str(before + 1)
            assert (await call.found()).checkpoint.stream_sid == "MZ1"
            assert call.made == before + 1

    kept(tmp_path, work)


@pytest.mark.parametrize(
    ("ended", "handing_over", "state"),
    [
        (CallEnded("completed", "", 1), False, "over"),
        (CallEnded("completed", "", 1), True, "over"),
        (CallEnded("stopped", "", 1), False, "over"),
        (CallEnded("stopped", "", 1), True, "lost"),
        (CallEnded("stream_lost", "", 1), False, "lost"),
        (None, False, "lost"),
    ],
)
def test_the_end_of_a_call_tells_whether_it_may_go_on(
    tmp_path: Path, ended: CallEnded | None, handing_over: bool, state: str
) -> None:
    async def work(call: Kept) -> None:
        call.all.handing_over = handing_over
        async with await call.begin() as writer:
            if ended is not None:
                writer.observe(1, ended)
        await call.all.settled(SID)
        assert ((await call.found()).state, (await call.found()).checkpoint.ended) == (state, ended)

    kept(tmp_path, work)


def test_of_a_call_that_is_over_the_last_agent_is_kept_and_nothing_that_was_said(tmp_path: Path) -> None:
    async def work(call: Kept) -> None:
        call.resumption = Resumption(Conversation("billing", (CallerTurn("u1", "My invoice."),)))
        async with await call.begin() as writer:
            writer.observe(1, CallEnded("model_failed", "", 1))
        await call.all.settled(SID)
        checkpoint = (await call.found()).checkpoint
        assert (checkpoint.had_by, checkpoint.resumption) == ("billing", None)

    kept(tmp_path, work)


def test_a_close_on_purpose_is_noted_before_it_happens(tmp_path: Path) -> None:
    async def work(call: Kept) -> None:
        async with await call.begin() as writer:
            await writer.leaving()
            assert (await call.found()).state == "leaving"

    kept(tmp_path, work)


def test_who_is_superseded_is_told_and_changes_nothing(tmp_path: Path) -> None:
    async def work(call: Kept) -> None:
        async with await call.begin() as writer:
            await call.store.take_up(SID, 0, Checkpoint(setup=setup(), webhook={}), 1001)
            writer.observe(0, CallerSaid("u1", "Hello?"))
            await call.superseded.wait()
        assert ((await call.found()).state, (await call.found()).number) == ("expected", 1)

    kept(tmp_path, work)


def test_a_call_that_is_not_in_the_store_is_not_kept(tmp_path: Path) -> None:
    async def work(call: Kept) -> None:
        assert call.all.open("CA2", call._stands, call._supersede) is None

    kept(tmp_path, work)


def test_a_call_whose_stream_never_came_stays_expected(tmp_path: Path) -> None:
    async def work(call: Kept) -> None:
        await call.store.add(SID, call._stands(), 1000)
        call.all.remember(SID, Place())
        writer = call.all.open(SID, call._stands, call._supersede)
        assert writer is not None
        async with writer:
            writer.observe(0, CallEnded("no_stream", "", 10_000))
        assert (await call.found()).state == "expected"

    kept(tmp_path, work)


def test_a_store_that_fails_is_told_and_counted_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(call: Kept) -> None:
        file, away = tmp_path / "calls.sqlite", tmp_path / "away"
        async with await call.begin() as writer:
            await call.store.database.__aexit__(None, None, None)
            await call.store.database.__aenter__()
            file.rename(away)
            file.mkdir()
            with caplog.at_level(logging.ERROR):
                await writer.leaving()
            assert call.metrics.get("checkpoints_failed") == 1
            file.rmdir()
            away.rename(file)
        assert (await call.found()).state == "lost"

    kept(tmp_path, work)

    assert "the call could not go on elsewhere now" in caplog.text


def test_no_credentials_are_kept() -> None:
    assert kept_webhook({"CallToken": "secret", "From": "+1"}) == {"From": "+1"}
    assert kept_setup(setup()).kept_greeting is None
