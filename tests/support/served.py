"""A command of ours in a process of its own, whose lines can be waited for as they come."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

PATIENCE_S = 60


class Served:
    """`voice-agent serve`, while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        """What it has said so far, on both outputs."""
        self._news = asyncio.Event()
        self._readers = [asyncio.ensure_future(self._read(each)) for each in (process.stdout, process.stderr)]

    async def says(self, text: str, times: int = 1) -> str:
        """Wait until so many lines have had a text in them; gives the last of these."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := [line for line in self.lines if text in line]) < times:
                if all(reader.done() for reader in self._readers):
                    raise AssertionError(f"it ended without saying {text!r}: {self.lines}")
                self._news.clear()
                await self._news.wait()
        return found[times - 1]

    def count(self, text: str) -> int:
        """Say how many lines have a text in them."""
        return sum(text in line for line in self.lines)

    @property
    def workers(self) -> list[int]:
        """The processes that serve, in the order of their starts."""
        process_id = self.process.pid
        return [int(child) for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]

    async def ended(self) -> int:
        """Wait for its end, and for its last line; gives the exit status."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*self._readers)
            return await self.process.wait()

    async def _read(self, output: asyncio.StreamReader | None) -> None:
        assert output is not None
        async for line in output:
            self.lines.append(line.decode().rstrip("\n"))
            self._news.set()
        self._news.set()


@asynccontextmanager
async def served(folder: Path, *arguments: str, environment: Mapping[str, str]) -> AsyncIterator[tuple[Served, str]]:
    """Run it until it listens, give where, and end it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voice_agent.cli.main", "serve", *arguments,
        env={"PATH": os.environ["PATH"], **environment},
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    running = Served(process)
    try:
        url = (await running.says("Listening on ")).split()[2].rstrip(";")
        yield running, url
    finally:
        if process.returncode is None:
            for _ in range(2):
                process.send_signal(signal.SIGTERM)
            await running.ended()
