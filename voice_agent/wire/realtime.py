"""The messages of the Realtime API, both directions: `parse` and `parse_client` read, `encode` writes.

Lenient with what servers send: unknown fields are skipped, words of enumerations are plain strings, what the API has
been seen to send in two shapes is accepted in both. It must not know what a message means for a call, nor which audio
format a session has. Source: OpenAI's Realtime reference, server events and client events.
"""

import functools
import operator
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, cast

import msgspec
import pybase64

from voice_agent.errors import PeerError
from voice_agent.wire.dialects import PREVIEW_NAMES

Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""An integer that any JSON reader can write again; milliseconds and indexes."""


class Unknown(msgspec.Struct, frozen=True):
    """An event type that nobody knows; the API asks clients to ignore those."""

    type: str
    """At most 100 characters of it."""


# --- from the server -------------------------------------------------------------------------------------------------


class FromServer(msgspec.Struct, frozen=True, tag_field="type"):
    """The root of the server's events. Their own `event_id` is left out: nothing refers to it."""


class Problem(msgspec.Struct, frozen=True):
    """What the API says about an error. Vendors leave fields out, so none is required."""

    type: str | None = None
    code: str | int | None = None
    message: str | None = None
    event_id: str | None = None


class ServerError(FromServer, frozen=True, tag="error"):
    """`error`: most leave the session usable."""

    error: Problem | str | None


class SessionCreated(FromServer, frozen=True, tag="session.created"):
    """`session.created`: the first event, with the server's defaults."""

    session: dict[str, Any]


class SessionUpdated(FromServer, frozen=True, tag="session.updated"):
    """`session.updated`: the whole session as it is in force."""

    session: dict[str, Any]


class SpeechStarted(FromServer, frozen=True, tag="input_audio_buffer.speech_started"):
    """`input_audio_buffer.speech_started`."""

    item_id: str
    audio_start_ms: Whole


class SpeechStopped(FromServer, frozen=True, tag="input_audio_buffer.speech_stopped"):
    """`input_audio_buffer.speech_stopped`."""

    item_id: str
    audio_end_ms: Whole


class InputCommitted(FromServer, frozen=True, tag="input_audio_buffer.committed"):
    """`input_audio_buffer.committed`."""

    item_id: str


class TimeoutTriggered(FromServer, frozen=True, tag="input_audio_buffer.timeout_triggered"):
    """`input_audio_buffer.timeout_triggered`: `idle_timeout_ms` is over, and the server begins a response."""

    item_id: str = ""


class TranscriptionCompleted(FromServer, frozen=True, tag="conversation.item.input_audio_transcription.completed"):
    """`conversation.item.input_audio_transcription.completed`."""

    item_id: str
    transcript: str
    usage: Any = None


class TranscriptionFailed(FromServer, frozen=True, tag="conversation.item.input_audio_transcription.failed"):
    """`conversation.item.input_audio_transcription.failed`."""

    item_id: str
    error: Problem | str | None = None


class ItemTruncated(FromServer, frozen=True, tag="conversation.item.truncated"):
    """`conversation.item.truncated`."""

    item_id: str
    audio_end_ms: Whole


class Response(msgspec.Struct, frozen=True):
    """What a response's beginning and end tell. Its items are left out: they come by events of their own."""

    id: str
    status: str | None = None
    status_details: Any = None
    """An object, null, or a plain string (livekit/agents#5994)."""
    metadata: Any = None
    usage: Any = None
    """An object, or null after an early failure."""


class ResponseCreated(FromServer, frozen=True, tag="response.created"):
    """`response.created`."""

    response: Response


class ResponseDone(FromServer, frozen=True, tag="response.done"):
    """`response.done`: always sent, and sometimes without a `response.created` before it."""

    response: Response


class AudioDelta(FromServer, frozen=True, tag="response.output_audio.delta"):
    """`response.output_audio.delta`."""

    response_id: str
    item_id: str
    delta: str
    """Base64, see `decode_audio`."""
    content_index: Whole = 0


class AudioDone(FromServer, frozen=True, tag="response.output_audio.done"):
    """`response.output_audio.done`: the end of one item's audio, heard whole or not."""

    response_id: str
    item_id: str
    content_index: Whole = 0


class TranscriptDelta(FromServer, frozen=True, tag="response.output_audio_transcript.delta"):
    """`response.output_audio_transcript.delta`."""

    response_id: str
    item_id: str
    delta: str


class TextDelta(FromServer, frozen=True, tag="response.output_text.delta"):
    """`response.output_text.delta`."""

    response_id: str
    item_id: str
    delta: str


