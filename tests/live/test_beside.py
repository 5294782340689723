import asyncio

import pytest

from voice_agent.live.beside import beside


def test_work_that_breaks_off_is_told_and_begun_anew_and_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    begun = 0

    async def main() -> str:
        again = asyncio.Event()

        async def work() -> None:
            nonlocal begun
            begun += 1
            if begun == 1:
                raise ValueError("a fault")
            again.set()
            await asyncio.Event().wait()

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(beside("the sweeping", work, again_s=0))
            await again.wait()
            running.cancel()
        return "the others went on"

    assert asyncio.run(main()) == "the others went on"
    assert begun == 2
    (record,) = caplog.records
    assert record.getMessage() == "the sweeping broke off by a fault of this program and begins anew in 0 s"
    assert "a fault" in caplog.text


def test_work_that_is_done_is_not_begun_anew() -> None:
    begun = []

    async def work() -> None:
        begun.append(1)

    asyncio.run(beside("it", work))
    assert begun == [1]
