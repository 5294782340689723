"""A `transfer` tool: whom the caller can be connected with, as an agent's YAML describes it.

    - transfer: {to: {front_desk: "+14255550101"}}
    - transfer:
        name: connect                                   # transfer, unless there are several
        description: Connects the caller with a person.
        to:                                             # the model chooses one by its name
          front_desk: "+14255550101"
          night_desk: "sip:night@pbx.example.com"
        from: "+14255550100"                            # what they see; left out: the caller's number
        seconds: 20                                     # how long it may ring
        warm: true                                      # they are called and asked while the caller holds
        announcement: "A caller for you. {{ summary }} Press 1 to take the call, 2 to decline."

It must not know how a caller gets there.
"""

import re
from typing import Any

import yaml

from voice_agent.agent import Tool, Transfer
from voice_agent.config.parameter_keys import read_name
from voice_agent.config.placeholders import NAME
from voice_agent.config.schema_forms import E164
from voice_agent.config.tool_schema import RING_SECONDS, SIP, TRANSFER
from voice_agent.config.yaml_nodes import Document, Fields, kind_of, shorten, text_of

EXAMPLE = '{to: {front_desk: "+14255550101"}}'

_ABOUT = (
    "Connects the caller with a person and ends your part of the call. Use it when the caller asks for a person or you "
    "cannot help. First tell the caller whom you are connecting them with, in the same response, then call this "
    "function: they are connected once your words have been heard. If nobody answers, the caller comes back to you."
)


_ABOUT_WARM = (
    "Calls a colleague and asks whether they take the caller, who holds meanwhile. Use it when the caller asks for a "
    "person or you cannot help. First tell the caller that you are trying to reach them, in the same response, then "
    "call this function. Its answer comes when they do not take the call; if they do, the caller is connected."
)
_ABOUT_SUMMARY = "What the colleague is told of the caller: who it is and what about, in one or two sentences."


def read_transfer(fields: Fields) -> Tool | None:
    """Read the key `transfer` of a tool."""
    inner = fields.fields("transfer", tuple(TRANSFER), EXAMPLE)
    if inner is None:
        return None
    caller_id = inner.text("from", "")
    at = inner.node("from")
    if isinstance(at, yaml.ScalarNode) and not re.fullmatch(E164, caller_id):
        inner.document.fault(at, f'"{shorten(caller_id)}" is no phone number; write it like "+14255550100"')
    warm = inner.flag("warm", False)
    announcement = inner.text("announcement", "")
    at = inner.node("announcement")
    if at is not None and not warm:
        inner.document.fault(at, '"announcement" is for "warm: true": nobody is asked otherwise')
    elif announcement and "{{ summary }}" not in announcement:
        inner.document.fault(at or inner.at, '"announcement" must hold {{ summary }}: what the model wrote')
    transfer = Transfer(
        to=_addresses(inner),
        seconds=inner.integer("seconds", Transfer(to={}).seconds, *RING_SECONDS),
        caller_id=caller_id,
        warm=warm,
        announcement=announcement,
    )
    properties: dict[str, Any] = {"to": {"type": "string", "description": "Whom with.", "enum": list(transfer.to)}}
    if warm:
        properties["summary"] = {"type": "string", "description": _ABOUT_SUMMARY}
    return Tool(
        name=read_name(inner, "transfer"),
        description=inner.text("description", _ABOUT_WARM if warm else _ABOUT),
        parameters={
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
        kind="transfer",
        transfer=transfer,
    )


def _addresses(fields: Fields) -> dict[str, str]:
    node = fields.node("to")
    if node is None:
        fields.missing("to", EXAMPLE[1:-1])
        return {}
    document = fields.document
    if not isinstance(node, yaml.MappingNode):
        what = f'"to" cannot be {kind_of(node)}; give each number a name: {EXAMPLE[1:-1]}'
        document.fault(node, what)
        return {}
    found: dict[str, str] = {}
    for name, value in Fields(document, node, ()).nodes():
        if not re.fullmatch(NAME, name):
            document.fault(value, f'"{shorten(name)}" is no name for somebody; use letters, digits and "_"')
        found[name] = _address(document, value)
    if not found:
        document.fault(node, f'"to" is empty; write e.g. {EXAMPLE[1:-1]}')
    return found


def _address(document: Document, node: yaml.Node) -> str:
    address = text_of(document, node, "a number", "")
    if isinstance(node, yaml.ScalarNode) and not re.fullmatch(f"{E164}|{SIP}", address):
        what = f'"{shorten(address)}" is neither a phone number nor a SIP address'
        document.fault(node, f'{what}; write it like "+14255550101" or "sip:desk@pbx.example.com"')
    return address
