import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
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


def test_what_is_asked_for_twice_is_made_once() -> None:
    async def main() -> None:
        executor = Counting()
        workshop = Workshop(lambda: executor)
        first, again = await asyncio.gather(workshop.course(CALL), workshop.course(CALL))
        folder = await workshop.sound(CALL)
        assert first is again
        assert msgspec.json.decode(first)["answers"]
        assert {path.name for path in folder.iterdir()} == {WAV, PEAKS}
        assert await workshop.sound(CALL) == folder
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
        assert (await sounding).is_dir()
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


def test_of_many_calls_the_oldest_is_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        workshop = Workshop(lambda: ThreadPoolExecutor(1))
        folder = await workshop.sound(CALL)
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


def test_the_work_is_done_in_a_process_that_lets_calls_go_first() -> None:
    async def main() -> None:
        workshop = Workshop()
        try:
            assert await workshop.run(os.getpid) != os.getpid()
            assert await workshop.run(os.nice, 0) >= 15
        finally:
            workshop.close()

    asyncio.run(main())
