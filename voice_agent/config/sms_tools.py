"""A `send_sms` tool: a text message that the model may have sent, as an agent's YAML describes it.

    - send_sms                                          # to the caller, from the called number, in the model's words
    - send_sms:
        name: text_desk                                 # send_sms, unless there are several
        description: Tells the front desk about a caller.
        from: "+14255550100"                            # a number of the account; left out: the called one
        to: {desk: "+14255550101"}                      # caller (the default), or numbers, with or without names
        text: "{{ caller }} asks for {{ who }}."        # left out: the model writes it
        parameters: {who: {type: string}}               # for the text, see `parameter_keys`
        countries: ["+1"]                               # how the recipient's number must begin; left out: anyhow

It must not know how a message is sent.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from voice_agent.agent import Agent, TextMessage, Tool
from voice_agent.config.parameter_keys import (
    CALL_VARIABLES,
    Parameters,
    examine_templates,
    examine_use,
    read_name,
    read_parameters,
)
from voice_agent.config.placeholders import NAME
from voice_agent.config.schema_forms import E164, PREFIX
from voice_agent.config.tool_schema import SEND_SMS
from voice_agent.config.yaml_nodes import Document, Fields, kind_of, shorten, text_of

TO, TEXT = "to", "text"
"""The parameters that a tool has by itself, where the model may choose."""

LONGEST = 1600
"""Characters that Twilio takes in one message."""

_ABOUT_CALLER = "Sends a text message (SMS) to the caller. Say what you are going to send before you do."
_ABOUT_OTHERS = "Sends a text message (SMS)."


def read_send_sms(fields: Fields, variables: Sequence[str]) -> Tool | None:
    """Read the key `send_sms` of a tool. `variables`: the agent's own names."""
    inner = fields.fields("send_sms", tuple(SEND_SMS), '{to: caller, text: "See https://example.com"}')
    if inner is None:
        return None
    known = (*variables, *CALL_VARIABLES)
    parameters = read_parameters(inner, (*known, TO, TEXT))
    text = _text(inner)
    examine_templates(inner, {"text": [] if text is None else [text]}, parameters, known)
    if text is None and parameters.properties:
        inner.document.fault(_at(inner, "parameters"), '"parameters" are for a "text" that holds them; write one')
    elif text is not None:
        examine_use(inner, [text], parameters, "text")
    message = TextMessage(
        sender=_number(inner.document, inner.node("from")) if inner.node("from") is not None else "",
        to=_recipients(inner),
        text=text,
        countries=_countries(inner),
    )
    return send_sms_tool(message, read_name(inner, "send_sms"), inner.text("description", ""), parameters)


def send_sms_tool(
    message: TextMessage, name: str = "send_sms", description: str = "", parameters: Parameters | None = None
) -> Tool:
    """Describe the tool to the model: what it can choose is a parameter, what it cannot is none."""
    given = parameters or Parameters({}, [])
    properties: dict[str, Any] = {}
    if len(message.to) > 1:
        properties[TO] = {"type": "string", "description": "Who gets it.", "enum": list(message.to)}
    if message.text is None:
        about = "What it says, in one or two sentences, without anything that only makes sense when spoken."
        properties[TEXT] = {"type": "string", "description": about}
    whole = Parameters({**properties, **given.properties}, [*properties, *given.required])
    return Tool(
        name=name,
        description=description or (_ABOUT_OTHERS if message.to else _ABOUT_CALLER),
        parameters=whole.schema,
        kind="send_sms",
        sms=message,
    )


def mute(agents: Iterable[Agent], has_rest: bool) -> Iterator[str]:
    """Name the tools that can do nothing without Twilio's REST API, a line each; `has_rest`: whether it can be used."""
    for agent in agents if not has_rest else ():
        for tool in agent.tools:
            if tool.sms is not None:
                yield f"{agent.name}.{tool.name} sends nothing: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set"
            if tool.transfer is not None and tool.transfer.warm:
                yield f"{agent.name}.{tool.name} calls nobody: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set"


def _at(fields: Fields, key: str) -> yaml.Node:
    return fields.node(key) or fields.at


def _text(fields: Fields) -> str | None:
    text = fields.text("text", None)
    node = fields.node("text")
    if node is not None and isinstance(node, yaml.ScalarNode) and not text:
        fields.document.fault(node, '"text" is empty; leave it out where the model writes it')
    if text is not None and len(text) > LONGEST:
        fields.document.fault(_at(fields, "text"), f'"text" is longer than the {LONGEST} characters of a message')
    return text


def _recipients(fields: Fields) -> dict[str, str]:
    node = fields.node("to")
    if node is None or (isinstance(node, yaml.ScalarNode) and node.value == "caller"):
        return {}
    document = fields.document
    found: dict[str, str] = {}
    if isinstance(node, yaml.MappingNode):
        for name, value in Fields(document, node, ()).nodes():
            if not re.fullmatch(NAME, name):
                document.fault(value, f'"{shorten(name)}" is no name for a number; use letters, digits and "_"')
            found[name] = _number(document, value)
    elif isinstance(node, yaml.SequenceNode):
        found = {number: number for number in (_number(document, entry) for entry in node.value)}
    else:
        document.fault(node, f'"to" cannot be {kind_of(node)}; write "caller", or [ "+14255550101" ]')
        return {}
    if not found:
        document.fault(node, '"to" is empty; write "caller" or a number')
    return found


def _number(document: Document, node: yaml.Node | None) -> str:
    assert node is not None, "whoever asks has looked"
    number = text_of(document, node, "a number", "")
    if isinstance(node, yaml.ScalarNode) and not re.fullmatch(E164, number):
        document.fault(node, f'"{shorten(number)}" is no phone number; write it like "+14255550100"')
    return number


def _countries(fields: Fields) -> tuple[str, ...]:
    nodes = fields.items("countries", '["+1"]')
    prefixes = [text_of(fields.document, node, "a prefix", "") for node in nodes]
    for prefix, node in zip(prefixes, nodes, strict=True):
        if isinstance(node, yaml.ScalarNode) and not re.fullmatch(PREFIX, prefix):
            fields.document.fault(node, f'"{shorten(prefix)}" is no beginning of a number; write e.g. "+1" or "+44"')
    at = fields.node("countries")
    if not nodes and isinstance(at, yaml.SequenceNode):
        fields.document.fault(at, '"countries" is empty; leave it out where every number will do')
    return tuple(prefixes)
