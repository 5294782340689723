import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path, PosixPath

import pytest

from voice_agent.errors import CommandError
from voice_agent.live.retention import Retention, _delete
from voice_agent.recording.spool import recording_path
from voice_agent.store.objects import ObjectStore
from voice_agent.store.recordings import Recordings

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SID = "CA00000000000000000000000000000001"


class FakeRows:
    def __init__(self, paths: list[Path] | None = None, problem: str = "") -> None:
        self.paths = paths or []
        self.told: list[str] = []
        self.problem = problem
        self.forgotten: list[datetime] = []

    async def recordings_before(self, moment: datetime) -> list[str]:
        assert moment.tzinfo is not None
        return [*map(str, self.paths), *self.told]

    async def forget_before(self, moment: datetime) -> int:
        if self.problem:
            raise CommandError(self.problem)
        self.forgotten.append(moment)
        return len(self.paths)


def recorded(folder: Path, started_at: str) -> Path:
    path = recording_path(folder / started_at[:10], started_at, SID)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"a call")
    return path


def delete(folder: Path, rows: FakeRows, days: int = 30) -> tuple[int, int]:
    return asyncio.run(Retention(days, Recordings(folder), rows, lambda: NOW).delete())


def test_what_is_older_is_deleted_with_its_folder_and_its_row(tmp_path: Path) -> None:
    old = [recorded(tmp_path, f"2026-10-{day}T12:00:00.000+00:00") for day in ("01", "28")]
    edge = recorded(tmp_path, "2026-10-28T11:59:59.000+00:00")
    new = [recorded(tmp_path, f"2026-{day}T12:00:00.000+00:00") for day in ("10-29", "11-27")]
    rows = FakeRows([*old[:1], edge])

    assert delete(tmp_path, rows) == (2, 2)
    assert rows.forgotten == [datetime(2026, 10, 28, 12, 0, tzinfo=UTC)]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == [old[1], *new]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-10-28", "2026-10-29", "2026-11-27"]


def test_recordings_that_the_history_knows_elsewhere_are_deleted_too(tmp_path: Path) -> None:
    elsewhere = recorded(tmp_path / "former", "2026-01-01T12:00:00.000+00:00")
    gone = tmp_path / "gone.call"

    assert delete(tmp_path / "recordings", FakeRows([elsewhere, gone])) == (1, 2)
    assert not elsewhere.exists()


@pytest.mark.parametrize("name", ["notes.txt", "20200101T000000-me.txt", "99999999T999999-CA0.call", "prices.call"])
def test_files_of_others_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")

    assert delete(tmp_path, FakeRows()) == (0, 0)
    assert (tmp_path / name).exists()


def test_a_file_that_cannot_be_deleted_keeps_its_row(tmp_path: Path) -> None:
    folder = tmp_path / "a folder.call"
    folder.mkdir()
    rows = FakeRows([folder])

    with pytest.raises(CommandError, match="cannot be deleted"):
        delete(tmp_path, rows)
    assert rows.forgotten == []


def test_a_fetched_file_that_cannot_be_deleted_is_told_as_any_other(tmp_path: Path) -> None:
    stuck = tmp_path / "fetched" / "a folder.call"
    stuck.mkdir(parents=True)
    recordings = Recordings(tmp_path / "here", ObjectStore(f"file://{tmp_path}/store"), tmp_path / "fetched")

    with pytest.raises(CommandError, match=f"{stuck} cannot be deleted"):
        asyncio.run(Retention(30, recordings, FakeRows(), lambda: NOW).delete())


def test_a_folder_that_somebody_else_tidies_away_meanwhile_is_nobodys_fault(tmp_path: Path) -> None:
    old = recorded(tmp_path / "former", "2026-10-01T12:00:00.000+00:00")

    class Tidied(PosixPath):
        """A file with whose end its folder goes, too."""

        def unlink(self, missing_ok: bool = False) -> None:
            super().unlink(missing_ok)
            self.parent.rmdir()

    assert _delete(tmp_path / "recordings", [Tidied(old)], NOW) == 1
    assert not old.parent.exists()


@pytest.mark.parametrize("problem", ["", "the database does not answer"])
def test_it_is_done_at_once_and_every_day_and_a_failure_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, problem: str
) -> None:
    rows = FakeRows([tmp_path / "gone.call"], problem)

    async def main() -> None:
        times = iter([NOW] * 2)
        third = asyncio.Event()

        def now() -> datetime:
            if (time := next(times, None)) is None:
                third.set()
            return time or NOW

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(Retention(1, Recordings(tmp_path), rows, now).run(every_s=0.001))
            await third.wait()
            running.cancel()

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    told = "calls that are older than KEEP_DAYS are not deleted: the database does not answer"
    assert caplog.messages[0] == (told if problem else "deleted after 1 days: 0 files and 1 calls of the history")


def test_what_lies_in_the_object_store_is_deleted_there_and_parts_are_too(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "here", ObjectStore(f"file://{tmp_path}/store"), tmp_path / "fetched")
    old = recorded(tmp_path / "here", "2026-10-01T12:00:00.000+00:00")
    second = old.with_name(f"{old.stem}-2.call")
    second.write_bytes(b"the rest")
    told = recordings.told(old)
    recordings.put(old)
    recordings.file(told)
    rows = FakeRows()
    rows.told = [told]

    assert asyncio.run(Retention(30, recordings, rows, lambda: NOW).delete()) == (2, 0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_row_stays_whose_recording_lies_where_nothing_can_be_deleted(tmp_path: Path) -> None:
    rows = FakeRows()
    rows.told = ["s3://former/2026-10-01/a.call"]
    with pytest.raises(CommandError, match="another object store: set RECORDINGS_URL as it was then"):
        delete(tmp_path, rows)
    assert rows.forgotten == []
