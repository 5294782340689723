"""Calls that the history could not take when they ended: kept here, and written as soon as it can be used again.

They are told, counted and bounded. What is left when the server stops goes into a file, which the next server begins
with. It must not know what a row holds, nor why the store refuses it.
"""

import asyncio
import logging
from collections import deque
from pathlib import Path
from typing import Protocol

import msgspec

from voice_agent.errors import CommandError
from voice_agent.live.metrics import Metrics
from voice_agent.store.history import PastCall

logger = logging.getLogger(__name__)

FILE_NAME = "late-calls.jsonl"
"""Under `DATA`, a call a line; only while there are such calls and no server."""

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
        path: Path,
        *,
        retry_s: float = RETRY_S,
        most: int = MOST,
        takes_over: bool = True,
    ) -> None:
        """`path`: of the file between two servers. `takes_over`: begin with it; of several workers one does."""
        self._takes_over = takes_over
        self._history = history
        self._metrics = metrics
        self._path = path
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

    async def run(self) -> None:
        """Try again what waits, until it is cancelled."""
        if self._takes_over:
            self._waiting.extend(await asyncio.to_thread(self._read))
        if self._waiting:
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
        if self._waiting:
            self._some.set()
        else:
            self._some.clear()

    def _lose(self, row: PastCall, why: str) -> None:
        self._metrics.add("history_lost")
        logger.error("the call is not in the history: %s", why, extra={"call": row.call_sid})

    def _write(self, rows: list[PastCall]) -> None:
        self._path.touch(mode=0o600)
        # At once, for several workers may.
        with self._path.open("ab", buffering=0) as file:
            file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))

    def _read(self) -> list[PastCall]:
        """Take over what another server has left."""
        rows: list[PastCall] = []
        try:
            lines = self._path.read_bytes().splitlines()
            self._path.unlink()
        except OSError:
            return rows
        for line in lines:
            try:
                rows.append(msgspec.json.decode(line, type=PastCall))
            except (ValueError, RecursionError) as error:
                logger.error("%s holds a call that cannot be read: %s", self._path, error)  # noqa: TRY400 - the text says it all
        return rows
