"""What an agent's YAML may hold, as a table: each key with its bounds and what it is for, and all of it as JSON Schema.

The readers (`agent_file`, `speech_keys`, `model_keys`, `mcp_keys`) take their known keys, words and bounds from here,
so that what an editor is told and what is accepted are one. The schema speaks of structure: it cannot know whether a
tool's module can be imported, nor which keys the chosen model refuses. It must not know how YAML is read.

Draft 7 is what YAML editors (the YAML language server) know best.
"""

from typing import Any, Literal, NamedTuple, get_args

import msgspec

from voice_agent.agent import BargeIn, Limits, SemanticVad, ServerVad, Transcription
from voice_agent.config.references import PATTERN

Schema = dict[str, Any]


class Whole(NamedTuple):
    """The bounds of a whole number, both allowed."""

    lowest: int
    highest: int


class Real(NamedTuple):
    """The bounds of a number, both allowed."""

    lowest: float
    highest: float


NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
PREFIX = r"\+[1-9][0-9]{0,14}"
"""Of a phone number: a country's, or more."""
E164 = r"\+[1-9][0-9]{1,14}"
"""ITU-T E.164: at most 15 digits."""
LANGUAGE = "[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}"
VARIABLE = "[A-Za-z_][A-Za-z0-9_]{0,63}"
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
"""Patterns that the whole text must match; of the kind that Python and JavaScript read alike."""