class McpTool(msgspec.Struct, frozen=True):
    """A tool that an MCP server has."""

    name: str


class Item(msgspec.Struct, frozen=True):
    """An item as far as calls of functions and of MCP tools need it."""

    type: str
    id: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    server_label: str | None = None
    tools: list[McpTool] | None = None
    approval_request_id: str | None = None
    output: str | None = None
    error: Any = None
    """Of an MCP call: an object with type and message, or null."""


class OutputItemDone(FromServer, frozen=True, tag="response.output_item.done"):
    """`response.output_item.done`: also sent, incomplete, when the response is cut."""

    response_id: str
    item: Item


class ItemAdded(FromServer, frozen=True, tag="conversation.item.added"):
    """`conversation.item.added`: the beginning of an item, which may hold nothing yet."""

    item: Item


class ItemDone(FromServer, frozen=True, tag="conversation.item.done"):
    """`conversation.item.done`: an item as it stays, with the output of an MCP call or the tools of an MCP server."""

    item: Item


class McpListingFailed(FromServer, frozen=True, tag="mcp_list_tools.failed"):
    """`mcp_list_tools.failed`: it does not tell why."""

    item_id: str


class McpCallBegan(FromServer, frozen=True, tag="response.mcp_call.in_progress"):
    """`response.mcp_call.in_progress`."""

    item_id: str


class McpCallCompleted(FromServer, frozen=True, tag="response.mcp_call.completed"):
    """`response.mcp_call.completed`: the output stands in the item."""

    item_id: str


class McpCallFailed(FromServer, frozen=True, tag="response.mcp_call.failed"):
    """`response.mcp_call.failed`: the error stands in the item."""

    item_id: str


class Ignored(FromServer, frozen=True):
    """A known event that no call needs; its fields are not looked at."""


ServerMessage = (
    AudioDelta
    | AudioDone
    | TranscriptDelta
    | TextDelta
    | SpeechStarted
    | SpeechStopped
    | InputCommitted
    | TimeoutTriggered
    | TranscriptionCompleted
    | TranscriptionFailed
    | ItemTruncated
    | ResponseCreated
    | ResponseDone
    | OutputItemDone
    | ItemAdded
    | ItemDone
    | McpListingFailed
    | McpCallBegan
    | McpCallCompleted
    | McpCallFailed
    | SessionCreated
    | SessionUpdated
    | ServerError
    | Ignored
    | Unknown
)
"""All that `parse` returns."""

IGNORED = (
    "conversation.created",
    "conversation.item.created",
    "conversation.item.deleted",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.segment",
    "conversation.item.retrieved",
    "input_audio_buffer.cleared",
    "input_audio_buffer.dtmf_event_received",
    "mcp_list_tools.completed",
    "mcp_list_tools.in_progress",
    "output_audio_buffer.cleared",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "rate_limits.updated",
    "response.content_part.added",
    "response.content_part.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.output_audio_transcript.done",
    "response.output_item.added",
    "response.output_text.done",
    "transcription_session.created",
    "transcription_session.updated",
)
"""Server events that are known and mean nothing to a call on a WebSocket."""

_PLAIN: tuple[type[FromServer], ...] = tuple(kind for kind in ServerMessage.__args__ if kind not in (Ignored, Unknown))


def _renamed(cls: type[FromServer], name: str) -> type[FromServer]:
    """Make the same message under another name; its instances are instances of `cls`."""
    return cast("type[FromServer]", msgspec.defstruct(cls.__name__, [], bases=(cls,), tag=name, frozen=True))


def _server_types() -> dict[str, type[FromServer]]:
    types = {str(cls.__struct_config__.tag): cls for cls in _PLAIN}
    types |= {name: _renamed(Ignored, name) for name in IGNORED}
    return types | {old: _renamed(types[new], old) for old, new in PREVIEW_NAMES.items()}


_SERVER_TYPES = _server_types()
_CUT = 100
"""Characters of a peer's word that may reach a log."""


# --- from the client -------------------------------------------------------------------------------------------------


