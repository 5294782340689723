"""The dialects of the Realtime API as data: where in the session object each setting stands, and how it is written.

Another dialect is another `Dialect` here and nothing else. Names of server events are no part of it: what the preview
called otherwise is understood whatever dialect is spoken, because proxies and local servers mix them. This module must
not know what a setting means.
"""

from typing import Any, Literal

import msgspec

Path = tuple[str, ...]
"""Keys from the session object down to one setting."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """Where the settings of a session stand. A `Path` is used for writing `session.update` and for reading the echo."""

    name: Literal["ga", "preview"]
    constant: dict[str, Any]
    """Stands in every `session.update`."""
    instructions: Path
    modalities: Path
    spoken: tuple[str, ...]
    """The value of `modalities` for a session that answers in speech."""
    voice: Path
    input_format: Path
    output_format: Path
    formats: dict[str, Any]
    """Each audio setting of ours (`pcm24k`, `g711`) as the API writes it."""
    turn_detection: Path
    transcription: Path
    noise_reduction: Path
    tools: Path
    tool_choice: Path
    max_output_tokens: Path
    speed: Path
    reasoning_effort: Path | None = None
    truncation: Path | None = None
    prompt: Path | None = None
    """`None`: this dialect has no such setting."""
    assistant_text: str = "output_text"
    """The type of a text that a client says the assistant wrote."""
    idle_timeout: bool = False
    """Turn detection may hold `idle_timeout_ms`."""
    mcp: bool = False
    """Tools may be those of MCP servers."""


GA = Dialect(
    name="ga",
    constant={"type": "realtime"},
    instructions=("instructions",),
    modalities=("output_modalities",),
    # Together with "text" it is an error; the transcript comes with the audio anyway.
    spoken=("audio",),
    voice=("audio", "output", "voice"),
    input_format=("audio", "input", "format"),
    output_format=("audio", "output", "format"),
    # `rate` is given for PCM and left out for G.711 (OpenAI's OpenAPI document, RealtimeAudioFormats).
    formats={"pcm24k": {"type": "audio/pcm", "rate": 24_000}, "g711": {"type": "audio/pcmu"}},
    turn_detection=("audio", "input", "turn_detection"),
    transcription=("audio", "input", "transcription"),
    noise_reduction=("audio", "input", "noise_reduction"),
    tools=("tools",),
    tool_choice=("tool_choice",),
    max_output_tokens=("max_output_tokens",),
    speed=("audio", "output", "speed"),
    reasoning_effort=("reasoning", "effort"),
    truncation=("truncation",),
    prompt=("prompt",),
    idle_timeout=True,
    mcp=True,
)
"""The dialect of OpenAI since 2025 and of Azure under `/openai/v1`."""

PREVIEW = Dialect(
    name="preview",
    # `type` is a parameter it does not know (openai/openai-python#2638).
    constant={},
    instructions=("instructions",),
    modalities=("modalities",),
    # Azure's preview refuses ["audio"] alone.
    spoken=("audio", "text"),
    voice=("voice",),
    input_format=("input_audio_format",),
    output_format=("output_audio_format",),
    formats={"pcm24k": "pcm16", "g711": "g711_ulaw"},
    turn_detection=("turn_detection",),
    transcription=("input_audio_transcription",),
    noise_reduction=("input_audio_noise_reduction",),
    tools=("tools",),
    tool_choice=("tool_choice",),
    max_output_tokens=("max_response_output_tokens",),
    speed=("speed",),
    prompt=("prompt",),
    assistant_text="text",
)
"""The flat dialect of Azure under `/openai/realtime?api-version=...-preview`. Its `temperature` is left to the server:
sent to the other dialect it would be an error, and an agent reads the same everywhere."""

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (GA, PREVIEW)}
"""All that are spoken, by name."""

PREVIEW_NAMES: dict[str, str] = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
}
"""Server events whose name changed but not their fields: the preview's name to today's."""


def dialect_of(session: dict[str, Any]) -> str | None:
    """Tell by a server's session object which dialect wrote it; `None`: it does not show."""
    written = [name for name, dialect in DIALECTS.items() if dialect.modalities[0] in session]
    return written[0] if len(written) == 1 else None


def foreign(session: dict[str, Any], spoken: str) -> str:
    """Say in one line that a server writes another dialect than is spoken here, and the remedy; empty: it does not."""
    written = dialect_of(session)
    if written in (None, spoken):
        return ""
    return f"the endpoint speaks {written}, not {spoken}: use a URL of its form, or set REALTIME_DIALECT={written}"


def place(target: dict[str, Any], path: Path, value: object) -> None:
    """Put a setting into a session object, making the objects on the way."""
    for key in path[:-1]:
        target = target.setdefault(key, {})
    target[path[-1]] = value


def look(source: object, path: Path) -> object:
    """Read a setting of a session object; `msgspec.UNSET` where the path breaks off."""
    for key in path:
        if not isinstance(source, dict) or key not in source:
            return msgspec.UNSET
        source = source[key]
    return source
