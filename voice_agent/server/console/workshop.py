"""Where what a page shows of a recorded call is made: in a process of its own, one after another, and kept for a while.

Calls in progress share nothing with it but the machine, on which it goes last. What was made lies in a folder that is
deleted with the server. It must not know what is shown.
"""

import asyncio
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from voice_agent.errors import CommandError
from voice_agent.recording.redact import Wanted
from voice_agent.review.past_calls import recorded_call
from voice_agent.review.viewing import PEAKS, WAV, course_json, heard_json, lie_low, redacted_copy, write_sound
from voice_agent.store.history import PastCall

MOST_KEPT = 12
"""Calls whose sound and course are kept; the one that nobody asked for longest goes. Half an hour of sound is 60 MB."""

SECONDS = 120.0
"""Longest wait for one thing."""

P = ParamSpec("P")
T = TypeVar("T")


def another_process() -> Executor:
    """Make what the work is usually done by."""
    # A fork would copy threads' locks and the sockets of calls.
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=lie_low)


class Workshop:
    """One for a server. All methods raise `PeerError` or `CommandError` with one line."""

    def __init__(self, executor: Callable[[], Executor] = another_process) -> None:
        self._make_executor = executor
        self._executor: Executor | None = None
        self._folder: Path | None = None
        self._copied: tuple[_Made, Wanted, tuple[bytes, str]] | None = None
        self._made: OrderedDict[tuple[str, str], _Made] = OrderedDict()

    def make_ready(self) -> None:
        """Start the process, if there is none: that takes a while, and somebody may soon want something of it."""
        if self._executor is None:
            self._executor = self._make_executor()
            self._executor.submit(os.getpid)

    async def summary(self, recording: Path) -> PastCall:
        """Give what the history would say of the call."""
        return await self._of(recording).summary(self)

    async def course(self, recording: Path) -> bytes:
        """Give the course of a call, as JSON."""
        return await self._of(recording).course(self)

    async def heard(self, recording: Path) -> bytes:
        """Give the words of answers that were cut, as JSON."""
        return await self.run(heard_json, recording)

    async def sound(self, recording: Path, version: str = "") -> tuple[Path, str]:
        """Give the folder with the call's WAV and its peaks, and of which version of a recording that grows they are.

        `version`: of what was asked for before, which is given again if it is kept still.
        """
        made = self._of(recording, version)
        return await made.sound(self), made.version

    async def redacted(self, recording: Path, wanted: Wanted) -> tuple[bytes, str]:
        """Give a copy that may leave the house, and a draft of what is expected of it; the latest is kept."""
        made = self._of(recording)
        if self._copied is None or self._copied[0] is not made or self._copied[1] != wanted:
            self._copied = made, wanted, await self.run(redacted_copy, recording, wanted)
        return self._copied[2]

    def close(self) -> None:
        """Stop working, and forget all that was made."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._executor = self._folder = self._copied = None
        self._made.clear()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do one thing when its turn comes."""
        assert not kwargs, "executors take none"
        if self._executor is None:
            self._executor = self._make_executor()
        executor = self._executor
        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.get_running_loop().run_in_executor(executor, work, *args)
        except TimeoutError:
            raise CommandError("too many calls are being looked at; try again in a minute") from None
        except BrokenProcessPool:
            # E.g. killed for want of memory. The next one gets another, if somebody else has not got it already.
            if self._executor is executor:
                self._executor = None
            raise CommandError("the process that reads recordings died; try again") from None

    def new_folder(self) -> Path:
        """Make a folder for one call, which nobody else can read."""
        if self._folder is None or not self._folder.is_dir():  # systems clear /tmp of what is old
            self._folder = Path(tempfile.mkdtemp(prefix="voice-agent-console-"))
        return Path(tempfile.mkdtemp(dir=self._folder))

    def _of(self, recording: Path, version: str = "") -> "_Made":
        if (str(recording), version) not in self._made:
            try:
                found = recording.stat()
            except OSError:
                raise CommandError("the recording is not there any more") from None
            # One that still grows is another one each time.
            version = f"{found.st_mtime_ns}-{found.st_size}"
        key = (str(recording), version)
        made = self._made.setdefault(key, _Made(recording, version))
        self._made.move_to_end(key)
        for old in [key for key, each in self._made.items() if not each.is_being_made][:-MOST_KEPT]:
            self._made.pop(old).forget()
        return made


class _Made:
    """What was made of one recording; each thing once, however many ask for it at once."""

    def __init__(self, recording: Path, version: str) -> None:
        self.version = version
        self._recording = recording
        self._summary: PastCall | None = None
        self._course: bytes | None = None
        self._folder: Path | None = None
        self._summing_up, self._telling, self._sounding = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    @property
    def is_being_made(self) -> bool:
        """Whether somebody waits for a part of it."""
        return self._summing_up.locked() or self._telling.locked() or self._sounding.locked()

    async def summary(self, workshop: Workshop) -> PastCall:
        async with self._summing_up:
            if self._summary is None:
                self._summary = await workshop.run(recorded_call, self._recording)
            return self._summary

    async def course(self, workshop: Workshop) -> bytes:
        async with self._telling:
            if self._course is None:
                self._course = await workshop.run(course_json, self._recording)
            return self._course

    async def sound(self, workshop: Workshop) -> Path:
        async with self._sounding:
            if self._folder is None or not all((self._folder / name).is_file() for name in (WAV, PEAKS)):
                self.forget()
                try:
                    self._folder = await self._sound(workshop)
                except OSError as error:
                    where = tempfile.gettempdir()
                    raise CommandError(f"the sound cannot be kept in {where}: {error.strerror or error}") from None
            return self._folder

    async def _sound(self, workshop: Workshop) -> Path:
        folder = workshop.new_folder()
        try:
            await workshop.run(write_sound, self._recording, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder

    def forget(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
