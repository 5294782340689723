from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from voice_agent.errors import CommandError
from voice_agent.store.objects import ObjectStore
from voice_agent.store.recordings import UNREDACTED, Recordings, began

SID = "CA00000000000000000000000000000001"


def name(day: str, part: str = "") -> str:
    return f"{day}/{day.replace('-', '')}T120000-{SID}{part}.call"


def written(folder: Path, day: str, part: str = "") -> Path:
    path = folder / name(day, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a call")
    return path


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    return Recordings(tmp_path / "here", ObjectStore(f"file://{tmp_path}/store"), tmp_path / "fetched", most_fetched=2)


def test_a_recording_is_told_of_by_where_it_will_be_found_and_found_wherever_it_is(recordings: Recordings) -> None:
    path = written(recordings.folder, "2026-11-27")
    told = recordings.told(path)
    before = recordings.file(told)
    recordings.put(path)
    after = recordings.file(told)

    assert told.endswith(f"/store/{name('2026-11-27')}")
    assert before == path
    assert not path.exists()
    assert after.read_bytes() == b"a call"
    assert after.stat().st_mode & 0o077 == 0


def test_what_was_told_of_by_its_path_is_found_after_it_has_moved(recordings: Recordings) -> None:
    path = written(recordings.folder, "2026-11-27")
    recordings.put(path)

    assert recordings.file(str(path)).read_bytes() == b"a call"
    assert recordings.file(f"/data/of/another/{name('2026-11-27')}").read_bytes() == b"a call"


def test_a_recording_that_is_not_redacted_yet_is_not_shown(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    path = written(tmp_path, "2026-11-27")
    path.rename(path.with_suffix(UNREDACTED))

    with pytest.raises(CommandError, match="is not redacted yet"):
        recordings.file(str(path))
    assert recordings.here() == [path.with_suffix(UNREDACTED)]


def test_without_an_object_store_a_recording_is_its_path(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    path = written(tmp_path, "2026-11-27")

    assert recordings.told(path) == str(path)
    assert recordings.file(str(path)) == path
    assert recordings.file(f"/data/as/it/was/{name('2026-11-27')}") == path
    assert recordings.of_call(SID) == []
    with pytest.raises(CommandError, match="set RECORDINGS_URL as it was then"):
        recordings.file(f"s3://calls/{name('2026-11-27')}")


def test_what_is_nowhere_is_said(recordings: Recordings) -> None:
    with pytest.raises(CommandError, match="has not put it there yet, or it was deleted"):
        recordings.file(f"s3://calls/{name('2026-11-27')}")


def test_few_of_those_that_were_fetched_are_kept(recordings: Recordings, tmp_path: Path) -> None:
    told = [recordings.told(written(recordings.folder, "2026-11-27", part)) for part in ("", "-2", "-3")]
    for path in recordings.here():
        recordings.put(path)
    files = [recordings.file(each) for each in told]

    assert len(list((tmp_path / "fetched").iterdir())) == 2
    assert files[-1].exists()
    recordings.forget_fetched()
    assert list((tmp_path / "fetched").iterdir()) == []


def test_all_of_a_call_is_found_by_the_beginning_of_its_sid(recordings: Recordings) -> None:
    told = [recordings.told(written(recordings.folder, "2026-11-27", part)) for part in ("", "-2")]
    for path in recordings.here():
        recordings.put(path)

    assert recordings.of_call(SID.lower()[:20]) == sorted(told, key=str)
    assert recordings.of_call("CAff") == []


def test_what_began_before_is_deleted_and_nothing_of_others(recordings: Recordings, tmp_path: Path) -> None:
    for day in ("2026-10-01", "2026-10-28", "2026-10-29"):
        recordings.put(written(recordings.folder, day, "-2"))
    (tmp_path / "store" / "2026-10-01" / "notes.txt").write_text("mine")

    assert recordings.delete_before(datetime(2026, 10, 28, 12, 0, 1, tzinfo=UTC)) == 2
    assert [path.name for path in sorted((tmp_path / "store").rglob("*.*"))] == [
        "notes.txt",
        Path(name("2026-10-29", "-2")).name,
    ]


def test_empty_folders_of_former_days_are_tidied_away_and_none_that_a_call_may_need(recordings: Recordings) -> None:
    for day in ("2026-11-20", "2026-11-25", "2026-11-26", "2026-11-27"):
        (recordings.folder / day).mkdir(parents=True)
    (recordings.folder / "2026-11-20" / "a.call").write_text("")
    recordings.tidy(date(2026, 11, 27))

    assert sorted(path.name for path in recordings.folder.iterdir()) == ["2026-11-20", "2026-11-26", "2026-11-27"]


@pytest.mark.parametrize("file", ["notes.call", "20260101T120000-me.call", "99999999T999999-CA0.call"])
def test_a_name_that_is_none_of_ours_began_never(file: str) -> None:
    assert began(file) is None
