"""One agent's YAML, read strictly into an `Agent`.

    name: reception                         # required; letters, digits, - and _
    numbers: ["+14255550100"]               # calls to these reach this agent
    default: true                           # takes calls to numbers that no agent names
    instructions: |                         # required; {{ variables }}: see `render`
      You answer the phone for {{ company }}. Today is {{ now | date }}.
    variables: {company: Alder Dental}
    greeting: Thanks for calling!           # or `none`: the caller speaks first (the default)
    consent: This call is recorded.         # said by the carrier before the agent is connected
    voice: marin
    language: en                            # or [en, es]: the first, and the others to callers who speak them
    timezone: America/Los_Angeles           # needed where `now` or hours are used
    lookup: {}                              # who is calling, asked while it rings, see `lookup_keys`
    hours: {open: {monday-friday: 08:00-18:00}, closed: We are closed now.}     # see `hours`; left out: always open
    recording: audio                        # audio | text | off; an agent with numbers must state it
    tools: [hang_up, python: alder:opening_hours]       # see `tool_keys`
    limits: {minutes: 15, idle_seconds: 20, tool_seconds: 20, transfers: 3}
    turn_detection: {type: server_vad, threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500}
                    # or {type: semantic_vad, eagerness: auto}
    barge_in: at_once                       # or {after_ms: 300}, {greeting: protected}, or both keys
    on_machine: hang_up                     # in calls that it places: hang_up, continue, or {leave: "..."}
    last_resort: {then: voicemail}          # when no model can be had, see `last_resort_keys`
    hold_sound: true                        # whether who waits in silence is told that somebody is there
    transcription: {model: gpt-4o-mini-transcribe, language: en, prompt: Alder Dental}      # or `off`
    noise_reduction: off                    # near_field | far_field | off
    model: {reasoning_effort: low}          # see `model_keys`; what is left out is left to the model
    scenarios: []                           # calls to try it with, see `scenario_keys`

Everything but `name` and `instructions` may be left out; with `model.prompt` the instructions, too. It must not know of
folders of agents nor of routing.
"""

import re
import zoneinfo
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

import yaml

from voice_agent.agent import Agent, Limits
from voice_agent.config.agent_keys import AGENT, IDLE_SECONDS, LIMITS, MCP_KEY, MINUTES, RECORDING, TRANSFERS
from voice_agent.config.faults import nearest
from voice_agent.config.hours import read_hours
from voice_agent.config.last_resort_keys import read_last_resort
from voice_agent.config.lookup_keys import read_lookup
from voice_agent.config.machine_keys import read_on_machine
from voice_agent.config.model_keys import read_model
from voice_agent.config.python_tools import python_tool
from voice_agent.config.render import BUILT_IN, faults_of, is_plain, texts_of
from voice_agent.config.scenario_keys import Scenario, read_scenarios
from voice_agent.config.schema_forms import E164, LANGUAGE, NAME, TOOL_SECONDS, VARIABLE
from voice_agent.config.speech_keys import (
    read_barge_in,
    read_noise_reduction,
    read_transcription,
    read_turn_detection,
    read_voice,
)
from voice_agent.config.tool_keys import FindPython, ReadTools, read_tools
from voice_agent.config.yaml_nodes import Document, Fields, compose, shorten, text_of


class AgentFile(NamedTuple):
    """An agent and where in its file stands what is judged with more than the file known: each a `file:line:column`."""

    agent: Agent
    name_at: str
    default_at: str
    number_at: dict[str, str]
    key_at: dict[str, str]
    """The keys that are there, those of `model` too, as `model.speed`; for tools see `tool_key`, `mcp_key`."""
    scenarios: tuple[Scenario, ...]


