"""Why a tool gave nothing, as one line for whoever runs the agent; the log has more, model and caller get none of it.

It stands in recordings, which more people see than logs. So what servers and exceptions say is searched: of addresses
the user and the query go, and whatever bears the name or the looks of a credential. It must not know the call.
"""

import re
import traceback

from voice_agent.agent import Tool
from voice_agent.errors import VoiceAgentError, printable

LONGEST = 300
"""Characters."""

_SEARCHED = 1000
"""Characters of a text that are searched, for long addresses shrink; what stands behind them is left out."""

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
_REST = r"[^\s\"'<>]*"
_LOOKS = r"(?=[^\s\"',]*[\dA-Z=])[^\s\"',]{6,}"
_NAMES = (
    r"(?i:[\w-]*(?:token|secret|passw(?:or)?d|passphrase|credential|signature)s?|pwd"
    r"|(?:[\w-]*[-_]|(?:api|access|private) ?)keys?)"
)
_RULES = (
    # A password that somebody wrote as it is may hold any sign, so an @ behind a ? may end it or stand in a query.
    (re.compile(rf"({_SCHEME}){_REST}[?#]{_REST}@{_REST}"), r"\1…"),
    (re.compile(rf"({_SCHEME}){_REST}@"), r"\1…@"),
    (re.compile(rf"({_SCHEME}[^\s\"'<>?#]*)[?#]{_REST}"), r"\1?…"),
    # Libraries name a path without its host, too.
    (re.compile(rf"\?[\w.%~\[\]-]+={_REST}"), "?…"),
    (re.compile(r"((?i:authorization|cookie)\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\"']+"), r"\1…"),
    (re.compile(rf"\b((?i:bearer|basic|digest|negotiate|token)\s+){_LOOKS}"), r"\1…"),
    (
        re.compile(rf"(?<![\w-])({_NAMES}\\?[\"']?\s*[:=]\s*)(?:\\?\"[^\"]*\"?|'[^']*'?|[^\s,;}}\])]+)"),
        r"\1…",
    ),
    # What nobody reads as a word: letters and digits without end, or in both cases with signs between.
    (re.compile(r"(?<![A-Za-z0-9+=~])(?=[A-Za-z+=~]*\d)(?=[\d+=~]*[A-Za-z])[A-Za-z0-9+=~]{20,}"), "…"),
    (re.compile(r"(?<![\w+=~-])(?=[\w+=~-]*\d)(?=[\w+=~-]*[A-Z])(?=[\w+=~-]*[a-z])[\w+=~-]{20,}"), "…"),
)


def one_line(text: str) -> str:
    """Write what went wrong as one printable line of at most `LONGEST` characters, without what it must not hold."""
    text = " ".join(text[:_SEARCHED].split())
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def place_of(tool: Tool) -> str:
    """Name whom a tool asks as the agent's file does: without arguments and query."""
    if tool.http is not None:
        return f"{tool.http.method} {re.split('[?#]', tool.http.url)[0]}"
    return "Twilio" if tool.sms is not None else tool.target


def raised(error: BaseException, tool: Tool) -> str:
    """Name an exception and, where it came out of a function of the agent's, the line of its module."""
    said = str(error) if isinstance(error, VoiceAgentError) else "".join(traceback.format_exception_only(error))
    module, place = tool.target.partition(":")[0], ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == module:
            place = f"{module}, line {line}: "
    return place + said
