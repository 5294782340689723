"""What an agent's YAML says of an MCP server, one entry of `tools`. The keys are those of the Realtime API.

    - mcp:
        server_label: calendar                  # letters, digits, - and _; names it in transcripts and logs
        server_url: https://mcp.example.com/mcp # what the model's server can reach
        authorization: ${CALENDAR_TOKEN}        # an OAuth token, sent as a bearer
        headers: {X-Api-Key: "${CALENDAR_KEY}", X-Branch: downtown}
        server_description: Appointments of the practice.       # for the model
        allowed_tools: [free_slots, book]       # left out: all that the server has
        require_approval: always                # we are asked before each call; never (the default): we are not
        approve: [free_slots]                   # then required: what is approved, or `all`

`${NAME}` is a variable of the environment or of `.env` (see `references`). It must not know their values.
"""

import re
from collections.abc import Sequence
from typing import Literal

import yaml

from voice_agent.agent import McpServer
from voice_agent.config.faults import instead
from voice_agent.config.header_keys import misplaced, read_headers
from voice_agent.config.references import PATTERN
from voice_agent.config.tool_schema import APPROVAL, MCP, MCP_LABEL, MCP_TOOL, MCP_URL
from voice_agent.config.yaml_nodes import Fields, kind_of, shorten, text_of

EXAMPLE = "{server_label: calendar, server_url: https://mcp.example.com/mcp}"


def read_mcp(fields: Fields) -> McpServer | None:
    """Read the key `mcp` of a tool."""
    inner = fields.fields("mcp", tuple(MCP), EXAMPLE)
    if inner is None:
        return None
    allowed = _names(inner, "allowed_tools")
    require = inner.choice("require_approval", APPROVAL, "never")
    return McpServer(
        server_label=_label(inner),
        server_url=_url(inner),
        authorization=_authorization(inner),
        headers=read_headers(inner),
        server_description=inner.text("server_description", None),
        allowed_tools=allowed,
        require_approval=require,
        approve=_approve(inner, require, allowed),
    )


def _label(fields: Fields) -> str:
    label = fields.text("server_label", "")
    node = fields.node("server_label")
    if node is None:
        fields.missing("server_label", "server_label: calendar")
    elif isinstance(node, yaml.ScalarNode) and not re.fullmatch(MCP_LABEL, label):
        what = f'"{shorten(label)}" is no label; begin with a letter, and use at most 64 letters, digits, "-" and "_"'
        fields.document.fault(node, what)
    return label


def _url(fields: Fields) -> str:
    url = fields.text("server_url", "")
    node = fields.node("server_url")
    if node is None:
        fields.missing("server_url", "server_url: https://mcp.example.com/mcp")
    elif isinstance(node, yaml.ScalarNode) and not re.fullmatch(MCP_URL, url):
        what = (
            '"server_url" must begin with https:// and hold no user, or be a "${NAME}" that does; '
            "http:// is for this machine"
        )
        fields.document.fault(node, what)
    return url


def _authorization(fields: Fields) -> str | None:
    token = fields.text("authorization", None)
    node = fields.node("authorization")
    if token is not None and node is not None and not re.fullmatch(PATTERN, token):
        # What stands there is not repeated: it may be the secret itself.
        fields.document.fault(node, misplaced("authorization"))
    return token


def _names(fields: Fields, key: str) -> tuple[str, ...] | None:
    if fields.node(key) is None:
        return None
    nodes = fields.items(key, "[free_slots, book]")
    names: list[str] = []
    for node in nodes:
        name = text_of(fields.document, node, "the name of a tool", "")
        if isinstance(node, yaml.ScalarNode) and not re.fullmatch(MCP_TOOL, name):
            fields.document.fault(node, f'"{shorten(name)}" is no name of a tool')
        elif name in names:
            fields.document.fault(node, f'"{shorten(name)}" is there twice; keep one')
        names.append(name)
    at = fields.node(key)
    if not nodes and isinstance(at, yaml.SequenceNode):
        fields.document.fault(at, f'"{key}" is empty; leave the server out, or name what it is for')
    return tuple(names)


def _approve(
    fields: Fields, require: Literal["never", "always"], allowed: Sequence[str] | None
) -> tuple[str, ...] | Literal["all"]:
    node = fields.node("approve")
    if node is None:
        if require == "always":
            fields.missing("approve", "approve: all")
        return "all"
    if require == "never":
        fields.document.fault(node, '"approve" is for calls that we are asked about; add "require_approval: always"')
    if isinstance(node, yaml.ScalarNode):
        if node.value != "all":
            fields.document.fault(node, f'"approve" cannot be {kind_of(node)}; write "all" or a list of tools')
        return "all"
    names = _names(fields, "approve") or ()
    for name in names:
        if allowed is not None and name not in allowed:
            fields.document.fault(node, f'"{shorten(name)}" is not among "allowed_tools"; {instead(name, allowed)}')
    return names
