"""A `collect_digits` tool: keys that the caller presses, as an agent's YAML describes it.

    - collect_digits                                    # any number of keys, up to "#" or a pause
    - collect_digits:
        name: customer_number                           # collect_digits, unless there are several
        description: Waits for the customer number.
        length: 6                                       # so many keys are enough; left out: any number
        terminator: "*"                                 # ends the number; "#" is the default; or none
        timeout_seconds: 10                             # without a key, while neither side speaks
        secret: true                                    # the model gets a name for them, no recording holds them

It must not know how keys are collected.
"""

from voice_agent.agent import DigitCollection, Tool
from voice_agent.config.parameter_keys import read_name
from voice_agent.config.tool_schema import COLLECT_DIGITS, DIGIT_SECONDS, DIGITS, TERMINATORS
from voice_agent.config.yaml_nodes import Fields

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
