"""A small parent of the server: holds the listening socket, and starts workers again that have died.

So a call's next request waits in the socket's backlog meanwhile, instead of being refused. A worker is a fork: all of
its program is loaded already, so that it is there again in a moment, and the others do not notice. The parent has no
thread and no event loop, and hears nothing but signals. It passes them on by each worker's line to it, so that a worker
which is sent one itself knows that it alone is meant. It must not know what workers do.
"""

import contextlib
import logging
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType

from voice_agent.errors import CommandError

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)

QUICK_S = 10.0
"""A server that lives shorter than this has not worked."""

DELAYS_S = (0.0, 0.0, 1.0, 2.0, 4.0, 8.0)
"""Before a server is started again, by how many have died quickly in a row."""

READY = b"r"
STOP = b"s"

Work = Callable[[int, socket.socket], int]
"""Serves until a signal comes, and gives the exit status.

What it gets is its number, from 0 on, and the line to its parent: it writes `READY` when it serves, and stops when it
reads `STOP`, once for each signal to the parent, or when the other end is closed.
"""


def supervise(
    work: Work, let_go: Callable[[], None], workers: int = 1, died: Callable[[int], None] = lambda _: None
) -> int:
    """Have `work` done by so many forks, and again by another whenever one dies; gives an exit status when all end.

    The others begin when the first one serves; if it dies or ends before, that was all. One that ends by itself is
    started again only where there are several. `let_go`: closes the socket in the parent when there will be no further
    worker, so that nothing waits for one. `died` is told a worker's number before another takes its place.
    """
    woken, waker = socket.socketpair()
    parent = _Parent(work, let_go, workers, died, woken)
    former = {number: signal.signal(number, parent.pass_on) for number in SIGNALS}
    former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
    with woken, waker:
        woken.setblocking(False)
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            return parent.run()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in former.items():
                signal.signal(number, handler)


