"""Tool calls of the model: each is run once and answered exactly once, whatever the caller does meanwhile.

A barge-in does not lose a result: its item is still added. What acts on the line is not run but handed to the part that
has it: `hang_up` and `transfer` to `ending`, which answers by itself, the others by `LineToolCalled`. The calls of one
response, those that the model's server carries out among them, are answered by one further response, when that response
is done and all of them are answered.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import AddToolOutput, Command, Destination, RunTool, ToolAnswered, ToolStarted
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    AgentTranscript,
    Event,
    ResponseCreated,
    ResponseDone,
    TimerFired,
    ToolFinished,
    ToolRequested,
)
from voice_agent.call.facts import (
    AgentChanged,
    CallOver,
    Fact,
    HangUpWanted,
    LineClosing,
    LineToolAnswered,
    LineToolCalled,
    ModelGone,
    RemoteCallBegan,
    RemoteCallEnded,
    ResponseWanted,
    ToolsBusy,
)
from voice_agent.call.part import Handled
from voice_agent.call.transfer import ENOUGH, chosen

GRACE_MS = 2000
"""The runner keeps the tool's own limit; only when even its answer fails to come is the call answered without it."""


ON_LINE = frozenset({"collect_digits", "send_digits", "handoff", "transfer", "take_call", "decline_call"})
"""Kinds of tools that a part of the call has. They wait for people, so no limit and no sign of life is theirs."""


class _Running(msgspec.Struct):
    response_id: str
    began_ms: int
    on_line: bool = False


class ToolCalls:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        ToolRequested,
        ToolFinished,
        LineToolAnswered,
        AgentChanged,
        AgentTranscript,
        RemoteCallBegan,
        RemoteCallEnded,
        ResponseCreated,
        ResponseDone,
        TimerFired,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, agent: Agent, transfers: int) -> None:
        """`transfers`: so many came to nothing before."""
        self.transfers = transfers
        """Those of colleagues who were asked in this session are added."""
        self._agent = ""
        """Whose tools these are, when the call was handed over."""
        self._equip(agent)
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """When a tool's answer is overdue; the deadlines bear the calls' ids."""
        self._running: dict[str, _Running] = {}
        self._seen: set[str] = set()
        self._generating: set[str] = set()
        """Responses that called tools and may call more."""
        self._open: set[str] = set()
        """Responses that have begun and not ended."""
        self._ours: set[str] = set()
        """Responses that called a tool of ours: what the server then says by itself does not know its result."""
        self._spoken_of: set[str] = set()
        """Responses that went on speaking when their remote calls were over, and so need no further one."""
        self._gone = False

    def _equip(self, agent: Agent) -> None:
        self._tools = {tool.name: tool for tool in agent.tools}
        self._limit_ms = agent.limits.tool_seconds * 1000 + GRACE_MS
        self._most_transfers = agent.limits.transfers

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        match event:
            case ToolRequested() if event.call_id not in self._seen and not self._gone:
                self._seen.add(event.call_id)
                yield from self._begin(now_ms, event)
            case ToolFinished() | LineToolAnswered():
                yield from self._finish(now_ms, event.call_id, event.output, failed=event.failed)
            case AgentChanged():
                self._agent = event.agent.name
                self._equip(event.agent)
            case AgentTranscript():
                if event.response_id in self._generating and not self._runs(event.response_id):
                    self._spoken_of.add(event.response_id)
            case RemoteCallBegan() if not self._gone:
                yield from self._begin_remote(now_ms, event)
            case RemoteCallEnded():
                yield from self._finish_remote(now_ms, event)
            case ResponseCreated():
                self._open.add(event.response_id)
            case ResponseDone():
                self._open.discard(event.response_id)
                if event.response_id in self._generating:
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
                self._deadlines.clear_all()

    def _begin(self, now_ms: int, event: ToolRequested) -> Iterator[Command | Fact]:
        yield ToolStarted(event.call_id, event.name, event.arguments)
        tool = self._tools.get(event.name)
        problem = "" if tool is not None else f"there is no tool named {event.name}"
        if tool is not None and tool.kind == "hang_up":
            yield HangUpWanted(event.call_id, event.response_id)
            return
        if tool is not None and tool.transfer is not None:
            destination = chosen(tool.transfer, event.arguments)
            if isinstance(destination, Destination) and self.transfers >= self._most_transfers:
                destination = ENOUGH
            if isinstance(destination, Destination) and not tool.transfer.warm:
                yield HangUpWanted(event.call_id, event.response_id, destination)
                return
            self.transfers += isinstance(destination, Destination)
            problem = destination if isinstance(destination, str) else ""
        self._generating.add(event.response_id)
        self._ours.add(event.response_id)
        on_line = tool is not None and tool.kind in ON_LINE and not problem
        self._running[event.call_id] = _Running(event.response_id, now_ms, on_line)
        if on_line:
            yield LineToolCalled(event.call_id, event.name, event.arguments, event.response_id)
            return
        yield ToolsBusy(busy=True)
        if problem:
            # What the model wrote may hold what no JSON can.
            error = msgspec.json.encode({"error": problem.encode(errors="replace").decode()}).decode()
            yield from self._finish(now_ms, event.call_id, error, failed=True)
        else:
            self._deadlines.set(event.call_id, now_ms + self._limit_ms)
            yield RunTool(event.call_id, event.name, event.arguments, self._agent)

    def _finish(self, now_ms: int, call_id: str, output: str, *, failed: bool) -> Iterator[Command | Fact]:
        running = self._running.pop(call_id, None)
        if running is None:
            return
        self._deadlines.clear(call_id)
        yield AddToolOutput(f"output-{call_id}", call_id, output)
        yield ToolAnswered(call_id, output, failed, now_ms - running.began_ms)
        yield from self._speak_of(running.response_id)
        yield from self._rest(running)

    def _begin_remote(self, now_ms: int, fact: RemoteCallBegan) -> Iterator[Command | Fact]:
        yield ToolStarted(fact.call_id, fact.name, fact.arguments, fact.server)
        if fact.response_id in self._open:
            self._generating.add(fact.response_id)
            self._spoken_of.discard(fact.response_id)
        self._running[fact.call_id] = _Running(fact.response_id, now_ms)
        yield ToolsBusy(busy=True)

    def _finish_remote(self, now_ms: int, fact: RemoteCallEnded) -> Iterator[Command | Fact]:
        running = self._running.pop(fact.call_id, None)
        if running is None:
            return
        yield ToolAnswered(fact.call_id, fact.output, fact.failed, now_ms - running.began_ms)
        if fact.in_conversation:
            yield from self._speak_of(running.response_id)
        yield from self._rest(running)

    def _rest(self, over: _Running) -> Iterator[Fact]:
        """Say that no tool runs any more, if that was the last one."""
        if not over.on_line and all(running.on_line for running in self._running.values()):
            yield ToolsBusy(busy=False)

    def _speak_of(self, response_id: str) -> Iterator[Fact]:
        if self._runs(response_id) or response_id in self._generating:
            return
        if response_id in self._ours:
            yield ResponseWanted("tool")
        elif response_id not in self._spoken_of:
            yield ResponseWanted("mcp")

    def _runs(self, response_id: str) -> bool:
        return any(running.response_id == response_id for running in self._running.values())