class FromClient(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """The root of the client's events."""

    event_id: str | None = None
    """Comes back in the error that the event causes, nowhere else."""


class SessionUpdate(FromClient, frozen=True, kw_only=True, tag="session.update"):
    """`session.update`: absent fields stay as they are."""

    session: dict[str, Any]


class TranscriptionSessionUpdate(FromClient, frozen=True, kw_only=True, tag="transcription_session.update"):
    """`transcription_session.update`, of the preview only."""

    session: dict[str, Any]


class InputAppend(FromClient, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """`input_audio_buffer.append`; never acknowledged."""

    audio: str
    """Base64, see `decode_audio`."""


class InputCommit(FromClient, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """`input_audio_buffer.commit`."""


class InputClear(FromClient, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """`input_audio_buffer.clear`."""


class ItemCreate(FromClient, frozen=True, kw_only=True, tag="conversation.item.create"):
    """`conversation.item.create`."""

    item: dict[str, Any]
    previous_item_id: str | None = None
    """`root`: first. Absent: last."""


class ItemRetrieve(FromClient, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """`conversation.item.retrieve`."""

    item_id: str


class ItemTruncate(FromClient, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """`conversation.item.truncate`."""

    item_id: str
    content_index: Whole
    audio_end_ms: Whole


class ItemDelete(FromClient, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """`conversation.item.delete`."""

    item_id: str


class ResponseCreate(FromClient, frozen=True, kw_only=True, tag="response.create"):
    """`response.create`."""

    response: dict[str, Any] | None = None


class ResponseCancel(FromClient, frozen=True, kw_only=True, tag="response.cancel"):
    """`response.cancel`."""

    response_id: str | None = None


class OutputClear(FromClient, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """`output_audio_buffer.clear`, of WebRTC and SIP only."""


ClientMessage = (
    SessionUpdate
    | TranscriptionSessionUpdate
    | InputAppend
    | InputCommit
    | InputClear
    | ItemCreate
    | ItemRetrieve
    | ItemTruncate
    | ItemDelete
    | ResponseCreate
    | ResponseCancel
    | OutputClear
)
"""All that a client may send."""


# --- reading and writing ---------------------------------------------------------------------------------------------


class _Typed(msgspec.Struct, frozen=True):
    type: str


_SERVER_DECODER = msgspec.json.Decoder(cast("Any", functools.reduce(operator.or_, _SERVER_TYPES.values())))
_CLIENT_DECODER: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_CLIENT_NAMES = frozenset(str(cls.__struct_config__.tag) for cls in ClientMessage.__args__)
_TYPE_DECODER = msgspec.json.Decoder(_Typed)
_ENCODER = msgspec.json.Encoder()


def parse(text: str) -> ServerMessage:
    """Read one event of the server, under its present or its preview name.

    Raises `PeerError`, which names the event and the field but never quotes its content.
    """
    try:
        return cast("ServerMessage", _SERVER_DECODER.decode(text))
    except (ValueError, RecursionError) as error:
        return _unknown(text, error, _SERVER_TYPES.keys())


def parse_client(text: str) -> ClientMessage | Unknown:
    """Read one event of a client: what a server does. Raises `PeerError` like `parse`.

    What a session, an item or a response holds is for the server to judge.
    """
    try:
        return _CLIENT_DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return _unknown(text, error, _CLIENT_NAMES)


def _unknown(text: str, error: Exception, known: AbstractSet[str]) -> Unknown:
    """Tell why a text could not be read: its type is unknown, or it is broken, which raises `PeerError`.

    The union's decoder tells both by the same exception; nothing is lost by reading a rare text twice. `ValueError`
    includes msgspec's errors and lone surrogates; `RecursionError` comes of deep nesting.
    """
    try:
        name = _TYPE_DECODER.decode(text).type
    except (ValueError, RecursionError) as broken:
        # The union's decoder may have quoted a type, at any length, before it came to what is broken.
        raise PeerError(_reason(broken)) from None
    if name in known:
        # It takes the first of two types, where this one took the last.
        problem = "two types" if str(error).startswith("Invalid value") else _reason(error)
        raise PeerError(f"{name}: {problem}") from None
    return Unknown(name[:_CUT])


def _reason(error: Exception) -> str:
    # msgspec names types and paths, never values; Python's own complaint about surrogates would quote one.
    return "not text" if isinstance(error, UnicodeError) else str(error)


def encode(message: ClientMessage) -> str:
    """Write one event of a client; `type` stands first."""
    return _ENCODER.encode(message).decode()


def encode_append(audio: bytes) -> str:
    """Write `input_audio_buffer.append`, the message that goes out 50 times a second: a template costs a third."""
    return f'{{"type":"input_audio_buffer.append","audio":"{pybase64.b64encode_as_string(audio)}"}}'


def decode_audio(text: str, field: str = "audio") -> bytes:
    """Decode the base64 of an audio field; raises `PeerError`, which names the field."""
    try:
        # The strict decoder is the fast one (1.4 us against 4.7 for 200 ms of PCM).
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        raise PeerError(f"{field} is not base64") from None
