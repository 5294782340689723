"""What went wrong in a call, told by its reports: what a person who runs the line would want to know of.

Found once, as the call goes: the history keeps it, the list of calls names it, and the page of a call puts it on its
line of time. It holds no word that anybody said.
"""

from collections import Counter

import msgspec

from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    Note,
    Report,
    ToolAnswered,
    ToolStarted,
)

LATE_MS = 1000
"""An answer that the caller waits longer for is late."""

MOST_ALIKE = 20
"""Of one fault in a call: a peer that sends what cannot be read 50 times a second must not fill the history."""

LATE, UNHEARD = "late answer", "words not heard"
TOOL_FAILED, TOOL_UNANSWERED = "tool failed", "tool never answered"
SESSION_LOST, TRANSFER_FAILED = "connection lost", "transfer failed"
STREAM_LOST, MODEL_FAILED = "stream lost", "model failed"
NOT_TAKEN, FAULT = "not taken", "fault"

KINDS = (
    *(FAULT, UNHEARD, LATE, TOOL_FAILED, TOOL_UNANSWERED),
    *(SESSION_LOST, TRANSFER_FAILED, STREAM_LOST, MODEL_FAILED, NOT_TAKEN),
)
"""Which there are, the worst last. Of `FAULT` the note's own sentence says more."""

SESSION_NOTES = frozenset({"the model's session is opened anew", "another endpoint is asked for the model"})
_GONE = "the model is gone"
_ENDS = {"stream_lost": STREAM_LOST, "no_stream": STREAM_LOST, "model_failed": MODEL_FAILED}
_LONGEST_NAME = 64


class Trouble(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that went wrong."""

    at_ms: int
    """When it began, on the call's clock."""
    kind: str
    """One of `KINDS`, or of a later version's."""
    what: str = ""
    """Which tool, why, or which fault; never what anybody said."""
    ms: int = 0
    """Of a late answer how long the caller waited, of words how much was made and not heard."""


class TroubleFinder:
    """Give every report to `take`, in order."""

    def __init__(self) -> None:
        self.found: list[Trouble] = []
        self._faults: Counter[str] = Counter()
        self._tools: dict[str, tuple[int, str]] = {}
        """Those that run: when each began, and its name."""

    def take(self, now_ms: int, report: Report) -> None:
        """Take one report; most change nothing."""
        match report:
            case AgentBegan() if report.response_ms > LATE_MS:
                self._add(max(0, now_ms - report.response_ms), LATE, ms=report.response_ms)
            case AgentSaid() if report.interrupted and report.heard_ms < report.total_ms:
                self._add(now_ms, UNHEARD, ms=report.total_ms - report.heard_ms)
            case ToolStarted():
                self._tools[report.call_id] = now_ms, report.told[:_LONGEST_NAME]
            case ToolAnswered():
                began_ms, name = self._tools.pop(report.call_id, (max(0, now_ms - report.took_ms), ""))
                if report.failed:
                    self._add(began_ms, TOOL_FAILED, name)
            case Note(level="warning" | "error") if report.what != _GONE:
                self._faults[report.what] += 1
                if report.what in SESSION_NOTES:
                    self._add(now_ms, SESSION_LOST)
                elif self._faults[report.what] <= MOST_ALIKE:
                    self._add(now_ms, FAULT, report.what)
            case CallEnded():
                for began_ms, name in self._tools.values():
                    self._add(began_ms, TOOL_UNANSWERED, name)
                if report.outcome in _ENDS:
                    self._add(now_ms, _ENDS[report.outcome])

    def _add(self, at_ms: int, kind: str, what: str = "", ms: int = 0) -> None:
        self.found.append(Trouble(at_ms, kind, what, ms))
