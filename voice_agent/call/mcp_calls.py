"""MCP tools, which the model's server lists and calls by itself: its news are put together, its questions answered.

A call is told by its item, by events that name the item only, and by the item once more, in an order that no document
gives; from here on it is one beginning and one end. Whether a call may be made is asked where the agent's file wants
it, and answered exactly once, by that file. Whatever goes wrong at an MCP server is told to the operator, and the
conversation goes on.

The model does not speak of a result by itself (the vendor's own example asks for a response): `tool_calls` sees to
that. A server that does so all the same is not asked a second time; see `turns`.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import AnswerMcpApproval, Command, Note
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    Event,
    McpAnswered,
    McpApprovalAsked,
    McpCallBegan,
    McpCalled,
    McpCallEnded,
    McpListingFailed,
    McpToolsListed,
    TimerFired,
)
from voice_agent.call.facts import (
    AgentChanged,
    CallOver,
    Fact,
    LineClosing,
    ModelGone,
    RemoteCallBegan,
    RemoteCallEnded,
    ResponseWanted,
    SessionLost,
)
from voice_agent.call.part import Handled

ITEM_MS = 1000
"""The item with a call's output comes with the news of its end; later than this the call counts as answered without."""

APPROVED_MS = 2000
"""What was approved is begun at once; later than this the model's server seems to wait for a request."""

REFUSED = '{"error": "the call was not approved"}'
LOST = '{"error": "the connection broke off before there was an answer: it is not known what came of it"}'
OVERDUE = '{"error": "the tool did not answer in time"}'


class _Call(msgspec.Struct):
    server: str
    name: str
    arguments: str
    failed: bool | None = None
    """Whether it failed; `None`: it goes on."""

    def is_that_of(self, asked: McpApprovalAsked) -> bool:
        """Whether a question is about this call."""
        return (self.server, self.name, self.arguments) == (asked.server, asked.name, asked.arguments)


