"""Writes recordings: a call lists its steps, one thread for all calls makes rows of them and puts them on disk.

`CallRecording.record` only keeps what it is given. To make a row at once would take three times as long as all rows of
half a second in one go: between two frames of a call come those of all others, and its rows and the code that makes
them are out of the processor's caches. The thread goes round the calls, a few at a time, so that the calls in progress
wait for the interpreter no longer than it takes for one recording. A recording that cannot be written (disk full,
folder gone, disk too slow) stops with one problem told; the call never notices. For a full disk it waits a while first:
if there is room again, nothing is missing. What is older than a second survives the death of the process, because the
thread hands everything of a call to the operating system twice a second.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from voice_agent.errors import CommandError
from voice_agent.recording.entries import Entry
from voice_agent.recording.format import SUFFIX, Header
from voice_agent.recording.writer import END_BLOCK, RecordingWriter

INTERVAL_S = 0.5
"""Half of the promised second: the other half is for writing."""

PARTS = 10
"""In so many parts of the interval the thread goes round the calls."""

STEPS_AT_ONCE = 100
"""Steps that wait as they came, for a second at least. When the thread is later than that, because the disk is slow,
the call makes rows of them itself, which are a tenth of their size: less than a millisecond in all."""

MOST_STEPS = 10_000
"""Steps that wait for the thread as rows. A call makes 100 a second at most; a disk that is this far behind will not
catch up, and memory is finite."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The disk has no room, or not for us; others may make some."""

MOST_LATE = 2_000_000
"""Bytes of a recording that wait for room: two minutes of a call, or much more without its audio."""

LATE_S = 60.0
"""So long a recording waits for room after its call."""

OnDelay = Callable[[bool, str], None]
"""Whether the recording waits now, and one line that says so."""

_ITEMS = 3
"""Of a step in the list."""

_T = TypeVar("_T")


