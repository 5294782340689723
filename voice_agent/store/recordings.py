"""Where recordings lie: in a folder of this machine while a call goes on, then in an object store, if there is one.

A recording has the same name in both: the day's folder and the file. It must not know what is in one.
"""

import contextlib
import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath

from voice_agent.errors import CommandError
from voice_agent.store.objects import ObjectStore

SUFFIX = ".call"
"""See `recording.format`."""

UNREDACTED = ".unredacted"
"""Instead, until it has been redacted, where recordings are: so it is shown nowhere, whoever dies meanwhile."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_BEGAN = re.compile(r"(\d{8}T\d{6})-CA[0-9a-f]+[.-]")
"""How the name of a recording begins, see `recording.spool.recording_path`."""


class Recordings:
    """All of a server's, or those that a command looks at. What is in the object store blocks."""

    def __init__(
        self,
        folder: Path,
        objects: ObjectStore | None = None,
        fetched: Path | None = None,
        most_fetched: int | None = None,
    ) -> None:
        """`fetched`: a folder for what is fetched from the object store, of the owner only.

        `most_fetched`: how many files are kept there, of which the oldest goes; `None`: all.
        """
        self.folder = folder
        self.objects = objects
        self._fetched = fetched
        self._most_fetched = most_fetched

    def told(self, path: Path) -> str:
        """Say where a recording of this machine will be found by anybody, from the beginning of its call on."""
        return str(path) if self.objects is None else self.objects.address(self.name(path))

    def where(self, told: str) -> str:
        """Say where it lies now, as far as that is known without asking anybody: the folder may have moved."""
        here = self.folder.joinpath(*PurePosixPath(told).parts[-2:])
        return told if "://" in told or Path(told).is_file() or not here.is_file() else str(here)

    def name(self, path: Path) -> str:
        """Give the name of a file below the folder."""
        return path.relative_to(self.folder).as_posix()

    def file(self, told: str) -> Path:
        """Give a file with what was told of: it is here, or fetched. Raises `CommandError`."""
        path = Path(told)
        if not path.is_file() and path.with_suffix(UNREDACTED).is_file():
            raise CommandError(f"{told} is not redacted yet")
        if "://" not in told and path.is_file():
            return path
        if "://" in told and self.objects is None:
            raise CommandError(f"{told} lies in an object store: set RECORDINGS_URL as it was then")
        # Told of elsewhere, or before there was an object store or the folder moved: what counts is the name.
        name = "/".join(PurePosixPath(told).parts[-2:])
        here = self.folder / name
        if here.is_file():
            return here
        return path if self.objects is None else self._fetch(told, name)

    def put(self, path: Path) -> None:
        """Put a finished file into the object store, and delete it here; raises `CommandError`."""
        assert self.objects is not None
        self.objects.put(path, self.name(path))
        path.unlink(missing_ok=True)

    def here(self) -> list[Path]:
        """Give the files of this machine that do not stay as they are, the oldest first."""
        passing = {UNREDACTED} if self.objects is None else {UNREDACTED, SUFFIX}
        return sorted((path for path in self.folder.rglob("*") if path.suffix in passing), key=lambda path: path.name)

    def tidy(self, today: date) -> None:
        """Delete folders of former days in which nothing is left."""
        # A call of yesterday may be about to put its file there.
        former = (today - timedelta(days=1)).isoformat()
        for day in self.folder.iterdir() if self.folder.is_dir() else ():
            if _DAY.fullmatch(day.name) and day.name < former:
                with contextlib.suppress(OSError):
                    day.rmdir()

    def of_call(self, call_sid: str) -> list[str]:
        """Tell of all in the object store in whose name it stands; reads every name."""
        if self.objects is None:
            return []
        found = self.objects.names()
        wanted = call_sid.lower()
        return [self.objects.address(name) for name in found if wanted in name.lower() and name.endswith(SUFFIX)]

    def delete_before(self, moment: datetime) -> int:
        """Delete from the object store what began before; says how many. Raises `CommandError`."""
        if self.objects is None:
            return 0
        last = moment.astimezone(UTC).date().isoformat()
        days = [day for day in self.objects.folders() if _DAY.fullmatch(day) and day <= last]
        names = [name for day in days for name in self.objects.names(day)]
        old = [name for name in names if (at := began(PurePosixPath(name).name)) is not None and at < moment]
        return sum(self.objects.delete(name) for name in old)

    def forget_fetched(self) -> None:
        """Delete what was fetched."""
        if self._fetched is not None and self._fetched.is_dir():
            for path in self._fetched.iterdir():
                path.unlink(missing_ok=True)

    def _fetch(self, told: str, name: str) -> Path:
        assert self.objects is not None
        assert self._fetched is not None, "whoever has an object store has a folder for what comes out of it"
        path = self._fetched / PurePosixPath(name).name
        if path.is_file():
            return path
        data = self.objects.get(name)
        if data is None:
            why = "its server has not put it there yet, or it was deleted"
            raise CommandError(f"{told} is not in the object store: {why}")
        try:
            self._fetched.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside = path.with_suffix(f".{os.getpid()}.part")
            beside.touch(mode=0o600)
            beside.write_bytes(data)
            beside.replace(path)
            if self._most_fetched is not None:
                kept = sorted(self._fetched.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime)
                for old in kept[: -self._most_fetched]:
                    old.unlink(missing_ok=True)
        except OSError as error:
            raise CommandError(f"{told} cannot be kept in {self._fetched} ({error.strerror})") from None
        return path


def began(name: str) -> datetime | None:
    """Say when a recording's call began, by the name of its file; `None`: it is none of ours."""
    found = _BEGAN.match(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
