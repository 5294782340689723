import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.recorded import append, caller_media, header
from voice_agent.errors import CommandError
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.reader import read
from voice_agent.recording.spool import (
    MOST_LATE,
    MOST_STEPS,
    PARTS,
    STEPS_AT_ONCE,
    CallRecording,
    Spool,
    make_folder,
    recording_path,
)


def describe(value: str) -> Entry:
    if value == "a bug":
        raise KeyError(value)
    return Entry("fact", value)


class Problems:
    """Collects what is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.any = threading.Event()

    def __call__(self, problem: str) -> None:
        self.told.append(problem)
        self.any.set()


def never(problem: str) -> None:
    raise AssertionError(problem)


def alone(path: Path, problems: Callable[[str], None]) -> CallRecording[str]:
    """Make a recording that no thread writes."""
    return CallRecording(path, header(), describe, problems, on_delay=told_nothing, hurry=lambda _: None)


def told_nothing(_waits: bool, _line: str) -> None:
    """Take that a recording waits for room."""


def steps_in(path: Path) -> int:
    """Count what a file holds by now."""
    return len(list(read(path).steps())) if path.exists() and path.stat().st_size else 0


def test_a_recording_is_written_and_ended(tmp_path: Path) -> None:
    spool = Spool(describe)
    recording = spool.open(tmp_path / "calls" / "one.call", header(), never)
    recording.record(0, None, ["ConnectModel"])
    recording.record(7, "ModelOpened", [])
    recording.remark(9, "1 text was not written")
    recording.end()

    assert recording.wait(5)
    spool.close()
    read_back = read(recording.path)
    assert list(read_back.steps()) == [
        Step(0, None, (Entry("fact", "ConnectModel"),)),
        Step(7, Entry("fact", "ModelOpened")),
        Step(9, Entry("remark", '{"what":"1 text was not written"}')),
    ]
    assert read_back.cut_at is None


def test_steps_that_come_while_the_thread_writes_are_all_there_in_order(tmp_path: Path) -> None:
    spool = Spool(lambda entry: entry, interval_s=0.0001)
    recording = spool.open(tmp_path / "one.call", header(), never)
    fed = [
        Step(20 * n, caller_media(n, bytes([n % 251]) * 160), (append(bytes([n % 241]) * 160),)) for n in range(3000)
    ]
    for step in fed:
        recording.record(step.now_ms, step.received, step.sent)
    recording.end()
    assert recording.wait(5)
    spool.close()

    kept = [(step.now_ms, step.received) for step in read(recording.path).steps()]
    assert kept == [(step.now_ms, step.received) for step in fed]


def test_all_of_many_calls_are_written_by_turns_while_they_go_on(tmp_path: Path) -> None:
    spool = Spool(describe, interval_s=0.01)
    recordings = [spool.open(tmp_path / f"{number}.call", header(), never) for number in range(2 * PARTS + 3)]
    for recording in recordings:
        recording.record(0, None, ["ConnectModel"])
    waiting = list(recordings)
    while waiting:
        waiting = [recording for recording in waiting if not steps_in(recording.path)]
        recordings[0].wait(0.01)
    spool.close()

    assert {steps_in(recording.path) for recording in recordings} == {1}


def test_a_call_that_ends_is_written_at_once_though_it_is_the_turn_of_others(tmp_path: Path) -> None:
    spool = Spool(describe, interval_s=60)
    recordings = [spool.open(tmp_path / f"{number}.call", header(), never) for number in range(2 * PARTS + 3)]
    for recording in recordings:
        recording.record(0, None, ["ConnectModel"])
    recordings[-1].end()
    assert recordings[-1].wait(5)
    spool.close()

    assert steps_in(recordings[-1].path) == 1


def test_a_recording_is_there_as_soon_as_it_is_opened(tmp_path: Path) -> None:
    spool = Spool(describe, interval_s=60)
    recording = spool.open(tmp_path / "one.call", header(), never)
    while not recording.is_there:
        recording.wait(0.01)
    spool.close()

    assert read(recording.path).header.setup.call_sid == header().setup.call_sid


def test_only_the_owner_can_look_at_recordings(tmp_path: Path) -> None:
    spool = Spool(describe)
    recording = spool.open(tmp_path / "data" / "calls" / "one.call", header(), never)
    recording.end()
    assert recording.wait(5)
    spool.close()

    assert stat.S_IMODE(recording.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(recording.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(recording.path.parent.parent.stat().st_mode) == 0o700


def test_closing_the_spool_keeps_what_was_not_ended(tmp_path: Path) -> None:
    spool = Spool(describe, interval_s=60)
    recording = spool.open(tmp_path / "one.call", header(), never)
    recording.record(0, None, ["ConnectModel"])
    spool.close()

    read_back = read(recording.path)
    assert list(read_back.steps()) == [Step(0, None, (Entry("fact", "ConnectModel"),))]
    assert read_back.cut_at == recording.path.stat().st_size


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "one.call").write_text("precious")
    spool = Spool(describe)
    problems = Problems()
    recording = spool.open(tmp_path / "one.call", header(), problems)
    recording.end()
    assert recording.wait(5)
    spool.close()

    assert problems.told == [f"the recording {tmp_path / 'one.call'} stopped: File exists"]
    assert recording.problem == problems.told[0]
    assert (tmp_path / "one.call").read_text() == "precious"


def test_an_unusable_folder_stops_one_recording_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(describe)
    problems = Problems()
    bad = spool.open(tmp_path / "file" / "one.call", header(), problems)
    good = spool.open(tmp_path / "two.call", header(), never)
    for recording in (bad, good):
        recording.record(0, None, ["ConnectModel"])
        recording.end()
    assert bad.wait(5)
    assert good.wait(5)
    bad.record(1, None, [])
    bad.remark(2, "late")
    spool.close()

    assert len(problems.told) == 1
    assert "is not a folder" in problems.told[0]
    assert len(list(read(good.path).steps())) == 1


def on_a_full_disk(path: Path, problems: Problems, news: Problems) -> tuple[Spool[str], CallRecording[str]]:
    """Open a recording whose file the device stands in for that is always full."""
    path.symlink_to("/dev/full")
    spool = Spool(describe, interval_s=0.01)
    recording = CallRecording(
        path, header(), describe, problems, on_delay=lambda _, line: news(line), hurry=lambda _: None
    )
    recording._began = True
    spool._open.append(recording)
    recording.record(0, None, ["ConnectModel"])
    assert news.any.wait(5)
    return spool, recording


def test_a_recording_on_a_full_disk_is_whole_once_there_is_room(tmp_path: Path) -> None:
    path, problems, news = tmp_path / "one.call", Problems(), Problems()
    spool, recording = on_a_full_disk(path, problems, news)
    recording.record(7, "ModelOpened", [])
    recording.end()
    assert not recording.wait(0.05)
    (tmp_path / "other").touch()
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "link").rename(path)
    assert recording.wait(5)
    spool.close()

    assert problems.told == []
    assert news.told == [
        f"the recording {path} waits: No space left on device", f"the recording {path} is written after all",
    ]  # fmt: skip
    assert [step.now_ms for step in read(path).steps()] == [0, 7]
    assert read(path).cut_at is None


def test_a_disk_that_stays_full_stops_the_recording_with_one_problem(tmp_path: Path) -> None:
    path, problems, news = tmp_path / "one.call", Problems(), Problems()
    spool, recording = on_a_full_disk(path, problems, news)
    recording.end()
    spool.close()

    assert recording.wait(5)
    assert problems.told == [f"the recording {path} stopped: No space left on device"]
    assert len(news.told) == 1
    assert not recording._late


def test_what_waits_for_room_on_the_disk_is_bounded(tmp_path: Path) -> None:
    path, problems, news = tmp_path / "one.call", Problems(), Problems()
    spool, recording = on_a_full_disk(path, problems, news)
    recording.record(1, "".join(map(str, range(MOST_LATE))), [])  # it is packed, and larger still
    assert problems.any.wait(30)
    spool.close()

    assert problems.told == [f"the recording {path} stopped: No space left on device"]


def test_a_file_that_is_taken_away_stops_the_recording(tmp_path: Path) -> None:
    spool = Spool(describe, interval_s=0.01)
    problems = Problems()
    recording = spool.open(tmp_path / "one.call", header(), problems)
    while not recording.path.exists():
        recording.wait(0.01)
    recording.path.unlink()
    recording.record(0, None, [])

    assert problems.any.wait(5)
    spool.close()
    assert problems.told == [f"the recording {recording.path} stopped: No such file or directory"]


def test_a_fault_of_our_own_stops_one_recording_and_is_named(tmp_path: Path) -> None:
    spool = Spool(describe)
    problems = Problems()
    recording = spool.open(tmp_path / "one.call", header(), problems)
    recording.record(0, "a bug", [])
    recording.end()
    assert recording.wait(5)
    spool.close()

    assert "a fault of this program: KeyError('a bug')" in problems.told[0]


def test_a_disk_that_does_not_follow_stops_the_recording_at_the_bound(tmp_path: Path) -> None:
    problems = Problems()
    recording = alone(tmp_path / "one.call", problems)
    for now_ms in range(2 * MOST_STEPS):
        recording.record(now_ms, None, [])
    recording.remark(0, "late")
    assert recording.write()

    assert problems.told == [f"the recording {recording.path} stopped: the disk is too slow"]
    kept = [step.now_ms for step in read(recording.path).steps()]
    assert kept == list(range(MOST_STEPS + STEPS_AT_ONCE))


def test_what_came_before_a_fault_of_our_own_can_be_read(tmp_path: Path) -> None:
    problems = Problems()
    recording = alone(tmp_path / "one.call", problems)
    recording.record(0, None, ["ConnectModel"])
    assert not recording.write()
    recording.record(7, "ModelOpened", [])
    recording.record(8, "a bug", [])
    recording.record(9, "ModelOpened", [])
    recording.end()
    assert recording.write()

    assert len(problems.told) == 1
    read_back = read(recording.path)
    assert [step.now_ms for step in read_back.steps()] == [0, 7]
    assert read_back.cut_at == recording.path.stat().st_size


CHILD = """
import sys
from pathlib import Path
from tests.recording.test_spool import describe, never
from tests.support.recorded import append, caller_media, header
from voice_agent.recording.reader import read
from voice_agent.recording.spool import Spool

