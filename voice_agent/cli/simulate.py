"""`voice-agent simulate`: hold made-up calls with faults on a virtual clock, and look whether a rule is ever broken.

Each call follows from its seed alone, so the first seed and the number of calls say which calls are held, in whatever
order and by however many processes.
"""

import argparse
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context
from pathlib import Path

import msgspec

from voice_agent.cli.simulated_breaks import keep_smallest, read_made_up
from voice_agent.cli.simulated_totals import Totals, hold_chunk, report, start_worker
from voice_agent.errors import CommandError

SUMMARY = "hold made-up calls with faults on a virtual clock, and look for broken rules"

CHUNK = 25
"""Calls that a process takes at a time: about a second's work."""

AHEAD = 4
"""Chunks that wait for each process."""

SAVE_S = 10
"""How often the state of a run is written that can be resumed."""

QUIET_S = 30
"""How often progress is told where no person looks on."""


class State(msgspec.Struct):
    """A run that can be resumed."""

    seed: int
    wires: int
    done: int = 0
    """The seeds from the first on that are done."""
    totals: Totals = msgspec.field(default_factory=Totals)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--calls", type=int, default=1000, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the first call; the next has S + 1 (1)")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one a core)")
    parser.add_argument(
        "--wires", type=int, default=10, metavar="N", help="every N-th seed goes through the wires, too (10; 0: none)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("data/simulated"), metavar="DIR", help="for what breaks (%(default)s)"
    )
    parser.add_argument("--resume", type=Path, metavar="FILE", help="go on where the run of this file has stopped")
    parser.add_argument("--again", type=Path, metavar="FILE", help="hold one call that was kept, instead")


def run(
    *,
    calls: int = 1000,
    seed: int = 1,
    workers: int = 0,
    wires: int = 10,
    out: Path = Path("data/simulated"),
    resume: Path | None = None,
    again: Path | None = None,
) -> int:
    """Hold them all; 0 when no rule was broken, 1 otherwise; when it was stopped, 130 by Ctrl-C and 143 by SIGTERM."""
    for name, value, least in (("calls", calls, 1), ("seed", seed, 0), ("workers", workers, 0), ("wires", wires, 0)):
        if value < least:
            raise CommandError(f"--{name} {value}: give {least} or more")
    start_worker(from_here=True)
    if again is not None:
        return keep_smallest(read_made_up(again), out, wired=True)
    state = _state(resume, seed, wires)
    heard: list[int] = []

    def interrupt(number: int, _: object) -> None:
        heard.append(number)
        raise KeyboardInterrupt(number)

    try:
        with _heard({signal.SIGINT, signal.SIGTERM}, interrupt):
            for totals in _hold(state, calls, workers or os.cpu_count() or 1, resume):
                state.totals.add(totals)
                if heard:
                    break  # what was raised is lost, as in a destructor
    except KeyboardInterrupt as raised:
        heard.append(_number(raised))
    if resume is not None:
        _save(resume, state)
    print(report(state.totals, state.seed, state.done))
    if heard:
        if resume is not None:
            print(f"stopped; the same command goes on from here ({resume})")
        return 128 + heard[0]
    return _tell_breaks(state, out) if state.totals.broken else 0


def _tell_breaks(state: State, out: Path) -> int:
    """Make one call of each kind of break smaller, and keep it."""
    kinds = {broken.rule: broken for broken in reversed(state.totals.broken)}
    for broken in kinds.values():
        wired = state.wires > 0 and broken.seed % state.wires == 0
        keep_smallest(broken.seed, out, wired=wired, wires=state.wires)
    return 1


# --- the run ---------------------------------------------------------------------------------------------------------


def _hold(state: State, calls: int, workers: int, resume: Path | None) -> Iterator[Totals]:
    """Give the totals of chunk after chunk, in the order of their seeds."""
    last = state.seed + calls
    starts = range(state.seed + state.done, last, CHUNK)
    chunks = [(first, min(first + CHUNK, last)) for first in starts]
    progress = _Progress(calls)
    saved_s = time.monotonic()
    for (first, end), totals in zip(chunks, _totals(chunks, state.wires, workers), strict=True):
        yield totals
        state.done += end - first
        progress.tell(state)
        if resume is not None and time.monotonic() - saved_s > SAVE_S:
            saved_s = time.monotonic()
            _save(resume, state)
    progress.end()


def _totals(chunks: list[tuple[int, int]], wires: int, workers: int) -> Iterator[Totals]:
    if min(workers, len(chunks)) <= 1:
        for first, end in chunks:
            yield hold_chunk(first, end, wires)
        return
    # Not forked: a fork would take along the threads' locks of whoever calls this.
    pool = ProcessPoolExecutor(min(workers, len(chunks)), get_context("spawn"), start_worker)
    waiting: deque[Future[Totals]] = deque()
    try:
        for first, end in chunks:
            with _uninterrupted():
                waiting.append(pool.submit(hold_chunk, first, end, wires))
            if len(waiting) > workers * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise CommandError("a process of the simulation was killed: the machine may be short of memory") from None
    finally:
        # A stopped run does not wait for the calls that nobody asks for any more.
        if waiting:
            for process in active_children():
                process.terminate()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let processes be born whole, and deaf to Ctrl-C, which a terminal sends to all; afterwards it is heard here."""
    heard: list[int] = []
    with _heard({signal.SIGINT, signal.SIGTERM}, lambda number, _: heard.append(number)):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit what is blocked
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if heard:
        raise KeyboardInterrupt(heard[0])


@contextmanager
def _heard(signals: set[signal.Signals], by: Callable[[int, object], None]) -> Iterator[None]:
    before = {number: signal.signal(number, by) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _number(interrupt: KeyboardInterrupt) -> int:
    """Of the signal: Ctrl-C tells none."""
    return int(interrupt.args[0]) if interrupt.args else int(signal.SIGINT)


class _Progress:
    """One line that is written over where a person looks on, else a line now and then."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._overwrites = sys.stderr.isatty()
        self._told_s = float(-QUIET_S)

    def tell(self, state: State) -> None:
        """Say how far it is."""
        if not self._overwrites and (time.monotonic() - self._told_s < QUIET_S or state.done == self._calls):
            return
        self._told_s = time.monotonic()
        text = f"{state.done:,} of {self._calls:,} calls, {len(state.totals.broken):,} broken"
        print(f"\r{text}" if self._overwrites else text, end="" if self._overwrites else "\n", file=sys.stderr)
        sys.stderr.flush()

    def end(self) -> None:
        """Leave nothing behind on a person's screen."""
        if self._overwrites:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


# --- a run that is resumed -------------------------------------------------------------------------------------------


def _state(path: Path | None, seed: int, wires: int) -> State:
    if path is None or not path.exists():
        return State(seed, wires)
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError) as error:
        raise CommandError(f"{path} cannot be resumed ({error}): delete it, or name another file") from None
    if (state.seed, state.wires) != (seed, wires):
        was = f"--seed {state.seed} --wires {state.wires}"
        raise CommandError(f"{path} is of a run with {was}: give these, or name another file")
    return state


def _save(path: Path, state: State) -> None:
    beside = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(msgspec.json.encode(state))
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise CommandError(f"{path} cannot be written ({error.strerror}): name another file in --resume") from None
