"""The demo on a terminal: one line for everything that happens, as it happens."""

import sys
from typing import assert_never

from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerBegan,
    CallerSaid,
    CallStarted,
    HandedOver,
    Interrupted,
    KeysPressed,
    Note,
    Report,
    ResponseUsed,
    ToolAnswered,
    ToolStarted,
    TranscriptionUsed,
)
from voice_agent.cli.say import say

_COLOURS = {"caller": "36", "agent": "32", "tool": "33", "barge-in": "35", "warning": "31", "call": "90"}


class Screen:
    """Prints reports with their times. Colours only on a terminal."""

    def __init__(self) -> None:
        self.timed_reports: list[tuple[int, Report]] = []
        self.response_ms: list[int] = []
        self._colours = sys.stdout.isatty()

    def show(self, now_ms: int, report: Report) -> None:  # noqa: C901, PLR0912 - one match
        """Print one report, if it says something."""
        self.timed_reports.append((now_ms, report))
        match report:
            case CallStarted():
                self._line(now_ms, "call", "the stream is open, the model is ready")
            case CallerBegan():
                self._line(now_ms, "caller", "...")
            case CallerSaid():
                self._line(now_ms, "caller", report.text or "(not understood)")
            case AgentBegan():
                if report.response_ms >= 0:
                    self.response_ms.append(report.response_ms)
                    self._line(now_ms, "agent", f"... after {report.response_ms} ms")
                else:
                    self._line(now_ms, "agent", "...")
            case AgentSaid():
                self._line(now_ms, "agent", _said(report))
            case Interrupted():
                self._line(now_ms, "barge-in", f"stopped after {report.heard_ms} ms (measured by {report.basis})")
            case KeysPressed():
                self._line(now_ms, "caller", f"pressed {report.digits}")
            case ToolStarted():
                self._line(now_ms, "tool", f"{report.told}({report.arguments})")
            case ToolAnswered():
                self._line(now_ms, "tool", f"-> {report.output} ({report.took_ms} ms)")
            case HandedOver():
                self._line(now_ms, "call", f"{report.agent} has the call")
            case Note():
                if report.level in {"warning", "error"}:
                    self._line(now_ms, "warning", f"{report.what} {report.fields or ''}".strip())
            case CallEnded():
                self._line(now_ms, "call", f"{report.outcome}: {report.reason}")
            case ResponseUsed() | TranscriptionUsed():
                pass  # the summary counts tokens
            case _:
                assert_never(report)

    def _line(self, now_ms: int, who: str, text: str) -> None:
        label = f"{who:>8}"
        if self._colours:
            label = f"\x1b[{_COLOURS[who]}m{label}\x1b[0m"
        say(f"{now_ms // 60_000:02}:{now_ms // 1000 % 60:02}.{now_ms // 100 % 10} {label}  {text}")


def _said(report: AgentSaid) -> str:
    who = f"{report.agent}: " if report.agent else ""
    heard = f"  [cut: {report.heard_ms} of {report.total_ms} ms heard]" if report.interrupted else ""
    return f"{who}{report.text}{heard}"