def read_agent(
    text: str,
    file: str,
    folder: str = "",
    python: FindPython = python_tool,
    laborious: Collection[str] | None = None,
) -> AgentFile:
    """Read one agent; `file` is its name in errors, `folder` where its `python:` tools are looked for.

    Raises `ConfigError` (`ConfigErrors` for several faults), never anything else. The tools' modules are imported,
    unless `python` describes the tools instead of them. `laborious`: the texts that may be more than `render.is_plain`;
    `None`: any.
    """
    document, top = compose(file, text)
    fields = Fields(document, top, tuple(AGENT))
    variables = _variables(fields)
    language, *languages = _languages(fields)
    tools = read_tools(fields, folder, tuple(variables), python)
    agent = Agent(
        name=_name(fields),
        instructions=_instructions(fields),
        numbers=_numbers(fields),
        default=fields.flag("default", False),
        voice=read_voice(fields),
        language=language,
        languages=tuple(languages),
        variables=variables,
        lookup=read_lookup(fields, variables),
        greeting=_greeting(fields),
        consent=fields.text("consent", None),
        turn_detection=read_turn_detection(fields),
        barge_in=read_barge_in(fields),
        on_machine=read_on_machine(fields),
        transcription=read_transcription(fields, None if languages else language),
        noise_reduction=read_noise_reduction(fields),
        tools=tools.tools,
        mcp=tools.mcp,
        limits=_limits(fields),
        model=read_model(fields),
        last_resort=read_last_resort(fields, folder, tools.tools),
        hold_sound=fields.flag("hold_sound", True),
        hours=read_hours(fields),
        timezone=_timezone(fields),
        recording=_recording(fields),
        folder=folder,
    )
    _examine_templates(fields, agent, laborious)
    _examine_times(document, agent, tools)
    scenarios = read_scenarios(fields)
    document.finish()
    numbers = {text_of(document, node, "", ""): node for node in fields.items("numbers", "")}
    return AgentFile(
        agent,
        _at(document, fields.node("name")),
        _at(document, fields.node("default")),
        {number: _at(document, node) for number, node in numbers.items()},
        dict(_places(document, top, "")) | _tool_places(document, tools),
        scenarios,
    )


def _examine_times(document: Document, agent: Agent, tools: ReadTools) -> None:
    most = agent.limits.tool_seconds
    for tool in agent.tools:
        if tool.http is not None and (tool.http.seconds or 0) > most:
            what = f'"timeout" of {tool.name} is longer than "tool_seconds" under "limits" ({most}); raise that, too'
            document.fault(tools.tool_at[tool.name], what)


def _tool_places(document: Document, tools: ReadTools) -> dict[str, str]:
    places = {mcp_key(label): _at(document, node) for label, node in tools.mcp_at.items()}
    if places:
        places[MCP_KEY] = next(iter(places.values()))
    return places | {tool_key(name): _at(document, node) for name, node in tools.tool_at.items()}


def tool_key(name: str) -> str:
    """Say what a tool is called in `AgentFile.key_at`."""
    return f"tools:{name}"


def mcp_key(label: str) -> str:
    """Say what an MCP server is called in `AgentFile.key_at`; `MCP_KEY` alone is the first of them."""
    return f"{MCP_KEY}.{label}"


def _places(document: Document, mapping: yaml.MappingNode, before: str) -> Iterator[tuple[str, str]]:
    for key, value in mapping.value:
        yield before + key.value, _at(document, value)
        if isinstance(value, yaml.MappingNode) and not before:
            yield from _places(document, value, f"{key.value}.")


def _at(document: Document, node: yaml.Node | None) -> str:
    mark = None if node is None else node.start_mark
    return document.place(mark.line, mark.column) if mark else document.file


def _name(fields: Fields) -> str:
    name = fields.text("name", "")
    node = fields.node("name")
    if node is None:
        fields.missing("name", "name: reception")
    elif isinstance(node, yaml.ScalarNode) and not re.fullmatch(NAME, name):
        fields.document.fault(node, f'"{shorten(name)}" is no name; use at most 64 letters, digits, "-" and "_"')
    return name


def _instructions(fields: Fields) -> str:
    instructions = fields.text("instructions", "")
    node = fields.node("instructions")
    model = fields.node("model")
    kept = isinstance(model, yaml.MappingNode) and any(key.value == "prompt" for key, _ in model.value)
    if node is None and not kept:
        fields.missing("instructions", "instructions: You answer the phone for a dentist.")
    elif isinstance(node, yaml.ScalarNode) and not node.value.strip():
        fields.document.fault(node, '"instructions" is empty; say who the agent is and what it does')
    return instructions


def _numbers(fields: Fields) -> tuple[str, ...]:
    numbers: list[str] = []
    for node in fields.items("numbers", '["+14255550100"]'):
        number = text_of(fields.document, node, "a number", "")
        if number and not re.fullmatch(E164, number):
            fields.document.fault(node, f'"{shorten(number)}" is no phone number; write it like "+14255550100"')
        elif number in numbers:
            fields.document.fault(node, f'"{number}" is there twice; keep one')
        numbers.append(number)
    return tuple(numbers)


def _languages(fields: Fields) -> tuple[str, ...]:
    """Read one language or several, the agent's own first."""
    node = fields.node("language")
    if node is None:
        return ("en",)
    nodes = list(node.value) if isinstance(node, yaml.SequenceNode) else [node]
    languages = [text_of(fields.document, one, "a language", "en") for one in nodes]
    for number, (language, one) in enumerate(zip(languages, nodes, strict=True)):
        if not re.fullmatch(LANGUAGE, language):
            fields.document.fault(one, f'"{shorten(language)}" is no language code; write e.g. "en" or "pt-BR"')
        elif language in languages[:number]:
            fields.document.fault(one, f'"{shorten(language)}" is there twice; keep one')
    if not languages:
        fields.document.fault(node, '"language" is empty; write e.g. "en" or [en, es]')
    return tuple(languages) or ("en",)


