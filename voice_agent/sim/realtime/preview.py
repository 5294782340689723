"""The preview dialect at the edges of a session: client messages are read into the GA shape, events written from it.

The session itself is GA throughout; what differs is data (`wire.dialects`) and a few shapes of items and responses.
Source: Azure's preview reference and the `beta` types of the openai package; GA shapes are refused with
`unknown_parameter`, as Azure does (openai/openai-python#2638, livekit/agents#3489).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from voice_agent.sim.realtime import shapes
from voice_agent.sim.realtime.refusals import ClientError
from voice_agent.wire import realtime as wire
from voice_agent.wire.dialects import GA, PREVIEW, PREVIEW_NAMES, Path, look, place

FORMATS: dict[str, dict[str, Any]] = {
    **{PREVIEW.formats[name]: GA.formats[name] for name in GA.formats},
    # Bridges of ours never ask for it.
    "g711_alaw": {"type": "audio/pcma"},
}
"""How the preview writes an audio format, and how GA does."""

NAMES = {new: old for old, new in PREVIEW_NAMES.items()} | {"conversation.item.added": "conversation.item.created"}
"""Events that have another name in the preview."""

UNKNOWN_EVENTS = frozenset({"conversation.item.done", "input_audio_buffer.timeout_triggered"})
"""Events that the preview does not have."""

USUAL_TEMPERATURE = 0.8

Convert = Callable[[Any, str], Any]


def _same(value: Any, path: str) -> Any:  # noqa: ARG001 - a conversion by its signature
    return value


# --- read: preview to GA ---------------------------------------------------------------------------------------------


def _format(value: Any, path: str) -> Any:
    return FORMATS[shapes.one_of(*FORMATS)(shapes.text(value, path), path)]


def _modalities(value: Any, path: str) -> Any:
    given = shapes.array(shapes.one_of("text", "audio"))(value, path)
    if sorted(given) not in (["text"], ["audio", "text"]):
        raise ClientError(
            "invalid_value",
            f"Invalid modalities: {given}. Supported combinations are: ['text'] and ['audio', 'text'].",
            path,
        )
    return ["audio"] if "audio" in given else ["text"]


def _turn_detection(value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        return value
    if "idle_timeout_ms" in value:
        raise _unknown(f"{path}.idle_timeout_ms")
    # Azure's page of the preview switches it off by a type of its own.
    return None if value.get("type") == "none" else value


_TOOL_CHOICE = shapes.first_of(
    {
        str: shapes.one_of("auto", "none", "required"),
        dict: shapes.mapping(
            {
                "type": shapes.one_of("function"),
                "function": shapes.mapping({"name": shapes.text}, ("name",)),
            },
            ("type", "function"),
        ),
    },
    "a string or an object",
)


def _tool_choice(value: Any, path: str) -> Any:
    checked = _TOOL_CHOICE(value, path)
    return {"type": "function", "name": checked["function"]["name"]} if isinstance(checked, dict) else checked


def _tools(value: Any, path: str) -> Any:
    for index, tool in enumerate(value if isinstance(value, list) else ()):
        if isinstance(tool, dict) and "type" in tool:
            shapes.one_of("function")(tool["type"], f"{path}[{index}].type")
    return value


def _items(value: Any, path: str) -> Any:
    if not isinstance(value, list):
        return value
    return [_item(item, f"{path}[{index}]") if isinstance(item, dict) else item for index, item in enumerate(value)]


def _item(item: dict[str, Any], path: str) -> dict[str, Any]:
    """Read an item: what the assistant wrote is `text` here, `output_text` in GA."""
    content = item.get("content")
    if item.get("role") != "assistant" or not isinstance(content, list):
        return item
    for index, part in enumerate(content):
        if isinstance(part, dict):
            shapes.one_of("text")(part.get("type"), f"{path}.content[{index}].type")
    return item | {"content": [part | {"type": "output_text"} if isinstance(part, dict) else part for part in content]}


_Moves = dict[str, tuple[Path, Convert]]
"""By the preview's field: the place in the GA object, and how the value is converted."""

