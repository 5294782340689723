"""What a server's processes use, and how late one's own event loop is.

CPU and memory are read from proc(5), so on Linux only; elsewhere they are `None`.
"""

import asyncio
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

EVERY_S = 0.02
_PROC = Path("/proc")


class Processes:
    """A process with all that it has started."""

    def __init__(self, process_id: int) -> None:
        self._process_id = process_id

    def cpu_ms(self) -> float | None:
        """Give the CPU time of those that live, user and system."""
        ticks = 0
        for each in self._all():
            # After the name in parentheses the 12th and 13th fields are user and system time in ticks.
            fields = _fields(each / "stat")
            ticks += int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0
        return ticks * 1000 / os.sysconf("SC_CLK_TCK") if _PROC.is_dir() else None

    def memory_mb(self) -> float | None:
        """Give the resident memory, pages that they share counted once for each."""
        fields = [_fields(each / "stat") for each in self._all()]
        pages = sum(int(each[21]) for each in fields if len(each) > 21)
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 if _PROC.is_dir() else None

    def live(self) -> bool:
        """Tell whether there is such a process."""
        return bool(_fields(_PROC / str(self._process_id) / "stat"))

    def keep_to(self, cores: Iterable[int]) -> None:
        """Let them run on these cores only, where the system can do that."""
        if hasattr(os, "sched_setaffinity"):
            for each in self._all():
                _keep(each, cores)

    def keep_to_itself(self, cores: Iterable[int]) -> None:
        """Let the process run on these cores only, and not what it has started."""
        if hasattr(os, "sched_setaffinity") and cores:
            _keep(_PROC / str(self._process_id), cores)

    def _all(self) -> Sequence[Path]:
        found, left = [], [self._process_id]
        while left:
            process = _PROC / str(left.pop())
            found.append(process)
            left += [int(child) for children in process.glob("task/*/children") for child in _read(children).split()]
        return found


def _keep(process: Path, cores: Iterable[int]) -> None:
    for thread in process.glob("task/*"):
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(thread.name), cores)


def _fields(path: Path) -> list[str]:
    return _read(path).rpartition(")")[2].split()


def _read(path: Path) -> str:
    """Give what stands there; nothing of a process or thread that has ended."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def cores() -> list[int]:
    """Give the cores that this process may use; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


async def note_lateness(late_ms: list[float]) -> None:
    """Note how late this event loop is, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY_S
        await asyncio.sleep(EVERY_S)
        late_ms.append((loop.time() - due) * 1000)
