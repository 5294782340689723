"""The session object: what we ask for, and how far the server's echo agrees.

`session.updated` shows the whole configuration in force, with defaults that nobody asked for; servers leave fields out
and write numbers and voices their own way. Only what would change the call is compared: the audio formats, the voice
and turn detection. This module must not know of commands other than those that set a session up.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from voice_agent.agent import McpServer, ModelOptions, Retention, Tool, TurnDetection
from voice_agent.call.commands import ConfigureSession, SetTurnFlags
from voice_agent.wire.dialects import Dialect, Path, look, place

_NO_PLACES = frozenset({"name", "constant", "spoken", "formats", "assistant_text", "idle_timeout", "mcp"})
"""Fields of a dialect that say something else than where a setting stands."""

AudioName = Literal["pcm24k", "g711"]
"""How audio crosses the model's socket."""


def whole_session(dialect: Dialect, audio: AudioName, command: ConfigureSession) -> dict[str, Any]:
    """Write the session object of the first `session.update`.

    It leaves nothing to the server's defaults but how the model answers, where the agent asks for nothing.
    """
    transcription = command.transcription
    settings = (
        (dialect.modalities, list(dialect.spoken)),
        (dialect.input_format, dialect.formats[audio]),
        (dialect.turn_detection, _turn_detection(dialect, command)),
        (dialect.transcription, None if transcription is None else _without_none(transcription)),
        (dialect.noise_reduction, None if command.noise_reduction is None else {"type": command.noise_reduction}),
        (dialect.output_format, dialect.formats[audio]),
        (dialect.voice, command.voice),
        (dialect.tools, [*map(_function, command.tools), *(map(_mcp, command.mcp) if dialect.mcp else ())]),
        (dialect.tool_choice, "auto"),
    )
    session = dict(dialect.constant)
    # An empty text would clear what the provider keeps under `prompt`.
    if command.instructions or command.model.prompt is None:
        place(session, dialect.instructions, command.instructions)
    for path, value in (*settings, *_options(dialect, command.model)):
        place(session, path, value)
    return session


def _options(dialect: Dialect, options: ModelOptions) -> Iterator[tuple[Path, object]]:
    """Give what the agent asks for; what the dialect has no word for no model of it knows, and is left out."""
    asked = (
        (dialect.reasoning_effort, options.reasoning_effort),
        (dialect.speed, options.speed),
        (dialect.max_output_tokens, options.max_output_tokens),
        (dialect.truncation, _truncation(options)),
        (dialect.prompt, _prompt(options)),
    )
    return ((path, value) for path, value in asked if path is not None and value is not None)


def _truncation(options: ModelOptions) -> object:
    kept = options.truncation
    if not isinstance(kept, Retention):
        return kept
    limits = {} if kept.tokens is None else {"token_limits": {"post_instructions": kept.tokens}}
    return {"type": "retention_ratio", "retention_ratio": kept.ratio, **limits}


def _prompt(options: ModelOptions) -> object:
    kept = options.prompt
    if kept is None:
        return None
    return {name: value for name, value in msgspec.structs.asdict(kept).items() if value}


_USUAL: dict[str, Any] = {
    "reasoning_effort": "low",
    "speed": 1.0,
    "max_output_tokens": "inf",
    "truncation": "auto",
    "prompt": None,
}
"""What the API takes for an option that was never given (protocol notes 3.1): absent, it would stay as it was."""


def changes(dialect: Dialect, former: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
    """Write the session object that makes the one that was asked for before into another: what is absent stays.

    Formats must not be named again once there is sound, nor a voice.
    """
    changed = dict(dialect.constant)
    for name in dialect.__struct_fields__:
        path = getattr(dialect, name)
        if name in _NO_PLACES or path is None:
            continue
        before, wanted = look(former, path), look(session, path)
        if wanted is msgspec.UNSET and before is not msgspec.UNSET and name in _USUAL:
            wanted = _USUAL[name]
        if wanted is not msgspec.UNSET and wanted != before:
            place(changed, path, wanted)
    return changed


def turn_flags(dialect: Dialect, command: SetTurnFlags) -> dict[str, Any]:
    """Write the session object that changes turn detection only: what is absent stays as it is."""
    session = dict(dialect.constant)
    place(session, dialect.turn_detection, _turn_detection(dialect, command))
    return session


def differences(dialect: Dialect, asked: dict[str, Any], echo: dict[str, Any]) -> tuple[str, bool]:
    """Compare an echo with what was asked: the differences in words, and whether one makes the session unusable.

    What the echo leaves out is taken to agree.
    """
    formats = [*_differing(dialect.input_format, asked, echo), *_differing(dialect.output_format, asked, echo)]
    others = [*_differing(dialect.voice, asked, echo), *_differing(dialect.turn_detection, asked, echo, null=True)]
    return "; ".join(formats + others), bool(formats)


def _turn_detection(dialect: Dialect, command: ConfigureSession | SetTurnFlags) -> dict[str, Any]:
    detection: TurnDetection = command.turn_detection
    return {
        **{
            key: value
            for key, value in msgspec.to_builtins(detection).items()
            if key != "idle_timeout_ms" or (dialect.idle_timeout and value is not None)
        },
        "create_response": command.create_response,
        "interrupt_response": command.interrupt_response,
    }


def _without_none(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(struct).items() if value is not None}


def _function(tool: Tool) -> dict[str, Any]:
    return {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}


def _mcp(server: McpServer) -> dict[str, Any]:
    """Write an MCP server as the API wants it; the references in it are filled in by whoever sends it."""
    given = {name: value for name, value in msgspec.structs.asdict(server).items() if value and name != "approve"}
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    return {"type": "mcp", **fields}


def _differing(path: Path, asked: dict[str, Any], echo: dict[str, Any], *, null: bool = False) -> Iterator[str]:
    """Compare one setting. `null`: an explicit null is a value of its own (it turns turn detection off)."""
    wanted, actual = look(asked, path), look(echo, path)
    if wanted is not msgspec.UNSET and actual is not msgspec.UNSET and (null or actual is not None):
        yield from _compare(".".join(path), wanted, actual)


def _compare(where: str, wanted: Any, actual: Any) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(actual, dict):
        for key in (key for key in wanted if key in actual):
            yield from _compare(f"{where}.{key}", wanted[key], actual[key])
    elif not _same(wanted, actual):
        yield f"{where} is {_shown(actual)}, not {_shown(wanted)}"


def _same(wanted: Any, actual: Any) -> bool:
    if isinstance(wanted, float) and isinstance(actual, float):
        # Servers keep thresholds in single precision: 0.8 comes back as 0.800000011920929.
        return math.isclose(wanted, actual, rel_tol=1e-4)
    if isinstance(wanted, str) and isinstance(actual, dict):
        # A voice may come back as an object that holds its id or name.
        return wanted in actual.values()
    return bool(wanted == actual)


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:60]
