"""What somebody who opens a call should look at: its trouble, placed on the line of time and put into words.

What counts as trouble is found in one place, `call.trouble`, and kept by the history; here each is told with what else
the recording knows of it. The same words in short, for the list of calls, are made here too.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Protocol

import msgspec

from voice_agent.call.trouble import (
    FAULT,
    KINDS,
    LATE,
    TOOL_FAILED,
    TOOL_UNANSWERED,
    UNHEARD,
    Trouble,
)

_SAME = 12
"""Characters that two answers begin with when the one is the other, said again."""


class Finding(msgspec.Struct, kw_only=True):
    """One trouble of a call."""

    at_ms: int
    kind: str
    text: str = ""
    unheard: str = ""
    """Words that the caller did not hear."""
    item_id: str = ""
    """Whose words."""


class Span(Protocol):
    """Something that was heard."""

    begin_ms: int
    end_ms: int


class Sign(Span, Protocol):
    """A sound of the bridge's own."""

    what: str


class Waited(Protocol):
    """A part of a wait."""

    @property
    def what(self) -> str:
        """Give what the time went by with."""
        ...

    @property
    def ms(self) -> int:
        """Give its length."""
        ...


class Spoken(Span, Protocol):
    """An answer."""

    text: str
    unheard: str
    interrupted: bool
    cut_ms: int | None


def seconds(ms: int) -> str:
    """Write a length of time."""
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def clock(ms: int) -> str:
    """Write a place in the call as the page's own clock does."""
    return f"{ms // 60_000}:{ms % 60_000 // 1000:02}.{ms % 1000 // 100}"


class Named(msgspec.Struct, frozen=True):
    """All of a kind, in a few words."""

    kind: str
    text: str


def in_short(trouble: Iterable[Trouble]) -> list[Named]:
    """Name all trouble of a call, each kind once, but for faults: how often, how bad, which."""
    told: list[Named] = []
    for kind, group in groupby(sorted(trouble, key=_rank), key=lambda each: each.kind):
        each = [*group]
        worst_ms = max(one.ms for one in each)
        names = Counter(one.what for one in each if one.what)
        named = ", ".join(f"{name} {count} times" if count > 1 else name for name, count in names.items())
        if kind == FAULT:
            told += [Named(kind, name) for name in sorted(names)]
        elif kind == LATE and len(each) > 1:
            told.append(Named(kind, f"{len(each)} late answers, {seconds(worst_ms)} at worst"))
        elif kind == LATE:
            told.append(Named(kind, f"{kind}, {seconds(worst_ms)}"))
        elif named:
            told.append(Named(kind, f"{kind}: {named}"))
        else:
            told.append(Named(kind, f"{kind}, {len(each)} times" if len(each) > 1 else kind))
    return told


def _rank(trouble: Trouble) -> tuple[int, str]:
    return -KINDS.index(trouble.kind) if trouble.kind in KINDS else 0, trouble.kind


def late(from_ms: int, heard_ms: int, wait: Iterable[Waited], signs: Iterable[Sign]) -> str:
    """Say with what a long wait went by: until when nothing was heard at all, and what took longest."""
    text = seconds(heard_ms - from_ms)
    sign = next((sign for sign in signs if from_ms <= sign.begin_ms < heard_ms), None)
    if sign is not None:
        text += f", {seconds(sign.begin_ms - from_ms)} of silence until {sign.what}"
        text += f", {seconds(heard_ms - sign.begin_ms)} from there to the answer"
    most = max(wait, key=lambda part: part.ms, default=None)
    if most is None or not most.ms:
        return text
    return f"{text}; {seconds(most.ms)} of it {'in the ' if most.what.startswith('tool ') else ''}{most.what}"


def session_lost(at_ms: int, answers: Iterable[Spoken]) -> tuple[int, str]:
    """Say when and how the caller noticed a lost session of the model, by what the agent was heard to say."""
    known = sorted(answers, key=lambda answer: answer.begin_ms)
    for index, answer in enumerate(known):
        if not (answer.begin_ms <= at_ms <= answer.end_ms and answer.interrupted and answer.cut_ms is None):
            continue
        text = f"the agent broke off at {clock(answer.end_ms)}"
        if index + 1 == len(known):
            return answer.end_ms, text
        again = known[index + 1]
        if answer.text and again.text[:_SAME] == answer.text[:_SAME]:
            text += f"; the answer was said again from its beginning at {clock(again.begin_ms)}"
        else:
            text += f"; it spoke on at {clock(again.begin_ms)}"
        return answer.end_ms, text
    return at_ms, "the agent was not cut off by it"


def described(trouble: Trouble, what: str = "") -> str:
    """Say what a trouble is that needs no other words; `what`: more than it knows itself."""
    if trouble.kind in {TOOL_FAILED, TOOL_UNANSWERED}:
        return f"{trouble.what}: {what}" if what else trouble.what
    if trouble.kind in {LATE, UNHEARD} and trouble.ms:
        return seconds(trouble.ms)
    return what or trouble.what
