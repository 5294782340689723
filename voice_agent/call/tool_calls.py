"""Tool calls of the model: each is run once and answered exactly once, whatever the caller does meanwhile.

A barge-in does not lose a result: its item is still added. `hang_up` is not run but handed to `ending`. The calls of
one response are answered by one further response, when that response is done and all of them are answered.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import AddToolOutput, Command, RunTool, ToolAnswered, ToolStarted
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import Event, ResponseDone, TimerFired, ToolFinished, ToolRequested
from voice_agent.call.facts import CallOver, Fact, HangUpWanted, LineClosing, ModelGone, ResponseWanted, ToolsBusy
from voice_agent.call.part import Handled

GRACE_MS = 2000
"""The runner keeps the tool's own limit; only when even its answer fails to come is the call answered without it."""


class _Running(msgspec.Struct):
    name: str
    response_id: str
    began_ms: int


class ToolCalls:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        ToolRequested,
        ToolFinished,
        ResponseDone,
        TimerFired,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, agent: Agent) -> None:
        self._kinds = {tool.name: tool.kind for tool in agent.tools}
        self._limit_ms = agent.limits.tool_seconds * 1000 + GRACE_MS
        self._deadlines = Deadlines()
        self._running: dict[str, _Running] = {}
        self._seen: set[str] = set()
        self._generating: set[str] = set()
        """Responses that called tools and may call more."""
        self._gone = False

    def deadline(self) -> int | None:
        """When a tool's answer is overdue; the deadlines bear the calls' ids."""
        return self._deadlines.earliest()

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        match event:
            case ToolRequested() if event.call_id not in self._seen and not self._gone:
                self._seen.add(event.call_id)
                yield from self._begin(now_ms, event)
            case ToolFinished():
                yield from self._finish(now_ms, event.call_id, event.output, failed=event.failed)
            case ResponseDone() if event.response_id in self._generating:
                self._generating.discard(event.response_id)
                yield from self._speak_of(event.response_id)
            case TimerFired():
                for call_id in self._deadlines.take_due(now_ms):
                    yield from self._finish(
                        now_ms, call_id, '{"error": "the tool did not answer in time"}', failed=True
                    )
            case ModelGone() | LineClosing() | CallOver():
                self._gone = True
                self._running.clear()
                self._deadlines = Deadlines()

    def _begin(self, now_ms: int, event: ToolRequested) -> Iterator[Command | Fact]:
        yield ToolStarted(event.call_id, event.name, event.arguments)
        kind = self._kinds.get(event.name)
        if kind == "hang_up":
            yield HangUpWanted(event.call_id, event.response_id)
            return
        self._generating.add(event.response_id)
        self._running[event.call_id] = _Running(event.name, event.response_id, now_ms)
        yield ToolsBusy(busy=True)
        if kind is None:
            error = msgspec.json.encode({"error": f"there is no tool named {event.name}"}).decode()
            yield from self._finish(now_ms, event.call_id, error, failed=True)
        else:
            self._deadlines.set(event.call_id, now_ms + self._limit_ms)
            yield RunTool(event.call_id, event.name, event.arguments)

    def _finish(self, now_ms: int, call_id: str, output: str, *, failed: bool) -> Iterator[Command | Fact]:
        running = self._running.pop(call_id, None)
        if running is None:
            return
        self._deadlines.clear(call_id)
        yield AddToolOutput(f"output-{call_id}", call_id, output)
        yield ToolAnswered(call_id, output, failed, now_ms - running.began_ms)
        yield from self._speak_of(running.response_id)
        if not self._running:
            yield ToolsBusy(busy=False)

    def _speak_of(self, response_id: str) -> Iterator[Fact]:
        running = any(other.response_id == response_id for other in self._running.values())
        if not running and response_id not in self._generating:
            yield ResponseWanted("tool")
