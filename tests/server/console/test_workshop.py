import asyncio
import errno
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import msgspec
import pytest

from voice_agent.errors import CommandError, PeerError
from voice_agent.recording.redact import NUMBERS_AND_SECRETS
from voice_agent.review.viewing import PEAKS, WAV
from voice_agent.server.console.workshop import MOST_KEPT, Workshop

CALL = Path(__file__).parent.parent.parent / "calls" / "interrupted.call"


class Counting(ThreadPoolExecutor):
    """Does the work here, and counts it."""

    def __init__(self) -> None:
        super().__init__(1)
        self.done: list[str] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.done.append(work.__name__)
        return super().submit(work, *args, **kwargs)


class Broken(Executor):
    """Dies at once."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        del work, args, kwargs
        raise BrokenProcessPool


class Full(Executor):
    """Has no room for what it makes."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        del work, args, kwargs
        done: Future[Any] = Future()
        done.set_exception(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        return done


class Dying(Executor):
    """Does nothing, and dies when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Future[Any]] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        del work, args, kwargs
        self.waiting.append(Future())
        return self.waiting[-1]


def test_what_is_asked_for_twice_is_made_once() -> None:
    async def main() -> None:
        executor = Counting()
        workshop = Workshop(lambda: executor)
        first, again = await asyncio.gather(workshop.course(CALL), workshop.course(CALL))
        folder, _ = await workshop.sound(CALL)
        assert first is again
        assert msgspec.json.decode(first)["answers"]
        assert {path.name for path in folder.iterdir()} == {WAV, PEAKS}
        assert (await workshop.sound(CALL))[0] == folder
        assert await workshop.redacted(CALL, NUMBERS_AND_SECRETS) is await workshop.redacted(CALL, NUMBERS_AND_SECRETS)
        assert await workshop.summary(CALL) is await workshop.summary(CALL)
        assert executor.done == ["course_json", "write_sound", "redacted_copy", "recorded_call"]
        assert folder.stat().st_mode & 0o077 == 0
        workshop.close()
        assert not folder.exists()

    asyncio.run(main())


def test_a_picture_that_is_there_does_not_wait_for_the_sound() -> None:
    async def main() -> None:
        executor = Counting()
        workshop = Workshop(lambda: executor)
        course, go = await workshop.course(CALL), threading.Event()
        executor.submit(go.wait, 10)
        sounding = asyncio.ensure_future(workshop.sound(CALL))
        await asyncio.sleep(0)
        assert await workshop.course(CALL) is course
        assert not sounding.done()
        go.set()
        assert (await sounding)[0].is_dir()
        workshop.close()

    asyncio.run(main())


def test_a_recording_that_has_grown_is_read_anew(tmp_path: Path) -> None:
    async def main() -> None:
        workshop = Workshop(lambda: ThreadPoolExecutor(1))
        growing, data = tmp_path / "x.call", CALL.read_bytes()
        growing.write_bytes(data[: len(data) // 2])
        assert msgspec.json.decode(await workshop.course(growing))["damage"]
        growing.write_bytes(data)
        assert not msgspec.json.decode(await workshop.course(growing))["damage"]
        workshop.close()

    asyncio.run(main())


def test_the_sound_of_a_call_that_goes_on_stays_what_its_picture_shows(tmp_path: Path) -> None:
    async def main() -> None:
        executor = Counting()
        workshop = Workshop(lambda: executor)
        growing = tmp_path / "x.call"
        growing.write_bytes(CALL.read_bytes()[:-100])
        shown, version = await workshop.sound(growing)
        growing.write_bytes(CALL.read_bytes())
        assert await workshop.sound(growing, version) == (shown, version)
        grown, later = await workshop.sound(growing)
        assert (grown != shown, later != version) == (True, True)
        assert await workshop.sound(growing, "of a former server") == (grown, later)
        assert executor.done == ["write_sound", "write_sound"]
        workshop.close()

    asyncio.run(main())


def test_what_is_being_made_is_not_forgotten_meanwhile(tmp_path: Path) -> None:
    async def main() -> None:
        executor = Counting()
        workshop = Workshop(lambda: executor)
        go = threading.Event()
        executor.submit(go.wait, 10)
        paths = [tmp_path / f"{number}.call" for number in range(MOST_KEPT + 1)]
        for path in paths:
            path.write_bytes(CALL.read_bytes())
        first = asyncio.ensure_future(workshop.sound(paths[0]))
        others = [asyncio.ensure_future(workshop.summary(path)) for path in paths[1:]]
        await asyncio.sleep(0)
        go.set()
        assert (await first)[0].is_dir()
        await asyncio.gather(*others)
        for path in paths[1:]:
            await workshop.summary(path)
        assert not (await first)[0].exists()
        workshop.close()

    asyncio.run(main())


def test_of_many_calls_the_oldest_is_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        workshop = Workshop(lambda: ThreadPoolExecutor(1))
        folder, _ = await workshop.sound(CALL)
        for number in range(MOST_KEPT):
            path = tmp_path / f"{number}.txt"
            path.write_bytes(b"no recording")
            with pytest.raises(PeerError):
                await workshop.course(path)
        assert not folder.exists()
        workshop.close()

    asyncio.run(main())


def test_what_cannot_be_made_is_a_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main() -> None:
        workshop = Workshop(lambda: ThreadPoolExecutor(1))
        with pytest.raises(CommandError, match="not there any more"):
            await workshop.course(tmp_path / "gone.call")
        with pytest.raises(CommandError, match="no sound"):
            await workshop.sound(CALL.with_name("text-only.call"))
        assert workshop._folder is not None
        assert list(workshop._folder.iterdir()) == []
        workshop.close()

    asyncio.run(main())


def test_what_the_system_has_cleared_away_is_made_anew() -> None:
    async def main() -> None:
        workshop = Workshop(Counting)
        folder, _ = await workshop.sound(CALL)
        (folder / PEAKS).unlink()
        again, _ = await workshop.sound(CALL)
        shutil.rmtree(folder.parent)
        anew, _ = await workshop.sound(CALL)
        assert not again.exists()
        assert {path.name for path in anew.iterdir()} == {WAV, PEAKS}
        workshop.close()
        assert not anew.exists()

    asyncio.run(main())


def test_a_full_disk_is_a_line() -> None:
    async def main() -> None:
        workshop = Workshop(Full)
        with pytest.raises(CommandError, match=r"the sound cannot be kept in .*: No space left"):
            await workshop.sound(CALL)
        workshop.close()

    asyncio.run(main())


def test_a_process_that_is_made_ready_is_the_one_that_works() -> None:
    async def main() -> None:
        executor = Counting()
        executors = iter([executor])
        workshop = Workshop(lambda: next(executors))
        workshop.make_ready()
        workshop.make_ready()
        assert await workshop.course(CALL)
        assert executor.done == ["getpid", "course_json"]
        workshop.close()

    asyncio.run(main())


def test_a_process_that_died_is_replaced() -> None:
    async def main() -> None:
        executors = iter([Broken(), ThreadPoolExecutor(1)])
        workshop = Workshop(lambda: next(executors))
        with pytest.raises(CommandError, match="died"):
            await workshop.course(CALL)
        assert await workshop.course(CALL)
        workshop.close()

    asyncio.run(main())


def test_a_process_that_died_is_replaced_once_however_many_waited_for_it() -> None:
    async def main() -> None:
        dying = Dying()
        executors = iter([dying, ThreadPoolExecutor(1)])
        workshop = Workshop(lambda: next(executors))
        waiting = [asyncio.ensure_future(workshop.run(os.getpid)) for _ in range(2)]
        await asyncio.sleep(0)
        for future in dying.waiting:
            future.set_exception(BrokenProcessPool())
            assert len(await asyncio.gather(*waiting[:1], return_exceptions=True)) == 1
            assert await workshop.course(CALL)
        assert [type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)] == [CommandError] * 2
        assert await workshop.heard(CALL)
        workshop.close()

    asyncio.run(main())


def test_the_work_is_done_in_a_process_that_lets_calls_go_first() -> None:
    async def main() -> None:
        workshop = Workshop()
        try:
            assert await workshop.run(os.getpid) != os.getpid()
            assert await workshop.run(os.nice, 0) >= 15
        finally:
            workshop.close()

    asyncio.run(main())