_SESSION: _Moves = {
    "model": (("model",), _same),
    "modalities": (GA.modalities, _modalities),
    "instructions": (GA.instructions, _same),
    "voice": (GA.voice, _same),
    "input_audio_format": (GA.input_format, _format),
    "output_audio_format": (GA.output_format, _format),
    "input_audio_transcription": (GA.transcription, _same),
    "input_audio_noise_reduction": (GA.noise_reduction, _same),
    "turn_detection": (GA.turn_detection, _turn_detection),
    "tools": (GA.tools, _tools),
    "tool_choice": (GA.tool_choice, _tool_choice),
    "max_response_output_tokens": (("max_output_tokens",), _same),
    "speed": (("audio", "output", "speed"), _same),
    "tracing": (("tracing",), _same),
    "include": (("include",), _same),
    "prompt": (("prompt",), _same),
}

_RESPONSE: _Moves = {
    "conversation": (("conversation",), _same),
    "metadata": (("metadata",), _same),
    "modalities": (("output_modalities",), _modalities),
    "instructions": (("instructions",), _same),
    "voice": (("audio", "output", "voice"), _same),
    "output_audio_format": (("audio", "output", "format"), _format),
    "tools": (("tools",), _tools),
    "tool_choice": (("tool_choice",), _tool_choice),
    "max_response_output_tokens": (("max_output_tokens",), _same),
    "max_output_tokens": (("max_output_tokens",), _same),
    "input": (("input",), _items),
    "prompt": (("prompt",), _same),
}

_temperature = shapes.number(0.6, 1.2)


def _read(given: dict[str, Any], moves: _Moves, path: str) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name not in moves:
            raise _unknown(f"{path}.{name}")
        to, convert = moves[name]
        place(read, to, convert(value, f"{path}.{name}"))
    return read


def _unknown(path: str) -> ClientError:
    return ClientError("unknown_parameter", f"Unknown parameter: '{path}'.", path)


# --- write: GA to preview --------------------------------------------------------------------------------------------

_FORMAT_NAMES = {written["type"]: name for name, written in FORMATS.items()}
_PART_TYPES = {"output_text": "text", "output_audio": "audio"}
_ABSENT_UNLESS_SET = ("include", "prompt")
_SESSION_IDENTITY = ("id", "object", "expires_at")


def _write_value(name: str, value: Any) -> Any:
    match name:
        case "modalities":
            return list(PREVIEW.spoken) if value == ["audio"] else value
        case "input_audio_format" | "output_audio_format":
            return _FORMAT_NAMES[value["type"]]
        case "turn_detection" if value is not None:
            return {key: setting for key, setting in value.items() if key != "idle_timeout_ms"}
        case "tool_choice" if isinstance(value, dict):
            return {"type": "function", "function": {"name": value["name"]}}
        case _:
            return value


def _write(source: dict[str, Any], moves: _Moves) -> dict[str, Any]:
    found = {name: look(source, to) for name, (to, _) in moves.items()}
    return {
        name: _write_value(name, value)
        for name, value in found.items()
        if value is not msgspec.UNSET and not (value is None and name in _ABSENT_UNLESS_SET)
    }


def _write_item(item: dict[str, Any]) -> dict[str, Any]:
    if "content" not in item:
        return item
    parts = [part | {"type": _PART_TYPES.get(part["type"], part["type"])} for part in item["content"]]
    return item | {"content": parts}


_USAGE = ("text_tokens", "audio_tokens", "cached_tokens")


def _write_usage(usage: dict[str, Any]) -> dict[str, Any]:
    details = usage["input_token_details"]
    return usage | {"input_token_details": {name: details[name] for name in _USAGE}}


_RESPONSE_KEPT = ("object", "id", "status", "status_details", "conversation_id", "max_output_tokens", "metadata")


