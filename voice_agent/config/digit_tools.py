"""A `collect_digits` tool: keys that the caller presses, as an agent's YAML describes it.

    - collect_digits                                    # any number of keys, up to "#" or a pause
    - collect_digits:
        name: customer_number                           # collect_digits, unless there are several
        description: Waits for the customer number.
        length: 6                                       # so many keys are enough; left out: any number
        terminator: "*"                                 # ends the number; "#" is the default; or none
        timeout_seconds: 10                             # without a key, while neither side speaks
        secret: true                                    # the model gets a name for them, no recording holds them

And a `send_digits` tool: keys that the agent presses, e.g. in the menu of the line that it has called.

    - send_digits                                       # what the model writes
    - send_digits:
        name: open_door                                 # send_digits, unless there are several
        description: Opens a door.
        digits: {front: "12#", back: "1w3#"}            # the model chooses a name; `w` waits 0.5 s, `W` 1 s
        by: call                                        # the carrier presses them; tones in the audio are the default

It must not know how keys are collected or sent.
"""

import re

from voice_agent.agent import DigitCollection, DigitsToSend, Tool
from voice_agent.config.parameter_keys import read_name
from voice_agent.config.schema_forms import VARIABLE
from voice_agent.config.tool_schema import (
    COLLECT_DIGITS,
    DIGIT_SECONDS,
    DIGITS,
    SEND_DIGITS,
    SENT_BY,
    SENT_DIGITS,
    TERMINATORS,
)
from voice_agent.config.yaml_nodes import Fields, shorten, text_of

_NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}


def read_collect_digits(fields: Fields) -> Tool | None:
    """Read the key `collect_digits` of a tool."""
    inner = fields.fields("collect_digits", tuple(COLLECT_DIGITS), "{length: 4}")
    if inner is None:
        return None
    usual = DigitCollection()
    terminator = inner.choice("terminator", TERMINATORS, usual.terminator)
    wanted = DigitCollection(
        length=inner.integer("length", 0, *DIGITS) or None,
        terminator="" if terminator == "none" else terminator,
        timeout_seconds=inner.integer("timeout_seconds", usual.timeout_seconds, *DIGIT_SECONDS),
        secret=inner.flag("secret", False),
    )
    return collect_digits_tool(wanted, read_name(inner, "collect_digits"), inner.text("description", ""))


def collect_digits_tool(wanted: DigitCollection, name: str = "collect_digits", description: str = "") -> Tool:
    """Describe the tool to the model."""
    return Tool(
        name=name,
        description=f"{description or 'Waits for digits that the caller types.'} {_how(wanted)}",
        parameters=_NOTHING,
        kind="collect_digits",
        digits=wanted,
    )


def _how(wanted: DigitCollection) -> str:
    many = "any number of them" if wanted.length is None else f"{wanted.length} of them"
    ends = f", or fewer that end with {wanted.terminator}" if wanted.terminator else ""
    answer = (
        'You are not told them: the answer names them, as in {"received": 4, "digits": "${digits_1}"}, and that text '
        "stands for them in the arguments of other functions. Never ask for them to be spoken."
    )
    return (
        f"The caller types them on the phone's keypad: {many}{ends}. Ask for them, and call this function in the same "
        "response, before they are typed. Then wait: its answer comes when the caller has typed, or types no more."
        f"{f' {answer}' if wanted.secret else ''}"
    )


def read_send_digits(fields: Fields) -> Tool | None:
    """Read the key `send_digits` of a tool."""
    inner = fields.fields("send_digits", tuple(SEND_DIGITS), '{digits: {front_door: "12#"}}')
    if inner is None:
        return None
    digits = inner.fields("digits", (), '{front_door: "12#"}')
    named: dict[str, str] = {}
    for name, node in () if digits is None else digits.nodes():
        keys = text_of(inner.document, node, f'"{shorten(name)}"', "")
        if not re.fullmatch(VARIABLE, name):
            inner.document.fault(node, f'"{shorten(name)}" is no name for digits; use letters, digits and "_"')
        elif keys and not re.fullmatch(SENT_DIGITS, keys):
            what = f'"{shorten(keys)}" is nothing to press; write at most 32 of 0-9, *, #, w and W, in quotes'
            inner.document.fault(node, what)
        named[name] = keys
    if digits is not None and not named:
        inner.document.fault(digits.at, '"digits" is empty; leave it out where the model writes them')
    wanted = DigitsToSend(named=named, by=inner.choice("by", SENT_BY, DigitsToSend().by))
    return send_digits_tool(wanted, read_name(inner, "send_digits"), inner.text("description", ""))


def send_digits_tool(wanted: DigitsToSend, name: str = "send_digits", description: str = "") -> Tool:
    """Describe the tool to the model."""
    about = (
        "Which of them." if wanted.named else "0-9, * and #, without anything else; w waits half a second, W a second."
    )
    digits = {"type": "string", "description": about, **({"enum": list(wanted.named)} if wanted.named else {})}
    return Tool(
        name=name,
        description=description
        or "Presses keys on the phone, e.g. to choose in the menu of the line you have reached.",
        parameters={
            "type": "object",
            "properties": {"digits": digits},
            "additionalProperties": False,
            "required": ["digits"],
        },
        kind="send_digits",
        keys=wanted,
    )
