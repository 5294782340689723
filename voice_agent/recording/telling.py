"""Recorded calls as lines that a person reads: single texts and reports, the transcript, the timeline."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import get_args

import msgspec

from voice_agent.call.commands import Note, Report, ResponseUsed, ToolAnswered, TranscriptionUsed, Work
from voice_agent.call.events import ToolFinished
from voice_agent.call.summary import Line, Summary
from voice_agent.errors import PeerError, printable
from voice_agent.recording.cutting import find_audio, seal, sealed_length
from voice_agent.recording.entries import Entry
from voice_agent.recording.loose import bare
from voice_agent.recording.reader import Recording

LONGEST_TEXT = 600
"""Characters of one text that are shown: a session's whole set-up is no help beside what happened."""

_WHO = {"caller": "Caller", "agent": "Agent", "keys": "Keys", "tool": "Tool", "note": "Note", "end": "End"}

_FACTS: msgspec.json.Decoder[Report | Work] = msgspec.json.Decoder(Report | Work)
_REPORTS = get_args(Report)
_FINISHED = msgspec.json.Decoder(ToolFinished)

_TYPE_STANDS_BEFORE = 60
"""Characters of a fact."""


def clock(ms: int) -> str:
    """Write a time as mm:ss.mmm."""
    return f"{ms // 60_000:02}:{ms % 60_000 // 1000:02}.{ms % 1000:03}"


def shown(entry: Entry | None) -> str:
    """Write an entry as it crossed its way, audio sealed, long ones shortened; `None`: nothing."""
    if entry is None:
        return "nothing"
    sealed = sealed_length(entry.way, entry.text) is not None
    text = entry.text if sealed else seal(entry.way, entry.text)
    text = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
    return f"{entry.way:<6} {printable(text)}"


def report_line(report: Report) -> str:
    """Write a report as `Name field value, ...`."""
    told = ((field, value) for field, value in msgspec.structs.asdict(report).items() if value is not None)
    fields = ", ".join(f"{field} {value!r}" for field, value in told)
    return f"{type(report).__name__} {fields}".rstrip()


def report_of(entry: Entry) -> Report | None:
    """Give the report that an output is; `None`: it is none, or one that this version does not know."""
    return report_in(entry.text) if entry.way == "fact" else None


def report_in(fact: str) -> Report | None:
    """Give the report that a fact's text is; `None` as above."""
    try:
        told = _FACTS.decode(fact)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return told if isinstance(told, _REPORTS) else None


def is_worth_telling(report: Report) -> bool:
    """Say whether a report belongs beside a difference: all but the log's small talk and the counting of tokens."""
    if isinstance(report, Note):
        return report.level not in {"debug", "info"}
    return not isinstance(report, ResponseUsed | TranscriptionUsed)


def summarise(recording: Recording, *, causes: bool = False) -> Summary:
    """Sum a recorded call up, from the reports in it; of a damaged file as far as it can be read.

    `causes`: tell with a tool's answer why it failed, which the core does not report, for it is no matter of the call.
    """
    summary = Summary()
    cause_of: dict[str, str] = {}
    with contextlib.suppress(PeerError):
        for step in recording.loose_steps(audio=False):
            summary.until_ms = step.now_ms
            if causes and step.received is not None and step.received.way == "fact":
                finished = finished_tool(bare(step.received))
                cause_of |= {} if finished is None else {finished.call_id: finished.cause}
            for part in step.sent:
                report = report_in(bare(part)) if part.way == "fact" else None
                if isinstance(report, ToolAnswered) and (cause := cause_of.get(report.call_id)):
                    report = msgspec.structs.replace(report, output=f"{report.output}, because of {cause}")
                if report is not None:
                    summary.take(step.now_ms, report)
    return summary


def finished_tool(fact: str) -> ToolFinished | None:
    """Give the end of a tool of ours that a fact's text is; `None`: it is none."""
    if '"ToolFinished"' not in fact[:_TYPE_STANDS_BEFORE]:
        return None
    with contextlib.suppress(msgspec.DecodeError, UnicodeEncodeError):
        return _FINISHED.decode(fact)
    return None


def transcript(lines: Iterable[Line]) -> Iterator[str]:
    """Write the transcript, a line each."""
    for line in lines:
        # Tools answer in lines of their own, JSON most of all.
        text, remark = " ".join(line.text.split()), " ".join(line.remark.split())
        text = f"{line.agent}: {text}" if line.agent else text
        yield printable(f"{clock(line.at_ms)}  {_WHO[line.who]:<6}  {text}{f'  ({remark})' if remark else ''}")


def timeline(recording: Recording) -> Iterator[str]:
    """Write all that happened but the flow of audio: `>` came in, `<` went out, `*` was reported.

    Raises `PeerError` like `Recording.steps`.
    """
    for step in recording.steps():
        at = clock(step.now_ms)
        if step.received is not None and find_audio(step.received.way, step.received.text) is None:
            yield f"{at} > {shown(step.received)}"
        for entry in step.sent:
            report = report_of(entry)
            if report is not None:
                yield f"{at} * {report_line(report)}"
            elif find_audio(entry.way, entry.text) is None:
                yield f"{at} < {shown(entry)}"
