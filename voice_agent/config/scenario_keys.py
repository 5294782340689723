"""`scenarios` of an agent's YAML: what a caller does, turn by turn, and what must come of the call.

    scenarios:
      - name: the hours of a Saturday
        caller:                                  # each when the agent has finished
          - Are you open on Saturday?
          - {say: "Sorry, on Sunday.", interrupt_ms: 1500}     # when so much of the answer was heard
          - {keys: "12#"}                        # pressed; interrupt_ms may stand beside it, too
          - {silence_ms: 22000}                  # nothing for so long
          - Thank you, goodbye.
        given:                                   # what is so; what is left out is as in life
          now: 2026-11-29 10:00                  # when the call comes, in the agent's time zone
          tools: {opening_hours: {open: all day}}         # what tools answer, none of which is then run
          tool_ms: 4000                          # how long these take
          callees: {"+14255550101": busy}        # busy, no-answer, failed or declines; anybody else answers
          answered_by: machine                   # or human: we call them, and the first turn is what they answer with
        expect:                                  # the keys of *.expect.yaml, see `expectations`
          tools: [opening_hours: {day: saturday}, opening_hours: {day: sunday}, hang_up]
          ended: completed

No part of an agent: a call never knows them. It must not know how they are held.
"""

import re
from datetime import datetime
from typing import Any

import msgspec
import yaml

from voice_agent.config.agent_keys import (
    ANSWERED_BY,
    EXPECT,
    GIVEN,
    INTERRUPT_MS,
    KEYS,
    MISSED,
    PRESS,
    SAY,
    SCENARIO,
    SILENT_MS,
    STAY,
    TOOL_MS,
    AnsweredBy,
    Missed,
)
from voice_agent.config.expectations import Expectations, expectations_of
from voice_agent.config.yaml_nodes import Document, Fields, kind_of, read_json, shorten, text_of


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the caller does: says or presses something, or nothing for a while."""

    says: str = ""
    keys: str = ""
    silent_ms: int = 0
    interrupt_ms: int | None = None
    """When so much of the agent's answer has been heard; `None`: when it is over."""


class GivenAnswer(msgspec.Struct, frozen=True):
    """What a tool answers that is not run."""

    answer: Any
    """A JSON value."""
    after_ms: int = 0


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What is so when the caller rings."""

    now: datetime | None = None
    """Without an offset: a clock on the wall of the agent; `None`: as late as it is."""
    tools: dict[str, GivenAnswer] = {}
    """By name; of the agent, or of one that takes the call over."""
    answered_by: AnsweredBy | None = None
    """We place the call; `None`: the caller does."""
    callees: dict[str, Missed] = {}
    """By number or SIP address, who does not answer when the caller is transferred."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    name: str
    place: str
    """`file:line:column`."""
    caller: tuple[Turn, ...]
    given: Given = Given()
    expect: Expectations


def read_scenarios(fields: Fields) -> tuple[Scenario, ...]:
    """Read all of them; faults are noted in their document."""
    document = fields.document
    found: dict[str, Scenario] = {}
    for node in fields.items("scenarios", '[{name: hours, caller: ["When are you open?"], expect: {said: [9]}}]'):
        if not isinstance(node, yaml.MappingNode):
            document.fault(node, f"a scenario has name, caller and expect, it cannot be {kind_of(node)}")
            continue
        scenario = _scenario(document, node)
        if scenario.name in found:
            document.fault(node, f'a scenario "{shorten(scenario.name)}" is there already; give it another name')
        found[scenario.name] = scenario
    return tuple(found.values())


def _scenario(document: Document, node: yaml.MappingNode) -> Scenario:
    fields = Fields(document, node, tuple(SCENARIO))
    mark = node.start_mark
    return Scenario(
        name=_name(fields),
        place=document.place(mark.line, mark.column),
        caller=_caller(fields),
        given=_given(fields),
        expect=_expect(fields),
    )


def _name(fields: Fields) -> str:
    name, node = fields.text("name", None), fields.node("name")
    if node is None:
        fields.missing("name", "name: the hours of a Saturday")
    elif name == "":
        fields.document.fault(node, '"name" is empty; say what happens in the scenario')
    return " ".join((name or "").split())


