import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from voice_agent.agent import Agent
from voice_agent.call.setup import CallSetup
from voice_agent.errors import CommandError
from voice_agent.store.database import Database
from voice_agent.store.transfers import KEPT_S, Link, Transfers

SETUP = CallSetup(call_sid="", agent=Agent(name="desk", instructions="Ask."), caller="+14255550101")
LINK = Link(id="a1", caller_sid="CA1", setup=SETUP)


def with_link(place: Path | str, work: Callable[[Transfers], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Database(place) as database:
            await Transfers(database).add(LINK, 1000)
            await work(Transfers(database))

    asyncio.run(main())


def test_what_one_process_writes_another_reads(place: Path | str) -> None:
    async def work(transfers: Transfers) -> None:
        await transfers.placed("a1", "CA2")
        async with Database(place) as database:
            other = Transfers(database)
            found = await other.find("a1")

            assert found == await other.of_colleague("CA2")
            assert found == Link(id="a1", caller_sid="CA1", colleague_sid="CA2", setup=SETUP)
            assert await other.find("b2") is await other.of_colleague("CA9") is None

    with_link(place, work)


def test_a_transfer_only_goes_forward(place: Path | str) -> None:
    async def work(transfers: Transfers) -> None:
        assert not await transfers.move("a1", "accepted", "asking")
        assert await transfers.move("a1", "asking", "calling")
        assert not await transfers.move("a1", "asking", "calling")
        assert await transfers.move("a1", "accepted", "asking")
        assert await transfers.move("a1", "joined", "accepted")
        assert not await transfers.close("a1", "too late")
        found = await transfers.find("a1")
        assert found is not None
        assert (found.state, found.problem) == ("joined", "")

    with_link(place, work)


def test_one_that_is_over_says_why_and_stays_so(place: Path | str) -> None:
    async def work(transfers: Transfers) -> None:
        assert await transfers.close("a1", "nobody answered")
        assert not await transfers.close("a1", "the line is busy")
        assert not await transfers.move("a1", "asking", "calling")
        found = await transfers.find("a1")
        assert found is not None
        assert (found.state, found.problem) == ("over", "nobody answered")

    with_link(place, work)


def test_those_of_yesterday_are_forgotten(place: Path | str) -> None:
    async def work(transfers: Transfers) -> None:
        await transfers.add(Link(id="b2", caller_sid="CA3", setup=SETUP), 1000 + KEPT_S + 1)

        assert await transfers.find("a1") is None
        assert await transfers.find("b2") is not None

    with_link(place, work)


def test_a_row_that_cannot_be_read_is_one_line(place: Path | str) -> None:
    async def work(transfers: Transfers) -> None:
        async with transfers.database.writing() as connection:
            await connection.execute(text("UPDATE transfers SET setup = '{}'"))
        with pytest.raises(CommandError, match="a transfer that cannot be read"):
            await transfers.find("a1")

    with_link(place, work)