def _variables(fields: Fields) -> dict[str, str]:
    inner = fields.fields("variables", (), "{company: Alder Dental}")
    if inner is None:
        return {}
    for key, node in inner.nodes():
        if key in BUILT_IN:
            inner.document.fault(node, f'"{key}" is set for every call; give your variable another name')
        elif not re.fullmatch(VARIABLE, key):
            inner.document.fault(node, f'"{shorten(key)}" is no variable name; use letters, digits and "_"')
    return {key: inner.text(key, "") for key, _ in inner.nodes()}


def _greeting(fields: Fields) -> str | None:
    node = fields.node("greeting")
    if node is not None and (greeting := fields.text("greeting", "none")) != "none":
        if greeting:
            return greeting
        fields.document.fault(node, '"greeting" is empty; write "none" where the caller speaks first')
    return None


def _recording(fields: Fields) -> Literal["audio", "text", "off"]:
    numbers = fields.node("numbers")
    if fields.node("recording") is None and isinstance(numbers, yaml.SequenceNode) and numbers.value:
        fields.document.fault(
            numbers,
            'an agent with numbers must state "recording: audio", "text" or "off", for the law differs by place',
        )
    return fields.choice("recording", RECORDING, "audio")


def _limits(fields: Fields) -> Limits:
    inner = fields.fields("limits", tuple(LIMITS), "{minutes: 15}")
    if inner is None:
        return Limits()
    usual = Limits()
    return Limits(
        minutes=inner.integer("minutes", usual.minutes, *MINUTES),
        idle_seconds=inner.integer("idle_seconds", usual.idle_seconds, *IDLE_SECONDS),
        tool_seconds=inner.integer("tool_seconds", usual.tool_seconds, *TOOL_SECONDS),
        transfers=inner.integer("transfers", usual.transfers, *TRANSFERS),
    )


_ABBREVIATED = {
    **dict.fromkeys(("EST", "EDT", "ET"), "America/New_York"),
    **dict.fromkeys(("CST", "CDT", "CT"), "America/Chicago"),
    **dict.fromkeys(("MST", "MDT", "MT"), "America/Denver"),
    **dict.fromkeys(("PST", "PDT", "PT"), "America/Los_Angeles"),
}
"""IANA still has some of these, without summer time: hours would be wrong for two thirds of the year."""


def _timezone(fields: Fields) -> str | None:
    name = fields.text("timezone", None)
    node = fields.node("timezone")
    if name is None or node is None:
        return None
    if place := _ABBREVIATED.get(name):
        fields.document.fault(node, f'"{name}" names no place, and keeps no summer time; write e.g. "{place}"')
        return None
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # OSError: "America" is a folder of the database; ValueError: "../x" leads out of it.
        known = zoneinfo.available_timezones()
        if known:
            near = nearest(name, known) or "America/Los_Angeles"
            fields.document.fault(node, f'unknown time zone "{shorten(name)}"; write e.g. "{near}"')
        else:
            fields.document.fault(node, "this machine has no time zone database; run: pip install tzdata")
        return None
    return name


def _examine_templates(fields: Fields, agent: Agent, laborious: Collection[str] | None) -> None:
    for key, text in texts_of(agent):
        node = fields.node(key.partition(".")[0])
        assert node is not None, "the text stands there"
        if laborious is not None and text not in laborious and not is_plain(text):
            what = "no agent in force has this text, and a draft's has no loops, calls, products or powers"
            fields.document.fault(node, f"{what}; those are written into the file on the machine itself")
            continue
        for fault in faults_of(text, agent.variables, fields.node("timezone") is not None):
            line, column = _find(fields.document, node, fault.word, fault.line)
            fields.document.fault_at(line, column, fault.what)


def _find(document: Document, node: yaml.Node, word: str, line: int) -> tuple[int, int]:
    """Where in the file a fault of a text is, counted from 0: at its word within braces, else on its line."""
    start = node.start_mark
    if word:
        pattern = rf"\{{[{{%][^{{}}]*?(?<![\w.]){re.escape(word)}(?!\w)"
        if found := re.search(pattern, document.source(node)):
            index = start.index + found.end() - len(word)
            before = document.text[:index]
            return before.count("\n"), index - (before.rfind("\n") + 1)
    if isinstance(node, yaml.ScalarNode) and node.style == "|":
        row = start.line + line
        typed = document.text.splitlines()[row : row + 1]
        return row, len(typed[0]) - len(typed[0].lstrip()) if typed else 0
    return start.line, start.column