path = Path(sys.argv[1])
recording = Spool(describe, interval_s=0.02).open(path, header(), never)
for n in range(100):
    recording.record(n, "fact", [])
while not (path.exists() and path.stat().st_size and len(list(read(path).steps())) == 100):
    recording.wait(0.01)
print("written", flush=True)
sys.stdin.read()
"""


def test_what_was_written_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "one.call"
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        os.kill(child.pid, signal.SIGKILL)

    recording = read(path)
    assert len(list(recording.steps())) == 100
    assert recording.cut_at is not None


def test_names_sort_by_time_and_hold_nothing_but_letters() -> None:
    path = recording_path(Path("calls"), "2026-11-22T10:00:05.123+00:00", "../CA01/é")

    assert path == Path("calls/20261122T100005-CA01.call")


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match="is not a folder: name another one in DATA"):
        make_folder(tmp_path / "file")
    with pytest.raises(CommandError, match=r"cannot be made .*: name another folder in DATA"):
        make_folder(Path("/proc/none/calls"))


def test_a_silent_call_writes_nothing(tmp_path: Path) -> None:
    # Without the spool, whose thread alone may write beside it.
    recording = alone(tmp_path / "one.call", never)
    assert not recording.write()
    size = recording.path.stat().st_size

    assert not recording.write()
    assert recording.path.stat().st_size == size
