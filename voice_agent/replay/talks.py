"""Recorded callers spoken to a model for a program without an event loop: some calls at once, in a thread.

For the pytest plug-in, whose tests ask one by one for what takes as long as a call. It must not know pytest.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import CancelledError, Future
from functools import partial
from pathlib import Path

import msgspec

from voice_agent.config.references import read_references
from voice_agent.config.settings import ENV_FILE, Provider
from voice_agent.errors import CommandError
from voice_agent.live.clips import load_clips
from voice_agent.recording.reader import Recording
from voice_agent.replay.against import AT_ONCE, Against, against, settings_against
from voice_agent.replay.judging import Verdict

logger = logging.getLogger(__name__)


class Talks:
    """Made without effort; the model is made ready by the first call. `close` it."""

    def __init__(self, provider: Provider, data: Path) -> None:
        """`data`: where the recordings go."""
        self._provider = provider
        self._data = data
        self._thread: threading.Thread | None = None
        self._ready: Future[tuple[asyncio.AbstractEventLoop, Against]] = Future()
        self._stop = asyncio.Event()
        self._at_once = asyncio.Semaphore(AT_ONCE[provider])
        self._held: dict[Path, Future[Verdict]] = {}
        self._all: list[Future[Verdict]] = []
        self._running: set[asyncio.Task[Verdict]] = set()

    def begin(self, paths: Iterable[Path]) -> None:
        """Begin to hold these calls, as many at once as is good, unless they were begun before."""
        loop, model = self._start()
        for path in paths:
            if path not in self._held:
                self._held[path] = self._submit(loop, partial(model.judge_file, path))

    def verdict(self, path: Path) -> Verdict:
        """Wait for a call that was begun; raises what `Against.judge_file` raises."""
        return self._result(self._held[path])

    def verdict_of(self, recording: Recording, agent: Path | None) -> Verdict:
        """Hold one call now; raises what `Against.judge` raises."""
        loop, model = self._start()
        return self._result(self._submit(loop, partial(model.judge, recording, agent)))

    def close(self) -> None:
        """Break off what is still held, and end."""
        if self._thread is None:
            return
        for future in self._all:
            future.cancel()
        if self._ready.exception() is None:
            loop, _ = self._ready.result()
            loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _start(self) -> tuple[asyncio.AbstractEventLoop, Against]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="calls against a model")
            self._thread.start()
        return self._ready.result()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001 - for the thread that waits
            if not self._ready.done():
                self._ready.set_exception(error)

    async def _live(self) -> None:
        settings = settings_against(self._provider, os.environ, ENV_FILE)
        own = msgspec.structs.replace(settings, data=self._data)
        references = read_references(os.environ, ENV_FILE)
        async with against(self._provider, own, load_clips(), tell=logger.info, references=references) as model:
            self._ready.set_result((asyncio.get_running_loop(), model))
            await self._stop.wait()
            if self._running:
                await asyncio.wait(self._running)  # they are broken off, and end their calls

    def _submit(self, loop: asyncio.AbstractEventLoop, call: Callable[[], Awaitable[Verdict]]) -> Future[Verdict]:
        future = asyncio.run_coroutine_threadsafe(self._in_turn(call), loop)
        self._all.append(future)
        return future

    async def _in_turn(self, call: Callable[[], Awaitable[Verdict]]) -> Verdict:
        task = asyncio.current_task()
        assert task is not None, "a coroutine that was submitted runs in a task"
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        async with self._at_once:
            return await call()

    @staticmethod
    def _result(future: Future[Verdict]) -> Verdict:
        try:
            return future.result()
        except CancelledError:
            raise CommandError("the call was broken off") from None
