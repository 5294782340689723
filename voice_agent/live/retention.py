"""Deletes what must not be kept any longer: recordings and rows of the history, so many days after their call.

It must not know what is in them.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from voice_agent.errors import CommandError
from voice_agent.live.clock import utc_now
from voice_agent.store.recordings import Recordings, began

logger = logging.getLogger(__name__)

EVERY_S = 24 * 3600
"""Once a day is often enough for what is counted in days."""


class Rows(Protocol):
    """What is needed of the history."""

    async def recordings_before(self, moment: datetime) -> list[str]:
        """Give the paths of the recordings of calls that began earlier."""
        ...

    async def forget_before(self, moment: datetime) -> int:
        """Delete the rows of calls that began earlier; says how many."""
        ...


class Retention:
    """One for a server: `run` it beside, or `delete` once."""

    def __init__(self, days: int, recordings: Recordings, rows: Rows, now: Callable[[], datetime] = utc_now) -> None:
        self._days = days
        self._recordings = recordings
        self._rows = rows
        self._now = now

    async def run(self, every_s: float = EVERY_S) -> None:
        """Delete now and once a day, until it is cancelled. What fails is told, and tried again the next day."""
        while True:
            try:
                files, rows = await self.delete()
                if files or rows:
                    logger.info("deleted after %d days: %d files and %d calls of the history", self._days, files, rows)
            except CommandError as error:
                logger.error("calls that are older than KEEP_DAYS are not deleted: %s", error)  # noqa: TRY400 - the text says it all
            await asyncio.sleep(every_s)

    async def delete(self) -> tuple[int, int]:
        """Delete what is too old; says how many files and rows. A row stays as long as its recording does."""
        moment = self._now() - timedelta(days=self._days)
        told = await self._rows.recordings_before(moment)
        files = await asyncio.to_thread(self._delete, told, moment)
        return files, await self._rows.forget_before(moment)

    def _delete(self, told: Iterable[str], moment: datetime) -> int:
        recordings, elsewhere = self._recordings, []
        ours = None if recordings.objects is None else recordings.objects.address("")
        for each in told:
            if "://" not in each:
                elsewhere.append(Path(each))
            elif ours is None or not each.startswith(ours):
                raise CommandError(f"{each} lies in another object store: set RECORDINGS_URL as it was then")
        try:
            recordings.forget_fetched()
            return _delete(recordings.folder, elsewhere, moment) + recordings.delete_before(moment)
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be deleted ({error.strerror})") from None


def _delete(folder: Path, elsewhere: Iterable[Path], moment: datetime) -> int:
    """Delete the old recordings of a folder, and some files more."""
    # Folders may go meanwhile: what puts recordings into an object store tidies up, too.
    found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    old = {path for path in found if (at := began(path.name)) is not None and at < moment}
    deleted = 0
    for path in sorted(old.union(elsewhere)):
        try:
            path.unlink()
        except FileNotFoundError:
            continue  # somebody else was first
        deleted += 1
        if path.parent != folder:
            with contextlib.suppress(OSError):
                path.parent.rmdir()  # if nothing is left in it
    return deleted
