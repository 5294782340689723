"""A small parent of the server: holds the listening socket, and starts the server again when it has died.

So a call's next request waits in the socket's backlog meanwhile, instead of being refused. The server is a fork: all of
its program is loaded already, so that it is there again in a moment. The parent has no thread and no event loop, and
hears nothing but signals, which it passes on. It must not know what the server does.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)

QUICK_S = 10.0
"""A server that lives shorter than this has not worked."""

DELAYS_S = (0.0, 0.0, 1.0, 2.0, 4.0, 8.0)
"""Before a server is started again, by how many have died quickly in a row."""

READY = b"r"

Work = Callable[[socket.socket], int]
"""Serves until a signal comes, and gives the exit status.

What it gets is the line to its parent: it writes `READY` when it serves, and stops when the other end is closed.
"""


def supervise(work: Work, let_go: Callable[[], None]) -> int:
    """Have `work` done by a fork, and again whenever it dies; gives its exit status when it was stopped.

    One that dies or ends before it has ever served is not started again. `let_go`: closes the socket in the parent when
    there will be no further server, so that nothing waits for one.
    """
    parent = _Parent(work, let_go)
    former = {number: signal.signal(number, parent.pass_on) for number in SIGNALS}
    try:
        return parent.run()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class _Parent:
    def __init__(self, work: Work, let_go: Callable[[], None]) -> None:
        self._work = work
        self._let_go = let_go
        self._child = 0
        self._stopping = False

    def pass_on(self, number: int, frame: FrameType | None) -> None:
        """Pass a signal on: each of them, for a second one ends at once."""
        del frame
        self._stopping = True
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, number)
            self._let_go()

    def run(self) -> int:
        served = False
        quick = 0
        while True:
            began = time.monotonic()
            status, ready = self._live()
            served = served or ready
            if self._stopping or not served or status == 0:
                return status if status >= 0 else 128 - status
            quick = quick + 1 if time.monotonic() - began < QUICK_S else 0
            why = f"died of signal {-status}" if status < 0 else f"ended with status {status}"
            logger.error("the server %s: it is started again", why)
            self._pause(DELAYS_S[min(quick, len(DELAYS_S) - 1)])
            if self._stopping:
                return 0

    def _live(self) -> tuple[int, bool]:
        """Hold one life of the server; gives its exit status, negative for a signal, and whether it served."""
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            ours.close()
            _be_child(self._work, theirs)
        self._child = child
        if self._stopping:
            # The signal came while there was nobody to pass it on to.
            self.pass_on(signal.SIGTERM, None)
        with ours:
            theirs.close()
            _, status = os.waitpid(child, 0)
            self._child = 0
            ours.setblocking(False)
            try:
                ready = ours.recv(1) == READY
            except OSError:
                ready = False
        return os.waitstatus_to_exitcode(status), ready

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            time.sleep(0.05)


def _be_child(work: Work, line: socket.socket) -> None:
    """Do the work; does not return."""
    status = 1
    try:
        # The terminal's Ctrl-C goes to the parent alone, which passes it on: it must not come twice.
        os.setpgid(0, 0)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        status = work(line)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not what the parent's program has prepared for its own end.
        os._exit(status)
