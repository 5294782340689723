"""What is expected of a recorded call: `NAME.expect.yaml` beside `NAME.call`, read strictly.

    heard: [opening hours, goodbye]       # turns of the caller in which these words stand, in this order
    said: [9 in the morning]              # likewise what the caller heard of the agent
    tools:                                # all tools, in order; arguments: these at least
      - opening_hours: {day: saturday}
      - hang_up
    interruptions: 1                      # how many
    responses: {slowest_ms: 1500}         # from the end of the caller's speech to sound; also median_ms
    cost: {money: 0.05, tokens: 4000}     # at most; money by the table of prices, tokens read and written together
    ended: completed                      # the outcome

Every key may be left out. Words are compared without case and punctuation.
"""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import yaml

from voice_agent.config.yaml_nodes import Document, Fields, compose, kind_of, text_of
from voice_agent.errors import ConfigError
from voice_agent.recording.telling import clock
from voice_agent.replay.held_call import HeldCall, ToolUse, Words

SUFFIX = ".expect.yaml"

Ended = Literal["completed", "caller_hung_up", "no_stream", "model_failed", "stream_lost", "stopped"]

_KEYS = ("heard", "said", "tools", "interruptions", "responses", "cost", "ended")
_MOST_MS = 600_000
_MOST_TOKENS = 1_000_000_000
_MOST_MONEY = 1_000_000


class ExpectedTool(msgspec.Struct, frozen=True):
    """One tool, with the arguments that it must have at least."""

    name: str
    arguments: dict[str, str] = {}


class Expectations(msgspec.Struct, frozen=True, kw_only=True):
    """What a file asks for; `None`: anything will do."""

    heard: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    tools: tuple[ExpectedTool, ...] | None = None
    interruptions: int | None = None
    slowest_ms: int | None = None
    median_ms: int | None = None
    money: float | None = None
    """The most that the call may cost."""
    tokens: int | None = None
    ended: Ended | None = None


class Unmet(msgspec.Struct, frozen=True):
    """An expectation that did not come true."""

    at_ms: int
    """Where in the call to look."""
    what: str

    def __str__(self) -> str:
        """Tell it with the second of the call."""
        return f"at {clock(self.at_ms)} {self.what}"


def path_beside(call: Path) -> Path:
    """Say where a recording's expectations would stand."""
    return call.with_name(call.name.removesuffix(".call") + SUFFIX)


def read_expectations(path: Path) -> Expectations:
    """Read one file; raises `ConfigError` with every fault in it, with file, line and column."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", str(path)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("not UTF-8 text; save the file as UTF-8", f"{path}:{line}") from None
    document, top = compose(str(path), text, "a file of expectations", 'e.g. "ended: completed"')
    fields = Fields(document, top, _KEYS)
    times = fields.fields("responses", ("slowest_ms", "median_ms"), "{slowest_ms: 1500}")
    cost = fields.fields("cost", ("money", "tokens"), "{money: 0.05}")
    expected = Expectations(
        heard=_texts(fields, "heard"),
        said=_texts(fields, "said"),
        tools=_tools(fields),
        interruptions=_number(fields, "interruptions", 1000),
        slowest_ms=None if times is None else _number(times, "slowest_ms", _MOST_MS),
        median_ms=None if times is None else _number(times, "median_ms", _MOST_MS),
        money=None if cost is None or cost.node("money") is None else cost.number("money", 0, 0, _MOST_MONEY),
        tokens=None if cost is None else _number(cost, "tokens", _MOST_TOKENS),
        ended=fields.choice("ended", get_args(Ended), "completed") if fields.node("ended") is not None else None,
    )
    document.finish()
    return expected


def _texts(fields: Fields, key: str) -> tuple[str, ...]:
    nodes = fields.items(key, "[goodbye]")
    return tuple(text_of(fields.document, node, f'an entry of "{key}"', "") for node in nodes)


def _number(fields: Fields, key: str, highest: int) -> int | None:
    return None if fields.node(key) is None else fields.integer(key, 0, 0, highest)


def _tools(fields: Fields) -> tuple[ExpectedTool, ...] | None:
    if fields.node("tools") is None:
        return None
    nodes = fields.items("tools", "[hang_up, opening_hours: {day: saturday}]")
    return tuple(_tool(fields.document, node) for node in nodes)


def _tool(document: Document, node: yaml.Node) -> ExpectedTool:
    if not isinstance(node, yaml.MappingNode):
        return ExpectedTool(text_of(document, node, "a tool", ""))
    entry = Fields(document, node, ())
    names = [name for name, _ in entry.nodes()]
    if len(names) != 1:
        document.fault(node, 'a tool is one name, e.g. "- opening_hours: {day: saturday}"')
        return ExpectedTool("")
    arguments = entry.fields(names[0], (), "{day: saturday}")
    if arguments is None:
        return ExpectedTool(names[0])
    values: dict[str, str] = {}
    for key, value in arguments.nodes():
        if isinstance(value, yaml.ScalarNode):
            values[key] = value.value
        else:
            document.fault(value, f'the argument "{key}" must be a plain value, not {kind_of(value)}')
    return ExpectedTool(names[0], values)


def unmet(expected: Expectations, call: HeldCall) -> list[Unmet]:
    """Hold a call against what was expected of it; empty: all came true."""
    found = _words_unmet("the caller was not understood to say", expected.heard, call.heard, call)
    found += _words_unmet("the caller did not hear", expected.said, call.said, call)
    if expected.tools is not None:
        found += _tools_unmet(expected.tools, call)
    if expected.interruptions is not None and expected.interruptions != len(call.interruptions):
        at_ms = call.interruptions[-1].at_ms if call.interruptions else call.ended_ms
        found.append(Unmet(at_ms, f"{len(call.interruptions)} interruptions, expected {expected.interruptions}"))
    if expected.slowest_ms is not None:
        found += [
            Unmet(time.at_ms, f"the answer began after {time} ms, expected at most {expected.slowest_ms}")
            for time in call.responses
            if time > expected.slowest_ms
        ]
    if expected.median_ms is not None and call.responses:
        median = round(statistics.median(call.responses))
        if median > expected.median_ms:
            found.append(Unmet(call.ended_ms, f"the median response time is {median} ms, not {expected.median_ms}"))
    found += _cost_unmet(expected, call)
    if expected.ended is not None and expected.ended != call.ended:
        found.append(Unmet(call.ended_ms, f"the call ended as {call.ended or 'nothing'}, expected {expected.ended}"))
    return sorted(found, key=lambda one: one.at_ms)


def _words_unmet(what: str, expected: Sequence[str], words: Sequence[Words], call: HeldCall) -> list[Unmet]:
    """Look for each text in a turn of its own or in the rest of the one before."""
    at, found = 0, []
    for text in expected:
        place = next((number for number in range(at, len(words)) if _plain(text) in _plain(words[number])), None)
        if place is not None:
            at = place
            continue
        since = words[at].at_ms if at < len(words) else call.ended_ms
        said = "; ".join(f'"{turn}"' for turn in words[at:]) or "nothing"
        found.append(Unmet(since, f'{what} "{text}", from there on but {said}'))
    return found


def _plain(text: str) -> str:
    """Give the words alone, each with spaces around it, so that `no` is not found in `noon`."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return f" {' '.join(words)} "


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
    return all(key in given and _plain(_text(given[key])) == _plain(value) for key, value in wanted.arguments.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _told(wanted: ExpectedTool | None) -> str:
    if wanted is None:
        return "no tool"
    return f"{wanted.name} {msgspec.json.encode(wanted.arguments).decode()}" if wanted.arguments else wanted.name
