"""A first draft of what is expected of a call that is kept as a test: what came of it, to be cut down by a person.

Made from the copy that leaves the house, so it holds no word that was taken out of that.
"""

from typing import Any

import msgspec

from voice_agent.call.commands import AgentSaid, CallEnded, CallerSaid, Interrupted, Report, ToolStarted
from voice_agent.config.expectations import words_of
from voice_agent.errors import PeerError
from voice_agent.recording.loose import bare
from voice_agent.recording.reader import Recording
from voice_agent.recording.redact import REDACTED
from voice_agent.recording.redacting import REDACTED_ARGUMENTS
from voice_agent.recording.telling import report_in

WORDS_OF_A_CUT_ANSWER = 5
"""So many are asked for at most: where exactly it is cut differs from run to run."""

_HEAD = """\
# What came of the recorded call. Keep what must stay so, and leave out the rest: every key may go, and a part of a
# sentence is enough.
"""


def draft(recording: Recording) -> str:
    """Write it as YAML; of a damaged file as far as it can be read."""
    heard: list[str] = []
    said: list[str] = []
    tools: list[str] = []
    interruptions, ended = 0, ""
    for report in _reports(recording):
        match report:
            case CallerSaid() if _is_said(report.text):
                heard.append(_entry(report.text))
            case AgentSaid() if _is_said(report.text):
                words = report.text.split(" ")
                said.append(_entry(" ".join(words[:WORDS_OF_A_CUT_ANSWER] if report.interrupted else words)))
            case ToolStarted():
                tools.append(_tool(report))
            case Interrupted():
                interruptions += 1
            case CallEnded():
                ended = report.outcome
            case _:
                pass
    parts = [_HEAD, _list("heard", heard), _list("said", said), _list("tools", tools) or "tools: []\n"]
    parts.append(f"interruptions: {interruptions}\n")
    return "".join([*parts, f"ended: {ended}\n" if ended else ""])


def _reports(recording: Recording) -> list[Report]:
    found = []
    try:
        for step in recording.loose_steps(audio=False):
            found += [report_in(bare(part)) for part in step.sent if part.way == "fact"]
    except PeerError:
        pass
    return [report for report in found if report is not None]


def _is_said(text: str) -> bool:
    """Say whether there are words; of a turn that was redacted there are none."""
    return text.strip() != REDACTED and bool(words_of(text))


def _list(key: str, entries: list[str]) -> str:
    return f"{key}:\n{''.join(entries)}" if entries else ""


def _entry(text: str) -> str:
    return f"  - {_quoted(text)}\n"


def _tool(started: ToolStarted) -> str:
    if started.arguments == REDACTED_ARGUMENTS:
        return _entry(started.name)
    try:
        arguments = msgspec.json.decode(started.arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        arguments = None
    plain = {name: value for name, value in arguments.items() if _is_plain(value)} if type(arguments) is dict else {}
    if not plain:
        return _entry(started.name)
    told = ", ".join(f"{_quoted(name)}: {_value(value)}" for name, value in plain.items())
    return f"  - {_quoted(started.name)}: {{{told}}}\n"


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool) and (not isinstance(value, str) or _is_said(value))


def _value(value: Any) -> str:
    return _quoted(value) if isinstance(value, str) else msgspec.json.encode(value).decode()


def _quoted(text: str) -> str:
    """Write a text so that YAML reads it as it is; of what cannot be seen a space is left, as words are compared."""
    seen = "".join(character if character.isprintable() else " " for character in text).strip()
    return '"' + seen.replace("\\", "\\\\").replace('"', '\\"') + '"'
