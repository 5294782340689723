"""The model's side of a call: texts of a Realtime session to events, commands to texts.

One for each session. It owns what a session must remember below the call: the resamplers, how much audio each item
had, what was asked of the session, which surprises were told already. It must not know sockets, nor what was heard.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from voice_agent.audio.resample import Downsampler, Upsampler
from voice_agent.call.commands import (
    AppendAudio,
    CancelResponse,
    ConfigureSession,
    CreateResponse,
    ModelCommand,
    SetTurnFlags,
    TruncateItem,
)
from voice_agent.call.events import CallEvent, McpListingFailed, ModelError, ModelFault, SessionUpdated
from voice_agent.call.setup import ModelSetup
from voice_agent.errors import PeerError
from voice_agent.wire import realtime
from voice_agent.wire.dialects import DIALECTS, foreign, look, place
from voice_agent.wire.item_audio import AudioKey, Delta, ItemAudio, Resampler, Unchanged
from voice_agent.wire.model_additions import Added, added
from voice_agent.wire.model_events import created, response_done, translate
from voice_agent.wire.model_session import changes, differences, turn_flags, whole_session

PCM_BYTES_PER_MS = 48
"""24,000 samples a second of 16 bits."""

MULAW_BYTES_PER_MS = 8

UNKNOWN_TYPES_TOLD = 64
"""Unknown event types that are told, each once; a peer that invents more is not worth more memory."""

_UNNAMED = "session_"
"""How the event ids of updates begin to which the call gave none."""

LISTINGS_REMEMBERED = 64
"""Listings of MCP tools whose failure can be told with the server's label; an agent has a few servers."""

Written = ConfigureSession | SetTurnFlags | CreateResponse | CancelResponse | TruncateItem | Added
"""The commands that always become one message."""


