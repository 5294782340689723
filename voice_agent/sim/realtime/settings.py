"""A session's configuration in the GA shape: its defaults, partial updates with the API's errors, and the echo.

Shapes are those of OpenAI's OpenAPI description of August 2026. Left out: MCP servers that only the vendor can reach
(connectors and tunnels), which are refused. Like the services it does not repeat what opens an MCP server.
"""

import copy
import re
from typing import Any
from urllib.parse import urlsplit

from voice_agent.sim.realtime import shapes
from voice_agent.sim.realtime.formats import FORMATS, AudioFormat
from voice_agent.sim.realtime.messages import RealtimeOptions
from voice_agent.sim.realtime.refusals import ClientError
from voice_agent.sim.realtime.voices import HUNDREDTHS

DEFAULT_INSTRUCTIONS = "You are a helpful, friendly voice assistant."

SILENCE_BY_EAGERNESS_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}
"""Semantic VAD waits for words that sound finished. The stand-in cannot tell: it waits for a silence of this length."""

_SERVER_VAD_DEFAULTS = {
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_TURN_DETECTION = shapes.tagged(
    {
        "server_vad": shapes.with_defaults(
            shapes.mapping(
                {
                    "type": shapes.text,
                    "threshold": shapes.number(0.0, 1.0),
                    "prefix_padding_ms": shapes.number(0, 10_000, whole=True),
                    "silence_duration_ms": shapes.number(0, 60_000, whole=True),
                    "idle_timeout_ms": shapes.nullable(shapes.number(5_000, 30_000, whole=True)),
                    "create_response": shapes.boolean,
                    "interrupt_response": shapes.boolean,
                }
            ),
            _SERVER_VAD_DEFAULTS,
        ),
        "semantic_vad": shapes.with_defaults(
            shapes.mapping(
                {
                    "type": shapes.text,
                    "eagerness": shapes.one_of("low", "medium", "high", "auto"),
                    "create_response": shapes.boolean,
                    "interrupt_response": shapes.boolean,
                }
            ),
            {"eagerness": "auto", "create_response": True, "interrupt_response": True},
        ),
    }
)
FORMAT = shapes.tagged(
    {
        "audio/pcm": shapes.with_defaults(
            shapes.mapping({"type": shapes.text, "rate": shapes.one_of(24000)}), {"rate": 24000}
        ),
        "audio/pcmu": shapes.mapping({"type": shapes.text}),
        "audio/pcma": shapes.mapping({"type": shapes.text}),
    }
)
VOICE = shapes.first_of(
    {str: shapes.one_of(*HUNDREDTHS), dict: shapes.mapping({"id": shapes.text}, ("id",))}, "a string or an object"
)


def _only_at_the_vendor(_: Any, path: str) -> Any:
    raise ClientError(
        "invalid_value", f"This local server reaches MCP servers by 'server_url' only, not by '{path}'.", path
    )


def _server_url(value: Any, path: str) -> Any:
    text = shapes.text(value, path)
    try:
        address = urlsplit(text)
        valid = address.scheme in {"http", "https"} and bool(address.hostname)
    except ValueError:  # half an IPv6 address
        valid = False
    if not valid:
        raise ClientError("invalid_value", f"Invalid '{path}': expected an address that begins with https://.", path)
    return value


_TOOL_FILTER = shapes.mapping({"tool_names": shapes.array(shapes.text), "read_only": shapes.boolean})
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _label(value: Any, path: str) -> Any:
    if not _LABEL.fullmatch(shapes.text(value, path)):
        what = f"Invalid '{path}': '{value}' must begin with a letter and hold letters, digits, '-' and '_' only."
        raise ClientError("invalid_value", what, path)
    return value


def _mapping_of_texts(value: Any, path: str) -> Any:
    for name, text in shapes.mapping_of_anything(value, path).items():
        shapes.text(text, f"{path}.{name}")
    return value


_MCP = shapes.mapping(
    {
        "type": shapes.text,
        "server_label": _label,
        # Before the address: whoever names a connector gives none.
        "connector_id": _only_at_the_vendor,
        "tunnel_id": _only_at_the_vendor,
        "server_url": _server_url,
        "server_description": shapes.nullable(shapes.text),
        "authorization": shapes.nullable(shapes.text),
        "headers": shapes.nullable(_mapping_of_texts),
        "allowed_tools": shapes.nullable(
            shapes.first_of({list: shapes.array(shapes.text), dict: _TOOL_FILTER}, "an array or an object")
        ),
        "require_approval": shapes.nullable(
            shapes.first_of(
                {
                    str: shapes.one_of("always", "never"),
                    dict: shapes.mapping({"always": _TOOL_FILTER, "never": _TOOL_FILTER}),
                },
                "a string or an object",
            )
        ),
        "allowed_callers": shapes.nullable(shapes.array(shapes.one_of("direct", "programmatic"))),
        "defer_loading": shapes.boolean,
    },
    ("server_label",),
)


def _mcp(value: Any, path: str) -> Any:
    checked = _MCP(value, path)
    if "server_url" not in checked:
        missing = f"{path}.server_url"
        raise ClientError("missing_required_parameter", f"Missing required parameter: '{missing}'.", missing)
    return checked


def _tools(value: Any, path: str) -> Any:
    checked = _EACH_TOOL(value, path)
    labels: set[str] = set()
    for index, tool in enumerate(checked):
        label = tool.get("server_label")
        if label is not None and label in labels:
            where = f"{path}[{index}].server_label"
            raise ClientError("invalid_value", f"Invalid '{where}': '{label}' is used twice.", where)
        labels |= {label} if label is not None else set()
    return checked


_EACH_TOOL = shapes.array(
    shapes.tagged(
        {
            "function": shapes.mapping(
                {
                    "type": shapes.text,
                    "name": shapes.text,
                    "description": shapes.text,
                    "parameters": shapes.mapping_of_anything,
                },
                ("name",),
            ),
            "mcp": _mcp,
        }
    )
)
TOOLS = _tools
TOOL_CHOICE = shapes.first_of(
    {
        str: shapes.one_of("auto", "none", "required"),
        dict: shapes.tagged(
            {
                "function": shapes.mapping({"type": shapes.text, "name": shapes.text}, ("name",)),
                "mcp": shapes.mapping(
                    {"type": shapes.text, "server_label": shapes.text, "name": shapes.nullable(shapes.text)},
                    ("server_label",),
                ),
            },
        ),
    },
    "a string or an object",
)
MAX_OUTPUT_TOKENS = shapes.first_of(
    {int: shapes.number(1, 4096, whole=True), str: shapes.one_of("inf")}, "an integer or 'inf'"
)
MODALITIES = shapes.array(shapes.one_of("text", "audio"))
_TRANSCRIPTION = shapes.mapping(
    {
        "model": shapes.text,
        "language": shapes.nullable(shapes.text),
        "languages": shapes.array(shapes.text),
        "keywords": shapes.array(shapes.text),
        "prompt": shapes.nullable(shapes.text),
        "delay": shapes.one_of("minimal", "low", "medium", "high", "xhigh"),
    }
)
_NOISE_REDUCTION = shapes.mapping({"type": shapes.one_of("near_field", "far_field")}, ("type",))
_TRUNCATION = shapes.first_of(
    {
        str: shapes.one_of("auto", "disabled"),
        dict: shapes.tagged(
            {
                "retention_ratio": shapes.mapping(
                    {
                        "type": shapes.text,
                        "retention_ratio": shapes.number(0.0, 1.0),
                        "token_limits": shapes.mapping({"post_instructions": shapes.number(0, 1_000_000, whole=True)}),
                    },
                    ("retention_ratio",),
                )
            }
        ),
    },
    "a string or an object",
)
_TRACING = shapes.first_of(
    {
        str: shapes.one_of("auto"),
        dict: shapes.mapping(
            {"workflow_name": shapes.text, "group_id": shapes.text, "metadata": shapes.mapping_of_anything}
        ),
    },
    "a string or an object",
)
PROMPT = shapes.mapping(
    {
        "id": shapes.text,
        "version": shapes.nullable(shapes.text),
        "variables": shapes.nullable(shapes.mapping_of_anything),
    },
    ("id",),
)
"""Echoed only: there is no store of prompts here."""
_SESSION = shapes.mapping(
    {
        "type": shapes.text,
        "model": shapes.text,
        "instructions": shapes.text,
        "output_modalities": MODALITIES,
        "audio": shapes.mapping(
            {
                "input": shapes.mapping(
                    {
                        "format": FORMAT,
                        "transcription": shapes.nullable(_TRANSCRIPTION),
                        "noise_reduction": shapes.nullable(_NOISE_REDUCTION),
                        "turn_detection": shapes.nullable(_TURN_DETECTION),
                    }
                ),
                "output": shapes.mapping({"format": FORMAT, "voice": VOICE, "speed": shapes.number(0.25, 1.5)}),
            }
        ),
        "include": shapes.nullable(shapes.array(shapes.one_of("item.input_audio_transcription.logprobs"))),
        "tools": TOOLS,
        "tool_choice": TOOL_CHOICE,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "parallel_tool_calls": shapes.boolean,
        "reasoning": shapes.mapping({"effort": shapes.one_of("minimal", "low", "medium", "high", "xhigh")}),
        "tracing": shapes.nullable(_TRACING),
        "truncation": _TRUNCATION,
        "prompt": shapes.nullable(PROMPT),
    },
    ("type",),
)


def check_modalities(given: list[str], path: str) -> None:
    """Both together are an error in GA: audio brings its transcript along."""
    if sorted(given) not in (["audio"], ["text"]):
        raise ClientError(
            "invalid_value", f"Invalid modalities: {given}. Supported combinations are: ['text'] and ['audio'].", path
        )


_SECRETS_OF_MCP = frozenset({"authorization", "headers"})


class Settings:
    """What is in force in one session."""

    def __init__(self, options: RealtimeOptions) -> None:
        self._options = options
        self._values: dict[str, Any] = {
            "type": "realtime",
            "model": options.model,
            "instructions": DEFAULT_INSTRUCTIONS,
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": {"type": "server_vad", **_SERVER_VAD_DEFAULTS},
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
            },
            "include": None,
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
        }

    def update(self, given: Any, *, spoke: bool = False, speaking: bool = False) -> None:
        """Take a partial session: absent fields stay, given ones replace. All or nothing.

        `spoke`: assistant audio exists already, so the voice is frozen. `speaking`: a response is in progress.
        """
        if isinstance(given, dict) and given.get("type", "realtime") != "realtime":
            raise ClientError(
                "invalid_parameter", "A conversation session cannot become one of another type.", "session.type"
            )
        checked = _SESSION(given, "session")
        if checked.get("model", self._options.model) != self._options.model:
            raise ClientError("invalid_parameter", "The model of a session cannot be changed.", "session.model")
        if "output_modalities" in checked:
            check_modalities(checked["output_modalities"], "session.output_modalities")
        self._examine_frozen(checked, spoke=spoke, speaking=speaking)
        audio = checked.pop("audio", {})
        self._values.update(checked)
        for direction in ("input", "output"):
            self._values["audio"][direction].update(audio.get(direction, {}))

    def _examine_frozen(self, checked: dict[str, Any], *, spoke: bool, speaking: bool) -> None:
        """Refuse to change what cannot be changed now; what is named as it is may be named."""
        given, kept = checked.get("audio", {}).get("output", {}), self._values["audio"]["output"]
        if spoke and given.get("voice", kept["voice"]) != kept["voice"]:
            raise ClientError(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                "session.audio.output.voice",
            )
        if speaking and given.get("speed", kept["speed"]) != kept["speed"]:
            raise ClientError(
                "invalid_value", "Cannot update speed while a response is in progress.", "session.audio.output.speed"
            )
        tracing = self._values["tracing"]
        if tracing is not None and checked.get("tracing", tracing) != tracing:
            raise ClientError("invalid_value", "Cannot update tracing once it is on.", "session.tracing")

    def wire(self) -> dict[str, Any]:
        """Show the whole session, as in `session.created` and `session.updated`."""
        values = copy.deepcopy(self._values)
        values["tools"] = [
            {name: value for name, value in tool.items() if name not in _SECRETS_OF_MCP} for tool in values["tools"]
        ]
        if not self._options.session_id:
            return values
        identity = {"id": self._options.session_id, "object": "realtime.session"}
        return identity | values | {"expires_at": self._options.expires_at}

    @property
    def input_format(self) -> AudioFormat:
        """What the client appends."""
        return FORMATS[self._values["audio"]["input"]["format"]["type"]]

    @property
    def output_format(self) -> AudioFormat:
        """What the client is sent."""
        return FORMATS[self._values["audio"]["output"]["format"]["type"]]

    @property
    def voice(self) -> Any:
        """A name, or an object with an id."""
        return self._values["audio"]["output"]["voice"]

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        """All fields of the kind; `None`: the client ends turns."""
        found: dict[str, Any] | None = self._values["audio"]["input"]["turn_detection"]
        return found

    @property
    def transcription(self) -> dict[str, Any] | None:
        """`None`: the client is not told the caller's words."""
        found: dict[str, Any] | None = self._values["audio"]["input"]["transcription"]
        return found

    @property
    def tools(self) -> list[dict[str, Any]]:
        """Functions and MCP servers, as they were given."""
        found: list[dict[str, Any]] = self._values["tools"]
        return found

    @property
    def truncation(self) -> str | dict[str, Any]:
        """What becomes of a conversation that is too long."""
        found: str | dict[str, Any] = self._values["truncation"]
        return found

    def response_defaults(self) -> dict[str, Any]:
        """Copy what a response takes from the session unless it brings its own."""
        names = (
            "instructions",
            "output_modalities",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "max_output_tokens",
        )
        return {name: copy.deepcopy(self._values[name]) for name in names if name in self._values}
