"""What one call adds to the metrics, made from its reports alone: nothing is counted anywhere else.

It must not know who reads them.
"""

import re
from collections.abc import Iterable

from voice_agent.agent import Agent
from voice_agent.call.commands import (
    AgentBegan,
    CallEnded,
    CallerBegan,
    CallStarted,
    HandedOver,
    Interrupted,
    Note,
    Report,
    ResponseUsed,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.live.metrics import Metrics

_STATUS = re.compile(r"HTTP (\d{3}):")
"""How `wire.endpoint.explain_refusal` begins."""

_OF_THE_MODEL = {
    "the model refused, and is asked again": "model_retries",
    "the model's session is opened anew": "model_retries",
    "another endpoint is asked for the model": "model_fallbacks",
    "the model is gone": "model_failures",
}
"""Notes with a metric of their own, which alerts ask for."""

BACK = "the model is back"

MCP, OTHER = "mcp", "other"
"""Labels of tools whose names are not in the agents' files: servers, and models, write what they like."""


class CallMetrics:
    """One call's."""

    def __init__(self, metrics: Metrics, agents: Iterable[Agent]) -> None:
        """`agents`: those that the call may have."""
        self._metrics = metrics
        self._names = {tool.name for agent in agents for tool in agent.tools}
        self._tools: dict[str, str] = {}
        """Labels of the tools that run, by the id of their call."""
        self._caller_began_ms: int | None = None

    def observe(self, now_ms: int, report: Report) -> None:
        """Take one report; fits `session.Observer`."""
        metrics = self._metrics
        match report:
            case CallStarted(connect_ms):
                metrics.add("calls_started")
                if connect_ms >= 0:
                    metrics.took("connect_seconds", connect_ms)
            case CallerBegan():
                self._caller_began_ms = now_ms
            case AgentBegan(_, response_ms):
                self._caller_began_ms = None
                if response_ms >= 0:
                    metrics.took("response_seconds", response_ms)
            case Interrupted(_, _, basis):
                metrics.add("interruptions", basis=basis)
                if self._caller_began_ms is not None:
                    metrics.took("interruption_seconds", now_ms - self._caller_began_ms)
                    self._caller_began_ms = None
            case ToolStarted(call_id, name, _, server):
                self._tools[call_id] = MCP if server else name if name in self._names else OTHER
            case ToolAnswered(call_id, _, failed, took_ms):
                tool = self._tools.pop(call_id, OTHER)
                metrics.took("tool_seconds", took_ms, tool=tool)
                if failed:
                    metrics.add("tool_calls_failed", tool=tool)
            case HandedOver(agent):
                metrics.add("handovers", to=agent)
            case ResponseUsed(usage):
                metrics.add("tokens", usage.input_tokens, kind="input")
                metrics.add("tokens", usage.cached_tokens, kind="input_cached")
                metrics.add("tokens", usage.output_tokens, kind="output")
            case Note():
                self._note(report)
            case CallEnded(outcome):
                metrics.add("calls_ended", outcome=outcome)
            case _:
                return

    def _note(self, note: Note) -> None:
        if note.what == BACK:
            self._metrics.took("model_outage_seconds", note.fields["after_ms"])
        elif note.what in _OF_THE_MODEL:
            status = _STATUS.match(str(note.fields.get("reason", "")))
            self._metrics.add(_OF_THE_MODEL[note.what], status=status[1] if status else "none")
        else:
            self._metrics.add("notes", what=note.what)
