"""One session of a Realtime server, sans-I/O. It thinks in the GA dialect; another is translated at its edges.

Client texts and results of slow work go in, server texts and orders for slow work come out. It hears by a
`Detector` that it is given; it recognises, thinks and speaks by outputs (`Recognise`, `Think`, `Speak`) that
whoever runs it answers. The caller's words are needed before a response can be thought of, so `Think` waits until
every turn is recognised; `response.created` does not.
"""

import re
from typing import assert_never

import msgspec

from voice_agent.errors import PeerError
from voice_agent.sim.realtime.activity import Detector
from voice_agent.sim.realtime.answering import Answering
from voice_agent.sim.realtime.hearing import Hearing, TurnBegan
from voice_agent.sim.realtime.item_requests import read_item
from voice_agent.sim.realtime.items import Conversation
from voice_agent.sim.realtime.listening import TurnRules
from voice_agent.sim.realtime.mcp import McpServers
from voice_agent.sim.realtime.messages import (
    ClientAudio,
    ClientText,
    CloseSocket,
    CutShort,
    FrameDue,
    HeardAudio,
    Input,
    ListingFailed,
    Output,
    PlayFrame,
    RealtimeOptions,
    Recognised,
    RecognitionFailed,
    Spoken,
    ThoughtCall,
    ThoughtDone,
    ThoughtText,
    TimerFired,
    ToolCalled,
    ToolCallFailed,
    ToolsListed,
    WorkFailed,
)
from voice_agent.sim.realtime.outbox import Outbox
from voice_agent.sim.realtime.output_buffer import OutputBuffer, without_formats
from voice_agent.sim.realtime.preview import PreviewEdge
from voice_agent.sim.realtime.refusals import ClientError
from voice_agent.sim.realtime.responses import Response
from voice_agent.sim.realtime.settings import Settings
from voice_agent.wire import realtime as wire

MOST_APPENDED_BYTES = 15 * 2**20
"""In one event. The reference does not say whether before or after base64; here before."""

LONGEST_EVENT_ID = 512

_MISSING_FIELD = re.compile(r"missing required field `(\w+)`")


