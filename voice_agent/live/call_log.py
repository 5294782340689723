"""One call's lines in the log, made from its reports. What people say is not among them.

It must not know where log lines go.
"""

import logging
from collections import Counter
from collections.abc import Callable

from voice_agent.call.commands import (
    AgentBegan,
    CallEnded,
    CallStarted,
    HandedOver,
    Interrupted,
    Note,
    Report,
    ResponseUsed,
    ToolAnswered,
)
from voice_agent.call.events import Usage
from voice_agent.call.summary import total

logger = logging.getLogger("voice_agent.call")

SAME_NOTES = 5
"""Lines with the same note in one call: a peer that sends rubbish 50 times a second must not fill the log."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def call_log(call_sid: str, bill: Callable[[Usage], str] | None = None) -> Callable[[int, Report], None]:
    """Make the observer of one call. `bill` says what tokens cost."""
    notes: Counter[str] = Counter()
    used = Usage()

    def observe(now_ms: int, report: Report) -> None:
        nonlocal used
        if isinstance(report, ResponseUsed):
            used = total(used, report.usage)
        if isinstance(report, CallEnded) and used != Usage():
            text = describe_usage(used, bill)
            logger.info("%s", text, extra={"call": call_sid, "call_ms": now_ms})
        line = describe(report)
        if line is None:
            return
        level, text = line
        if isinstance(report, Note):
            notes[report.what] += 1
            if notes[report.what] > SAME_NOTES:
                return
            if notes[report.what] == SAME_NOTES:
                text += "; further ones in this call are only counted"
        logger.log(level, "%s", text, extra={"call": call_sid, "call_ms": now_ms})

    return observe


def describe(report: Report) -> tuple[int, str] | None:
    """Put a report into one line; `None`: not worth one. No words, no arguments, no numbers of people."""
    match report:
        case Note(level, what, fields):
            details = ", ".join(f"{name}: {value}" for name, value in fields.items())
            return _LEVELS[level], f"{what} ({details})" if details else what
        case CallStarted(connect_ms):
            return logging.INFO, "started" if connect_ms < 0 else f"started, model ready after {connect_ms} ms"
        case AgentBegan(_, response_ms) if response_ms >= 0:
            return logging.INFO, f"the agent answers after {response_ms} ms"
        case Interrupted(heard_ms, _, basis):
            return logging.INFO, f"the caller interrupts, {heard_ms} ms were heard ({basis})"
        case ToolAnswered(call_id, _, failed, took_ms):
            return logging.INFO, f"tool call {call_id} {'failed' if failed else 'answered'} after {took_ms} ms"
        case HandedOver(agent):
            return logging.INFO, f"handed over to {agent}"
        case CallEnded(outcome, reason, duration_ms):
            return logging.INFO, f"ended after {duration_ms} ms: {outcome}{f' ({reason})' if reason else ''}"
        case _:
            return None


def describe_usage(usage: Usage, bill: Callable[[Usage], str] | None) -> str:
    """Put a call's tokens into one line."""
    cost = "" if bill is None else f": {bill(usage)}"
    tokens = f"{usage.input_tokens} tokens in ({usage.cached_tokens} of them cached), {usage.output_tokens} out"
    return f"the model used {tokens}{cost}"
