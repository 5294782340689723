"""Calls that the history could not take when they ended: kept here, and written as soon as it can be used again.

They are told, counted and bounded, and stand in a file of this process until the history has them: so none is lost when
it dies. Whoever starts next takes over all such files, also of workers that are alive: the history takes a call twice
for once. It must not know what a row holds, nor why the store refuses it.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from voice_agent.errors import CommandError
from voice_agent.live.metrics import Metrics
from voice_agent.store.history import PastCall

logger = logging.getLogger(__name__)

FILES = "late-calls*.jsonl"
"""Under `DATA`, a call a line; only while there are such calls."""

RETRY_S = 5.0
"""From one look at a store that refuses to the next."""

GIVES_UP = 2
"""Calls in a row that are refused: then it is the store."""

MOST = 10_000
"""Calls that wait. A further one is lost, and named."""


class Rows(Protocol):
    """What is needed of the history."""

    async def add(self, call: PastCall) -> None:
        """Add one; raises `CommandError`."""
        ...


class LateRows:
    """One for a server. `run` it beside; `close` it when no more calls end."""

    def __init__(
        self,
        history: Rows,
        metrics: Metrics,
        folder: Path,
        *,
        retry_s: float = RETRY_S,
        most: int = MOST,
        process: int | None = None,
    ) -> None:
        """`process`: whose file it is; `None`: this one's."""
        self._history = history
        self._metrics = metrics
        self._path = folder / FILES.replace("*", f"-{os.getpid() if process is None else process}")
        self._is_whole = True
        """Whether all that waits stands in the file."""
        self._file = asyncio.Lock()
        self._retry_s = retry_s
        self._most = most
        self._waiting: deque[PastCall] = deque()
        self._some = asyncio.Event()

    async def add(self, row: PastCall) -> None:
        """Write a call down, now or later."""
        try:
            await self._history.add(row)
        except CommandError as error:
            extra = {"call": row.call_sid}
            if len(self._waiting) >= self._most:
                self._lose(row, f"{error}; {self._most} calls wait already")
                return
            self._metrics.add("history_delayed")
            logger.warning("the call waits for the history: %s", error, extra=extra)
            self._waiting.append(row)
            self._some.set()
            async with self._file:
                if row in self._waiting:
                    try:
                        await asyncio.to_thread(self._write, [row])
                    except OSError:
                        self._is_whole = False  # `close` tries it again

    async def run(self) -> None:
        """Try again what waits, until it is cancelled."""
        async with self._file:
            taken = await asyncio.to_thread(self._take_over)
            self._waiting.extend([row for row in taken if row not in self._waiting])
        await self._try()
        while True:
            await self._some.wait()
            await asyncio.sleep(self._retry_s)
            await self._try()

    async def close(self) -> None:
        """Try it a last time, and put the rest into the file."""
        await self._try()
        if not self._waiting:
            return
        try:
            if not self._is_whole:
                await asyncio.to_thread(self._write, list(self._waiting))
        except OSError as error:
            for row in self._waiting:
                self._lose(row, f"{self._path} cannot be written either: {error.strerror or error}")
        else:
            logger.warning("%d calls wait for the history in %s", len(self._waiting), self._path)
        self._waiting.clear()

    async def _try(self) -> None:
        refused = 0
        for row in list(self._waiting):
            try:
                await self._history.add(row)
            except CommandError:
                # One that is refused for what it holds must not keep the others waiting.
                refused += 1
                if refused == GIVES_UP:
                    break
                continue
            refused = 0
            self._waiting.remove(row)
            logger.info("the history has taken the call after all", extra={"call": row.call_sid})
        async with self._file:
            if self._waiting:
                self._some.set()
                return
            self._some.clear()
            self._is_whole = True
            with suppress(OSError):
                self._path.unlink()

    def _lose(self, row: PastCall, why: str) -> None:
        self._metrics.add("history_lost")
        logger.error("the call is not in the history: %s", why, extra={"call": row.call_sid})

    def _write(self, rows: list[PastCall]) -> None:
        self._path.touch(mode=0o600)
        with self._path.open("ab", buffering=0) as file:
            # A line begins behind what a full disk has left of another.
            file.write(b"".join(b"\n" + msgspec.json.encode(row) for row in rows))

    def _take_over(self) -> list[PastCall]:
        """Take what others have left, or still have, into the file of this process, where some may stand already."""
        rows: list[PastCall] = []
        for path in sorted(self._path.parent.glob(FILES)):
            try:
                found = [*self._read(path)]
            except FileNotFoundError:
                continue  # somebody else was first
            except OSError as error:
                logger.error("%s cannot be taken over: %s", path, error.strerror or error)  # noqa: TRY400 - the text says it all
                continue
            rows += found
            if path != self._path:
                with suppress(OSError):
                    self._write(found)
                    path.unlink()
        return rows

    def _read(self, path: Path) -> Iterator[PastCall]:
        for line in filter(None, path.read_bytes().splitlines()):
            try:
                yield msgspec.json.decode(line, type=PastCall)
            except (ValueError, RecursionError) as error:
                logger.error("%s holds a call that cannot be read: %s", path, error)  # noqa: TRY400 - as above