class _Worker:
    """One place, and who has it now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process_id = 0
        """0: nobody."""
        self.line: socket.socket | None = None
        self.serves = False
        self.served = False
        """One of those who had the place has served."""
        self.began = 0.0
        self.quick = 0
        self.due = 0.0
        """When the next one is started, if there is nobody."""

    def begins(self) -> bool:
        """Wait until it serves, or ends; says whether it does."""
        if self.line is not None:
            select.select([self.line], [], [])
            self.hear()
        return self.served

    def hear(self) -> None:
        """Look whether it serves."""
        if self.line is not None and not self.serves:
            with contextlib.suppress(OSError):
                self.serves = self.line.recv(1) == READY
            self.served = self.serves or self.served

    def stop(self) -> None:
        """Tell it to stop; the second time it does so at once. One that is just being started reads it then."""
        if self.line is not None:
            with contextlib.suppress(OSError):  # it is gone
                self.line.send(STOP)

    def lost(self) -> None:
        """Note that it is gone, and when another one may come."""
        now = time.monotonic()
        self.quick = self.quick + 1 if now - self.began < QUICK_S else 0
        self.due = now + DELAYS_S[min(self.quick, len(DELAYS_S) - 1)]
        self.process_id = 0
        self.serves = False
        if self.line is not None:
            self.line.close()
        self.line = None


class _Parent:
    def __init__(
        self, work: Work, let_go: Callable[[], None], workers: int, died: Callable[[int], None], woken: socket.socket
    ) -> None:
        """`woken`: can be read when a signal has come, also that a worker has ended."""
        self._woken = woken
        self._work = work
        self._let_go = let_go
        self._died = died
        self._workers = [_Worker(number) for number in range(workers)]
        self._stopping = False
        self._all_served = False

    def pass_on(self, number: int, frame: FrameType | None) -> None:
        """Pass a signal on to all: each of them, for a second one ends at once."""
        del number, frame
        self._stopping = True
        there = [worker for worker in self._workers if worker.process_id]
        for worker in there:
            worker.stop()
        if there:
            self._let_go()

    def run(self) -> int:
        first, *others = self._workers
        self._start(first)
        if others and not first.begins():
            # What keeps one from serving would keep all, and each would say so.
            self._workers = [first]
        status = 0
        while any(worker.process_id for worker in self._workers) or not self._stopping:
            self._wait()
            self._hear()
            for worker, left in self._ended():
                status = status or self._take_leave(worker, left)
            for worker in self._workers:
                if not self._stopping and not worker.process_id and time.monotonic() >= worker.due:
                    self._start(worker)
        return status

    def _take_leave(self, worker: _Worker, status: int) -> int:
        """See to one that has ended; gives the exit status if all end by it, or have to."""
        self._hear()
        served = any(each.served for each in self._workers)
        worker.lost()
        self._died(worker.number)
        given = status if status >= 0 else 128 - status
        if self._stopping:
            return given
        several = len(self._workers) > 1
        if not served or (status == 0 and not several):
            self._stopping = True
            return given
        who = f"worker {worker.number + 1}" if several else "the server"
        if status == 0:
            logger.warning("%s has stopped: another one is started in its place", who)
            return 0
        why = f"died of signal {-status}" if status < 0 else f"ended with status {status}"
        logger.error("%s %s: it is started again", who, why)
        return 0

    def _start(self, worker: _Worker) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        worker.began = time.monotonic()
        # A signal that comes meanwhile is passed on when it can be, and not taken by a fork that is still us.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            # One that has come just before is passed on already, to those who were there.
            if not self._stopping:
                self._fork(worker)
        except OSError as error:
            why = error.strerror or str(error)
            if not any(each.served for each in self._workers):
                raise CommandError(f"no process can be started ({why}): see ulimit -u and ulimit -n") from None
            # What is short now may not be in a while, and the others go on.
            logger.error("worker %d cannot be started (%s): it is tried again", worker.number + 1, why)  # noqa: TRY400 - the text says it all
            worker.lost()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _fork(self, worker: _Worker) -> None:
        ours, theirs = socket.socketpair()
        try:
            process_id = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if process_id == 0:
            # Who keeps an end of the parent's would not let the others notice that it is gone.
            for line in (ours, *(each.line for each in self._workers)):
                if line is not None:
                    line.close()
            _be_child(self._work, worker.number, theirs)
        theirs.close()
        ours.setblocking(False)
        worker.process_id, worker.line = process_id, ours

    def _wait(self) -> None:
        """Wait until a signal comes, one serves, or one may be started again."""
        due = [worker.due for worker in self._workers if not worker.process_id and not self._stopping]
        beginning = [worker.line for worker in self._workers if worker.line is not None and not worker.serves]
        select.select([self._woken, *beginning], [], [], max(0.0, min(due) - time.monotonic()) if due else None)
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(64):
                pass

    def _hear(self) -> None:
        """Say who serves now, where there are several."""
        several, before = len(self._workers) > 1, [worker for worker in self._workers if worker.serves]
        for worker in self._workers:
            worker.hear()
            if several and worker.serves and worker not in before and self._all_served:
                logger.info("worker %d serves again", worker.number + 1)
        if several and not self._all_served and all(worker.served for worker in self._workers):
            self._all_served = True
            logger.info("all %d workers serve", len(self._workers))

    def _ended(self) -> Iterator[tuple[_Worker, int]]:
        """Give who has ended, and with which status."""
        while any(worker.process_id for worker in self._workers):
            process_id, status = os.waitpid(-1, os.WNOHANG)
            if not process_id:
                return
            for worker in self._workers:
                if worker.process_id == process_id:
                    yield worker, os.waitstatus_to_exitcode(status)


def _be_child(work: Work, number: int, line: socket.socket) -> None:
    """Do the work; does not return."""
    status = 1
    try:
        # The terminal's Ctrl-C goes to the parent alone, which passes it on: it must not come twice.
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for each in (*SIGNALS, signal.SIGCHLD):
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        status = work(number, line)
    except Exception:  # noqa: BLE001 - nobody above prints it
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not what the parent's program has prepared for its own end.
        os._exit(status)