RECORDING: tuple[Literal["audio", "text", "off"], ...] = ("audio", "text", "off")
NOISE: tuple[Literal["near_field", "far_field", "off"], ...] = ("near_field", "far_field", "off")
EAGERNESS: tuple[Literal["low", "medium", "high", "auto"], ...] = ("low", "medium", "high", "auto")
GREETED: tuple[Literal["protected", "at_once"], ...] = ("protected", "at_once")
EFFORT: tuple[Literal["minimal", "low", "medium", "high", "xhigh"], ...] = ("minimal", "low", "medium", "high", "xhigh")
TRUNCATION: tuple[Literal["auto", "disabled"], ...] = ("auto", "disabled")
APPROVAL: tuple[Literal["never", "always"], ...] = ("never", "always")
HTTP_METHODS: tuple[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
PARAMETER_TYPES: tuple[Literal["string", "integer", "number", "boolean", "array"], ...] = (
    "string", "integer", "number", "boolean", "array",
)  # fmt: skip

MINUTES = Whole(1, 60)
"""A Realtime session lives at most 60 minutes at both vendors."""
IDLE_SECONDS = Whole(0, 600)
TOOL_SECONDS = Whole(1, 120)
THRESHOLD = Real(0.0, 1.0)
PREFIX_MS = Whole(0, 5000)
SILENCE_MS = Whole(100, 10_000)
IDLE_TIMEOUT_MS = Whole(5000, 30_000)
AFTER_MS = Whole(0, 5000)
SPEED = Real(0.25, 1.5)
MAX_OUTPUT_TOKENS = Whole(1, 4096)
RETENTION = Real(0.0, 1.0)
RETENTION_TOKENS = Whole(500, 256_000)
"""From a handful of turns to the largest context of a known model."""

MOST_MS = Whole(0, 600_000)
MOST_INTERRUPTIONS = Whole(0, 1000)
MOST_TOKENS = Whole(0, 1_000_000_000)
MOST_MONEY = Real(0, 1_000_000)
INTERRUPT_MS = Whole(0, 60_000)
SILENT_MS = Whole(100, 600_000)
KEYS = "[0-9*#]{1,32}"
SAYABLE = r"[\s\S]*\S[\s\S]*"

Ended = Literal["completed", "caller_hung_up", "no_stream", "model_failed", "stream_lost", "stopped"]
ENDED: tuple[Ended, ...] = get_args(Ended)
"""The outcomes of a call."""

VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
"""Of the Realtime API. A name that is near one of them is a typing error; any other may be a newer or custom voice."""

MCP_KEY = "tools.mcp"
"""What the MCP servers together are called where a key is named."""

_ANY_TEXT = {"type": ["string", "number", "boolean"]}
"""YAML reads `2026` and `yes` as other things; an agent's texts are taken as they are typed."""


def _text(about: str, pattern: str = "", **more: Any) -> Schema:
    if pattern:
        return {"type": "string", "pattern": f"^(?:{pattern})$", "description": about} | more
    return _ANY_TEXT | {"description": about} | more


def _words(words: tuple[str, ...], about: str, default: str | None = None) -> Schema:
    return {"enum": list(words), "description": about} | ({} if default is None else {"default": default})


def _whole(bounds: Whole, about: str, default: int | None = None) -> Schema:
    schema = {"type": "integer", "minimum": bounds.lowest, "maximum": bounds.highest, "description": about}
    return schema | ({} if default is None else {"default": default})


def _flag(about: str, default: bool) -> Schema:
    words = {"type": "string", "pattern": "^(?:[Tt]rue|TRUE|[Ff]alse|FALSE|yes|no|on|off)$"}
    return {"description": about, "anyOf": [{"type": "boolean"}, words], "default": default}


def _real(bounds: Real, about: str, default: float | None = None) -> Schema:
    schema = {"type": "number", "minimum": bounds.lowest, "maximum": bounds.highest, "description": about}
    return schema | ({} if default is None else {"default": default})


def _mapping(keys: dict[str, Schema], about: str = "", required: tuple[str, ...] = ()) -> Schema:
    schema: Schema = {"type": "object", "properties": keys, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {}) | ({"description": about} if about else {})


def _either(about: str, *forms: Schema) -> Schema:
    return {"description": about, "anyOf": list(forms)}


_VAD, _SEMANTIC, _HEARD, _USUAL = ServerVad(), SemanticVad(), Transcription(), Limits()

LIMITS: dict[str, Schema] = {
    "minutes": _whole(MINUTES, "Longest call; the agent says goodbye before it.", _USUAL.minutes),
    "idle_seconds": _whole(
        IDLE_SECONDS,
        "Mutual silence before the agent asks whether anybody is there; 0: never.",
        _USUAL.idle_seconds,
    ),
    "tool_seconds": _whole(TOOL_SECONDS, "Longest run of one tool call.", _USUAL.tool_seconds),
}
SERVER_VAD: dict[str, Schema] = {
    "type": {"const": "server_vad"},
    "threshold": _real(THRESHOLD, "Higher needs louder speech.", _VAD.threshold),
    "prefix_padding_ms": _whole(PREFIX_MS, "Audio kept from before the speech.", _VAD.prefix_padding_ms),
    "silence_duration_ms": _whole(SILENCE_MS, "Silence that ends a turn.", _VAD.silence_duration_ms),
    "idle_timeout_ms": _whole(IDLE_TIMEOUT_MS, "Silence at which the server has the model speak again; unset: never."),
}
SEMANTIC_VAD: dict[str, Schema] = {
    "type": {"const": "semantic_vad"},
    "eagerness": _words(EAGERNESS, "How soon a turn counts as finished.", _SEMANTIC.eagerness),
}
BARGE_IN: dict[str, Schema] = {
    "after_ms": _whole(AFTER_MS, "Only speech that lasts so long interrupts.", BargeIn().after_ms),
    "greeting": _words(GREETED, "Whether the greeting can be interrupted.", "at_once"),
}
TRANSCRIPTION: dict[str, Schema] = {
    "model": _text("A model at OpenAI; at Azure the name of a transcription deployment.", default=_HEARD.model),
    "language": _text("What the caller is expected to speak; unset: the agent's language."),
    "prompt": _text("Words to expect, such as names."),
}
RETAINING: dict[str, Schema] = {
    "retention": _real(RETENTION, "The share of the limit that is kept when the limit is passed."),
    "tokens": _whole(RETENTION_TOKENS, "The limit, counted after the instructions; unset: the model's own."),
}
PROMPT: dict[str, Schema] = {
    "id": _text("Where the provider keeps it.", SAYABLE, examples=["pmpt_68a1b2c3"]),
    "version": _text("Unset: the current one."),
    "variables": {
        "description": "Values for what the kept text leaves open; may hold {{ variables }}.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
        "additionalProperties": _ANY_TEXT,
    },
}
MODEL: dict[str, Schema] = {
    "reasoning_effort": _words(EFFORT, "More answers better and later; only reasoning models know it."),
    "speed": _real(SPEED, "Of speech; 1.0 is usual."),
    "max_output_tokens": _either(
        "The most that one response may produce; a second of speech is 20 tokens.",
        _whole(MAX_OUTPUT_TOKENS, "Tokens."),
        {"const": "inf"},
    ),
    "truncation": _either(
        "What becomes of a conversation that grows too long for the model.",
        _words(TRUNCATION, "auto: its beginning is dropped; disabled: an error."),
        _mapping(RETAINING, "Drop more at once and rarely, so that caching pays.", ("retention",)),
    ),
    "prompt": _mapping(PROMPT, "Instructions that the provider keeps; those of this file win over them.", ("id",)),
}
_MCP_TOOLS: Schema = {
    "type": "array",
    "items": _text("A tool of the server.", MCP_TOOL),
    "uniqueItems": True,
    "minItems": 1,
}
MCP: dict[str, Schema] = {
    "server_label": _text("Names the server in transcripts and logs.", MCP_LABEL, examples=["calendar"]),
    "server_url": _text(
        "What the model's server can reach; may hold ${NAME}, a variable of the environment.",
        MCP_URL,
        examples=["https://mcp.example.com/mcp"],
    ),
    "authorization": _text("An OAuth token, as ${NAME}: a variable of the environment.", PATTERN),
    "headers": {
        "description": "Sent to the MCP server; secrets as ${NAME}.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{HEADER})$"},
        "patternProperties": {CREDENTIAL: {"type": "string", "pattern": PATTERN}},
        "additionalProperties": _ANY_TEXT | {"pattern": "^[ -~]*$"},
    },
    "server_description": _text("For the model."),
    "allowed_tools": _MCP_TOOLS | {"description": "What the model may use of it; unset: all."},
    "require_approval": _words(APPROVAL, "always: we are asked before each call.", "never"),
    "approve": _either("What we then say yes to.", {"const": "all"}, _MCP_TOOLS),
}
_MCP_SERVER: Schema = {
    **_mapping(
        MCP, "A server of the Model Context Protocol, called by the model's server.", ("server_label", "server_url")
    ),
    "if": {"properties": {"require_approval": {"const": "always"}}, "required": ["require_approval"]},
    "then": {"required": ["approve"]},
    "else": {"not": {"required": ["approve"]}},
}
_ENUM: Schema = {"description": "The values that are allowed.", "type": "array", "minItems": 1}
PARAMETER: dict[str, Schema] = {
    "type": {"enum": list(PARAMETER_TYPES)},
    "description": _text("For the model."),
    "enum": _ENUM,
    "items": _mapping({"type": {"enum": list(PARAMETER_TYPES[:-1])}, "enum": _ENUM}, "Of an array."),
    "optional": _flag("The model may leave it out.", False),
}
HTTP: dict[str, Schema] = {
    "name": _text("The model calls it by this name.", TOOL_NAME, examples=["find_slot"]),
    "description": _text("What it is for; the model goes by it.", r"[\s\S]*\S[\s\S]*"),
    "method": _words(HTTP_METHODS, "How it is asked.", "GET"),
    "url": _text("https, its host fixed; {{ name }} stands for a parameter or a variable.", r"https?://[^\s/?#@{}]+.*"),
    "parameters": {
        "description": "What the model gives. Those in no template go into the query, or are the body.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
        "additionalProperties": _mapping(PARAMETER, required=("type",)),
    },
    "headers": {
        "description": "Secrets as ${NAME}, a variable of the environment.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{HEADER})$"},
        "patternProperties": {CREDENTIAL: {"type": "string", "pattern": PATTERN}},
        "additionalProperties": _ANY_TEXT | {"pattern": "^[ -~]*$"},
    },
    "body": {"description": "JSON; {{ name }} stands for a parameter or a variable. Unset: the arguments."},
    "timeout": _whole(TOOL_SECONDS, "Seconds; unset: limits.tool_seconds."),
    "take": _either(
        "What the model gets of a JSON answer, e.g. slots.0.time; unset: all of it.",
        _text("A path."),
        {"type": "array", "items": _text("A path."), "minItems": 1},
    ),
    "allow_private": _flag("The host may be this machine or in an inner network.", False),
}
SEND_SMS: dict[str, Schema] = {
    "name": _text("The model calls it by this name.", TOOL_NAME, default="send_sms"),
    "description": _text("What it is for; the model goes by it."),
    "from": _text("A number of the account, in quotes; unset: the called one.", E164),
    "to": _either(
        "Who gets it; of several the model chooses one.",
        {"const": "caller"},
        {"type": "array", "items": _text('E.164, in quotes: "+14255550101".', E164), "minItems": 1},
        {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
            "additionalProperties": _text('E.164, in quotes: "+14255550101".', E164),
            "minProperties": 1,
        },
    ),
    "text": _text("{{ name }} stands for a parameter or a variable; unset: the model writes it.", r"[\s\S]*\S[\s\S]*"),
    "parameters": HTTP["parameters"] | {"description": "What the model gives for the text."},
    "countries": {
        "description": "How the recipient's number must begin; unset: anyhow.",
        "type": "array",
        "items": _text('In quotes: "+1".', PREFIX),
        "minItems": 1,
    },
}
_HTTP_TOOL = _mapping(HTTP, "A request that the model may have sent.", ("name", "description", "url"))
PYTHON_TOOL: dict[str, Schema] = {
    "python": _text("module:function, looked up beside this file and on the import path."),
}
RESPONSES: dict[str, Schema] = {
    "slowest_ms": _whole(MOST_MS, "From the end of the caller's speech to sound, at most."),
    "median_ms": _whole(MOST_MS, "Likewise, of the median."),
}
COST: dict[str, Schema] = {
    "money": _real(MOST_MONEY, "At most, by the table of prices."),
    "tokens": _whole(MOST_TOKENS, "Read and written together, at most."),
}
EXPECT: dict[str, Schema] = {
    "heard": {"description": "Words in the caller's turns, in this order.", "type": "array", "items": _ANY_TEXT},
    "said": {"description": "Words that the caller hears, in this order.", "type": "array", "items": _ANY_TEXT},
    "tools": {
        "description": "All tools, in order; these arguments at least.",
        "type": "array",
        "items": {
            "anyOf": [
                _ANY_TEXT,
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
                    },
                },
            ]
        },
    },
    "interruptions": _whole(MOST_INTERRUPTIONS, "How many."),
    "responses": _mapping(RESPONSES, "How soon the agent answers."),
    "cost": _mapping(COST, "What the call costs."),
    "ended": _words(ENDED, "The outcome."),
}
_INTERRUPT = _whole(INTERRUPT_MS, "When so much of the answer was heard; unset: when it has been heard.")
SAY: dict[str, Schema] = {
    "say": _ANY_TEXT | {"description": "What the caller says.", "pattern": SAYABLE},
    "interrupt_ms": _INTERRUPT,
}
PRESS: dict[str, Schema] = {
    "keys": {
        "description": "What the caller presses, in quotes.",
        "anyOf": [{"type": "string", "pattern": f"^(?:{KEYS})$"}, {"type": "integer", "minimum": 0}],
    },
    "interrupt_ms": _INTERRUPT,
}
STAY: dict[str, Schema] = {"silence_ms": _whole(SILENT_MS, "So long the caller says nothing.")}
SCENARIO: dict[str, Schema] = {
    "name": _ANY_TEXT | {"description": "What happens in it.", "pattern": SAYABLE},
    "caller": {
        "description": "What the caller does, turn by turn.",
        "type": "array",
        "minItems": 1,
        "items": {
            "anyOf": [
                _ANY_TEXT | {"description": "What the caller says when the agent has finished.", "pattern": SAYABLE},
                _mapping(SAY, required=("say",)),
                _mapping(PRESS, required=("keys",)),
                _mapping(STAY, required=("silence_ms",)),
            ]
        },
    },
    "expect": _mapping(EXPECT, "What must come of the call.") | {"minProperties": 1},
}
AGENT: dict[str, Schema] = {
    "name": _text('At most 64 letters, digits, "-" and "_".', NAME),
    "numbers": {
        "description": "Calls to these reach this agent.",
        "type": "array",
        "items": _text('E.164, in quotes: "+14255550100".', E164),
        "uniqueItems": True,
    },
    "default": _flag("Takes calls to numbers that no agent names.", False),
    "voice": _text("A voice of the model; it stays the same for the whole call.", examples=list(VOICES)),
    "language": _text("What the agent speaks.", LANGUAGE, default="en"),
    "instructions": _text(
        "Who the agent is and what it does; {{ variables }} are filled in for each call.", pattern=SAYABLE
    ),
    "variables": {
        "description": "Values for the texts' {{ variables }}.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
        "additionalProperties": _ANY_TEXT,
    },
    "greeting": _text('What the agent says first; "none": the caller speaks first.', pattern=SAYABLE, default="none"),
    "consent": _text("Said by the carrier before the agent is connected."),
    "tools": {
        "description": "What the model may do.",
        "type": "array",
        "items": {
            "anyOf": [
                {"enum": ["hang_up", "send_sms"]},
                _mapping(PYTHON_TOOL, required=tuple(PYTHON_TOOL)),
                _mapping({"mcp": _MCP_SERVER}, required=("mcp",)),
                _mapping({"http": _HTTP_TOOL}, required=("http",)),
                _mapping({"send_sms": _mapping(SEND_SMS, "A text message.")}, required=("send_sms",)),
            ],
        },
    },
    "limits": _mapping(LIMITS, "What ends a call that nobody ends."),
    "model": _mapping(MODEL, "How the model answers; what is left out is left to the model."),
    "timezone": _text("An IANA name; needed where {{ now }} is used.", examples=["America/Los_Angeles"]),
    "recording": _words(RECORDING, "An agent with numbers must state it, for the law differs by place.", "audio"),
    "turn_detection": _either(
        "Who ends the caller's turn, and when.",
        _mapping(SERVER_VAD, "After a silence.", ("type",)),
        _mapping(SEMANTIC_VAD, "When the words sound finished.", ("type",)),
    ),
    "barge_in": _either(
        "When the caller's voice stops the agent's.",
        {"const": "at_once"},
        _mapping(BARGE_IN),
    ),
    "transcription": _either("How speech becomes text.", {"const": "off"}, _mapping(TRANSCRIPTION)),
    "noise_reduction": _words(NOISE, "The microphone that noise is removed for.", "off"),
    "scenarios": {
        "description": "Calls that `voice-agent check --talk` holds with synthesised callers.",
        "type": "array",
        "items": _mapping(SCENARIO, required=tuple(SCENARIO)),
    },
}
REQUIRED = ("name",)


def agent_schema() -> Schema:
    """Return the JSON Schema of an agent's file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An agent of voice-agent",
        **_mapping(AGENT, required=REQUIRED),
        # The rules between two keys: who the agent is stands here or at the provider, and whether calls are recorded.
        "anyOf": [
            {"required": ["instructions"]},
            {"properties": {"model": {"required": ["prompt"]}}, "required": ["model"]},
        ],
        "if": {"properties": {"numbers": {"minItems": 1}}, "required": ["numbers"]},
        "then": {"required": ["recording"]},
    }


def schema_text() -> str:
    """Return the schema as it is printed and packaged: indented, with a final newline."""
    return msgspec.json.format(msgspec.json.encode(agent_schema()), indent=2).decode() + "\n"