class RealtimeSession:
    """One client's session. After every `feed` carry out the outputs in order, then look at `deadline()`."""

    def __init__(self, options: RealtimeOptions, detector: Detector, output: OutputBuffer | None = None) -> None:
        """`output`: the session plays by itself, `FrameDue` by `FrameDue`; else audio goes out as events."""
        self._options = options
        self._output = output
        self._edge: OutputBuffer | PreviewEdge | None = output
        if self._edge is None and options.dialect == "preview":
            self._edge = PreviewEdge()
        self._outbox = Outbox(None if self._edge is None else self._edge.write, options.ids)
        self._settings = Settings(options)
        self._conversation = Conversation()
        self._hearing = Hearing(self._settings, self._conversation, detector, self._outbox)
        self._mcp = McpServers(self._conversation, self._outbox)
        self._answering = Answering(
            self._settings, self._conversation, self._hearing, self._mcp, outbox=self._outbox, options=options
        )
        self._expires_ms = 0
        self._idle_at_ms: int | None = None
        self._due_ms = 0
        """As `deadline` gives it."""
        self._closed = False
        self._continues = False
        """A response of our own is to speak of an MCP call's result."""

    def configure(self, given: object) -> dict[str, str | None] | None:
        """Set it up before `start`, as a secret or a call names it; gives the API's error object for what is wrong."""
        try:
            self._settings.update(given if self._output is None else without_formats(given))
            self._hearing.settings_changed()
        except ClientError as error:
            return error.wire()
        return None

    def shown(self) -> dict[str, object]:
        """Give the whole configuration, as `session.created` tells it."""
        return self._settings.wire()

    def start(self, now_ms: int) -> list[Output]:
        """Begin; call once, before the first `feed`."""
        self._expires_ms = now_ms + round(self._options.session_minutes * 60_000)
        self._outbox.send("session.created", session=self._settings.wire())
        self._mcp.learn(self._settings.tools)
        self._due_ms = self._earliest_ms()
        return self._outbox.take()

    def feed(self, now_ms: int, received: Input) -> list[Output]:
        """Take one input at `now_ms` (never decreasing). Nothing comes out once the socket was closed."""
        if self._closed:
            return []
        match received:
            case ClientAudio():
                if not self._hear(received.audio) and now_ms < self._due_ms:
                    return []  # nearly always: nobody began to speak or ended, and nothing is due
                self._note_end(now_ms, self._answering.advance(now_ms))
            case TimerFired():
                self._take_time(now_ms)
            case ClientText():
                self._take_text(now_ms, received.text)
            case HeardAudio():
                self._hear(received.pcm)
            case FrameDue():
                assert self._output is not None, "nobody else counts frames"
                self._outbox.order(PlayFrame(self._output.frame(self._outbox, self._answering.runs)))
            case Recognised():
                self._hearing.recognised(received.item_id, received.text)
                self._answering.think()
            case RecognitionFailed():
                self._hearing.recognition_failed(received.item_id, received.problem)
                self._answering.think()
            case ToolsListed() | ListingFailed() | ToolCalled() | ToolCallFailed():
                self._take_from_mcp(now_ms, received)
            case ThoughtText() | ThoughtCall() | ThoughtDone() | Spoken() | WorkFailed() | CutShort():
                self._note_end(now_ms, self._answering.take(now_ms, received))
            case _:
                assert_never(received)
        if self._continues and self._answering.active is None:
            self._continues = False
            self._answer_turn()
        self._due_ms = self._earliest_ms()
        return self._outbox.take()

    def deadline(self) -> int | None:
        """When to feed `TimerFired` unless something else comes first; `None`: not at all."""
        return None if self._closed else self._due_ms

    def _earliest_ms(self) -> int:
        due_ms = self._answering.due()
        if due_ms is None or due_ms > self._expires_ms:
            due_ms = self._expires_ms
        return due_ms if self._idle_at_ms is None or self._idle_at_ms > due_ms else self._idle_at_ms

    def _take_time(self, now_ms: int) -> None:
        if now_ms >= self._expires_ms:
            minutes = f"{self._options.session_minutes:g}"
            self._outbox.send_error(
                ClientError("session_expired", f"Your session hit the maximum duration of {minutes} minutes.")
            )
            self._outbox.order(CloseSocket(1001, f"maximum duration of {minutes} minutes"))
            self._closed = True
            return
        self._note_end(now_ms, self._answering.advance(now_ms))
        if self._idle_at_ms is not None and now_ms >= self._idle_at_ms:
            self._idle_at_ms = None
            if self._hearing.commit_silence():
                self._answering.create(None)

    def _take_text(self, now_ms: int, text: str) -> None:
        try:
            message = wire.parse_client(text)
        except PeerError as error:
            self._outbox.send_error(_unreadable(error), _event_id(text))
            return
        event_id = _event_id(text) if isinstance(message, wire.Unknown) else message.event_id
        if event_id is not None and len(event_id) > LONGEST_EVENT_ID:
            problem = f"Invalid 'event_id': it holds {LONGEST_EVENT_ID} characters at most."
            self._outbox.send_error(ClientError("string_above_max_length", problem, "event_id"))
            return
        try:
            self._act(now_ms, message if self._edge is None else self._edge.read(message))
        except ClientError as error:
            self._outbox.send_error(error, event_id)

    def _act(self, now_ms: int, message: wire.ClientMessage | wire.Unknown) -> None:
        match message:
            case wire.InputAppend():
                self._append(message.audio)
            case wire.SessionUpdate():
                speaking = self._answering.active is not None
                self._settings.update(message.session, spoke=self._answering.spoke, speaking=speaking)
                self._hearing.settings_changed()
                self._outbox.send("session.updated", session=self._settings.wire())
                self._mcp.learn(self._settings.tools)
            case wire.InputCommit():
                self._hearing.commit()
            case wire.InputClear():
                self._hearing.clear()
            case wire.ItemCreate() | wire.ItemRetrieve() | wire.ItemTruncate() | wire.ItemDelete():
                self._edit(message)
            case wire.ResponseCreate():
                self._create_response(message.response)
            case wire.ResponseCancel():
                self._answering.cancel(message.response_id)
            case wire.OutputClear():
                self._clear_output()
            case wire.TranscriptionSessionUpdate() | wire.Unknown():
                raise _unsupported(message)
            case _:
                assert_never(message)
        self._note_end(now_ms, self._answering.advance(now_ms))

    def _append(self, text: str) -> None:
        if len(text) > MOST_APPENDED_BYTES * 4 // 3 + 4:
            raise ClientError(
                "string_above_max_length", "Invalid 'audio': an event takes at most 15 MiB of it.", "audio"
            )
        try:
            audio = wire.decode_audio(text)
        except PeerError as error:
            raise ClientError("invalid_value", f"Invalid 'audio': {error}.", "audio") from None
        self._hear(audio)

    def _hear(self, audio: bytes) -> bool:
        """Take the caller's audio; false: nobody began to speak in it, or ended."""
        facts = self._hearing.append(audio)
        if not facts:
            return False
        for fact in facts:
            if isinstance(fact, TurnBegan):
                self._idle_at_ms = None
                if fact.rules.interrupt_response:
                    self._answering.interrupt()
                    self._cut_output()
            elif fact.rules.create_response:
                self._answer_turn()
        return True

    def _clear_output(self) -> None:
        """Silence what is heard, by the client's will, and stop making more of it."""
        if self._output is None:
            raise ClientError("invalid_event", "output_audio_buffer.clear exists on WebRTC and SIP only.", "type")
        if self._output.playing is not None and self._answering.runs(self._output.playing):
            self._answering.cancel(self._output.playing)
        self._cut_output()

    def _cut_output(self) -> None:
        """Silence what is heard, and truncate to it; items of no conversation have nothing to be truncated."""
        cuts = [] if self._output is None else self._output.cut(self._outbox)
        for cut in cuts:
            if self._conversation.find(cut.item_id) is not None:
                self._truncate(cut.item_id, cut.content_index, cut.heard_ms)

    def _truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        self._conversation.truncate(item_id, content_index, audio_end_ms)
        self._outbox.send(
            "conversation.item.truncated", item_id=item_id, content_index=content_index, audio_end_ms=audio_end_ms
        )

    def _answer_turn(self) -> None:
        try:
            self._create_response(None)
        except ClientError as error:
            # Without interruption the last response may still run; the services then refuse their own.
            self._outbox.send_error(error)

    def _create_response(self, given: dict[str, object] | None) -> None:
        self._answering.create(given)
        self._idle_at_ms = None

    def _edit(self, message: wire.ItemCreate | wire.ItemRetrieve | wire.ItemTruncate | wire.ItemDelete) -> None:
        match message:
            case wire.ItemCreate():
                self._create_item(message)
            case wire.ItemRetrieve():
                item = self._conversation.retrieve(message.item_id)
                self._outbox.send("conversation.item.retrieved", item=item.wire(with_audio=True))
            case wire.ItemTruncate():
                self._truncate(message.item_id, message.content_index, message.audio_end_ms)
            case wire.ItemDelete():
                self._conversation.delete(message.item_id)
                self._outbox.send("conversation.item.deleted", item_id=message.item_id)

    def _create_item(self, message: wire.ItemCreate) -> None:
        item = read_item(message.item, "item", self._settings.input_format)
        after = message.previous_item_id
        if after not in (None, "root") and self._conversation.find(str(after)) is None:
            raise ClientError("invalid_value", f"Previous item with id '{after}' does not exist.", "previous_item_id")
        if item.type == "function_call_output" and not self._conversation.has_call(item.call_id):
            raise ClientError(
                "invalid_tool_call_id", f"Tool call ID '{item.call_id}' not found in conversation.", "item.call_id"
            )
        if item.type == "mcp_approval_response":
            self._mcp.examine_answer(item)
        if item.id and self._conversation.find(item.id) is not None:
            raise ClientError("invalid_value", f"Item with id '{item.id}' already exists.", "item.id")
        item.id = item.id or self._outbox.new_id("item")
        previous = self._conversation.insert(item, after)
        self._outbox.send("conversation.item.added", previous_item_id=previous, item=item.wire())
        self._outbox.send("conversation.item.done", previous_item_id=previous, item=item.wire())
        self._hearing.recognise(item)
        if item.type == "mcp_approval_response":
            self._mcp.take_answer(item)

    def _take_from_mcp(self, now_ms: int, result: ToolsListed | ListingFailed | ToolCalled | ToolCallFailed) -> None:
        told = False
        match result:
            case ToolsListed():
                self._mcp.listed(result.item_id, result.tools)
            case ListingFailed():
                self._mcp.listing_failed(result.item_id)
            case ToolCalled():
                told = self._mcp.called(result.item_id, result.output, None)
            case ToolCallFailed():
                told = self._mcp.called(result.item_id, None, result.wire())
        self._answering.think()
        self._continues = self._continues or (told and self._options.mcp_continues)
        self._note_end(now_ms, self._answering.advance(now_ms))

    def _note_end(self, now_ms: int, ended: Response | None) -> None:
        """After a response the caller has so long to say something, counted from the end of its playout."""
        if ended is None:
            return
        rules: TurnRules | None = self._hearing.rules
        if rules is not None and rules.idle_timeout_ms is not None:
            self._idle_at_ms = max(now_ms, ended.pacer.playout_end_ms) + rules.idle_timeout_ms


class _Named(msgspec.Struct):
    event_id: str | None = None


def _event_id(text: str) -> str | None:
    """Give the id of an event of which nothing else can be read."""
    try:
        return msgspec.json.decode(text, type=_Named).event_id
    except (ValueError, RecursionError):
        return None


def _unreadable(error: PeerError) -> ClientError:
    missing = _MISSING_FIELD.search(str(error))
    if missing:
        return ClientError("missing_required_parameter", f"Missing required parameter: '{missing[1]}'.", missing[1])
    return ClientError("invalid_event", f"The event could not be read: {error}.")


def _unsupported(message: wire.TranscriptionSessionUpdate | wire.Unknown) -> ClientError:
    match message:
        case wire.TranscriptionSessionUpdate():
            name = "transcription_session.update"
        case wire.Unknown():
            name = message.type
    return ClientError("invalid_value", f"Invalid value: '{name}'. A session knows no such event.", "type")
