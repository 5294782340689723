"""Holds a call against what was expected of it (`config.expectations`).

Words are compared without case and punctuation.
"""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from voice_agent.config.expectations import SUFFIX, Expectations, ExpectedTool, read_expectations, words_of
from voice_agent.errors import ConfigError, printable
from voice_agent.recording.telling import clock
from voice_agent.replay.held_call import HeldCall, ToolUse, Words


class Unmet(msgspec.Struct, frozen=True):
    """An expectation that did not come true."""

    at_ms: int
    """Where in the call to look."""
    what: str

    def __str__(self) -> str:
        """Tell it with the second of the call."""
        return printable(f"at {clock(self.at_ms)} {self.what}")


def path_beside(call: Path) -> Path:
    """Say where a recording's expectations would stand."""
    return call.with_name(call.name.removesuffix(".call") + SUFFIX)


def expected_of(call: Path) -> Expectations | None:
    """Read the expectations beside a recording; `None`: there are none.

    Raises `ConfigError` for what cannot be read, and for a file whose name says that it should be.
    """
    beside = path_beside(call)
    if beside.exists():
        return read_expectations(beside)
    for other in (beside.with_suffix(".yml"), call.with_name(call.name + SUFFIX)):
        if other.exists():
            raise ConfigError(f"is not read: name it {beside.name}", str(other))
    return None


def unmet(expected: Expectations, call: HeldCall) -> list[Unmet]:
    """Hold a call against what was expected of it; empty: all came true."""
    found = [one for _, missed in examine(expected, call) for one in missed]
    return sorted(found, key=lambda one: one.at_ms)


def examine(expected: Expectations, call: HeldCall) -> Iterator[tuple[str, list[Unmet]]]:
    """Yield a sentence for every expectation, with what did not come true of it."""
    if expected.heard is not None:
        yield from _words("was understood to say", "was not understood to say", expected.heard, call.heard, call)
    if expected.said is not None:
        yield from _words("heard", "did not hear", expected.said, call.said, call)
    if expected.never_said:
        yield f"the caller never heard {_quoted(expected.never_said)}", _never_unmet(expected.never_said, call)
    if expected.tools is not None:
        tools = ", ".join(_told(tool) for tool in expected.tools) or "none"
        yield f"the tools were {tools}", _tools_unmet(expected.tools, call)
    if expected.interruptions is not None:
        yield _counted(expected.interruptions), _interruptions_unmet(expected.interruptions, call)
    if expected.slowest_ms is not None:
        missed = _slowest_unmet(expected.slowest_ms, call)
        yield f"every answer began within {expected.slowest_ms} ms", missed
    if expected.median_ms is not None:
        yield f"the median answer began within {expected.median_ms} ms", _median_unmet(expected.median_ms, call)
    if expected.money is not None or expected.tokens is not None:
        yield "the call cost no more than it may", _cost_unmet(expected, call)
    if expected.ended is not None:
        what = f"the call ended as {call.ended or 'nothing'}, expected {expected.ended}"
        yield (
            f"the call ended as {expected.ended}",
            [Unmet(call.ended_ms, what)] if expected.ended != call.ended else [],
        )


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)


def _counted(interruptions: int) -> str:
    match interruptions:
        case 0:
            return "nobody interrupted the agent"
        case 1:
            return "the caller interrupted the agent once"
        case _:
            return f"the caller interrupted the agent {interruptions} times"


def _interruptions_unmet(expected: int, call: HeldCall) -> list[Unmet]:
    if expected == len(call.interruptions):
        return []
    at_ms = call.interruptions[-1].at_ms if call.interruptions else call.ended_ms
    return [Unmet(at_ms, f"{len(call.interruptions)} interruptions, expected {expected}")]


def _slowest_unmet(most_ms: int, call: HeldCall) -> list[Unmet]:
    if not call.responses:
        return _unanswered(most_ms, call)
    found = [
        Unmet(time.at_ms, f"the answer began after {time} ms, expected at most {most_ms}")
        for time in call.responses
        if time > most_ms
    ]
    if call.waited_ms > most_ms:
        what = f"no answer began within {call.waited_ms} ms of the last turn, expected at most {most_ms}"
        found.append(Unmet(call.ended_ms, what))
    return found


def _median_unmet(most_ms: int, call: HeldCall) -> list[Unmet]:
    if not call.responses:
        return _unanswered(most_ms, call)
    median = round(statistics.median(call.responses))
    if median <= most_ms:
        return []
    return [Unmet(call.ended_ms, f"the median response time is {median} ms, not {most_ms}")]


