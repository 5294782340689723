"""What goes into and comes out of a `RealtimeSession`, as data.

Slow work is an output, its result an input: whoever runs the session (a socket shell, a virtual clock) hears, thinks
and speaks for it. All times are whole milliseconds since the session began.
"""

from typing import Any, Literal

import msgspec

from voice_agent.sim.realtime.formats import AudioFormat, Ear

# --- inputs ----------------------------------------------------------------------------------------------------------


class ClientText(msgspec.Struct, frozen=True):
    """One text message from the client."""

    text: str


class ClientAudio(msgspec.Struct, frozen=True, gc=False):
    """An `input_audio_buffer.append` that needs no reading: audio in the session's input format."""

    audio: bytes


class HeardAudio(msgspec.Struct, frozen=True):
    """The caller's audio where it comes by RTP: PCM16, 24 kHz."""

    pcm: bytes


class FrameDue(msgspec.Struct, frozen=True):
    """The peer's clock wants the next 20 ms; answered by `PlayFrame`. Only of a session that plays by itself."""


class TimerFired(msgspec.Struct, frozen=True):
    """`RealtimeSession.deadline()` was reached."""


class Recognised(msgspec.Struct, frozen=True):
    """The answer to `Recognise`; the text is empty when nobody said anything."""

    item_id: str
    text: str


class RecognitionFailed(msgspec.Struct, frozen=True):
    """The other answer to `Recognise`: responses go on as if nothing had been said."""

    item_id: str
    problem: str


class ThoughtText(msgspec.Struct, frozen=True):
    """The next words of a response: a sentence or more, as the brain streams them."""

    response_id: str
    text: str


class ThoughtCall(msgspec.Struct, frozen=True):
    """A function call of a response. `arguments` is JSON."""

    response_id: str
    name: str
    arguments: str


class ThoughtDone(msgspec.Struct, frozen=True):
    """The brain has said everything that belongs to a response."""

    response_id: str


class Spoken(msgspec.Struct, frozen=True):
    """Speech for the oldest unanswered `Speak` of an item: PCM16, 24 kHz, any length, in order."""

    response_id: str
    item_id: str
    pcm: bytes
    last: bool
    """That `Speak` is answered."""


class WorkFailed(msgspec.Struct, frozen=True):
    """Thinking or speaking failed: the response ends as `failed`."""

    response_id: str
    problem: str
    code: str = "server_error"


class CutShort(msgspec.Struct, frozen=True):
    """What judges the answers stopped this one: the response ends as `incomplete`."""

    response_id: str
    reason: Literal["content_filter", "max_output_tokens"]


class McpToolInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as its MCP server describes it."""

    name: str
    description: str = ""
    input_schema: dict[str, Any] = {}
    annotations: dict[str, Any] | None = None

    @property
    def read_only(self) -> bool:
        """Whether it says of itself that it changes nothing."""
        return bool((self.annotations or {}).get("readOnlyHint"))

    def wire(self) -> dict[str, Any]:
        """Show it as the API does."""
        shown: dict[str, Any] = {"name": self.name, "input_schema": self.input_schema}
        shown |= {"description": self.description} if self.description else {}
        return shown | ({} if self.annotations is None else {"annotations": self.annotations})


class ToolsListed(msgspec.Struct, frozen=True):
    """The answer to `ListTools`."""

    item_id: str
    tools: tuple[McpToolInfo, ...]


class ListingFailed(msgspec.Struct, frozen=True):
    """The other answer to `ListTools`; the reason is for a log, clients are not told."""

    item_id: str


class ToolCalled(msgspec.Struct, frozen=True):
    """The answer to `CallTool`."""

    item_id: str
    output: str


class ToolCallFailed(msgspec.Struct, frozen=True):
    """The other answer to `CallTool`."""

    item_id: str
    kind: Literal["http_error", "protocol_error", "tool_execution_error"]
    message: str
    code: int = 0
    """Of the first two kinds: HTTP's status, JSON-RPC's code."""

    def wire(self) -> dict[str, Any]:
        """Show it as the API does."""
        shown: dict[str, Any] = {"type": self.kind, "message": self.message}
        return shown if self.kind == "tool_execution_error" else shown | {"code": self.code}


Input = (
    ClientText
    | ClientAudio
    | HeardAudio
    | FrameDue
    | TimerFired
    | Recognised
    | RecognitionFailed
    | ThoughtText
    | ThoughtCall
    | ThoughtDone
    | Spoken
    | WorkFailed
    | CutShort
    | ToolsListed
    | ListingFailed
    | ToolCalled
    | ToolCallFailed
)


# --- outputs ---------------------------------------------------------------------------------------------------------


class Line(msgspec.Struct, frozen=True):
    """One item of a conversation as a brain reads it."""

    kind: Literal["system", "user", "assistant", "call", "output"]
    text: str
    """What was said; a call's arguments or an output's text, both as the wire had them."""
    name: str = ""
    """The function's name, for `call`."""
    call_id: str = ""
    """For `call` and `output`."""


