"""Two thousand short calls in a row leave a server as the first hundred left it. Fewer: CALLS=500."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec

from tests.support.tiny_twilio import ACCOUNT_SID, TOKEN
from tests.system.reliability import Server, talking_model
from voice_agent.emulator.twilio import EmulatedTwilio
from voice_agent.store.database import FILE_NAME

CALLS = int(os.environ.get("CALLS", "2000"))
FIRST = 100
AT_ONCE = 20

SETTLES_S = 8
"""Until what a call leaves for some seconds is gone."""

IDLE_S = 10

THREADS = 8
"""What the pools for short work and for the store may still grow by: they are bounded, and grow with calls at once."""

COUNTING = """
import asyncio, gc, os, sys, threading, time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from voice_agent.cli.main import main
asked, counted = Path(os.environ["TASKS"]), Path(os.environ["TASKS"] + ".counted")
def watch():
    while True:
        time.sleep(0.2)
        if asked.exists():
            gc.unfreeze()
            gc.collect()
            tasks = [each for each in gc.get_objects() if issubclass(type(each), asyncio.Task) and not each.done()]
            gc.freeze()
            counted.write_text(str(len(tasks)))
            asked.unlink()
os.register_at_fork(after_in_child=threading.Thread(target=watch, daemon=True).start)
sys.exit(main(["serve"]))
"""
"""The server, with a thread that counts its tasks when a file asks for it; nobody can from outside."""

COUNTING_PROGRAM = (sys.executable, "-c", COUNTING)


class Left(msgspec.Struct):
    """How a server stands when nobody calls."""

    memory_mb: float
    descriptors: int
    threads: int
    tasks: int
    cpu_percent: float

    def __str__(self) -> str:
        return (
            f"{self.memory_mb:.1f} MB, {self.descriptors} descriptors, {self.threads} threads, {self.tasks} tasks, "
            f"{self.cpu_percent:.1f} % of a core"
        )


async def look(server: Server, asked: Path) -> Left:
    """Look at the process that holds the calls."""
    await asyncio.sleep(SETTLES_S)
    before = _cpu_s(server.worker)
    await asyncio.sleep(IDLE_S)
    used_s = _cpu_s(server.worker) - before
    tasks = await asyncio.to_thread(_count_tasks, asked)
    process = Path(f"/proc/{server.worker}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return Left(
        memory_mb=int(status["VmRSS"].split()[0]) / 1024,
        # The store's own connections are a pool of four.
        descriptors=sum(FILE_NAME not in str(each.readlink()) for each in (process / "fd").iterdir()),
        threads=int(status["Threads"]),
        tasks=tasks,
        cpu_percent=100 * used_s / IDLE_S,
    )


def _count_tasks(asked: Path) -> int:
    asked.touch()
    until = time.monotonic() + 10
    while asked.exists():
        assert time.monotonic() < until, "nobody counts"
        time.sleep(0.05)
    return int(asked.with_name(f"{asked.name}.counted").read_text())


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    asked = tmp_path / "tasks"

    async def main() -> tuple[int, list[Left]]:
        async with talking_model() as model:
            with Server(tmp_path, 0, COUNTING_PROGRAM, REALTIME_URL=model.url, TASKS=str(asked)) as server:
                heard, stands = 0, []
                for first, last in pairwise((0, FIRST, CALLS // 2, CALLS)):
                    heard += await hold(server.url, last - first, first)
                    stands.append(await look(server, asked))
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
