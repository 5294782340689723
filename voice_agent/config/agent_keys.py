"""What an agent's YAML may hold, as a table: each key with its bounds and what it is for, and all of it as JSON Schema.

The readers (`agent_file`, `speech_keys`, `model_keys`, `mcp_keys`) take their known keys, words and bounds from here,
so that what an editor is told and what is accepted are one. The schema speaks of structure: it cannot know whether a
tool's module can be imported, nor which keys the chosen model refuses. It must not know how YAML is read.

Draft 7 is what YAML editors (the YAML language server) know best.
"""

from typing import Literal, get_args

import msgspec

from voice_agent.agent import BargeIn, Limits, SemanticVad, ServerVad, Transcription
from voice_agent.config.schema_forms import (
    ANY_TEXT,
    E164,
    LANGUAGE,
    NAME,
    SAYABLE,
    TOOL_SECONDS,
    VARIABLE,
    Real,
    Schema,
    Whole,
    either,
    flag,
    mapping,
    real,
    text,
    whole,
    words,
)
from voice_agent.config.tool_schema import HTTP, TOOLS

RECORDING: tuple[Literal["audio", "text", "off"], ...] = ("audio", "text", "off")
NOISE: tuple[Literal["near_field", "far_field", "off"], ...] = ("near_field", "far_field", "off")
EAGERNESS: tuple[Literal["low", "medium", "high", "auto"], ...] = ("low", "medium", "high", "auto")
ON_MACHINE_WORDS: tuple[Literal["hang_up", "continue"], ...] = ("hang_up", "continue")
GREETED: tuple[Literal["protected", "at_once"], ...] = ("protected", "at_once")
EFFORT: tuple[Literal["minimal", "low", "medium", "high", "xhigh"], ...] = ("minimal", "low", "medium", "high", "xhigh")
TRUNCATION: tuple[Literal["auto", "disabled"], ...] = ("auto", "disabled")
MINUTES = Whole(1, 60)
"""A Realtime session lives at most 60 minutes at both vendors."""
LOOKUP_SECONDS = Whole(1, 10)
"""Twilio waits 15 s for a webhook's answer."""
IDLE_SECONDS = Whole(0, 600)
TRANSFERS = Whole(1, 20)
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
TOOL_MS = Whole(0, 120_000)
SILENT_MS = Whole(100, 600_000)
KEYS = "[0-9*#]{1,32}"
AnsweredBy = Literal["human", "machine"]
ANSWERED_BY: tuple[AnsweredBy, ...] = get_args(AnsweredBy)
Missed = Literal["busy", "no-answer", "failed", "declines"]
MISSED: tuple[Missed, ...] = get_args(Missed)
"""Why somebody does not take a caller. Who is asked first can decline; others can only not answer."""
Ended = Literal[
    "completed",
    "caller_hung_up",
    "transferred",
    "keys_sent",
    "no_stream",
    "model_failed",
    "stream_lost",
    "stopped",
    "machine",
]
ENDED: tuple[Ended, ...] = get_args(Ended)
"""The outcomes of a call."""

VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
"""Of the Realtime API. A name that is near one of them is a typing error; any other may be a newer or custom voice."""

MCP_KEY = "tools.mcp"
"""What the MCP servers together are called where a key is named."""

_VAD, _SEMANTIC, _HEARD, _USUAL = ServerVad(), SemanticVad(), Transcription(), Limits()

