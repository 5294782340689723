import asyncio
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.recorded import header
from voice_agent.errors import CommandError
from voice_agent.live.metrics import Metrics
from voice_agent.live.recorded import describe
from voice_agent.live.uploads import Uploads
from voice_agent.recording.spool import CallRecording, Spool
from voice_agent.store.objects import ObjectStore
from voice_agent.store.recordings import Recordings
from voice_agent.wire.bridge import Input, Output

NAMES = [f"2026-11-27/20261127T12000{n}-CA0000000000000000000000000000000{n}.call" for n in range(7)]


class Counted(Metrics):
    """Tells when nothing waits any more."""

    def __init__(self) -> None:
        self.none_waits = asyncio.Event()
        super().__init__()

    @property
    def recordings_waiting(self) -> int:
        return self._waiting

    @recordings_waiting.setter
    def recordings_waiting(self, count: int) -> None:
        self._waiting = count
        if not count:
            self.none_waits.set()


class House:
    """A server's recordings."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.recordings = Recordings(folder / "here", ObjectStore(f"file://{self.store}"))
        self.metrics = Counted()
        self.spool: Spool[Input | Output] = Spool(describe)

    def uploads(self, redact: Callable[[Path], None] | None = None) -> Uploads:
        return Uploads(self.recordings, self.metrics, redact)

    def call(self, name: str) -> CallRecording[Input | Output]:
        return self.spool.open(self.recordings.folder / name, header(), print)

    def left(self, name: str, age_s: float = 10_000) -> Path:
        path = self.recordings.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half a call")
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age_s))
        return path

    def stored(self) -> list[str]:
        return sorted(path.relative_to(self.store).as_posix() for path in self.store.rglob("*.call"))

    def here(self) -> list[str]:
        return [self.recordings.name(path) for path in self.recordings.here()]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def end(uploads: Uploads, *calls: CallRecording[Input | Output]) -> None:
    for call in calls:
        uploads.begin(call.path)
        call.end()
        uploads.add(call)


async def run(uploads: Uploads, house: House) -> None:
    """Run until nothing waits any more."""
    house.metrics.none_waits.clear()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(uploads.run())
        await house.metrics.none_waits.wait()
        task.cancel()
    await uploads.close()


def test_what_calls_have_recorded_is_put_and_deleted_here(house: House) -> None:
    async def main() -> None:
        uploads = house.uploads()
        end(uploads, *(house.call(name) for name in NAMES))
        await uploads.close()

    asyncio.run(main())
    assert house.stored() == NAMES
    assert house.here() == []
    assert (house.metrics.get("recordings_put"), house.metrics.recordings_waiting) == (7, 0)


def test_what_cannot_be_put_is_kept_counted_named_and_put_later(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.store.write_text("in the way")

    async def main() -> None:
        uploads = house.uploads()
        end(uploads, *(house.call(name) for name in NAMES[:2]))
        await uploads.close()

        assert house.here() == NAMES[:2]
        assert house.metrics.recordings_waiting == 2
        house.store.unlink()
        # The next start.
        for path in house.recordings.here():
            os.utime(path, (0, 0))
        uploads = house.uploads()
        await run(uploads, house)

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert house.stored() == NAMES[:2]
    assert house.metrics.get("recordings_not_put") == 2
    told = [record.getMessage() for record in caplog.records]
    assert any(line.startswith(f"the recording {Path(NAMES[0]).name} waits to be put: ") for line in told)
    assert told[-1].startswith("2 recordings stay in ")
    assert all(Path(name).name in told[-1] for name in NAMES[:2])


def test_of_several_workers_one_looks_for_what_was_left_and_leaves_what_the_others_write(house: House) -> None:
    left, theirs = house.left(NAMES[0]), house.left(NAMES[1])
    answers: list[set[Path] | None] = [None, {theirs}]

    async def known() -> set[Path] | None:
        return answers.pop(0)

    async def main() -> None:
        # While one of them cannot say what it writes, nothing is taken.
        for uploads in (
            Uploads(house.recordings, house.metrics, looks=False),
            Uploads(house.recordings, house.metrics, known_elsewhere=known),
        ):
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(uploads.run())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                task.cancel()
            await uploads.close()
            assert house.stored() == []
        await run(Uploads(house.recordings, house.metrics, known_elsewhere=known), house)

    asyncio.run(main())
    assert house.stored() == [house.recordings.name(left)]
    assert house.here() == [house.recordings.name(theirs)]


def test_what_a_process_that_died_has_left_is_put_and_what_others_still_write_is_not(house: House) -> None:
    house.left(NAMES[0])
    house.left(NAMES[1], age_s=10)
    own = house.left(NAMES[2])

    async def main() -> None:
        uploads = house.uploads()
        uploads.begin(own)
        await run(uploads, house)

    asyncio.run(main())
    assert house.stored() == NAMES[:1]
    assert house.here() == NAMES[1:3]


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_left_is_redacted_before_it_is_put_or_not_kept(house: House, fails: bool) -> None:
    house.left(NAMES[0])

    def redact(path: Path) -> None:
        if fails:
            raise CommandError("it is none")
        path.write_bytes(b"redacted")

    async def main() -> None:
        uploads = house.uploads(redact)
        await run(uploads, house)

    asyncio.run(main())
    assert [(house.store / name).read_bytes() for name in house.stored()] == ([] if fails else [b"redacted"])


def test_a_file_at_which_this_program_fails_stays_and_keeps_no_other_from_being_put(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(ObjectStore):
        def put(self, path: Path, name: str) -> None:
            if name == NAMES[1]:
                raise ValueError("Invalid isoformat string: 'yesterday'")
            super().put(path, name)

    async def main() -> None:
        recordings = Recordings(house.recordings.folder, Odd(f"file://{house.store}"))
        uploads = Uploads(recordings, house.metrics)
        end(uploads, *(house.call(name) for name in NAMES[:6]))
        await uploads.close()

    asyncio.run(main())
    assert house.here() == [NAMES[1]]
    assert house.metrics.get("recordings_not_put") == 1
    assert "stays here by a fault of this program" in caplog.records[0].getMessage()
    assert caplog.records[-1].getMessage().startswith("1 recordings stay in ")


def test_what_is_on_its_way_when_the_server_stops_is_put_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    begun, go = threading.Event(), threading.Event()
    puts: list[str] = []

    class Slow(ObjectStore):
        def put(self, path: Path, name: str) -> None:
            puts.append(name)
            begun.set()
            go.wait(10)
            super().put(path, name)

    recordings = Recordings(house.recordings.folder, Slow(f"file://{house.store}"))
    house.left(NAMES[0])

    async def main() -> None:
        uploads = Uploads(recordings, house.metrics)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(uploads.run())
            await asyncio.to_thread(begun.wait, 10)
            running.cancel()
            closing = tasks.create_task(uploads.close())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            go.set()
            await closing

    asyncio.run(main())
    assert (puts, house.stored(), house.here()) == ([NAMES[0]], [NAMES[0]], [])
    assert house.metrics.get("recordings_put") == 1
    assert caplog.messages == []


def test_a_call_that_never_could_be_written_is_nothing_to_wait_for(house: House) -> None:
    place = (house.recordings.folder / NAMES[0]).parent
    place.parent.mkdir(parents=True)
    place.write_text("no folder")
    # Its thread makes the folder at once.
    call = house.call(NAMES[0])

    async def main() -> None:
        uploads = house.uploads()
        end(uploads, call)
        await uploads.close()

    asyncio.run(main())
    assert call.problem is not None
    assert house.metrics.recordings_waiting == 0
    assert house.stored() == []
