"""What an agent's YAML says under `tools`: what the model may do, by us or by the model's server.

tools:
  - hang_up
  - python: alder:opening_hours             # see `python_tools`
  - http: {name: find_slot, description: Free times., url: https://api.example.com/slots}       # see `http_tools`
  - send_sms: {to: caller, countries: ["+1"]}      # see `sms_tools`
  - collect_digits: {length: 4}             # see `digit_tools`, as for `send_digits`
  - transfer: {to: {front_desk: "+14255550101"}}        # see `transfer_tools`
  - handoff: billing                        # see `handoff_tools`
  - mcp: {server_label: calendar, server_url: https://mcp.example.com/mcp}      # see `mcp_keys`
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import yaml

from voice_agent.agent import DigitCollection, DigitsToSend, McpServer, TextMessage, Tool
from voice_agent.config.digit_tools import collect_digits_tool, read_collect_digits, read_send_digits, send_digits_tool
from voice_agent.config.faults import nearest
from voice_agent.config.handoff_tools import read_handoff
from voice_agent.config.http_tools import read_http
from voice_agent.config.mcp_keys import read_mcp
from voice_agent.config.python_tools import python_tool
from voice_agent.config.sms_tools import read_send_sms, send_sms_tool
from voice_agent.config.transfer_tools import EXAMPLE as TRANSFER_EXAMPLE
from voice_agent.config.transfer_tools import read_transfer
from voice_agent.config.yaml_nodes import Document, Fields, kind_of, shorten
from voice_agent.errors import ConfigError

HANG_UP = Tool(
    name="hang_up",
    description=(
        "Ends the phone call. Use it when the caller says goodbye or has nothing more to ask. First say a short "
        "goodbye, in the same response, then call this function: the line is closed once your goodbye has been heard."
    ),
    parameters={"type": "object", "properties": {}, "additionalProperties": False},
    kind="hang_up",
)

_TOOL_KINDS = ("hang_up", "python", "http", "send_sms", "collect_digits", "send_digits", "transfer", "handoff", "mcp")
_REMEDIES = {
    "hang_up": 'write "hang_up"',
    "python": 'write "python: module:function"',
    "http": 'write "http: {name: ..., description: ..., url: ...}"',
    "send_sms": 'write "send_sms" or "send_sms: {to: caller}"',
    "collect_digits": 'write "collect_digits" or "collect_digits: {length: 4}"',
    "send_digits": 'write "send_digits" or "send_digits: {digits: {front_door: ...}}"',
    "transfer": f'write "transfer: {TRANSFER_EXAMPLE}"',
    "handoff": 'write "handoff: NAME", with the name of another agent',
    "mcp": 'write "mcp: {server_label: ..., server_url: ...}"',
}


FindPython = Callable[[str, str], Tool]
"""Describes a `python:` tool by its target and the folder of its agent; raises `ConfigError` (without a place)."""

_Read = Callable[[Fields, Sequence[str]], Tool | McpServer | None]
_READERS: dict[str, _Read] = {
    "http": read_http,
    "send_sms": read_send_sms,
    "collect_digits": lambda fields, _: read_collect_digits(fields),
    "send_digits": lambda fields, _: read_send_digits(fields),
    "transfer": lambda fields, _: read_transfer(fields),
    "handoff": lambda fields, _: read_handoff(fields),
    "mcp": lambda fields, _: read_mcp(fields),
}
"""How each kind with keys of its own is read; some may use the agent's variables."""


class ReadTools(NamedTuple):
    """All of them, and where each tool stands, by its name, and each MCP server, by its label."""

    tools: tuple[Tool, ...]
    mcp: tuple[McpServer, ...]
    tool_at: dict[str, yaml.Node]
    mcp_at: dict[str, yaml.Node]


def read_tools(fields: Fields, folder: str, variables: Sequence[str], python: FindPython = python_tool) -> ReadTools:
    """Read the whole key; `folder` is where modules are looked for, which are imported; `variables` are the agent's.

    `python`: what describes `python:` tools instead of the modules themselves.
    """
    tools: dict[str, Tool] = {}
    servers: dict[str, McpServer] = {}
    tool_at: dict[str, yaml.Node] = {}
    mcp_at: dict[str, yaml.Node] = {}
    for node in fields.items("tools", "[hang_up]"):
        try:
            tool = _read_tool(fields.document, node, folder, variables, python)
        except ConfigError as error:
            fields.document.fault(node, error.what)
            continue
        match tool:
            case Tool() if tool.name in tools:
                fields.document.fault(node, f'a tool "{tool.name}" is there already; a model knows tools by name')
            case Tool():
                tools[tool.name] = tool
                tool_at[tool.name] = node
            case McpServer() if tool.server_label in servers:
                what = f'an MCP server "{shorten(tool.server_label)}" is there already; give each a label of its own'
                fields.document.fault(node, what)
            case McpServer():
                servers[tool.server_label] = tool
                mcp_at[tool.server_label] = node
    return ReadTools(tuple(tools.values()), tuple(servers.values()), tool_at, mcp_at)


def _read_tool(
    document: Document, node: yaml.Node, folder: str, variables: Sequence[str], python: FindPython
) -> Tool | McpServer | None:
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1:
        inner = Fields(document, node, _TOOL_KINDS)
        for kind, read in _READERS.items():
            if inner.node(kind) is not None:
                return read(inner, variables)
        target = inner.text("python", "")
        if inner.node("hang_up") is not None:
            document.fault(node, '"hang_up" takes nothing; write "- hang_up"')
        if not target:
            return None
        return python(target, folder)
    if isinstance(node, yaml.ScalarNode):
        if node.value == "hang_up":
            return HANG_UP
        if node.value == "send_sms":
            return send_sms_tool(TextMessage())
        if node.value == "collect_digits":
            return collect_digits_tool(DigitCollection())
        if node.value == "send_digits":
            return send_digits_tool(DigitsToSend())
        near = nearest(node.value, _TOOL_KINDS) or ("python" if ":" in node.value else "")
        remedy = _REMEDIES.get(near, f"there are {', '.join(_TOOL_KINDS[:-1])} and {_TOOL_KINDS[-1]}")
        raise ConfigError(f'unknown tool "{shorten(node.value)}"; {remedy}')
    if isinstance(node, yaml.MappingNode) and (begun := [key for key, _ in node.value if key.value in _TOOL_KINDS]):
        stray = next(key for key, _ in node.value if key is not begun[0])
        if stray in begun:
            raise ConfigError(f'"{begun[0].value}" and "{stray.value}" in one entry; begin each tool with a "- "')
        what = f'"{shorten(str(stray.value))}" stands beside "{begun[0].value}" instead of below it'
        raise ConfigError(f"{what}; indent what belongs to a tool by two more spaces")
    kinds = (
        '"hang_up", "python: ...", "http: ...", "send_sms", "collect_digits", "send_digits", "transfer: ...", '
        '"handoff: ..." or "mcp: ..."'
    )
    raise ConfigError(f"a tool is {kinds}, not {kind_of(node)}")
