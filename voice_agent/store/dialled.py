"""What has become of the numbers of a list: a CSV beside it, a line for each step of each call, only appended to.

A line is on the disk before Twilio is asked for the call, so that no number is called twice whenever the program dies.
The last line of a number counts. It must not know how a call is placed.
"""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from voice_agent.errors import CommandError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PLACING, PLACED = "placing", "placed"
"""States before the end: Twilio is being asked; it has the call. Every other one is an outcome."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line; the fields are its columns."""

    at: str
    """ISO 8601 with the offset to UTC."""
    number: str
    state: str
    from_: str = ""
    sid: str = ""
    answered_by: str = ""
    seconds: str = ""
    remark: str = ""

    @property
    def over(self) -> bool:
        """The number has been called, and it is known what became of it."""
        return self.state not in (PLACING, PLACED)


COLUMNS = Step.__struct_fields__


def journal_path(listed: Path) -> Path:
    """Say where the journal of a list is."""
    return listed.with_name(f"{listed.stem}.dialled.csv")


class Journal:
    """The journal of one list. Use `open_journal`."""

    def __init__(self, path: Path, file: Any, last: dict[str, Step]) -> None:
        self.path = path
        self._file = file
        self._last = last

    def last(self, number: str) -> Step | None:
        """Give a number's newest step; `None`: it was never called."""
        return self._last.get(number)

    def add(self, step: Step) -> None:
        """Write a step down; it is on the disk when this returns. Raises `CommandError`."""
        try:
            csv.writer(self._file).writerow([" ".join(cell.split()) for cell in msgspec.structs.astuple(step)])
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise CommandError(f"{self.path} cannot be written: {error.strerror or error}") from error
        self._last[step.number] = step


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open a journal for this process alone; raises `CommandError`."""
    try:
        # It holds telephone numbers, so it is its owner's alone.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from error
    # A line may have been cut short within a character.
    with os.fdopen(descriptor, "r+", newline="", encoding="utf-8", errors="replace") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CommandError(f"{path} is in use: another voice-agent dial works on this list") from error
        last, begun = _read(path, file)
        journal = Journal(path, file, last)
        if not begun:
            csv.writer(file).writerow(COLUMNS)
        yield journal


def _read(path: Path, file: Any) -> tuple[dict[str, Step], bool]:
    """Give the last step of each number, and whether there is a head; a line that was cut short counts, too."""
    last: dict[str, Step] = {}
    text = file.read()
    if text and not text.endswith("\n"):
        file.write("\r\n")
    # Each line for itself: a quotation mark that lost its other one must not swallow the next.
    rows = [next(csv.reader([line]), []) for line in text.splitlines() if line]
    if rows and tuple(rows[0]) != COLUMNS:
        raise CommandError(f"{path} is no journal of a list; move it away")
    for row in rows[1:]:
        fields = dict(zip(COLUMNS, row, strict=False))
        if fields.get("number"):
            # A line cut short in its state: Twilio may have been asked.
            state = fields.get("state") if len(row) == len(COLUMNS) else PLACING
            step = Step(**{**dict.fromkeys(COLUMNS, ""), **fields, "state": state or PLACING})
            last[step.number] = step
    return last, bool(rows)
