"""What is expected of a call: a file `NAME.expect.yaml` beside `NAME.call`, or `expect` in a scenario, read strictly.

    heard: [opening hours, goodbye]       # turns of the caller in which these words stand, in this order; []: no words
    said: [9 in the morning]              # likewise what the caller heard of the agent
    never_said: [discount]                # what the caller heard in none of the agent's turns
    tools:                                # all tools, in order; arguments: these at least
      - opening_hours: {day: saturday}
      - hang_up
    interruptions: 1                      # how many
    responses: {slowest_ms: 1500}         # from the end of the caller's speech to sound; also median_ms
    cost: {money: 0.05, tokens: 4000}     # at most; money by the table of prices, tokens read and written together
    ended: completed                      # the outcome

Every key may be left out. Words are compared without case and punctuation.
"""

import unicodedata
from pathlib import Path

import msgspec
import yaml

from voice_agent.config.agent_keys import (
    COST,
    ENDED,
    EXPECT,
    MOST_INTERRUPTIONS,
    MOST_MONEY,
    MOST_MS,
    MOST_TOKENS,
    RESPONSES,
    Ended,
)
from voice_agent.config.schema_forms import Whole
from voice_agent.config.yaml_nodes import Document, Fields, compose, kind_of, text_of
from voice_agent.errors import ConfigError

SUFFIX = ".expect.yaml"


def words_of(text: str) -> list[str]:
    """Give what is compared of a text: its words, without case and punctuation."""
    folded = unicodedata.normalize("NFC", text.casefold())
    # Vowels of Hindi and its like are marks beside the letters.
    return "".join(sign if sign.isalnum() or _is_mark(sign) else " " for sign in folded).split()


def _is_mark(sign: str) -> bool:
    return unicodedata.category(sign).startswith("M")


class ExpectedTool(msgspec.Struct, frozen=True):
    """One tool, with the arguments that it must have at least."""

    name: str
    arguments: dict[str, str] = {}


class Expectations(msgspec.Struct, frozen=True, kw_only=True):
    """What a file asks for; `None`: anything will do."""

    heard: tuple[str, ...] | None = None
    said: tuple[str, ...] | None = None
    never_said: tuple[str, ...] = ()
    tools: tuple[ExpectedTool, ...] | None = None
    interruptions: int | None = None
    slowest_ms: int | None = None
    median_ms: int | None = None
    money: float | None = None
    """The most that the call may cost."""
    tokens: int | None = None
    ended: Ended | None = None


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
    expected = expectations_of(Fields(document, top, tuple(EXPECT)))
    document.finish()
    return expected


def expectations_of(fields: Fields) -> Expectations:
    """Read what stands under these keys; faults are noted in their document."""
    times = fields.fields("responses", tuple(RESPONSES), "{slowest_ms: 1500}")
    cost = fields.fields("cost", tuple(COST), "{money: 0.05}")
    return Expectations(
        heard=_texts(fields, "heard"),
        said=_texts(fields, "said"),
        never_said=_texts(fields, "never_said") or (),
        tools=_tools(fields),
        interruptions=_number(fields, "interruptions", MOST_INTERRUPTIONS),
        slowest_ms=None if times is None else _number(times, "slowest_ms", MOST_MS),
        median_ms=None if times is None else _number(times, "median_ms", MOST_MS),
        money=None if cost is None or cost.node("money") is None else cost.number("money", 0, *MOST_MONEY),
        tokens=None if cost is None else _number(cost, "tokens", MOST_TOKENS),
        ended=fields.choice("ended", ENDED, "completed") if fields.node("ended") is not None else None,
    )


def _texts(fields: Fields, key: str) -> tuple[str, ...] | None:
    if fields.node(key) is None:
        return None
    document = fields.document
    texts = []
    for node in fields.items(key, "[goodbye]"):
        texts.append(text_of(document, node, f'an entry of "{key}"', ""))
        if isinstance(node, yaml.ScalarNode) and not words_of(node.value):
            document.fault(node, f'an entry of "{key}" has no word, and words are what is compared')
    return tuple(texts)


def _number(fields: Fields, key: str, bounds: Whole) -> int | None:
    return None if fields.node(key) is None else fields.integer(key, 0, *bounds)


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
