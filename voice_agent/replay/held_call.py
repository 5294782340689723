"""What a replayed call came to, as a test asks for it: words, tools, interruptions, response times, cost, its end.

Made from the call's reports alone, so it is the same for a recording as it stands and for one that was run again.
"""

from collections.abc import Iterable
from typing import Any, Self

import msgspec

from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerBegan,
    CallerSaid,
    Interrupted,
    Report,
    ResponseUsed,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.events import Usage
from voice_agent.call.summary import total
from voice_agent.errors import printable
from voice_agent.recording.telling import clock
from voice_agent.replay.cost import Cost, cost_of

NOTICED_MS = 20
"""Times that differ by no more are one frame's place, and no change that anybody could hear."""


class Words(str):
    """What somebody said, and when; a text otherwise."""

    __slots__ = ("at_ms",)

    at_ms: int

    def __new__(cls, text: str, at_ms: int) -> Self:
        """Make a text that knows its time, in ms of the call."""
        words = super().__new__(cls, text)
        words.at_ms = at_ms
        return words


class ToolUse(msgspec.Struct, frozen=True):
    """One tool that the model called."""

    at_ms: int
    name: str
    arguments: Any
    """As JSON; the text itself where the model wrote none."""
    output: str = ""
    failed: bool = False


class Cut(msgspec.Struct, frozen=True):
    """One interruption of the agent."""

    at_ms: int
    heard_ms: int
    """How much of the item in the air the caller had heard."""


class ResponseTime(int):
    """Milliseconds from the end of the caller's speech to the first sound of the answer; knows when that was."""

    at_ms: int

    def __new__(cls, ms: int, at_ms: int) -> Self:
        """Make a number that knows its time, in ms of the call."""
        time = super().__new__(cls, ms)
        time.at_ms = at_ms
        return time


class HeldCall:
    """Made from the reports with their times."""

    def __init__(self, reports: Iterable[tuple[int, Report]], model: str) -> None:
        """`model`: who used the tokens; empty for the local Realtime server."""
        self.model = model
        self._usage = Usage()
        self.heard: list[Words] = []
        """The caller's turns, as they were understood."""
        self.said: list[Words] = []
        """What the caller heard of the agent."""
        self.tools: list[ToolUse] = []
        self.interruptions: list[Cut] = []
        self.responses: list[ResponseTime] = []
        self.waited_ms = 0
        """How long the caller had waited for an answer, at least, when they hung up without it; 0: they had not."""
        self._asked_ms: int | None = None
        self._is_answered = True
        self.ended = ""
        """The outcome; empty: the end is not known."""
        self.ended_ms = 0
        self.diverged: list[str] = []
        """Where the recording had nothing to go by; only of a call that was resimulated."""
        self._places: dict[str, int] = {}
        for at_ms, report in reports:
            self.ended_ms = at_ms
            self._take(at_ms, report)

    @property
    def cost(self) -> Cost:
        """What its tokens cost; raises `ConfigError` when `PRICES` names a table that cannot be read."""
        return cost_of(self.model, self._usage)

    def _take(self, at_ms: int, report: Report) -> None:
        match report:
            case CallerBegan():
                self._asked_ms, self._is_answered = None, False
            case CallerSaid():
                self.heard.append(Words(report.text, at_ms))
                self._asked_ms = at_ms if report.text.strip() else None
            case AgentSaid():
                self.said.append(Words(report.text, at_ms))
                self._is_answered = self._is_answered or not report.interrupted
            case AgentBegan():
                self._is_answered = True
                if report.response_ms >= 0:
                    self.responses.append(ResponseTime(report.response_ms, at_ms))
            case Interrupted():
                self.interruptions.append(Cut(at_ms, report.heard_ms))
            case ToolStarted():
                self._places[report.call_id] = len(self.tools)
                self.tools.append(ToolUse(at_ms, report.name, _arguments(report.arguments)))
            case ToolAnswered():
                place = self._places.get(report.call_id)
                if place is not None:
                    use = self.tools[place]
                    self.tools[place] = msgspec.structs.replace(use, output=report.output, failed=report.failed)
            case ResponseUsed():
                self._usage = total(self._usage, report.usage)
            case CallEnded():
                self.ended = report.outcome
                if self._asked_ms is not None and not self._is_answered and report.outcome == "caller_hung_up":
                    self.waited_ms = at_ms - self._asked_ms
            case _:
                pass  # nothing that a test asks for


def _arguments(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text


def changes(then: HeldCall, now: HeldCall) -> list[str]:
    """Tell what became another, in the order of the call's parts."""
    lines = _changed_words("the caller was understood as", then.heard, now.heard)
    lines += _changed_words("the caller heard", then.said, now.said)
    before, after = ([f"{use.name} {_short(use.arguments)}" for use in call.tools] for call in (then, now))
    if before != after:
        lines.append(f"tools: {', '.join(before) or 'none'} -> {', '.join(after) or 'none'}")
    if len(then.interruptions) != len(now.interruptions):
        lines.append(f"interruptions: {len(then.interruptions)} -> {len(now.interruptions)}")
    for was, cut in zip(then.interruptions, now.interruptions, strict=False):
        if abs(was.heard_ms - cut.heard_ms) > NOTICED_MS:
            lines.append(f"at {clock(cut.at_ms)} cut after {cut.heard_ms} ms of the answer, then {was.heard_ms} ms")
    if len(then.responses) != len(now.responses):
        lines.append(f"answers with a response time: {len(then.responses)} -> {len(now.responses)}")
    for before_ms, after_ms in zip(then.responses, now.responses, strict=False):
        if abs(before_ms - after_ms) > NOTICED_MS:
            lines.append(f"at {clock(after_ms.at_ms)} answered after {after_ms} ms, then {before_ms} ms")
    if then.ended != now.ended:
        lines.append(f"ended: {then.ended or 'unknown'} -> {now.ended or 'unknown'}")
    return lines


def _changed_words(what: str, then: list[Words], now: list[Words]) -> list[str]:
    lines = []
    for number in range(max(len(then), len(now))):
        was = then[number] if number < len(then) else None
        words = now[number] if number < len(now) else None
        if was != words:
            at_ms = (words or was or Words("", 0)).at_ms if words is None else words.at_ms
            told, before = ("nothing" if text is None else f'"{printable(text)}"' for text in (words, was))
            lines.append(f"at {clock(at_ms)} {what} {told}, then {before}")
    return lines


def _short(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:80]
