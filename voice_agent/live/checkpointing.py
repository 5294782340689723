"""Keeps in the store what each call needs to go on, behind the call: nothing of it is on the audio path.

One task a call writes how it stands when something was said or done, the latest only, and seldom: all calls at the same
moments, so that the store takes them by one statement. Before a stream is closed on purpose that is written first: so
whoever is asked what becomes of the call can tell an end from a death.
A store that cannot be used stops no call: it is told once a call, counted, and tried again. It must not know why a call
goes on, nor what is done with it then.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerSaid,
    CallStarted,
    HandedOver,
    Interrupted,
    KeysPressed,
    Report,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.setup import CallSetup
from voice_agent.errors import CommandError
from voice_agent.live.clock import wall_seconds
from voice_agent.live.lobby import COMES_BACK
from voice_agent.live.metrics import Metrics
from voice_agent.store.checkpoints import Checkpoint, Checkpoints, State

logger = logging.getLogger(__name__)

NOT_KEPT = frozenset({"CallToken"})
"""Fields of a webhook that are credentials: with a CallToken its caller's number can be used as one's own."""

GAP_S = 0.2
"""From one moment of writing to the next: a call that says much meanwhile is written once."""

RETRY_S = 1.0
"""From a writing that failed to the next."""

LEAVING_S = 0.5
"""How long a close on purpose waits for its note."""

LAST_TRIES = 5
"""How often the end of a call is tried to be written; each failure is told."""

SETTLED_S = 3.0
"""How long others wait for that."""

REMEMBERED = 20_000
"""Calls whose place is remembered. The oldest is forgotten first."""

_TELLING = (
    CallStarted,
    CallerSaid,
    AgentBegan,
    AgentSaid,
    Interrupted,
    KeysPressed,
    ToolStarted,
    ToolAnswered,
    HandedOver,
)
"""Reports after which a call stands otherwise."""

Made = Callable[[], Checkpoint]
"""Says how the call stands: without what is known of its place."""


class Place(msgspec.Struct):
    """Which stream of a call this process has or expects."""

    number: int = 0
    taken_up: int = 0
    stream_sid: str = ""


class Checkpointing:
    """One for the server."""

    def __init__(self, store: Checkpoints, metrics: Metrics) -> None:
        self.store = store
        self.handing_over = False
        """Set when the server stops: a call that is ended then goes on elsewhere."""
        self._metrics = metrics
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._writers: dict[str, CallCheckpoint] = {}

    def place(self, call_sid: str) -> Place | None:
        """Say where a call stands; `None`: it is not in the store."""
        return self._places.get(call_sid)

    def remember(self, call_sid: str, place: Place) -> None:
        """Remember where a call stands, once a stream."""
        known = self._places.get(call_sid)
        if known is None or known.number != place.number:
            self._places[call_sid] = place
        self._places.move_to_end(call_sid)
        if len(self._places) > REMEMBERED:
            self._places.popitem(last=False)

    def forget(self, call_sid: str) -> None:
        """A call goes on of which the store does not know: nothing more is kept of it."""
        self._places.pop(call_sid, None)

    def open(self, call_sid: str, made: Made, superseded: Callable[[], None]) -> "CallCheckpoint | None":
        """Begin to keep a call; `superseded` is called if somebody else turns out to have it.

        `None`: the call is not in the store.
        """
        place = self._places.get(call_sid)
        if place is None:
            return None
        writer = self._writers[call_sid] = CallCheckpoint(self, call_sid, place, made, superseded)
        return writer

    async def settled(self, call_sid: str) -> None:
        """Wait until the end of a call that has just ended is written, if it is one of this process; bounded."""
        writer = self._writers.get(call_sid)
        if writer is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLED_S):
                    await writer.written.wait()

    def closed(self, writer: "CallCheckpoint") -> None:
        """Forget a writer that has written its last."""
        if self._writers.get(writer.call_sid) is writer:
            del self._writers[writer.call_sid]

    async def attempt(self, call_sid: str, work: Awaitable[bool]) -> bool | None:
        """Use the store; `None`: it cannot be used, which is told and counted."""
        try:
            return await work
        except CommandError as error:
            self._metrics.add("checkpoints_failed")
            logger.error("the call could not go on elsewhere now: %s", error, extra={"call": call_sid})  # noqa: TRY400 - the text says it all
            return None


class CallCheckpoint:
    """One call's. Usage: `async with` around the session."""

    def __init__(
        self, all_calls: Checkpointing, call_sid: str, place: Place, made: Made, superseded: Callable[[], None]
    ) -> None:
        self.call_sid = call_sid
        self.written = asyncio.Event()
        """Nothing more will be written."""
        self._all = all_calls
        self._place = place
        self._made = made
        self._superseded = superseded
        self._state: State = "going"
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._ended: CallEnded | None = None
        self._tasks = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._task = self._tasks.create_task(self._keep_writing())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write how the call ended. A call that broke off by a fault of ours is one that was lost."""
        assert self._task is not None
        self._task.cancel()
        await self._tasks.__aexit__(None, None, None)
        try:
            # One whose stream never came is expected still, or given up.
            if self._place.stream_sid:
                await self._end()
        finally:
            self.written.set()
            self._all.closed(self)

    def observe(self, now_ms: int, report: Report) -> None:
        """Take one report; fits `session.Observer`."""
        del now_ms
        if isinstance(report, CallEnded):
            self._ended = report
        elif isinstance(report, _TELLING):
            self._changed.set()

    async def leaving(self) -> None:
        """Note that the stream is about to be closed on purpose, or that the call goes on elsewhere; bounded."""
        self._state = "lost" if self._all.handing_over else "leaving"
        try:
            async with asyncio.timeout(LEAVING_S):
                await self._write()
        except TimeoutError:
            logger.warning("the close was not noted in time", extra={"call": self.call_sid})

    async def _keep_writing(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(GAP_S - asyncio.get_running_loop().time() % GAP_S)
            self._changed.clear()
            if not await self._write():
                self._changed.set()
                await asyncio.sleep(RETRY_S)

    async def _end(self) -> None:
        ended = self._ended
        lost = ended is None or ended.outcome == "stream_lost"
        lost = lost or (self._all.handing_over and ended is not None and ended.outcome == "stopped")
        self._state = "lost" if lost else "over"
        for _ in range(LAST_TRIES):
            if await self._write():
                return
            await asyncio.sleep(GAP_S)

    async def _write(self) -> bool:
        """Write how the call stands now; `False`: it must be tried again."""
        if not self._place.stream_sid:
            return True
        async with self._writing:
            checkpoint = msgspec.structs.replace(
                self._made(), taken_up=self._place.taken_up, stream_sid=self._place.stream_sid, ended=self._ended
            )
            if self._state in {"lost", "over"}:
                # The history gets it now.
                goes_on = self._state == "lost" or (self._ended is not None and self._ended.outcome in COMES_BACK)
                resumption = checkpoint.resumption
                checkpoint = msgspec.structs.replace(
                    checkpoint,
                    row=None,
                    resumption=resumption if goes_on else None,
                    had_by="" if resumption is None else resumption.conversation.agent,
                )
            writing = self._all.store.write(self.call_sid, self._place.number, self._state, checkpoint, wall_seconds())
            kept = await self._all.attempt(self.call_sid, writing)
        if kept is False:
            self._superseded()
        return kept is not None


def kept_setup(setup: CallSetup) -> CallSetup:
    """Leave out what a checkpoint holds elsewhere, or nobody needs to go on."""
    return msgspec.structs.replace(setup, kept_greeting=None, resumed=None)


def kept_webhook(fields: Mapping[str, str]) -> dict[str, str]:
    """Leave out credentials."""
    return {name: value for name, value in fields.items() if name not in NOT_KEPT}
