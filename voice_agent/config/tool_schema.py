"""What an agent's YAML may hold under `tools`, as a table: each kind's keys with their bounds and what they are for.

Part of `agent_keys`, which says how the table is used.
"""

from typing import Literal

from voice_agent.agent import DigitCollection, Transfer
from voice_agent.config.references import PATTERN
from voice_agent.config.schema_forms import (
    ANY_TEXT,
    E164,
    NAME,
    PREFIX,
    SAYABLE,
    TOOL_SECONDS,
    VARIABLE,
    Schema,
    Whole,
    either,
    flag,
    mapping,
    text,
    whole,
    words,
)

MCP_LABEL = "[A-Za-z][A-Za-z0-9_-]{0,63}"
MCP_URL = rf"(https://|http://(localhost|127\.0\.0\.1|\[::1\])(?=[:/])|{PATTERN})[^\s/@]*([/?][^\s@]*)?"
"""A whole address may be a reference; what it stands for is looked at when it is known."""
HEADER = "[A-Za-z0-9_-]{1,64}"
CREDENTIAL = "|".join(
    "".join(f"[{letter.upper()}{letter}]" for letter in word)
    for word in ("authorization", "cookie", "key", "password", "secret", "token")
)
"""Found in the names of headers whose values are secrets."""
MCP_TOOL = "[A-Za-z0-9_./-]{1,128}"
TOOL_NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"
APPROVAL: tuple[Literal["never", "always"], ...] = ("never", "always")
HTTP_METHODS: tuple[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
PARAMETER_TYPES: tuple[Literal["string", "integer", "number", "boolean", "array"], ...] = (
    "string", "integer", "number", "boolean", "array",
)  # fmt: skip

TERMINATORS: tuple[Literal["#", "*", "none"], ...] = ("#", "*", "none")
DIGITS = Whole(1, 64)
DIGIT_SECONDS = Whole(1, 120)

_MCP_TOOLS: Schema = {
    "type": "array",
    "items": text("A tool of the server.", MCP_TOOL),
    "uniqueItems": True,
    "minItems": 1,
}
MCP: dict[str, Schema] = {
    "server_label": text("Names the server in transcripts and logs.", MCP_LABEL, examples=["calendar"]),
    "server_url": text(
        "What the model's server can reach; may hold ${NAME}, a variable of the environment.",
        MCP_URL,
        examples=["https://mcp.example.com/mcp"],
    ),
    "authorization": text("An OAuth token, as ${NAME}: a variable of the environment.", PATTERN),
    "headers": {
        "description": "Sent to the MCP server; secrets as ${NAME}.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{HEADER})$"},
        "patternProperties": {CREDENTIAL: {"type": "string", "pattern": PATTERN}},
        "additionalProperties": ANY_TEXT | {"pattern": "^[ -~]*$"},
    },
    "server_description": text("For the model."),
    "allowed_tools": _MCP_TOOLS | {"description": "What the model may use of it; unset: all."},
    "require_approval": words(APPROVAL, "always: we are asked before each call.", "never"),
    "approve": either("What we then say yes to.", {"const": "all"}, _MCP_TOOLS),
}
_MCP_SERVER: Schema = {
    **mapping(
        MCP, "A server of the Model Context Protocol, called by the model's server.", ("server_label", "server_url")
    ),
    "if": {"properties": {"require_approval": {"const": "always"}}, "required": ["require_approval"]},
    "then": {"required": ["approve"]},
    "else": {"not": {"required": ["approve"]}},
}
_ENUM: Schema = {"description": "The values that are allowed.", "type": "array", "minItems": 1}
PARAMETER: dict[str, Schema] = {
    "type": {"enum": list(PARAMETER_TYPES)},
    "description": text("For the model."),
    "enum": _ENUM,
    "items": mapping({"type": {"enum": list(PARAMETER_TYPES[:-1])}, "enum": _ENUM}, "Of an array."),
    "optional": flag("The model may leave it out.", False),
}
HTTP: dict[str, Schema] = {
    "name": text("The model calls it by this name.", TOOL_NAME, examples=["find_slot"]),
    "description": text("What it is for; the model goes by it.", SAYABLE),
    "method": words(HTTP_METHODS, "How it is asked.", "GET"),
    "url": text("https, its host fixed; {{ name }} stands for a parameter or a variable.", r"https?://[^\s/?#@{}]+.*"),
    "parameters": {
        "description": "What the model gives. Those in no template go into the query, or are the body.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
        "additionalProperties": mapping(PARAMETER, required=("type",)),
    },
    "headers": {
        "description": "Secrets as ${NAME}, a variable of the environment.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{HEADER})$"},
        "patternProperties": {CREDENTIAL: {"type": "string", "pattern": PATTERN}},
        "additionalProperties": ANY_TEXT | {"pattern": "^[ -~]*$"},
    },
    "body": {"description": "JSON; {{ name }} stands for a parameter or a variable. Unset: the arguments."},
    "timeout": whole(TOOL_SECONDS, "Seconds; unset: limits.tool_seconds."),
    "take": either(
        "What the model gets of a JSON answer, e.g. slots.0.time; unset: all of it.",
        text("A path."),
        {"type": "array", "items": text("A path."), "minItems": 1},
    ),
    "allow_private": flag("The host may be this machine or in an inner network.", False),
}
SEND_SMS: dict[str, Schema] = {
    "name": text("The model calls it by this name.", TOOL_NAME, default="send_sms"),
    "description": text("What it is for; the model goes by it."),
    "from": text("A number of the account, in quotes; unset: the called one.", E164),
    "to": either(
        "Who gets it; of several the model chooses one.",
        {"const": "caller"},
        {"type": "array", "items": text('E.164, in quotes: "+14255550101".', E164), "minItems": 1},
        {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
            "additionalProperties": text('E.164, in quotes: "+14255550101".', E164),
            "minProperties": 1,
        },
    ),
    "text": text("{{ name }} stands for a parameter or a variable; unset: the model writes it.", SAYABLE),
    "parameters": HTTP["parameters"] | {"description": "What the model gives for the text."},
    "countries": {
        "description": "How the recipient's number must begin; unset: anyhow.",
        "type": "array",
        "items": text('In quotes: "+1".', PREFIX),
        "minItems": 1,
    },
}
COLLECT_DIGITS: dict[str, Schema] = {
    "name": text("The model calls it by this name.", TOOL_NAME, default="collect_digits"),
    "description": text("What is typed; the model goes by it."),
    "length": whole(DIGITS, "So many keys are enough; unset: any number."),
    "terminator": words(TERMINATORS, "The key that ends the number, in quotes.", DigitCollection().terminator),
    "timeout_seconds": whole(
        DIGIT_SECONDS, "Without a key, while neither side speaks.", DigitCollection().timeout_seconds
    ),
    "secret": flag("The model gets a name for them, and no recording holds them.", False),
}
SIP = (
    r"sips?:[A-Za-z0-9._~!$&'()*+,;=%-]{1,64}@[A-Za-z0-9.-]{1,100}(:[0-9]{1,5})?"
    r"(;[A-Za-z0-9._~=;%-]{1,60})?(\?[A-Za-z0-9._~=&%+-]{1,100})?"
)
"""What the carrier's `<Sip>` takes: an address, with a transport and headers if wanted; no secret belongs into it."""
RING_SECONDS = Whole(5, 120)
ANNOUNCEMENT = r"[\s\S]*\{\{ summary \}\}[\s\S]*"
TRANSFER: dict[str, Schema] = {
    "name": text("The model calls it by this name.", TOOL_NAME, default="transfer"),
    "description": text("What it is for; the model goes by it."),
    "to": {
        "description": "Whom the caller can be connected with, by name; the model chooses a name.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
        "additionalProperties": text(
            'E.164, in quotes, or SIP: "+14255550101", "sip:desk@pbx.example.com".', f"{E164}|{SIP}"
        ),
        "minProperties": 1,
    },
    "from": text("The number that they see, in quotes; unset: the caller's, with `warm` the called one.", E164),
    "seconds": whole(RING_SECONDS, "How long it may ring.", Transfer(to={}).seconds),
    "warm": flag("They are called and asked while the caller holds; needs REST credentials.", False),
    "announcement": text("What they then hear; {{ summary }} is what the model wrote of the caller.", ANNOUNCEMENT),
}
_AGENT = text("The name of another agent in this folder.", NAME)
HANDOFF: dict[str, Schema] = {
    "to": either(
        "Who goes on; of several the model chooses one.",
        _AGENT,
        {"type": "array", "items": _AGENT, "minItems": 1, "uniqueItems": True},
    ),
    "name": text("The model calls it by this name.", TOOL_NAME, default="handoff"),
    "description": text("What they are for; the model goes by it."),
}
SENT_DIGITS = "[0-9*#wW]{1,32}"
SENT_BY: tuple[Literal["tones", "call"], ...] = ("tones", "call")
SEND_DIGITS: dict[str, Schema] = {
    "name": text("The model calls it by this name.", TOOL_NAME, default="send_digits"),
    "description": text("What it is for; the model goes by it."),
    "digits": {
        "description": "By name, in quotes; the model chooses one. Unset: the model writes them.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
        "additionalProperties": {
            "anyOf": [{"type": "string", "pattern": f"^(?:{SENT_DIGITS})$"}, {"type": "integer", "minimum": 0}]
        },
        "minProperties": 1,
    },
    "by": words(SENT_BY, "tones: in the agent's audio. call: the carrier presses them, without a stream.", "tones"),
}
_HTTP_TOOL = mapping(HTTP, "A request that the model may have sent.", ("name", "description", "url"))
PYTHON_TOOL: dict[str, Schema] = {
    "python": text("module:function, looked up beside this file and on the import path."),
}
TOOLS: Schema = {
    "anyOf": [
        {"enum": ["hang_up", "send_sms", "collect_digits", "send_digits"]},
        mapping(PYTHON_TOOL, required=tuple(PYTHON_TOOL)),
        mapping({"mcp": _MCP_SERVER}, required=("mcp",)),
        mapping({"http": _HTTP_TOOL}, required=("http",)),
        mapping({"send_sms": mapping(SEND_SMS, "A text message.")}, required=("send_sms",)),
        mapping({"transfer": mapping(TRANSFER, "To a person.", ("to",))}, required=("transfer",)),
        mapping(
            {"collect_digits": mapping(COLLECT_DIGITS, "Keys that the caller presses.")}, required=("collect_digits",)
        ),
        mapping({"send_digits": mapping(SEND_DIGITS, "Keys that the agent presses.")}, required=("send_digits",)),
        mapping(
            {"handoff": either("Another agent goes on.", _AGENT, mapping(HANDOFF, required=("to",)))},
            required=("handoff",),
        ),
    ],
}
