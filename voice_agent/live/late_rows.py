"""Calls that the history could not take when they ended: kept here, and written as soon as it can be used again.

They are told, counted and bounded. What is left when the server stops goes into a file, which the next server begins
with, and keeps beside it until the history has them: so none is lost where that one dies, too. The history takes a call
twice for once. It must not know what a row holds, nor why the store refuses it.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from voice_agent.errors import CommandError
from voice_agent.live.metrics import Metrics
from voice_agent.store.history import PastCall

logger = logging.getLogger(__name__)

FILE_NAME = "late-calls.jsonl"
"""Under `DATA`, a call a line; only while there are such calls and no server."""

TAKEN = ".taken"
"""Behind the name of the file that a server has taken over; only until it has done with it."""

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
        self._taken = path.with_name(path.name + TAKEN)
        self._has_taken = False
        """Whether what stands in that file waits here."""
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
            taken = await asyncio.to_thread(self._take_over)
            self._has_taken = taken is not None
            self._waiting.extend(taken or ())
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
            self._drop_taken()
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
            self._drop_taken()

    def _lose(self, row: PastCall, why: str) -> None:
        self._metrics.add("history_lost")
        logger.error("the call is not in the history: %s", why, extra={"call": row.call_sid})

    def _write(self, rows: list[PastCall]) -> None:
        self._path.touch(mode=0o600)
        # At once, for several workers may.
        with self._path.open("ab", buffering=0) as file:
            file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))

    def _take_over(self) -> list[PastCall] | None:
        """Take over what another server has left, and one that died meanwhile; `None`: there is nothing."""
        try:
            if self._path.exists() and self._taken.exists():
                with self._taken.open("ab") as file:
                    file.write(self._path.read_bytes())
                self._path.unlink()
            elif self._path.exists():
                self._path.replace(self._taken)
            lines = self._taken.read_bytes().splitlines()
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.error("%s cannot be taken over: %s", self._path, error.strerror or error)  # noqa: TRY400 - the text says it all
            return None
        rows: list[PastCall] = []
        for line in lines:
            try:
                rows.append(msgspec.json.decode(line, type=PastCall))
            except (ValueError, RecursionError) as error:
                logger.error("%s holds a call that cannot be read: %s", self._path, error)  # noqa: TRY400 - as above
        return rows

    def _drop_taken(self) -> None:
        if self._has_taken:
            self._has_taken = False
            with suppress(OSError):
                self._taken.unlink()