def _unanswered(most_ms: int, call: HeldCall) -> list[Unmet]:
    return [Unmet(call.ended_ms, f"no answer began, expected at most {most_ms} ms")]


def _words(
    what: str, what_not: str, expected: Sequence[str], words: Sequence[Words], call: HeldCall
) -> Iterator[tuple[str, list[Unmet]]]:
    if expected:
        missed = _words_unmet(f"the caller {what_not}", expected, words, call)
        yield f"the caller {what} {_quoted(expected)}", missed
    else:
        said = [Unmet(turn.at_ms, f'the caller {what} "{turn}", expected nothing') for turn in words if words_of(turn)]
        yield f"the caller {what} nothing", said


def _words_unmet(what: str, expected: Sequence[str], words: Sequence[Words], call: HeldCall) -> list[Unmet]:
    """Look for each text behind the one before, in the rest of its turn or in a later one."""
    plain = [_plain(turn) for turn in words]
    at, behind, found = 0, 0, []
    for text in expected:
        wanted = _plain(text)
        places = (
            (number, plain[number].find(wanted, behind if number == at else 0)) for number in range(at, len(plain))
        )
        place = next(((number, begins) for number, begins in places if begins >= 0), None)
        if place is not None:
            at, behind = place[0], place[1] + len(wanted) - 1  # two words share the space between them
            continue
        since = words[at].at_ms if at < len(words) else call.ended_ms
        said = "; ".join(f'"{turn}"' for turn in words[at:]) or "nothing"
        found.append(Unmet(since, f'{what} "{text}", from there on but {said}'))
    return found


def _never_unmet(unwanted: Sequence[str], call: HeldCall) -> list[Unmet]:
    return [
        Unmet(turn.at_ms, f'the caller heard "{text}", expected never: "{turn}"')
        for turn in call.said
        for text in unwanted
        if _plain(text) in _plain(turn)
    ]


def _plain(text: str) -> str:
    """Give the words alone, each with spaces around it, so that `no` is not found in `noon`."""
    return f" {' '.join(words_of(text))} "


def _tools_unmet(expected: Sequence[ExpectedTool], call: HeldCall) -> list[Unmet]:
    found = []
    for number in range(max(len(expected), len(call.tools))):
        wanted = expected[number] if number < len(expected) else None
        use = call.tools[number] if number < len(call.tools) else None
        if use is None or wanted is None or not _fits(wanted, use):
            at_ms = call.ended_ms if use is None else use.at_ms
            was = "no tool" if use is None else f"{use.name} {msgspec.json.encode(use.arguments).decode()}"
            found.append(Unmet(at_ms, f"tool {number + 1} was {was}, expected {_told(wanted)}"))
    return found


def _cost_unmet(expected: Expectations, call: HeldCall) -> list[Unmet]:
    if expected.money is None and expected.tokens is None:
        return []
    cost, found = call.cost, []
    if expected.tokens is not None and cost.tokens > expected.tokens:
        found.append(Unmet(call.ended_ms, f"{cost.tokens} tokens were used, expected at most {expected.tokens}"))
    if expected.money is not None and cost.money is None:
        found.append(Unmet(call.ended_ms, f"the call has no price: PRICES has none of its model, {call.model}"))
    elif expected.money is not None and cost.money is not None and cost.money > expected.money:
        told = f"{cost.money:.4f} {cost.currency}"
        found.append(Unmet(call.ended_ms, f"the call cost {told}, expected at most {expected.money:.4f}"))
    return found


def _fits(wanted: ExpectedTool, use: ToolUse) -> bool:
    if wanted.name != use.name:
        return False
    given = use.arguments if isinstance(use.arguments, dict) else {}
    return all(key in given and _is_meant(value, given[key]) for key, value in wanted.arguments.items())


def _is_meant(value: str, given: Any) -> bool:
    """Say whether an argument is the one that was expected: numbers by their value, all else by its words."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        try:
            return float(value) == given
        except ValueError:
            return False
    text = given if isinstance(given, str) else msgspec.json.encode(given).decode()
    return words_of(text) == words_of(value) if words_of(value) else text.strip() == value.strip()


def _told(wanted: ExpectedTool | None) -> str:
    if wanted is None:
        return "no tool"
    return f"{wanted.name} {msgspec.json.encode(wanted.arguments).decode()}" if wanted.arguments else wanted.name