class SendEvent(msgspec.Struct, frozen=True):
    """One event to the client."""

    event: dict[str, Any]
    """As on the wire."""

    @property
    def text(self) -> str:
        """As it crosses a socket; the type stands first."""
        return _encode(self.event).decode()


class SendAudio(msgspec.Struct, frozen=True, gc=False):
    """One event to the client that brings it some of the agent's voice, as on the wire."""

    type: str
    """`response.output_audio.delta`, as the client's dialect calls it."""
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: bytes
    """Here it is bytes, and base64 on the wire."""

    @property
    def text(self) -> str:
        """As it crosses a socket."""
        return _encode(self).decode()


class SendText(msgspec.Struct, frozen=True):
    """One text to the client that is no event: only a fault sends such."""

    text: str


_encode = msgspec.json.Encoder().encode


class PlayFrame(msgspec.Struct, frozen=True):
    """The answer to `FrameDue`: 20 ms of PCM16, 24 kHz."""

    pcm: bytes


class Recognise(msgspec.Struct, frozen=True):
    """Turn a caller's turn into words; answered by `Recognised` or `RecognitionFailed`."""

    item_id: str
    audio: bytes
    """As it came."""
    format: AudioFormat

    @property
    def pcm(self) -> bytes:
        """PCM16, 16 kHz, one channel: made when asked for, some milliseconds of work for a long turn."""
        return Ear(self.format).feed(self.audio)


class Think(msgspec.Struct, frozen=True):
    """Find the response; answered by any number of `ThoughtText` and `ThoughtCall`, then one `ThoughtDone`."""

    response_id: str
    conversation: tuple[Line, ...]
    instructions: str
    tools: tuple[dict[str, Any], ...]
    """As on the wire: name, description, parameters."""
    tool_choice: str | dict[str, Any]


class Speak(msgspec.Struct, frozen=True):
    """Say a text; answered by `Spoken`, the last of them with `last`."""

    response_id: str
    item_id: str
    text: str


class McpTarget(msgspec.Struct, frozen=True):
    """An MCP server, as a client described it."""

    label: str
    url: str
    authorization: str = ""
    """Sent as a bearer."""
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"McpTarget({self.label})"


class ListTools(msgspec.Struct, frozen=True):
    """Ask an MCP server what it has; answered by `ToolsListed` or `ListingFailed`."""

    item_id: str
    server: McpTarget


class CallTool(msgspec.Struct, frozen=True):
    """Call a tool of an MCP server; answered by `ToolCalled` or `ToolCallFailed`."""

    item_id: str
    server: McpTarget
    name: str
    arguments: str
    """JSON as the model wrote it."""


class StopWork(msgspec.Struct, frozen=True):
    """Nobody waits for this response any more; results that still come are ignored."""

    response_id: str


class CloseSocket(msgspec.Struct, frozen=True):
    """The server ends the session; nothing follows."""

    code: int
    """1006 stands for a connection that breaks: no close frame is written."""
    reason: str


Sent = SendEvent | SendAudio | SendText
Output = Sent | PlayFrame | Recognise | Think | Speak | ListTools | CallTool | StopWork | CloseSocket


class RealtimeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one session of the stand-in behaves, where the real ones differ or leave it open."""

    model: str = "gpt-realtime-2.1"
    """What the client asked for in the URL; echoed in the session."""
    dialect: Literal["ga", "preview"] = "ga"
    """What the client speaks; the URL's form says it."""
    openai_beta: bool = False
    """The header `OpenAI-Beta: realtime=v1` selects the preview, as it did until May 2026; otherwise its sessions are
    closed."""
    delta_ms: int = 200
    """Audio in one delta."""
    pace: int = 4
    """Audio is sent this many times faster than it plays; 0: as soon as it is there."""
    context_tokens: int = 96_000
    """The most that a response may read: gpt-realtime-2.1's 128,000 less the 32,000 that it may say."""
    session_minutes: float = 60
    """The longest session, 60 at both vendors."""
    ids: str = ""
    """What the numbers in its ids begin with, for no service uses an id twice."""
    mcp_continues: bool = False
    """A response speaks of an MCP call's result without being asked for. Whether the services do that no document
    tells; the vendor's own examples ask."""
    session_id: str = ""
    """Given: sessions carry `id`, `object` and `expires_at` as the services' do. The types of the openai package do not
    declare these three in `session.created`, so by default they are left out."""
    expires_at: int = 0
    """Unix seconds; sent with `session_id` only."""