def _write_response(response: dict[str, Any]) -> dict[str, Any]:
    usage = response["usage"]
    return {name: response[name] for name in _RESPONSE_KEPT} | {
        "output": [_write_item(item) for item in response["output"]],
        "modalities": _write_value("modalities", response["output_modalities"]),
        "voice": response["audio"]["output"]["voice"],
        "output_audio_format": _write_value("output_audio_format", response["audio"]["output"]["format"]),
        "usage": None if usage is None else _write_usage(usage),
    }


def _dotted(moves: _Moves, base: str) -> list[tuple[str, str]]:
    return [(f"{base}.{'.'.join(to)}", f"{base}.{name}") for name, (to, _) in moves.items()]


_PATHS = sorted(_dotted(_SESSION, "session") + _dotted(_RESPONSE, "response"), key=lambda pair: -len(pair[0]))
"""What an error calls a parameter in GA and here, the longest first."""


def _write_error(error: dict[str, Any]) -> dict[str, Any]:
    param = error["param"] or ""
    for ga, preview in _PATHS:
        # A field that is called so in GA only was refused here, by its own name.
        whole = param == ga and error["code"] != "unknown_parameter"
        if whole or param.startswith((f"{ga}.", f"{ga}[")):
            new = preview + param[len(ga) :]
            return error | {"param": new, "message": error["message"].replace(f"'{param}'", f"'{new}'")}
    return error


class PreviewEdge:
    """Both ways between a client of the preview and a GA session. It remembers the temperature, which GA has not."""

    def __init__(self) -> None:
        self._temperature: float = USUAL_TEMPERATURE
        self._asked: float | None = None
        """The temperature of an update that the session has not confirmed yet."""

    def read(self, message: wire.ClientMessage | wire.Unknown) -> wire.ClientMessage | wire.Unknown:
        """Bring a client's message into the GA shape; raises `ClientError` in the preview's words."""
        self._asked = None
        match message:
            case wire.SessionUpdate():
                given = dict(message.session)
                if "temperature" in given:
                    self._asked = _temperature(given.pop("temperature"), "session.temperature")
                session = {**GA.constant, **_read(given, _SESSION, "session")}
                return msgspec.structs.replace(message, session=session)
            case wire.ResponseCreate() if message.response is not None:
                given = dict(message.response)
                if "temperature" in given:
                    _temperature(given.pop("temperature"), "response.temperature")
                return msgspec.structs.replace(message, response=_read(given, _RESPONSE, "response"))
            case wire.ItemCreate():
                return msgspec.structs.replace(message, item=_item(message.item, "item"))
            case _:
                return message

    def write(self, name: str, fields: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Give what a client of the preview gets instead of a GA event: none, one or two."""
        if name in UNKNOWN_EVENTS:
            return []
        if name == "session.created":
            conversation = {"id": "conv_1", "object": "realtime.conversation"}
            return [(name, self._fields(name, fields)), ("conversation.created", {"conversation": conversation})]
        return [(NAMES.get(name, name), self._fields(name, fields))]

    def _fields(self, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        if name == "session.updated" and self._asked is not None:
            self._temperature, self._asked = self._asked, None
        if "session" in fields:
            return {"session": self._session(fields["session"])}
        if "response" in fields:
            # A temperature of the response's own is taken and not shown.
            return {"response": _write_response(fields["response"]) | {"temperature": self._temperature}}
        if "item" in fields:
            return fields | {"item": _write_item(fields["item"])}
        if name == "error":
            return {"error": _write_error(fields["error"])}
        if name == "response.function_call_arguments.done":
            return {key: value for key, value in fields.items() if key != "name"}
        return fields

    def _session(self, session: dict[str, Any]) -> dict[str, Any]:
        identity = {name: session[name] for name in _SESSION_IDENTITY if name in session}
        return identity | _write(session, _SESSION) | {"temperature": self._temperature}