def recording_path(folder: Path, started_at: str, call_sid: str, part: int = 1) -> Path:
    """Name the file of a call: its beginning first, so that names sort by time, and a call may come back later.

    `started_at` is ISO 8601. `part`: which of the call's streams it is; two may begin in the same second.
    """
    moment = "".join(character for character in started_at[:19] if character.isdigit() or character == "T")
    sid = "".join(character for character in call_sid if character.isascii() and character.isalnum())
    return folder / f"{moment}-{sid}{f'-{part}' if part > 1 else ''}{SUFFIX}"


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, with all above it that is missing; raises `CommandError`."""
    try:
        for part in (*reversed(folder.parents), folder):
            if not part.exists():
                part.mkdir(mode=0o700, exist_ok=True)
        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder: name another one in DATA")
    except OSError as error:
        raise CommandError(f"{folder} cannot be made ({error.strerror}): name another folder in DATA") from None


class CallRecording(Generic[_T]):
    """The recording of one call; made by `Spool.open`."""

    def __init__(
        self,
        path: Path,
        header: Header,
        describe: Callable[[_T], Entry],
        on_problem: Callable[[str], None],
        *,
        on_delay: OnDelay,
        hurry: Callable[["CallRecording[_T]"], None],
    ) -> None:
        """`hurry` has it written soon."""
        self.path = path
        self.problem: str | None = None
        """Why it stopped before its call did; what was written until then can be read."""
        self._describe = describe
        self._on_problem = on_problem
        self._on_delay = on_delay
        self._hurry = hurry
        self._steps: list[Any] = []
        """What the writer is not fed yet: of each step its time, what was received, and what came of it.

        In one list, because the garbage collector would walk through a tuple for each step.
        """
        self._writer = RecordingWriter(header)
        self._feeding = threading.Lock()
        """Held by who feeds the writer or cuts off what came: the thread, or the call when the thread is late."""
        self._listens = True
        """Steps are still wanted."""
        self._fault: Exception | None = None
        self._began = False
        self._size = 0
        """Of what is written for certain."""
        self._late = bytearray()
        """What follows it."""
        self._waits = False
        self._sealed = False
        self._ended_at: float | None = None
        self._full = False
        self._ending = False
        self._finished = threading.Event()

    @property
    def is_there(self) -> bool:
        """Whether its file is, or will be as far as is known."""
        return self._began or (self._waits and self.problem is None)

    def record(self, now_ms: int, received: _T | Entry | None, outputs: Sequence[_T]) -> None:
        """Take one step; returns at once. The values may not change any more; an entry stays as it is."""
        if self._listens:
            # Mostly it is one, for which no tuple is made.
            self._steps.extend((now_ms, received, outputs[0] if len(outputs) == 1 else tuple(outputs)))
            if len(self._steps) >= _ITEMS * STEPS_AT_ONCE:
                if self._writer.waiting >= MOST_STEPS:
                    self._listens, self._full = False, True
                else:
                    self._feed()

    def remark(self, now_ms: int, what: str) -> None:
        """Note what no step tells, e.g. that an output was dropped or never written."""
        self.record(now_ms, Entry("remark", msgspec.json.encode({"what": what}).decode()), ())

    def _feed(self) -> None:
        """Feed the writer all that waits."""
        describe, feed = self._describe, self._writer.feed
        with self._feeding:
            count = len(self._steps)  # the call may go on meanwhile
            steps = iter(self._steps[:count])
            del self._steps[:count]
            try:
                for now_ms, received, outputs in zip(steps, steps, steps, strict=True):
                    entry = received if received is None or type(received) is Entry else describe(received)
                    sent = [describe(each) for each in outputs] if type(outputs) is tuple else (describe(outputs),)
                    feed(now_ms, entry, sent)
            except Exception as error:  # noqa: BLE001 - the call goes on; it is told where the recording stops
                self._listens, self._fault = False, error

    def end(self) -> None:
        """Say that nothing more comes; returns at once, the rest is written behind it."""
        self._ending = True
        self._hurry(self)

    def wait(self, timeout_s: float) -> bool:
        """Wait, after `end`, until the file is finished or has failed (then see `problem`); false: it took too long."""
        return self._finished.wait(timeout_s)

    # --- in the spool's thread ---------------------------------------------------------------------------------------

    def write(self, *, last: bool = False) -> bool:
        """Write what has come; true when there is nothing more to do for this recording. Only for the spool.

        `last`: nothing is written later.
        """
        try:
            done = self._write(last)
        except OSError as error:
            self._fail(error.strerror or str(error))
            return True
        except CommandError as error:
            self._fail(str(error))
            return True
        except Exception as error:  # noqa: BLE001 - one call's recording must not stop those of all others
            self._fail(f"a fault of this program: {error!r}")
            return True
        if done:
            self._finished.set()
        return done

    def _write(self, last: bool) -> bool:
        ending, full = self._ending, self._full  # before anything is taken: nothing comes in after them
        if not self._sealed:
            self._feed()
            self._sealed = ending and not full and self._fault is None
            with self._feeding:
                rows = self._writer.cut()
            self._late += self._writer.pack(rows) + (END_BLOCK if self._sealed else b"")
        if ending and self._ended_at is None:
            self._ended_at = time.monotonic()
        if self._late:
            self._append(last or full or self._fault is not None)
        if self._fault is not None:
            raise self._fault
        if full:
            raise CommandError("the disk is too slow")
        return ending and not self._late

    def _append(self, last: bool) -> None:
        try:
            if not self._began:
                make_folder(self.path.parent)
                self.path.touch(mode=0o600, exist_ok=False)
                self._began = True
            # Opened for each write: no file is held open for an hour, and it is noticed when somebody takes it away.
            # A write that failed in the middle is written over.
            _write_at(self.path, self._size, self._late)
        except OSError as error:
            over = self._ended_at is not None and time.monotonic() - self._ended_at > LATE_S
            if error.errno not in FULL or last or over or len(self._late) > MOST_LATE:
                raise
            if not self._waits:
                self._on_delay(True, f"the recording {self.path} waits: {error.strerror}")
            self._waits = True
            return
        if self._waits:
            self._on_delay(False, f"the recording {self.path} is written after all")
        self._waits = False
        self._size += len(self._late)
        self._late.clear()

    def _fail(self, why: str) -> None:
        self.problem = f"the recording {self.path} stopped: {why}"
        self._listens = False
        with self._feeding:
            self._steps.clear()
            self._writer.cut()
        self._late.clear()
        self._finished.set()
        self._on_problem(self.problem)


def _write_at(path: Path, offset: int, data: bytearray) -> None:
    """Write all of `data` into a file that is there; an `OSError` may leave a part of it.

    By `os`, because a file object asks the system ten times for one write, and each time the interpreter goes to the
    thread of the calls and back.
    """
    descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    try:
        os.lseek(descriptor, offset, os.SEEK_SET)
        written = 0
        while written < len(data):
            written += os.write(descriptor, data[written:] if written else data)
    finally:
        os.close(descriptor)


class Spool(Generic[_T]):
    """The thread. Make one a process, and `close` it at the end: that writes what is still queued."""

    def __init__(self, describe: Callable[[_T], Entry], interval_s: float = INTERVAL_S) -> None:
        """`describe` turns a bridge's inputs and outputs into entries; it is called where a step is recorded."""
        self._describe = describe
        self._interval_s = interval_s
        self._wake = threading.Event()
        self._closing = False
        self._lock = threading.Lock()
        self._open: list[CallRecording[_T]] = []
        """In the order in which they are written."""
        self._hurried: list[CallRecording[_T]] = []
        """Those that are written before."""
        # A daemon: a process that dies of something else must not wait for it.
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def open(
        self,
        path: Path,
        header: Header,
        on_problem: Callable[[str], None],
        on_delay: OnDelay = lambda _, __: None,
    ) -> CallRecording[_T]:
        """Begin a recording at a path that does not exist yet; its folders are made, and its file at once.

        `on_problem` is called at most once, in the thread, with one line; `on_delay` whenever it begins to wait for
        room on the disk, and when it has found some.
        """
        recording = CallRecording(path, header, self._describe, on_problem, on_delay=on_delay, hurry=self._hurry)
        with self._lock:
            self._open.append(recording)
        self._hurry(recording)
        return recording

    def close(self) -> None:
        """Write what is queued and stop; recordings that were not ended stay without an end, as after a crash."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _hurry(self, recording: CallRecording[_T]) -> None:
        with self._lock:
            self._hurried.append(recording)
        self._wake.set()

    def _run(self) -> None:
        closing, spent_s = False, 0.0
        while not closing:
            parts = max(1, min(PARTS, len(self._open)))
            self._wake.wait(max(0.0, self._interval_s / parts - spent_s))
            began_s = time.monotonic()
            self._wake.clear()
            closing = self._closing
            with self._lock:
                count = len(self._open) if closing else -(-len(self._open) // parts)
                turn, others = self._open[:count], self._open[count:]
                hurried = [recording for recording in self._hurried if recording in self._open]
                self._hurried.clear()
                self._open = others + turn
            # Each once, though one may be in both.
            done = {recording for recording in dict.fromkeys(hurried + turn) if recording.write(last=closing)}
            with self._lock:
                self._open = [recording for recording in self._open if recording not in done]
            spent_s = time.monotonic() - began_s