LIMITS: dict[str, Schema] = {
    "minutes": whole(MINUTES, "Longest call; the agent says goodbye before it.", _USUAL.minutes),
    "idle_seconds": whole(
        IDLE_SECONDS,
        "Mutual silence before the agent asks whether anybody is there; 0: never.",
        _USUAL.idle_seconds,
    ),
    "tool_seconds": whole(TOOL_SECONDS, "Longest run of one tool call.", _USUAL.tool_seconds),
    "transfers": whole(TRANSFERS, "Most tries to transfer one caller.", _USUAL.transfers),
}
SERVER_VAD: dict[str, Schema] = {
    "type": {"const": "server_vad"},
    "threshold": real(THRESHOLD, "Higher needs louder speech.", _VAD.threshold),
    "prefix_padding_ms": whole(PREFIX_MS, "Audio kept from before the speech.", _VAD.prefix_padding_ms),
    "silence_duration_ms": whole(SILENCE_MS, "Silence that ends a turn.", _VAD.silence_duration_ms),
    "idle_timeout_ms": whole(IDLE_TIMEOUT_MS, "Silence at which the server has the model speak again; unset: never."),
}
SEMANTIC_VAD: dict[str, Schema] = {
    "type": {"const": "semantic_vad"},
    "eagerness": words(EAGERNESS, "How soon a turn counts as finished.", _SEMANTIC.eagerness),
}
BARGE_IN: dict[str, Schema] = {
    "after_ms": whole(AFTER_MS, "Only speech that lasts so long interrupts.", BargeIn().after_ms),
    "greeting": words(GREETED, "Whether the greeting can be interrupted.", "at_once"),
}
ON_MACHINE: dict[str, Schema] = {
    "leave": text("What is said behind the machine's greeting; {{ variables }} are filled in.", SAYABLE),
}
LAST_WORDS: tuple[Literal["hang_up", "voicemail"], ...] = ("hang_up", "voicemail")
LAST_TRANSFER: dict[str, Schema] = {
    "transfer": text("A name of the agent's transfer tools, a number or a SIP address."),
}
LAST_RESORT: dict[str, Schema] = {
    "clip": text("A WAV file beside this one, heard in the call; unset: the packaged English apology."),
    "say": text("Said by the carrier in the agent's language, behind the clip or in its place; may hold variables."),
    "then": either(
        "Where the caller goes.",
        words(LAST_WORDS, "Leave a message, or nowhere.", "hang_up"),
        mapping(LAST_TRANSFER, required=("transfer",)),
    ),
}
TRANSCRIPTION: dict[str, Schema] = {
    "model": text("A model at OpenAI; at Azure the name of a transcription deployment.", default=_HEARD.model),
    "language": text("What the caller is expected to speak; unset: the agent's language."),
    "prompt": text("Words to expect, such as names."),
}
RETAINING: dict[str, Schema] = {
    "retention": real(RETENTION, "The share of the limit that is kept when the limit is passed."),
    "tokens": whole(RETENTION_TOKENS, "The limit, counted after the instructions; unset: the model's own."),
}
PROMPT: dict[str, Schema] = {
    "id": text("Where the provider keeps it.", SAYABLE, examples=["pmpt_68a1b2c3"]),
    "version": text("Unset: the current one."),
    "variables": {
        "description": "Values for what the kept text leaves open; may hold {{ variables }}.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
        "additionalProperties": ANY_TEXT,
    },
}
MODEL: dict[str, Schema] = {
    "reasoning_effort": words(EFFORT, "More answers better and later; only reasoning models know it."),
    "speed": real(SPEED, "Of speech; 1.0 is usual."),
    "max_output_tokens": either(
        "The most that one response may produce; a second of speech is 20 tokens.",
        whole(MAX_OUTPUT_TOKENS, "Tokens."),
        {"const": "inf"},
    ),
    "truncation": either(
        "What becomes of a conversation that grows too long for the model.",
        words(TRUNCATION, "auto: its beginning is dropped; disabled: an error."),
        mapping(RETAINING, "Drop more at once and rarely, so that caching pays.", ("retention",)),
    ),
    "prompt": mapping(PROMPT, "Instructions that the provider keeps; those of this file win over them.", ("id",)),
}
RESPONSES: dict[str, Schema] = {
    "slowest_ms": whole(MOST_MS, "From the end of the caller's speech to sound, at most."),
    "median_ms": whole(MOST_MS, "Likewise, of the median."),
}
COST: dict[str, Schema] = {
    "money": real(MOST_MONEY, "At most, by the table of prices."),
    "tokens": whole(MOST_TOKENS, "Read and written together, at most."),
}
EXPECT: dict[str, Schema] = {
    "heard": {
        "description": "Words in the caller's turns, in this order; []: none at all.",
        "type": "array",
        "items": ANY_TEXT,
    },
    "said": {
        "description": "Words that the caller hears, in this order; []: none.",
        "type": "array",
        "items": ANY_TEXT,
    },
    "never_said": {
        "description": "Words that the caller must not hear of the agent.",
        "type": "array",
        "items": ANY_TEXT,
    },
    "tools": {
        "description": "All tools, in order; these arguments at least.",
        "type": "array",
        "items": {
            "anyOf": [
                ANY_TEXT,
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
    "interruptions": whole(MOST_INTERRUPTIONS, "How many."),
    "responses": mapping(RESPONSES, "How soon the agent answers."),
    "cost": mapping(COST, "What the call costs."),
    "ended": words(ENDED, "The outcome."),
}
_INTERRUPT = whole(INTERRUPT_MS, "When so much of the answer was heard; unset: when it has been heard.")
SAY: dict[str, Schema] = {
    "say": ANY_TEXT | {"description": "What the caller says.", "pattern": SAYABLE},
    "interrupt_ms": _INTERRUPT,
}
PRESS: dict[str, Schema] = {
    "keys": {
        "description": "What the caller presses, in quotes.",
        "anyOf": [{"type": "string", "pattern": f"^(?:{KEYS})$"}, {"type": "integer", "minimum": 0}],
    },
    "interrupt_ms": _INTERRUPT,
}
STAY: dict[str, Schema] = {"silence_ms": whole(SILENT_MS, "So long the caller says nothing.")}
GIVEN: dict[str, Schema] = {
    "now": text("When the call comes, by the agent's clock: 2026-11-29 10:00.", r"\d{4}-\d\d-\d\d \d\d:\d\d"),
    "tools": {"description": "What tools answer, by name: any value. They are not run.", "type": "object"},
    "tool_ms": whole(TOOL_MS, "How long that takes.", 0),
    "answered_by": words(ANSWERED_BY, "We place the call, and the first turn is what is answered with."),
    "callees": {
        "description": "Who does not answer a transfer, by number or SIP address.",
        "type": "object",
        "additionalProperties": words(MISSED, "What the line says."),
    },
}
SCENARIO: dict[str, Schema] = {
    "name": ANY_TEXT | {"description": "What happens in it.", "pattern": SAYABLE},
    "caller": {
        "description": "What the caller does, turn by turn.",
        "type": "array",
        "minItems": 1,
        "items": {
            "anyOf": [
                ANY_TEXT | {"description": "What the caller says when the agent has finished.", "pattern": SAYABLE},
                mapping(SAY, required=("say",)),
                mapping(PRESS, required=("keys",)),
                mapping(STAY, required=("silence_ms",)),
            ]
        },
    },
    "given": mapping(GIVEN, "What is so when the caller rings."),
    "expect": mapping(EXPECT, "What must come of the call.") | {"minProperties": 1},
}
LOOKUP: dict[str, Schema] = {
    **{key: HTTP[key] for key in ("method", "url", "headers", "body", "allow_private")},
    "timeout": whole(LOOKUP_SECONDS, "Seconds in which the caller hears the phone ring.", 3),
    "variables": {
        "description": "Where in the JSON answer each variable's value stands, e.g. customer.name.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
        "additionalProperties": text("A path."),
    },
    "agent": text("Where the name of the agent stands that takes the call; unset: this one does."),
}
CLOSED: dict[str, Schema] = {
    "agent": text("The agent that takes the call instead, whatever its own hours.", NAME),
}
_SPANS = text("08:00-12:00, 13:00-18:00, or closed.", r"closed|[\d:, -]+")
HOURS: dict[str, Schema] = {
    "open": {
        "description": "By day of the week or a range of them, e.g. monday-friday; other days are closed.",
        "type": "object",
        "additionalProperties": _SPANS,
    },
    "days": {
        "description": "By date, e.g. 2026-12-25: what differs from the week.",
        "type": "object",
        "additionalProperties": _SPANS,
    },
    "closed": either(
        "What becomes of other calls.",
        text("Said by the carrier, which then hangs up."),
        mapping(CLOSED, required=("agent",)),
    ),
}
AGENT: dict[str, Schema] = {
    "name": text('At most 64 letters, digits, "-" and "_".', NAME),
    "numbers": {
        "description": "Calls to these reach this agent.",
        "type": "array",
        "items": text('E.164, in quotes: "+14255550100".', E164),
        "uniqueItems": True,
    },
    "default": flag("Takes calls to numbers that no agent names.", False),
    "voice": text("A voice of the model; it stays the same for the whole call.", examples=list(VOICES)),
    "language": either(
        "What the agent speaks; of several the first, and the others to callers who speak them.",
        text("A code, e.g. en or pt-BR.", LANGUAGE),
        {"type": "array", "items": text("A code.", LANGUAGE), "minItems": 1, "uniqueItems": True},
    )
    | {"default": "en"},
    "instructions": text(
        "Who the agent is and what it does; {{ variables }} are filled in for each call.", pattern=SAYABLE
    ),
    "variables": {
        "description": "Values for the texts' {{ variables }}.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{VARIABLE})$"},
        "additionalProperties": ANY_TEXT,
    },
    "greeting": text('What the agent says first; "none": the caller speaks first.', pattern=SAYABLE, default="none"),
    "consent": text("Said by the carrier before the agent is connected."),
    "tools": {
        "description": "What the model may do.",
        "type": "array",
        "items": TOOLS,
    },
    "limits": mapping(LIMITS, "What ends a call that nobody ends."),
    "model": mapping(MODEL, "How the model answers; what is left out is left to the model."),
    "lookup": mapping(LOOKUP, "A request before the call is answered, by who calls whom.", ("url",)),
    "hours": mapping(HOURS, "When the agent takes calls.", ("open", "closed")),
    "timezone": text("An IANA name; needed where {{ now }} is used.", examples=["America/Los_Angeles"]),
    "recording": words(RECORDING, "An agent with numbers must state it, for the law differs by place.", "audio"),
    "turn_detection": either(
        "Who ends the caller's turn, and when.",
        mapping(SERVER_VAD, "After a silence.", ("type",)),
        mapping(SEMANTIC_VAD, "When the words sound finished.", ("type",)),
    ),
    "barge_in": either(
        "When the caller's voice stops the agent's.",
        {"const": "at_once"},
        mapping(BARGE_IN),
    ),
    "on_machine": either(
        "What becomes of a placed call that an answering machine takes; unset: nobody asks who answered.",
        {"enum": list(ON_MACHINE_WORDS)},
        mapping(ON_MACHINE, "Leave a message.", tuple(ON_MACHINE)),
    ),
    "last_resort": mapping(LAST_RESORT, "What becomes of a caller when no model can be had."),
    "hold_sound": flag("Whether a caller who waits in silence is told that somebody is there.", True),
    "transcription": either("How speech becomes text.", {"const": "off"}, mapping(TRANSCRIPTION)),
    "noise_reduction": words(NOISE, "The microphone that noise is removed for.", "off"),
    "scenarios": {
        "description": "Calls that `voice-agent check --talk` holds with synthesised callers.",
        "type": "array",
        "items": mapping(SCENARIO, required=("name", "caller", "expect")),
    },
}
REQUIRED = ("name",)


def agent_schema() -> Schema:
    """Return the JSON Schema of an agent's file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An agent of voice-agent",
        **mapping(AGENT, required=REQUIRED),
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