def _caller(fields: Fields) -> tuple[Turn, ...]:
    example = '["When are you open?"]'
    node = fields.node("caller")
    if node is None:
        fields.missing("caller", f"caller: {example}")
    elif isinstance(node, yaml.SequenceNode) and not node.value:
        fields.document.fault(node, f'"caller" is empty; write e.g. {example}')
    return tuple(_turn(fields.document, item) for item in fields.items("caller", example))


def _given(fields: Fields) -> Given:
    inner = fields.fields("given", tuple(GIVEN), "{now: 2026-11-29 10:00}")
    if inner is None:
        return Given()
    answers = inner.fields("tools", (), "{find_slot: {free: '9:00'}}")
    after_ms = inner.integer("tool_ms", 0, *TOOL_MS)
    entries = [] if answers is None else answers.nodes()
    return Given(
        now=_now(inner),
        tools={name: GivenAnswer(read_json(inner.document, answer), after_ms) for name, answer in entries},
        answered_by=None if inner.node("answered_by") is None else inner.choice("answered_by", ANSWERED_BY, "human"),
        callees=_callees(inner),
    )


def _callees(fields: Fields) -> dict[str, Missed]:
    inner = fields.fields("callees", (), '{"+14255550101": busy}')
    if inner is None:
        return {}
    return {number: inner.choice(number, MISSED, "busy") for number, _ in inner.nodes()}


def _now(fields: Fields) -> datetime | None:
    node = fields.node("now")
    if node is None:
        return None
    text = fields.text("now", "")
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M")  # noqa: DTZ007 - the zone is the agent's
    except ValueError:
        if isinstance(node, yaml.ScalarNode):
            fields.document.fault(node, f'"{shorten(text)}" is no time; write it like 2026-11-29 10:00')
    return None


def _turn(document: Document, node: yaml.Node) -> Turn:
    if not isinstance(node, yaml.MappingNode):
        said = text_of(document, node, "what the caller says", None)
        if said == "":
            document.fault(node, "the caller says nothing; write {silence_ms: 1000} for a silence")
        return Turn(says=said or "")
    fields = Fields(document, node, tuple(SAY | PRESS | STAY))
    forms = [key for key in ("say", "keys", "silence_ms") if fields.node(key) is not None]
    if len(forms) != 1:
        document.fault(node, 'a turn is one of "say", "keys" and "silence_ms", e.g. {say: Hello., interrupt_ms: 1500}')
    interrupt_ms = fields.integer("interrupt_ms", 0, *INTERRUPT_MS)
    interrupts = fields.node("interrupt_ms")
    if interrupts is not None and forms == ["silence_ms"]:
        document.fault(interrupts, 'silence interrupts nobody; take "interrupt_ms" out')
    return Turn(
        says=_said(fields),
        keys=_keys(fields),
        silent_ms=0 if fields.node("silence_ms") is None else fields.integer("silence_ms", 0, *SILENT_MS),
        interrupt_ms=None if interrupts is None else interrupt_ms,
    )


def _said(fields: Fields) -> str:
    said, node = fields.text("say", None), fields.node("say")
    if node is not None and said == "":
        fields.document.fault(node, '"say" is empty; write what the caller says')
    return said or ""


def _keys(fields: Fields) -> str:
    node = fields.node("keys")
    keys = fields.text("keys", "")
    if isinstance(node, yaml.ScalarNode) and not re.fullmatch(KEYS, keys):
        fields.document.fault(node, f'"{shorten(keys)}" cannot be pressed; write e.g. "12#"')
    return keys


def _expect(fields: Fields) -> Expectations:
    inner = fields.fields("expect", tuple(EXPECT), "{said: [9 in the morning]}")
    if fields.node("expect") is None:
        fields.missing("expect", "expect: {said: [9 in the morning]}")
    elif inner is not None and not inner.at.value:
        fields.document.fault(inner.at, '"expect" is empty; write e.g. {said: [9 in the morning]}')
    return Expectations() if inner is None else expectations_of(inner)
