"""A `handoff` tool: other agents that a call can be handed over to, as an agent's YAML describes it.

    - handoff: billing                                  # the name of the other agent
    - handoff:
        to: [billing, sales]                            # of several the model chooses
        name: pass_on                                   # handoff, unless there are several
        description: billing knows invoices, sales everything that is new.

The others are agents of the same folder; whether they are there is judged where the folder is known (`agents`). It must
not know how a call is handed over.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from voice_agent.agent import Agent, Handoff, Tool
from voice_agent.config.agent_keys import RECORDING
from voice_agent.config.faults import nearest
from voice_agent.config.parameter_keys import read_name
from voice_agent.config.schema_forms import NAME
from voice_agent.config.tool_schema import HANDOFF
from voice_agent.config.yaml_nodes import Fields, kind_of, shorten, text_of

_HOW = (
    "First say in a short sentence who goes on, in the same response, then call this function. The other agent speaks "
    "next, on the same line, and knows all that was said."
)


def read_handoff(fields: Fields) -> Tool | None:
    """Read the key `handoff` of a tool."""
    node = fields.node("handoff")
    if isinstance(node, yaml.ScalarNode):
        return handoff_tool(_names(fields, "handoff"))
    inner = fields.fields("handoff", tuple(HANDOFF), "billing, or {to: [billing, sales]}")
    if inner is None:
        return None
    if inner.node("to") is None:
        inner.missing("to", "to: [billing, sales]")
    return handoff_tool(_names(inner, "to"), read_name(inner, "handoff"), inner.text("description", ""))


def handoff_tool(to: tuple[str, ...], name: str = "handoff", description: str = "") -> Tool:
    """Describe the tool to the model; whom to choose is a parameter only where there is a choice."""
    about = "What the caller wants, and what the other agent has to know, in a sentence."
    properties: dict[str, Any] = {"reason": {"type": "string", "description": about}}
    if len(to) > 1:
        properties = {"to": {"type": "string", "description": "Who goes on.", "enum": list(to)}, **properties}
    usual = f"Hands the call over to {' or '.join(to)}. Use it when the caller wants what they are there for."
    return Tool(
        name=name,
        description=f"{description or usual} {_HOW}",
        parameters={
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
        kind="handoff",
        handoff=Handoff(to=to),
    )


def _names(fields: Fields, key: str) -> tuple[str, ...]:
    node = fields.node(key)
    if node is None:
        return ()
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not isinstance(node, yaml.ScalarNode | yaml.SequenceNode) or not nodes:
        what = f"cannot be {kind_of(node)}" if nodes else "is empty"
        fields.document.fault(node, f'"{key}" {what}; write the name of another agent, or a list')
        return ()
    names: list[str] = []
    for entry in nodes:
        name = text_of(fields.document, entry, "the name of an agent", "")
        if name and not re.fullmatch(NAME, name):
            what = f'"{shorten(name)}" is no name of an agent; use at most 64 letters, digits, "-" and "_"'
            fields.document.fault(entry, what)
        elif name in names:
            fields.document.fault(entry, f'"{name}" is there twice; keep one')
        elif name:
            names.append(name)
    return tuple(names)


class Wrong(NamedTuple):
    """What is wrong with a hand-over."""

    agent: str
    tool: str
    what: str


def wrong_handoffs(agents: Mapping[str, Agent]) -> Iterator[Wrong]:
    """Find hand-overs to nobody, and to whom the session cannot become; `agents`: all that there are, by name."""
    for agent in agents.values():
        for tool in agent.tools:
            for name in () if tool.handoff is None else tool.handoff.to:
                if what := _wrong(agent, name, agents):
                    yield Wrong(agent.name, tool.name, what)


def _wrong(agent: Agent, name: str, agents: Mapping[str, Agent]) -> str:
    if name == agent.name:
        return f'"{name}" is this agent itself; name another one'
    other = agents.get(name)
    if other is None:
        near = nearest(name, [known for known in agents if known != agent.name])
        return f'no agent is named "{name}"; ' + (f'write "{near}"' if near else "its file must stand beside this one")
    if not other.instructions and agent.instructions:
        return f'"{name}" has no "instructions" of its own, and a session would keep those of {agent.name}; write some'
    if RECORDING.index(other.recording) > RECORDING.index(agent.recording):
        kept = f'but a call that {agent.name} takes is kept as "{agent.recording}"; write the same'
        return f'"{name}" says "recording: {other.recording}", {kept}'
    return ""


def reachable(agent: Agent, agents: Mapping[str, Agent]) -> tuple[Agent, ...]:
    """Give all that a call to an agent can be handed over to, step by step; without the agent itself."""
    found = {agent.name: agent}
    waiting = [agent]
    while waiting:
        for tool in waiting.pop().tools:
            for name in () if tool.handoff is None else tool.handoff.to:
                if name in agents and name not in found:
                    found[name] = agents[name]
                    waiting.append(agents[name])
    del found[agent.name]
    return tuple(found.values())