class ModelCodec:
    """Translates one Realtime session, sans-I/O. Whatever the peer sends, `receive` does not raise."""

    def __init__(self, setup: ModelSetup) -> None:
        """Take a dialect of `DIALECTS`: `endpoint` refuses any other before there is a call."""
        self._dialect = DIALECTS[setup.dialect]
        self._audio_name = setup.audio
        self._caller: Resampler
        if setup.audio == "pcm24k":
            self._caller, self._agent = Upsampler(), ItemAudio(Downsampler(), PCM_BYTES_PER_MS)
        else:
            self._caller, self._agent = Unchanged(), ItemAudio(Unchanged(), MULAW_BYTES_PER_MS)
        self._asked: dict[str, Any] = {}
        """The session as last asked for."""
        self._unanswered: dict[str, dict[str, Any]] = {}
        """What each `session.update` without an answer asked for, oldest first, by event id."""
        self._granted: dict[str, Any] = {}
        """The session as last confirmed."""
        self._updates = 0
        self._told: set[str] = set()
        self._listing: dict[str, str] = {}
        """The MCP server of each listing of tools, by its item: its failure names the item only."""

    def receive(self, text: str) -> Sequence[CallEvent]:
        """Read one text of the server."""
        try:
            return self._events(realtime.parse(text))
        except PeerError as error:
            return [ModelFault(str(error))]

    def hear(self, delta: Delta) -> Sequence[CallEvent]:
        """Take a delta of audio that needs no reading; the same as `receive` of its text."""
        return self._agent.delta(delta.key, delta.audio)

    def send(self, command: ModelCommand) -> list[str]:
        """Write one command; the texts must reach the server in this order."""
        if isinstance(command, AppendAudio):
            audio = self.append(command)
            return [realtime.encode_append(audio)] if audio else []
        return [realtime.encode(self._message(command))]

    def append(self, command: AppendAudio) -> bytes:
        """Give the caller's audio in the session's format, for who needs no text; may be empty."""
        return self._caller.feed(command.audio)

    def _events(self, message: realtime.ServerMessage) -> Sequence[CallEvent]:
        match message:
            case realtime.AudioDelta():
                audio = realtime.decode_audio(message.delta, "response.output_audio.delta: delta")
                return self.hear(Delta(_key(message), audio))
            case realtime.AudioDone():
                return self._agent.done(_key(message))
            case realtime.ResponseDone():
                done = response_done(message.response)
                return [*self._agent.response_done(done.response_id, completed=done.status == "completed"), done]
            case realtime.SessionCreated():
                return [*self._foreign(message.session), created(message)]
            case realtime.SessionUpdated():
                return [self._compared(message.session)]
            case realtime.Unknown():
                return self._unknown(message.type)
            case realtime.ItemAdded():
                self._note_listing(message.item)
                return []
            case realtime.McpListingFailed():
                return [McpListingFailed(self._listing.pop(message.item_id, ""))]
            case _:
                event = translate(message)
                if isinstance(event, ModelError):
                    self._forget_update(event.event_id or "")
                return [] if event is None else [event]

    def _note_listing(self, item: realtime.Item) -> None:
        if item.type == "mcp_list_tools" and item.id is not None and len(self._listing) < LISTINGS_REMEMBERED:
            self._listing[item.id] = item.server_label or ""

    def _unknown(self, name: str) -> list[CallEvent]:
        if name in self._told or len(self._told) >= UNKNOWN_TYPES_TOLD:
            return []
        self._told.add(name)
        return [ModelFault(f"unknown event type {name}")]

    def _foreign(self, session: dict[str, Any]) -> Iterator[ModelFault]:
        """Tell a server that speaks another dialect: what we ask of it will be refused, in words of another cause."""
        if told := foreign(session, self._dialect.name):
            yield ModelFault(told)

    def _forget_update(self, event_id: str) -> None:
        """Take a refused update, which gets no echo: what was in force before stays so."""
        if self._unanswered.pop(event_id, None) is not None:
            self._asked = next(reversed(self._unanswered.values()), self._granted)

    def _compared(self, echo: dict[str, Any]) -> SessionUpdated:
        # Updates are answered in order, so an echo speaks of the oldest one that has none yet; an echo that nobody
        # asked for is compared with the latest wish.
        oldest = next(iter(self._unanswered), None)
        asked = self._asked if oldest is None else self._unanswered.pop(oldest)
        self._granted = asked
        named = oldest is not None and not oldest.startswith(_UNNAMED)
        return SessionUpdated(*differences(self._dialect, asked, echo), oldest if oldest and named else "")

    def _message(self, command: Written) -> realtime.ClientMessage:
        match command:
            case ConfigureSession():
                asked = whole_session(self._dialect, self._audio_name, command)
                session = changes(self._dialect, self._asked, asked) if self._asked else asked
                return self._update(session, asked, command.event_id)
            case SetTurnFlags():
                session, path = turn_flags(self._dialect, command), self._dialect.turn_detection
                flagged = copy.deepcopy(self._asked)
                place(flagged, path, look(session, path))
                return self._update(session, flagged)
            case CreateResponse():
                return _create_response(command)
            case CancelResponse():
                return realtime.ResponseCancel(event_id=command.event_id, response_id=command.response_id)
            case TruncateItem():
                return realtime.ItemTruncate(
                    event_id=command.event_id,
                    item_id=command.item_id,
                    content_index=command.content_index,
                    audio_end_ms=command.audio_end_ms,
                )
            case _:
                return added(self._dialect, command)

    def _update(self, session: dict[str, Any], asked: dict[str, Any], event_id: str = "") -> realtime.SessionUpdate:
        """Send `session`; when it is answered, `asked` should be in force."""
        self._updates += 1
        event_id = event_id or f"{_UNNAMED}{self._updates}"
        self._asked = self._unanswered[event_id] = asked
        return realtime.SessionUpdate(event_id=event_id, session=session)


def _key(message: realtime.AudioDelta | realtime.AudioDone) -> AudioKey:
    return AudioKey(message.response_id, message.item_id, message.content_index)


def _create_response(command: CreateResponse) -> realtime.ResponseCreate:
    response: dict[str, Any] = {"metadata": {"request": command.request}}
    if command.instructions is not None:
        response["instructions"] = command.instructions
    if command.tool_choice != "auto":
        response["tool_choice"] = command.tool_choice
    return realtime.ResponseCreate(event_id=command.request, response=response)
