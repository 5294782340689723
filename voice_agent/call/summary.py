"""What a call was, told by its reports: the lines of its transcript with their times, and its counts.

It is made from the reports alone, so it is the same for a call in progress, for one that was not recorded, and for a
recording. It must not know where reports come from nor what becomes of the summary.
"""

from operator import add
from typing import Literal, TypeVar

import msgspec

from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerBegan,
    CallerSaid,
    Interrupted,
    KeysPressed,
    Note,
    Report,
    ResponseUsed,
    ToolAnswered,
    ToolStarted,
    TranscriptionUsed,
)
from voice_agent.call.events import TranscriptionUsage, Usage
from voice_agent.call.trouble import Trouble, TroubleFinder

WORDS_MS = 10_000
"""Words that have not come so long after their turn began, when the next one begins, are not waited for any more."""

_Counts = TypeVar("_Counts", Usage, TranscriptionUsage)


class Line(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened, as a person would tell it."""

    at_ms: int
    """When it began, as far as the reports tell; words are known only later."""
    who: Literal["caller", "agent", "keys", "tool", "note", "end"]
    text: str
    """The words; of a tool its name and arguments; of the end the outcome."""
    remark: str = ""
    """What must be known beside it, e.g. how much of it was heard; may be empty."""
    agent: str = ""
    """Which agent said it, when the call was handed over; empty: the one that took the call."""


class Summary:
    """Give every report to `take`, in order."""

    def __init__(self) -> None:
        self.ended: CallEnded | None = None
        """`None`: the call lasts, or nobody saw its end."""
        self.until_ms = 0
        """Up to when the call is known, whether or not there is a report of that moment."""
        self.turns = 0
        """Turns of the caller that were understood."""
        self.interruptions = 0
        self.tool_calls = 0
        self.faults = 0
        """Notes that a person may want to know."""
        self.usage = Usage()
        """The sum of all responses."""
        self.transcription = TranscriptionUsage()
        """The same of the caller's words; another model's, so that it is counted apart."""
        self.response_ms: list[int] = []
        """How long the caller waited for each answer."""
        self.interruption_ms: list[int] = []
        """How long the agent was still heard after each interrupting voice was noticed."""
        self._trouble = TroubleFinder()
        self._lines: list[Line] = []
        self._wordless_ms: list[int] = []
        """When the caller's turns began whose words are still to come; these come in that order."""
        self._voice_ms = -1
        """When the caller last began."""
        self._agent_began_ms: dict[str, int] = {}
        self._cut_from_ms: dict[str, int] = {}
        """When the voice was noticed that stopped an item."""
        self._tools: dict[str, int] = {}
        """Where the line of a tool call stands, by its id."""

    @property
    def lines(self) -> list[Line]:
        """All lines in the order in which they began."""
        return sorted(self._lines, key=lambda line: line.at_ms)

    @property
    def trouble(self) -> list[Trouble]:
        """What went wrong, in the order in which it was found."""
        return self._trouble.found

    def forget_words(self) -> None:
        """Drop the lines, which hold what people said; only when the call is over."""
        self._lines.clear()

    def take(self, now_ms: int, report: Report) -> None:
        """Take one report; `CallStarted` and lesser notes are for the log, and change nothing here."""
        self.until_ms = max(self.until_ms, now_ms)
        self._trouble.take(now_ms, report)
        match report:
            case CallerBegan():
                self._voice_ms = now_ms
                waited_for = (began_ms for began_ms in self._wordless_ms if now_ms - began_ms < WORDS_MS)
                self._wordless_ms = [*waited_for, now_ms]
            case CallerSaid():
                self.turns += 1
                began_ms = self._wordless_ms.pop(0) if self._wordless_ms else now_ms
                self._lines.append(Line(began_ms, "caller", report.text))
            case AgentBegan():
                self._agent_began_ms[report.item_id] = now_ms
                if report.response_ms >= 0:
                    self.response_ms.append(report.response_ms)
            case AgentSaid():
                began_ms = self._agent_began_ms.pop(report.item_id, max(0, now_ms - report.heard_ms))
                cut_from_ms = self._cut_from_ms.pop(report.item_id, None)
                if cut_from_ms is not None:
                    self.interruption_ms.append(max(0, began_ms + report.heard_ms - cut_from_ms))
                heard = f"interrupted: {_seconds(report.heard_ms)} of {_seconds(report.total_ms)} heard"
                remark = heard if report.interrupted else ""
                self._lines.append(Line(began_ms, "agent", report.text, remark, report.agent))
            case Interrupted():
                self.interruptions += 1
                by_voice = self._voice_ms >= self._agent_began_ms.get(report.item_id, now_ms)
                self._cut_from_ms[report.item_id] = self._voice_ms if by_voice else now_ms
            case KeysPressed():
                self._lines.append(Line(now_ms, "keys", report.digits))
            case ToolStarted():
                self.tool_calls += 1
                self._tools[report.call_id] = len(self._lines)
                self._lines.append(Line(now_ms, "tool", f"{report.told} {report.arguments}"))
            case ToolAnswered():
                self._answer(now_ms, report)
            case ResponseUsed():
                self.usage = total(self.usage, report.usage)
            case TranscriptionUsed():
                self.transcription = _sum(self.transcription, report.usage)
            case Note(level="warning" | "error"):
                self.faults += 1
                fields = ", ".join(f"{key} {value}" for key, value in report.fields.items())
                self._lines.append(Line(now_ms, "note", report.what, fields))
            case CallEnded():
                self.ended = report
                self._lines.append(Line(now_ms, "end", report.outcome, report.reason))

    def _answer(self, now_ms: int, report: ToolAnswered) -> None:
        told = f"{'failed' if report.failed else 'answered'} in {_seconds(report.took_ms)}: {report.output}"
        place = self._tools.pop(report.call_id, None)
        if place is None:
            self._lines.append(Line(now_ms, "tool", report.call_id, told))
        else:
            self._lines[place] = msgspec.structs.replace(self._lines[place], remark=told)


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000 // 100} s"


def total(one: Usage, other: Usage) -> Usage:
    """Add the tokens of two responses."""
    return _sum(one, other)


def _sum(one: _Counts, other: _Counts) -> _Counts:
    return type(one)(*map(add, msgspec.structs.astuple(one), msgspec.structs.astuple(other)))
