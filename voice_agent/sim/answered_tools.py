"""Whether every function call of the model is answered: once, and in time.

A call that an MCP server carries out is one of the model's, too: its answer is what the history is told of its end. How
long an answer may take is the agent's limit with the core's grace; who is asked for digits, holds, or waits for an
agent that speaks, may be asked for as long as the call lasts, for digits as long as the agent that asks has it.
"""

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import AddToolOutput, AnswerMcpApproval, ToolAnswered, ToolStarted
from voice_agent.call.events import McpApprovalAsked, ToolRequested

TOOL_GRACE_MS = 2500
"""Beyond a tool's own limit: the core's grace, and the network's."""

GOODBYE_MS = 32_000
"""Longest wait of a call of `hang_up` for its answer: the longest goodbye, and the way to the ear."""


class _Use(msgspec.Struct):
    """One function call of the model."""

    asked_ms: int
    limit_ms: int
    answers: int = 0
    for_digits: bool = False


class AnsweredTools:
    """Watches one call; what looks gives what is wrong, or nothing."""

    def __init__(self, agent: Agent) -> None:
        self._uses: dict[str, _Use] = {}
        self._pressing: set[str] = set()
        self._follow(agent)

    def _follow(self, agent: Agent) -> None:
        self._longest_ms = agent.limits.minutes * 60_000
        self._remote_limit_ms = usual_ms = agent.limits.tool_seconds * 1000 + TOOL_GRACE_MS
        # A hand-over waits for a response, keys that are pressed for silence.
        by_kind = {"hang_up": GOODBYE_MS, "transfer": GOODBYE_MS} | dict.fromkeys(
            ("collect_digits", "handoff", "send_digits"), self._longest_ms
        )
        self._pressed_by = {tool.name for tool in agent.tools if tool.kind == "send_digits"}
        self._collected_by = {tool.name for tool in agent.tools if tool.kind == "collect_digits"}
        self._limits_ms = {tool.name: by_kind.get(tool.kind, usual_ms) for tool in agent.tools}
        self._limits_ms |= {
            tool.name: self._longest_ms for tool in agent.tools if tool.transfer is not None and tool.transfer.warm
        }

    def hand_over(self, now_ms: int, agent: Agent) -> None:
        """Go by another agent's limits from now on; nobody is asked for digits any more."""
        for use in self._uses.values():
            if use.for_digits:
                use.limit_ms = now_ms - use.asked_ms
            elif use.limit_ms >= self._longest_ms:  # for as long as the call lasts, which now lasts longer
                use.limit_ms += agent.limits.minutes * 60_000
        self._follow(agent)

    @property
    def running(self) -> bool:
        """Whether a function call waits for its answer."""
        return any(use.answers == 0 for use in self._uses.values())

    @property
    def pressing(self) -> bool:
        """Whether keys are being pressed: into a menu, which speaks all the time."""
        return bool(self._pressing)

    def ask(self, now_ms: int, event: ToolRequested | McpApprovalAsked) -> None:
        """Take what the model asks for."""
        if isinstance(event, McpApprovalAsked):
            self._uses.setdefault(event.request_id, _Use(now_ms, 0))
            return
        limit_ms, for_digits = self._limits_ms.get(event.name, TOOL_GRACE_MS), event.name in self._collected_by
        self._uses.setdefault(event.call_id, _Use(now_ms, limit_ms, for_digits=for_digits))
        if event.name in self._pressed_by:
            self._pressing.add(event.call_id)

    def watch(
        self, now_ms: int, command: AddToolOutput | AnswerMcpApproval | ToolStarted | ToolAnswered, *, lost: bool
    ) -> str:
        """Look at what is done about one of them. `lost`: there is no session that could be told."""
        match command:
            case AddToolOutput() if not command.event_id.startswith("history"):
                self._pressing.discard(command.call_id)
                return self._answer(now_ms, command.call_id)
            case AnswerMcpApproval():
                return self._answer(now_ms, command.request_id)
            case ToolStarted() if command.server:
                self._uses.setdefault(_remote(command.call_id), _Use(now_ms, self._remote_limit_ms))
            case ToolAnswered() if _remote(command.call_id) in self._uses:
                return self._answer(now_ms, _remote(command.call_id))
            case ToolAnswered() if lost and not self._is_answered(command.call_id):
                return self._answer(now_ms, command.call_id)  # the next session learns it from the history
        return ""

    def finish(self, over_ms: int) -> list[str]:
        """Look at all of them, after the call; from `over_ms` on none was answered any more."""
        return [
            f"function call {call_id} was answered {use.answers} times"
            for call_id, use in self._uses.items()
            if use.answers > 1 or (use.answers == 0 and over_ms - use.asked_ms > use.limit_ms)
        ]

    def _is_answered(self, call_id: str) -> bool:
        return call_id in self._uses and self._uses[call_id].answers > 0

    def _answer(self, now_ms: int, call_id: str) -> str:
        use = self._uses.setdefault(call_id, _Use(now_ms, 0))
        use.answers += 1
        late_ms = now_ms - use.asked_ms - use.limit_ms
        late = use.answers == 1 and late_ms > 0
        return f"function call {call_id} was answered {late_ms} ms too late" if late else ""


def _remote(call_id: str) -> str:
    """Name a call that an MCP server carries out; a question about it may bear the same id."""
    return f"at an MCP server, {call_id}"
