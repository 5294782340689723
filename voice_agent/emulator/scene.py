"""A scene: a caller with recorded speech plays a part against an agent, and what must have come of it.

It knows the part and the reports of the real call; it must not know how either is shown.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from voice_agent.audio.wav import read_mulaw
from voice_agent.call.commands import AgentSaid, CallEnded, CallerSaid, Interrupted, Report, ToolAnswered, ToolStarted
from voice_agent.emulator.caller import PATIENCE_S, Move, Part

CALLERS = Path(__file__).resolve().parent.parent / "examples" / "callers"
"""Recorded speech of callers, packaged."""


class Scene(msgspec.Struct, frozen=True):
    """What is played, and what is expected."""

    name: str
    agent: str
    """The agent's name in its file."""
    part: Callable[[], Part]
    """Gives what the caller does; reads the packaged speech."""
    expect: Callable[[list[Report]], Iterator[tuple[str, bool]]]
    """Sentences about the call, each true or not."""


def speech(name: str) -> bytes:
    """Give a packaged utterance, mu-law 8 kHz."""
    return read_mulaw(CALLERS / f"{name}.wav")


def ask_and_interrupt() -> Part:
    """Ask for the services, interrupt the long answer with a question about opening hours, thank and say goodbye."""
    moves = (
        Move(name="the question", sound=speech("reception-1")),
        Move(name="the interruption", sound=speech("reception-2"), into_ms=3500),
        Move(name="the goodbye", sound=speech("reception-3")),
    )
    return Part(moves=moves, linger_s=PATIENCE_S)


def _hours_were_told(reports: list[Report]) -> Iterator[tuple[str, bool]]:
    heard = " ".join(report.text.lower() for report in reports if isinstance(report, CallerSaid))
    said = [report for report in reports if isinstance(report, AgentSaid)]
    tools = [report for report in reports if isinstance(report, ToolStarted) and report.name == "opening_hours"]
    answers = [report for report in reports if isinstance(report, ToolAnswered) and not report.failed]
    cut = [report for report in said if report.interrupted]
    yield "the caller's words were recognised", all(word in heard for word in ("services", "saturday", "goodbye"))
    yield (
        "the answer was interrupted, and cut where the caller spoke",
        (
            any(isinstance(report, Interrupted) for report in reports)
            and len(cut) == 1
            and 1500 < cut[0].heard_ms < cut[0].total_ms
        ),
    )
    yield "opening_hours was asked for Saturday", len(tools) == 1 and "saturday" in tools[0].arguments.lower()
    yield "the tool's answer was spoken", bool(answers) and any("9 in the morning" in report.text for report in said)
    yield (
        "the goodbye was heard to its end before the line was closed",
        (bool(said) and not said[-1].interrupted and "goodbye" in said[-1].text.lower()),
    )
    yield (
        "the agent hung up",
        any(isinstance(report, CallEnded) and report.outcome == "completed" for report in reports),
    )


ASK = Scene("ask", "reception", ask_and_interrupt, _hours_were_told)
"""A question, an interruption, a tool, a goodbye."""
