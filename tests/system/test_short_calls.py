"""Two thousand short calls in a row leave a server as the first hundred left it. Fewer: CALLS=500."""

import asyncio
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from tests.support.tiny_twilio import ACCOUNT_SID, TOKEN
from tests.system.left_behind import CountedServer, Left
from tests.system.reliability import talking_model
from voice_agent.emulator.twilio import EmulatedTwilio

CALLS = int(os.environ.get("CALLS", "2000"))
FIRST = 100
AT_ONCE = 20

THREADS = 8
"""What the pools for short work and for the store may still grow by: they are bounded, and grow with calls at once."""


async def hold(url: str, count: int, first: int) -> int:
    """Hold so many calls, some at once; gives how many heard the greeting."""
    heard = 0
    numbers = iter(range(first, first + count))

    async def callers(twilio: EmulatedTwilio) -> None:
        nonlocal heard
        for n in numbers:
            call = twilio.place_call(f"{url}/twilio/voice", f"+1425{n:07}", "+14255550100")
            spoke = await call.agent_spoke(200, 20)
            heard += spoke
            call.hang_up()
            await call.ended()

    async with EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio, asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(callers(twilio))
    return heard


def test_two_thousand_short_calls_leave_nothing_behind(tmp_path: Path, tell: Callable[[str], None]) -> None:
    async def main() -> tuple[int, list[Left]]:
        async with talking_model() as model:
            with CountedServer(tmp_path, REALTIME_URL=model.url) as server:
                heard, stands = 0, []
                for first, last in pairwise((0, FIRST, CALLS // 2, CALLS)):
                    heard += await hold(server.url, last - first, first)
                    stands.append(await server.look())
                await asyncio.to_thread(server.stop)
        return heard, stands

    heard, stands = asyncio.run(main())
    tell(f"{heard} of {CALLS} short calls heard the agent, {AT_ONCE} at once")
    for count, stand in zip((FIRST, CALLS // 2, CALLS), stands, strict=True):
        tell(f"after {count:4} calls: {stand}")
    first, last = stands[0], stands[-1]
    assert heard == CALLS
    assert len(list((tmp_path / "data" / "recordings").rglob("*.call"))) == CALLS
    assert (last.descriptors, last.tasks) == (first.descriptors, first.tasks)
    assert last.threads <= first.threads + THREADS
    # A thousand calls that have ended are remembered, for whoever asks what became of them.
    assert last.memory_mb <= first.memory_mb * 1.25
    assert last.memory_mb <= stands[1].memory_mb * 1.06
    assert last.cpu_percent <= first.cpu_percent + 1