class McpCalls:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        McpToolsListed,
        McpListingFailed,
        McpCalled,
        McpCallBegan,
        McpCallEnded,
        McpAnswered,
        McpApprovalAsked,
        AgentChanged,
        TimerFired,
        SessionLost,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, agent: Agent) -> None:
        self._follow(agent)
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """When something is overdue."""
        """Of the calls by their items, and of what was approved."""
        self._calls: dict[str, _Call] = {}
        self._seen: set[str] = set()
        """Items of calls and questions."""
        self._approved: dict[str, McpApprovalAsked] = {}
        """Approved, and not begun yet."""
        self._answers = 0
        self._gone = False

    def _follow(self, agent: Agent) -> None:
        self._servers = {server.server_label: server for server in agent.mcp}
        self._instructions = agent.instructions
        self._limit_ms = agent.limits.tool_seconds * 1000

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        if self._gone:
            return
        match event:
            case McpToolsListed():
                yield from self._look_at_tools(event)
            case McpListingFailed():
                yield Note("warning", "an MCP server could not list its tools", {"server": event.server})
            case McpCalled() if event.item_id not in self._seen:
                call = _Call(event.server, event.name, event.arguments)
                yield from self._begin(now_ms, event.item_id, call, event.response_id)
            case McpCallBegan() if event.item_id in self._calls:
                self._forget_approval(self._calls[event.item_id])
            case McpCallEnded() if event.item_id in self._calls:
                self._calls[event.item_id].failed = event.failed
                self._deadlines.set(event.item_id, now_ms + ITEM_MS)
            case McpAnswered():
                yield from self._take_answer(now_ms, event)
            case McpApprovalAsked() if event.request_id not in self._seen:
                yield from self._decide(now_ms, event)
            case AgentChanged():
                self._follow(event.agent)
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    yield from self._due(name)
            case SessionLost():
                yield from self._lose_session()
            case ModelGone() | LineClosing() | CallOver():
                self._gone = True
                self._deadlines.clear_all()

    def _lose_session(self) -> Iterator[Command | Fact]:
        """End the calls that the lost session's server carries out; the next one's is told that nobody knows more."""
        if self._calls or self._approved:
            yield ResponseWanted("mcp")
        for item_id in list(self._calls):
            yield from self._end(item_id, LOST, "its session was lost", in_conversation=False)
        self._approved.clear()
        self._deadlines.clear_all()

    def _look_at_tools(self, event: McpToolsListed) -> Iterator[Command]:
        server = self._servers.get(event.server)
        allowed = () if server is None or server.allowed_tools is None else server.allowed_tools
        missing = [name for name in allowed if name not in event.tools]
        fields = {"server": event.server, "tools": ", ".join(event.tools)}
        if missing:
            yield Note(
                "warning", "an MCP server lacks tools that are allowed", fields | {"missing": ", ".join(missing)}
            )
        elif not event.tools:
            yield Note("warning", "an MCP server has no tools", {"server": event.server})
        else:
            yield Note("info", "an MCP server's tools are known", fields)

    # --- calls -------------------------------------------------------------------------------------------------------

    def _begin(self, now_ms: int, item_id: str, call: _Call, response_id: str) -> Iterator[Fact]:
        self._seen.add(item_id)
        self._calls[item_id] = call
        self._deadlines.set(item_id, now_ms + self._limit_ms)
        self._forget_approval(call)
        yield RemoteCallBegan(item_id, response_id, call.name, call.arguments, call.server)

    def _take_answer(self, now_ms: int, event: McpAnswered) -> Iterator[Command | Fact]:
        if event.item_id not in self._seen:
            yield from self._begin(now_ms, event.item_id, _Call(event.server, event.name, event.arguments), "")
        call = self._calls.get(event.item_id)
        if call is None:
            return  # it came too late, or twice
        self._forget_approval(call)
        yield from self._end(event.item_id, event.output or event.problem, event.problem)

    def _end(
        self, item_id: str, output: str, problem: str, *, in_conversation: bool = True
    ) -> Iterator[Command | Fact]:
        call = self._calls.pop(item_id)
        self._deadlines.clear(item_id)
        failed = bool(problem) or bool(call.failed)
        if failed:
            fields = {"server": call.server, "tool": call.name, "problem": problem or "no reason given"}
            yield Note("warning", "an MCP call failed", fields)
        yield RemoteCallEnded(item_id, output, failed, in_conversation)

    def _due(self, name: str) -> Iterator[Command | Fact]:
        if name in self._approved:
            # Nothing says that approving alone does it; asking is right either way.
            del self._approved[name]
            yield ResponseWanted("mcp")
        elif self._calls[name].failed is not None:
            yield from self._end(name, "", "")
        else:
            tool = self._calls[name].name
            yield from self._end(name, OVERDUE, f"no answer within {self._limit_ms // 1000} s", in_conversation=False)
            told = f"{self._instructions}\n\nThe tool {tool} does not answer. Say so in one short sentence, and go on."
            yield ResponseWanted("mcp", told, "none")

    # --- approval ----------------------------------------------------------------------------------------------------

    def _decide(self, now_ms: int, asked: McpApprovalAsked) -> Iterator[Command | Fact]:
        self._seen.add(asked.request_id)
        server = self._servers.get(asked.server)
        approve = server is not None and server.approves(asked.name)
        self._answers += 1
        reason = "" if approve else "not allowed on this line"
        yield AnswerMcpApproval(f"approval_{self._answers}", asked.request_id, approve, reason)
        fields = {"server": asked.server, "tool": asked.name}
        if approve:
            yield Note("info", "an MCP call was approved", fields)
            self._approved[asked.request_id] = asked
            self._deadlines.set(asked.request_id, now_ms + APPROVED_MS)
            return
        yield Note("warning", "an MCP call was refused", fields)
        item_id = next((item_id for item_id, call in self._calls.items() if call.is_that_of(asked)), "")
        if item_id:
            del self._calls[item_id]
            self._deadlines.clear(item_id)
        else:
            item_id = asked.request_id
            yield RemoteCallBegan(item_id, "", asked.name, asked.arguments, asked.server)
        yield RemoteCallEnded(item_id, REFUSED, failed=True)

    def _forget_approval(self, call: _Call) -> None:
        """Wait no longer for the beginning of what was approved."""
        for request_id, asked in list(self._approved.items()):
            if call.is_that_of(asked):
                del self._approved[request_id]
                self._deadlines.clear(request_id)

    def __repr__(self) -> str:
        return f"<McpCalls {sorted(self._calls)}, {self._deadlines}>"
