import asyncio

import pytest

from voice_agent.live.leg import CloseLimit


async def wait_within(limit: CloseLimit) -> None:
    async with limit:
        await asyncio.Event().wait()


def test_without_a_beginning_there_is_no_limit() -> None:
    async def main() -> None:
        async with CloseLimit():
            await asyncio.sleep(0)

    asyncio.run(main())


def test_a_limit_that_begins_inside_ends_the_waiting() -> None:
    async def main() -> None:
        limit = CloseLimit()
        asyncio.get_running_loop().call_soon(limit.begin, 0.01)
        async with asyncio.timeout(30):
            with pytest.raises(TimeoutError):
                await wait_within(limit)

    asyncio.run(main())


def test_a_limit_that_began_before_counts_inside() -> None:
    async def main() -> None:
        limit = CloseLimit()
        limit.begin(0)
        async with asyncio.timeout(30):
            with pytest.raises(TimeoutError):
                await wait_within(limit)

    asyncio.run(main())


def test_the_first_beginning_counts_and_later_ones_do_no_harm() -> None:
    async def main() -> None:
        limit = CloseLimit()
        limit.begin(0)
        limit.begin(60)
        async with asyncio.timeout(30):
            with pytest.raises(TimeoutError):
                await wait_within(limit)
        limit.begin(0)

    asyncio.run(main())
