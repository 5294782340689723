"""Puts recordings into the object store when their calls are over, behind the calls, in threads of its own.

A recording is written to this machine's disk while its call goes on. What could not be put stays there, is counted and
named, and is tried again for as long as it takes: after a restart, too, and what a process that died has left is found
and put by the next. Only what is in the store is deleted here. Beside REDACT such a recording is redacted first, and
where there is no store, that is all. It must not know which store that is.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from voice_agent.errors import CommandError, VoiceAgentError
from voice_agent.live.clock import seconds, utc_now
from voice_agent.live.metrics import Metrics
from voice_agent.recording.spool import CallRecording
from voice_agent.store.recordings import SUFFIX, Recordings
from voice_agent.wire.bridge import Input, Output

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""Files on their way at the same time."""

RETRY_S = 15.0
"""From a round in which something failed to the next."""

LOOK_S = 60.0
"""From one look for what others have left to the next."""

QUIET_S = 120.0
"""A file that no call of this process writes is left over when nothing has been added for so long: frames come 50 times
a second. Beside REDACT, which takes its time with a finished one, it is `REDACTING_S`."""

REDACTING_S = 900.0

WRITTEN_S = 60.0
"""How long the last of a recording may take to reach the disk."""

LAST_S = 20.0
"""How long a stop waits for what is on its way."""

TakeOut = Callable[[Path], None]
"""Takes out of a recording that was left over what must not be kept, or deletes it."""


class Uploads:
    """One for a server: `run` it beside, and `close` it when all calls have ended."""

    def __init__(
        self,
        recordings: Recordings,
        metrics: Metrics,
        redact: TakeOut | None = None,
        quiet_s: float | None = None,
        *,
        looks: bool = True,
        known_elsewhere: Callable[[], Awaitable[set[Path] | None]] | None = None,
    ) -> None:
        """`looks`: see to what others have left; of several workers one does.

        `known_elsewhere`: gives what other workers write or are about to put; `None`: it cannot be said now.
        """
        self._looks = looks
        self._known_elsewhere = known_elsewhere
        self._recordings = recordings
        self._metrics = metrics
        self._redact = redact
        self._quiet_s = quiet_s if quiet_s is not None else QUIET_S if redact is None else REDACTING_S
        self._calls: set[Path] = set()
        """Those that calls of this process have, from their beginning until they are given to us: their last names."""
        self._waiting: deque[tuple[Path, Callable[[], None]]] = deque()
        self._paths: set[Path] = set()
        """Those that wait, and those on their way."""
        self._wake = asyncio.Event()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="uploads")

    @property
    def known(self) -> set[Path]:
        """Those that nobody else may put: of our calls, and what waits."""
        return self._calls | self._paths

    def begin(self, path: Path) -> None:
        """Leave a file alone that a call has begun to write."""
        self._calls.add(path.with_suffix(SUFFIX))

    def add(self, recording: CallRecording[Input | Output]) -> None:
        """Take the file of a call that has ended; returns at once."""
        path = recording.path.with_suffix(SUFFIX)
        self._calls.discard(path)
        self._queue(path, partial(self._put_ended, recording, path))
        self._wake.set()

    async def run(self) -> None:
        """Put what comes, and look for what was left, until it is cancelled."""
        looked: int | None = None
        while True:
            if self._looks and (looked is None or seconds() - looked >= LOOK_S):
                looked = seconds()
                await self._look()
            if await self._round():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()
            else:
                await asyncio.sleep(RETRY_S)
            self._wake.clear()

    async def close(self) -> None:
        """Put what is left for as long as a stop may take, and name what stays."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                await self._round()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if left := sorted(self._paths):
            names = ", ".join(path.name for path in left)
            logger.error("%d recordings stay in %s until the next start: %s", len(left), self._recordings.folder, names)

    def _queue(self, path: Path, work: Callable[[], None]) -> None:
        self._waiting.append((path, work))
        self._paths.add(path)
        self._metrics.recordings_waiting = len(self._paths)

    async def _round(self) -> bool:
        """Put all that waits; `False`: something could not be put, and nothing more was begun."""
        whole = True
        while self._waiting and whole:
            works = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            done = await asyncio.gather(*(self._carry_out(path, work) for path, work in works))
            whole = all(done)
        return whole

    async def _carry_out(self, path: Path, work: Callable[[], None]) -> bool:
        done = self._threads.submit(work)
        try:
            await asyncio.shield(asyncio.wrap_future(done))
        except (CommandError, OSError) as error:
            self._waiting.append((path, work))
            self._metrics.add("recordings_not_put")
            logger.error("the recording %s waits to be put: %s", path.name, error)  # noqa: TRY400 - the text says it all
            return False
        except asyncio.CancelledError:
            # Its thread goes on: a second one at the same file would find it half done, or gone.
            self._waiting.appendleft((path, done.result))
            raise
        except Exception:
            # A fault of ours at one file must not end the calls.
            self._metrics.add("recordings_not_put")
            logger.exception("the recording %s stays here by a fault of this program", path.name)
            return True
        self._paths.discard(path)
        self._metrics.recordings_waiting = len(self._paths)
        return True

    async def _look(self) -> None:
        elsewhere = set() if self._known_elsewhere is None else await self._known_elsewhere()
        if elsewhere is None:
            return
        known = self.known | elsewhere
        with suppress(OSError):
            left = await asyncio.get_running_loop().run_in_executor(self._threads, self._left, known)
            for path in left:
                self._queue(path.with_suffix(SUFFIX), partial(self._put_left, path))

    # --- in the threads ----------------------------------------------------------------------------------------------

    def _put_ended(self, recording: CallRecording[Input | Output], path: Path) -> None:
        if not recording.wait(WRITTEN_S):
            raise CommandError("its last part is not on the disk yet")
        self._put(path)

    def _put_left(self, path: Path) -> None:
        if self._redact is not None and path.is_file():
            try:
                self._redact(path)
            except VoiceAgentError as error:
                path.unlink(missing_ok=True)
                logger.error("not kept: the recording %s is deleted, for it cannot be redacted: %s", path, error)  # noqa: TRY400 - as above
        self._put(path.with_suffix(SUFFIX))

    def _put(self, path: Path) -> None:
        if self._recordings.objects is not None and path.is_file():
            self._recordings.put(path)
            self._metrics.add("recordings_put")

    def _left(self, known: set[Path]) -> list[Path]:
        now = utc_now()
        self._recordings.tidy(now.date())
        found = []
        for path in self._recordings.here():
            if path.with_suffix(SUFFIX) not in known:
                with suppress(FileNotFoundError):
                    if now.timestamp() - path.stat().st_mtime >= self._quiet_s:
                        found.append(path)
        return found
