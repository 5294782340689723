"""Faults that a client asks a session for: what they are called, and what they are.

A request for faults is a list, parted by commas: `NAME[=VALUE][@SECONDS][*TIMES]`, e.g. `delay=300,close=1011@5` or
`fail=rate_limit_exceeded*1,midway`. Any number of them work together. Seconds count from the session's beginning.
`KINDS` explains each. They are only read here: `faulty_session` has those of a session, whoever answers the HTTP
upgrade has the others (`status-…`, `slow-upgrade`), with the bodies of `upgrade`.
"""

import re
from typing import Any, Literal

import msgspec

from voice_agent.errors import PeerError
from voice_agent.sim.realtime.upgrade import STATUSES

KINDS = {
    "status-CODE": f"refuse the upgrade with that HTTP status ({', '.join(map(str, STATUSES))}) as the services do",
    "retry-after=SECONDS": "with status-429 or status-503: how long the client is told to wait (default: 20)",
    "slow-upgrade=MS": "answer the upgrade so much later",
    "silence[@SECONDS]": "accept, and send nothing from then on",
    "drop@SECONDS": "break the connection, without a close frame",
    "close=CODE@SECONDS": "close the socket with that code",
    "error=CODE[@SECONDS]": "send an error event with that code",
    "unknown[@SECONDS]": "send an event of a type that nobody knows",
    "malformed[@SECONDS]": "send a text that is no JSON",
    "refuse=TYPE:CODE[*TIMES]": "answer client events of that type with an error of that code, and do nothing else",
    "fail=CODE[*TIMES]": "end responses as failed, e.g. with rate_limit_exceeded or server_error",
    "incomplete=REASON[*TIMES]": "end responses as incomplete: content_filter or max_output_tokens",
    "rpm=REQUESTS": "fail responses with rate_limit_exceeded beyond so many in a minute",
    "midway": "with fail and incomplete: only after the response's first audio",
    "mute": "begin every response and say nothing",
    "deaf": "fail to transcribe every turn of the caller",
    "delay=MS": "send everything so much later",
    "late-audio=MS": "send audio so much later than all else: also after its response is done",
    "late-words=MS": "tell what the caller said so much later than all else: also after it was answered",
    "chunks=BYTES": "cut audio into deltas of so many bytes; odd ones cut samples in two",
}
"""Every fault, as it is written, and what it does."""


Reason = Literal["content_filter", "max_output_tokens"]
"""Why a response ends as incomplete."""


class Timed(msgspec.Struct, frozen=True):
    """Something that happens at a time."""

    at_ms: int
    what: Literal["silence", "drop", "close", "error", "unknown", "malformed"]
    value: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """A client event that is answered with an error."""

    type: str
    code: str
    times: int | None
    """`None`: always."""


class Failure(msgspec.Struct, frozen=True):
    """How responses end."""

    incomplete: Reason | None
    code: str
    """Of the error, for those that end as failed."""
    times: int | None
    """`None`: all of them."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, all together."""

    status: int | None = None
    retry_after_s: int = 20
    slow_upgrade_ms: int = 0
    timed: tuple[Timed, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    failures: tuple[Failure, ...] = ()
    midway: bool = False
    mute: bool = False
    deaf: bool = False
    delay_ms: int = 0
    late_audio_ms: int = 0
    late_words_ms: int = 0
    chunk_bytes: int = 0
    requests_per_minute: int = 0
    """0: as many as there are."""


_FORM = re.compile(
    r"(?P<name>[a-z-]+[a-z])(?:-(?P<status>\d+))?(?:=(?P<value>[^@*]+))?(?:@(?P<at>\d+(?:\.\d+)?))?(?:\*(?P<times>\d+))?"
)
_NUMBERS = {
    "retry-after": "retry_after_s",
    "slow-upgrade": "slow_upgrade_ms",
    "delay": "delay_ms",
    "late-audio": "late_audio_ms",
    "late-words": "late_words_ms",
    "chunks": "chunk_bytes",
    "rpm": "requests_per_minute",
}
_FLAGS = frozenset({"midway", "mute", "deaf"})
_AT_ONCE = frozenset({"silence", "unknown", "malformed"})
"""Timed ones that need no time."""
_TIMED = _AT_ONCE | {"drop", "close", "error"}
_COUNTED = frozenset({"refuse", "fail", "incomplete"})
_REASONS: dict[str, Reason] = {"content_filter": "content_filter", "max_output_tokens": "max_output_tokens"}
_CODE = re.compile(r"[a-z0-9_]{1,64}")
_REFUSED = re.compile(r"([a-z_.]{1,64}):([a-z0-9_]{1,64})")
_LONGEST = 3_600_000
"""Of numbers: no fault needs more."""
_SENDABLE = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""Close codes that a server may write (RFC 6455, 7.4)."""


def parse_faults(text: str) -> Faults:
    """Read a list of faults; empty: none. Raises `PeerError`: one line that names what is wrong and what is known."""
    faults = Faults()
    for part in filter(None, (part.strip() for part in text.split(","))):
        form = _FORM.fullmatch(part)
        change = _read(form) if form is not None and _fits(form) else None
        if change is None:
            raise PeerError(f"unknown fault '{part[:60]}'; there are: {', '.join(KINDS)}")
        grown = {name: (*getattr(faults, name), *new) for name, new in change.items() if isinstance(new, tuple)}
        faults = msgspec.structs.replace(faults, **(change | grown))
    return faults


def _fits(form: re.Match[str]) -> bool:
    """Whether it has none of the additions that its name does not take."""
    name = form["name"]
    return (
        (form["status"] is None or name == "status")
        and (form["at"] is None or name in _TIMED)
        and (form["times"] is None or name in _COUNTED)
    )


def _read(form: re.Match[str]) -> dict[str, Any] | None:
    """Give the fields of `Faults` that one of them sets; `None`: it is none."""
    name, value = form["name"], form["value"]
    times = int(form["times"]) if form["times"] else None
    match name:
        case "status" if value is None and int(form["status"] or 0) in STATUSES:
            return {"status": int(form["status"])}
        case "refuse" if refused := _REFUSED.fullmatch(value or ""):
            return {"refusals": (Refusal(refused[1], refused[2], times),)}
        case "fail" if _CODE.fullmatch(value or ""):
            return {"failures": (Failure(None, value, times),)}
        case "incomplete" if value in _REASONS:
            return {"failures": (Failure(_REASONS[value], "", times),)}
        case _ if name in _NUMBERS and value is not None and value.isdecimal() and 0 < int(value) <= _LONGEST:
            return {_NUMBERS[name]: int(value)}
        case _ if name in _FLAGS and value is None:
            return {name: True}
        case _ if name in _TIMED and (form["at"] or name in _AT_ONCE | {"error"}) and _may_have(name, value):
            at_ms = round(float(form["at"] or 0) * 1000)
            return {"timed": (msgspec.convert({"at_ms": at_ms, "what": name, "value": value or ""}, Timed),)}
    return None


def _may_have(name: str, value: str | None) -> bool:
    if name == "close":
        return value is not None and value.isdecimal() and int(value) in _SENDABLE
    return value is not None and bool(_CODE.fullmatch(value)) if name == "error" else value is None
