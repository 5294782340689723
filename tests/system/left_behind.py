"""What a server still holds when nobody calls: memory, descriptors, threads, tasks, and CPU."""

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec

from tests.system.reliability import AGENT, Server
from voice_agent.store.database import FILE_NAME

SETTLES_S = 8
"""Until what a call leaves for some seconds is gone."""

IDLE_S = 10

_COUNTING = """
import asyncio, gc, os, sys, threading, time
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

_PROGRAM = (sys.executable, "-c", _COUNTING)


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


class CountedServer(Server):
    """`voice-agent serve` that can be looked at."""

    def __init__(self, folder: Path, *, agent: str = AGENT, **variables: str) -> None:
        self._asked = folder / "tasks"
        super().__init__(folder, 0, _PROGRAM, agent=agent, TASKS=str(self._asked), **variables)

    async def look(self) -> Left:
        """Look at the process that holds the calls."""
        await asyncio.sleep(SETTLES_S)
        before = self._cpu_s()
        await asyncio.sleep(IDLE_S)
        used_s = self._cpu_s() - before
        tasks = await asyncio.to_thread(self._count_tasks)
        process = Path(f"/proc/{self.worker}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return Left(
            memory_mb=int(status["VmRSS"].split()[0]) / 1024,
            # The store's own connections are a pool of four.
            descriptors=sum(FILE_NAME not in str(each.readlink()) for each in (process / "fd").iterdir()),
            threads=int(status["Threads"]),
            tasks=tasks,
            cpu_percent=100 * used_s / IDLE_S,
        )

    def _count_tasks(self) -> int:
        self._asked.touch()
        until = time.monotonic() + 10
        while self._asked.exists():
            assert time.monotonic() < until, "nobody counts"
            time.sleep(0.05)
        return int(self._asked.with_name(f"{self._asked.name}.counted").read_text())

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
