"""Which stream of which call is let in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.pump import settle
from tests.support.reception import Desk, a_desk, at_desk, connect_of, ends_on_request, started
from tests.support.tiny_twilio import CALL_SID, FIELDS
from voice_agent.agent import Agent
from voice_agent.call.setup import CallSetup
from voice_agent.live.admission import Refusal
from voice_agent.live.checkpointing import Checkpointing
from voice_agent.live.clock import wall_seconds
from voice_agent.live.metrics import Metrics
from voice_agent.live.session import Session
from voice_agent.server.continuing import Continuing
from voice_agent.store.checkpoints import Checkpoint, Checkpoints
from voice_agent.store.database import Database
from voice_agent.store.history import History
from voice_agent.wire import twilio

SETUP = CallSetup(call_sid=CALL_SID, agent=Agent(name="reception", instructions="Be kind."))


def test_a_webhook_that_is_repeated_keeps_the_session_and_either_token_admits_once(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect_of(await desk.reception.receive(FIELDS))
        second = connect_of(await desk.reception.receive(FIELDS))
        assert len(desk.calls) == 1
        await settle()

        session = await desk.reception.streams.let_in(started(second.parameters))
        assert isinstance(session, Session)
        assert session is desk.calls[0].session
        assert await desk.reception.streams.let_in(started(second.parameters)) is Refusal.TOKEN_USED

    assert at_desk(tmp_path, script).refusals() == {"token used": 1}


def test_without_preconnecting_nothing_begins_before_the_stream(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect = connect_of(await desk.reception.receive(FIELDS))
        assert desk.calls == []
        assert isinstance(await desk.reception.streams.let_in(started(connect.parameters)), Session)

    assert len(at_desk(tmp_path, script, preconnect=False).calls) == 1


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({}, Refusal.TOKEN_MISSING),
        ({"token": "guessed"}, Refusal.TOKEN_FORGED),
    ],
)
def test_a_stream_without_its_token_is_turned_away(tmp_path: Path, change: dict[str, str], refusal: Refusal) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS)
        assert await desk.reception.streams.let_in(started(change)) is refusal

    assert at_desk(tmp_path, script).refusals() == {refusal.value: 1}


def test_a_token_of_another_call_does_not_admit(tmp_path: Path) -> None:
    other = "CA000000000000000000000000000000ff"

    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS)
        connect = connect_of(await desk.reception.receive({**FIELDS, "CallSid": other}))
        assert await desk.reception.streams.let_in(started(connect.parameters)) is Refusal.TOKEN_OF_OTHER_CALL

    at_desk(tmp_path, script)


def test_a_stream_of_another_account_is_turned_away(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect = connect_of(await desk.reception.receive({**FIELDS, "AccountSid": "ACother"}))
        assert await desk.reception.streams.let_in(started(connect.parameters)) is Refusal.CALL_UNKNOWN

    at_desk(tmp_path, script)


# --- streams that another server has ordered -------------------------------------------------------------------------


@asynccontextmanager
async def one_of_several(
    folder: Path, store_of: type[Checkpoints] = Checkpoints
) -> AsyncIterator[tuple[Desk, Checkpoints]]:
    async with asyncio.timeout(30), Database(folder / "calls.sqlite") as database:
        store, metrics = store_of(database), Metrics()
        history = History(database)
        continuing = Continuing(Checkpointing(store, metrics), history, metrics, history.add)
        async with a_desk(folder, answer=ends_on_request, continuing=continuing) as desk:
            yield desk, store


def ordered(desk: Desk, again: str) -> twilio.Start:
    """Begin a stream that another server has ordered: both seal with the same secret."""
    return started(connect_of(desk.reception.streams.order(CALL_SID, SETUP.agent, again)).parameters)


def test_a_further_stream_is_let_in_though_the_former_one_s_recording_is_still_being_written(tmp_path: Path) -> None:
    async def main() -> None:
        async with one_of_several(tmp_path) as (desk, store):
            connect = connect_of(await desk.reception.receive(FIELDS))
            first = await desk.reception.streams.let_in(started(connect.parameters))
            assert isinstance(first, Session)
            desk.calls[0].kept.clear()
            first.end("")
            await settle()
            assert await store.take_up(CALL_SID, 0, Checkpoint(setup=SETUP, webhook=FIELDS), wall_seconds())

            second = await desk.reception.streams.let_in(ordered(desk, "elsewhere"))
            desk.calls[0].kept.set()
            assert isinstance(second, Session)
            assert second is not first

    asyncio.run(main())


class Taken(Checkpoints):
    """A store in which another server is always a little faster."""

    async def admit(self, call_sid: str, number: int) -> bool:
        assert await super().admit(call_sid, number)
        return await super().admit(call_sid, number)


def test_no_session_begins_for_a_stream_that_another_server_lets_in(tmp_path: Path) -> None:
    async def main() -> None:
        async with one_of_several(tmp_path, Taken) as (desk, store):
            await store.add(CALL_SID, Checkpoint(setup=SETUP, webhook=FIELDS), wall_seconds())

            assert await desk.reception.streams.let_in(ordered(desk, "")) is Refusal.TOKEN_USED
            assert desk.calls == []
            assert not desk.reception.lobby.knows(CALL_SID)

    asyncio.run(main())
