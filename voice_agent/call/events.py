"""What can happen to a call: facts in the past tense, made by the codecs (`wire/`) and by `live/`, read by `Call`.

Times are whole milliseconds. Audio is always mu-law, 8 kHz, one channel: 8 bytes a millisecond, what the caller hears.
"""

from typing import Literal

import msgspec


class Event(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The root of all events; the tag in JSON is the class name."""


# --- the phone leg ---------------------------------------------------------------------------------------------------


class StreamStarted(Event, frozen=True):
    """Twilio's `start`, after admission: from now on audio may flow."""

    stream_sid: str
    call_sid: str


class CallerAudio(Event, frozen=True, gc=False):
    """One `media` message of the inbound track."""

    timestamp_ms: int
    """The carrier's clock at the first byte: milliseconds since the stream began."""
    audio: bytes


class KeyPressed(Event, frozen=True):
    """One DTMF digit: 0-9, *, #."""

    digit: str


class MarkEchoed(Event, frozen=True, gc=False):
    """The carrier reached a mark, or flushed it: only its place among the inbound frames tells."""

    name: str


class StreamStopped(Event, frozen=True):
    """Twilio's `stop`: the caller hung up or the call was redirected."""


class PhoneClosed(Event, frozen=True):
    """The stream's socket is gone. `code` is `None` without a close frame."""

    code: int | None
    reason: str = ""


class PhoneFault(Event, frozen=True):
    """A message of the stream that was skipped."""

    problem: str
    fatal: bool = False
    """The stream cannot be used at all, e.g. another media format: it is closed with the reason."""


class PhoneChecked(Event, frozen=True):
    """The answer to `CheckPhone`."""

    alive: bool


class HangUpFinished(Event, frozen=True):
    """The answer to `HangUp`; `problem` is empty when the carrier took it (or the call had ended already)."""

    problem: str = ""


# --- the model leg ---------------------------------------------------------------------------------------------------


class ModelOpened(Event, frozen=True):
    """The WebSocket to the Realtime endpoint is open."""


class ModelRefused(Event, frozen=True, omit_defaults=True):
    """The upgrade failed."""

    status: int | None
    """HTTP status; `None` when no answer came at all."""
    detail: str
    """One line for the operator: what the endpoint said and what to check."""
    retry_after_s: int | None = None
    """How long the endpoint wants to be left alone, if it says so."""


class ModelClosed(Event, frozen=True):
    """The socket is gone. `code` is `None` without a close frame."""

    code: int | None
    reason: str = ""


class StandbyReady(Event, frozen=True):
    """The server at the other end of the standby's socket has said something: it can be taken over."""


class StandbyFailed(Event, frozen=True):
    """There is no standby: it was refused, or its socket is gone."""

    detail: str
    """One line for the operator."""


class SessionCreated(Event, frozen=True):
    """`session.created`."""

    session_id: str
    expires_at: int | None = None
    """Unix seconds."""


class SessionUpdated(Event, frozen=True):
    """`session.updated`: what is in force, as far as the core must know it."""

    mismatch: str = ""
    """What differs from what was asked, in words; empty when nothing does."""
    unusable: bool = False
    """The audio formats differ: nothing may be forwarded (24 kHz PCM played as mu-law is loud static)."""
    request: str = ""
    """The `event_id` of the `ConfigureSession` that it answers; empty where that has none."""


class SpeechStarted(Event, frozen=True):
    """Server VAD heard the caller begin. `audio_start_ms` counts all audio appended since the session began."""

    item_id: str
    audio_start_ms: int


class SpeechStopped(Event, frozen=True):
    """Server VAD heard the caller end."""

    item_id: str
    audio_end_ms: int


class TurnCommitted(Event, frozen=True):
    """The caller's turn became a user item."""

    item_id: str


class ServerPrompted(Event, frozen=True):
    """The server's idle timeout: the caller is silent, and it begins a response by itself."""

    item_id: str = ""
    """What the silence will be called when it is committed, as a turn of the caller is."""


class TranscriptionUsage(msgspec.Struct, frozen=True):
    """What the words of a caller's turn were billed by: tokens, or with some models the audio's length."""

    input_tokens: int = 0
    output_tokens: int = 0
    audio_ms: int = 0


class CallerTranscribed(Event, frozen=True):
    """The words of a caller's turn; asynchronous, matched by `item_id` only."""

    item_id: str
    text: str
    usage: TranscriptionUsage | None = None


class TranscriptionFailed(Event, frozen=True):
    """No words for a caller's turn; the call goes on."""

    item_id: str
    problem: str


class ResponseCreated(Event, frozen=True):
    """The model begins a response."""

    response_id: str
    request: str | None
    """The `request` of the `CreateResponse` that asked for it; `None` when the server created it by itself."""


class ModelAudio(Event, frozen=True, gc=False):
    """Audio of one item, in play order. Also made, with the resampler's tail, when the item's audio is done."""

    response_id: str
    item_id: str
    content_index: int
    audio: bytes
    """May be empty (the resampler holds back 3 ms)."""
    sent_ms: int
    """How much audio of this item the model has sent so far: the upper bound of a truncate."""
    done: bool = False
    """No more audio of this item comes."""


class AgentTranscript(Event, frozen=True):
    """Words of the agent, as the model sends them: usually ahead of the audio."""

    response_id: str
    item_id: str
    delta: str


class ToolRequested(Event, frozen=True):
    """A completed function call of the model."""

    response_id: str
    item_id: str
    call_id: str
    name: str
    arguments: str
    """JSON as the model wrote it; may be invalid."""


class McpToolsListed(Event, frozen=True):
    """The model's server knows the tools of an MCP server: those that the session allows."""

    server: str
    tools: tuple[str, ...]


class McpListingFailed(Event, frozen=True):
    """The model's server could not list an MCP server's tools; it does not tell why."""

    server: str
    """Empty when it does not say which one."""


class McpCalled(Event, frozen=True):
    """The model calls a tool of an MCP server; the model's server carries the call out."""

    response_id: str
    item_id: str
    server: str
    name: str
    arguments: str
    """JSON as the model wrote it."""


class McpCallBegan(Event, frozen=True):
    """The model's server is carrying a call out."""

    item_id: str


class McpCallEnded(Event, frozen=True):
    """The call is over; what came of it stands in its item, which comes before or after this."""

    item_id: str
    failed: bool


class McpAnswered(Event, frozen=True):
    """The item of an MCP call as it stays in the conversation."""

    item_id: str
    server: str
    name: str
    arguments: str
    output: str
    problem: str
    """Why there is no output, in the server's words; empty: it was answered."""


class McpApprovalAsked(Event, frozen=True):
    """The model's server wants to know whether an MCP call may be made; it may ask twice for the same."""

    request_id: str
    server: str
    name: str
    arguments: str


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one response. Cached tokens are part of the input's, not added to them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cached_audio_tokens: int = 0


class ResponseDone(Event, frozen=True):
    """The end of a response, however it ended; it may come without a `ResponseCreated`."""

    response_id: str
    status: Literal["completed", "cancelled", "incomplete", "failed"]
    reason: str = ""
    """turn_detected, client_cancelled, max_output_tokens, content_filter, or the error's code and message."""
    usage: Usage | None = None


class ItemTruncated(Event, frozen=True):
    """The server accepted a truncation."""

    item_id: str
    audio_end_ms: int


class ModelError(Event, frozen=True):
    """An `error` event; most leave the session usable."""

    code: str | None
    message: str
    event_id: str | None = None
    """The client event that it answers."""


class ModelFault(Event, frozen=True):
    """A message of the model that was skipped: not JSON, a broken field, or a type nobody knows."""

    problem: str


# --- everything else -------------------------------------------------------------------------------------------------


class TimerFired(Event, frozen=True):
    """`Call.deadline()` was reached."""


class ToolFinished(Event, frozen=True, omit_defaults=True):
    """The answer to `RunTool`: `output` is what the model reads, in success and in failure."""

    call_id: str
    output: str
    failed: bool = False
    cause: str = ""
    """Why it failed, for the operator: one line; empty where the model was told all there is."""


AnsweredBy = Literal[
    "human", "machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax", "unknown"
]
"""https://www.twilio.com/docs/voice/answering-machine-detection"""


class MachineVerdict(Event, frozen=True):
    """What the carrier's detection of answering machines says; it may come late, and more than once."""

    answered_by: AnsweredBy


class ColleagueAnswered(Event, frozen=True):
    """The answer to `CallColleague`."""

    call_id: str
    conference: str = ""
    """Where a colleague who takes the caller waits; empty: nobody does."""
    problem: str = ""
    """Then: why, in words for the model."""


class EndRequested(Event, frozen=True):
    """Somebody else ends the call: the operator, a drain, a status callback that says it is over."""

    reason: str
    goodbye: bool = False
    """The agent shall say goodbye first, as at the time limit: nobody is in a hurry."""
    to: str = ""
    """Instead, the caller shall be connected with somebody at once: a name of the agent's `transfer` tools."""


PhoneEvent = (
    StreamStarted
    | CallerAudio
    | KeyPressed
    | MarkEchoed
    | StreamStopped
    | PhoneClosed
    | PhoneFault
    | PhoneChecked
    | HangUpFinished
)
ModelEvent = (
    ModelOpened
    | ModelRefused
    | ModelClosed
    | StandbyReady
    | StandbyFailed
    | SessionCreated
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | TurnCommitted
    | ServerPrompted
    | CallerTranscribed
    | TranscriptionFailed
    | ResponseCreated
    | ModelAudio
    | AgentTranscript
    | ToolRequested
    | McpToolsListed
    | McpListingFailed
    | McpCalled
    | McpCallBegan
    | McpCallEnded
    | McpAnswered
    | McpApprovalAsked
    | ResponseDone
    | ItemTruncated
    | ModelError
    | ModelFault
)
CallEvent = PhoneEvent | ModelEvent | TimerFired | ToolFinished | ColleagueAnswered | MachineVerdict | EndRequested
