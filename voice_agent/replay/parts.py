"""The parts that everybody but the bridge played in a recorded call, taken out of its recording.

What the caller and the carrier did, what the model said unasked, and what answered which request after how long. It
must not know how the parts are played again: `recorded_model` and `resimulated` do that.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from voice_agent.call.commands import (
    CallColleague,
    CheckPhone,
    CloseModel,
    ClosePhone,
    ConnectModel,
    HangUp,
    HideCaller,
    HideKeys,
    KeepDigits,
    OpenStandby,
    Report,
    RunTool,
    SettleTransfer,
    ShowCaller,
    ShowKeys,
)
from voice_agent.call.events import (
    ColleagueAnswered,
    EndRequested,
    HangUpFinished,
    MachineVerdict,
    ModelClosed,
    ModelFault,
    ModelOpened,
    ModelRefused,
    PhoneChecked,
    PhoneClosed,
    PhoneFault,
    StandbyFailed,
    StandbyReady,
    ToolFinished,
)
from voice_agent.errors import PeerError
from voice_agent.recording.cutting import find_audio
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.format import Header
from voice_agent.recording.reader import Recording
from voice_agent.review.feeding import NO_BEGINNING, NO_CALL, input_of, output_of
from voice_agent.wire import realtime, twilio
from voice_agent.wire.bridge import Input
from voice_agent.wire.texts import ModelText, PhoneText

BYTES_PER_MS = 8


class ServerSaid(msgspec.Struct, frozen=True, gc=False):
    """One text of the model's server."""

    ms: int
    """After what it answers; of the unasked, of the call."""
    text: str
    type: str
    item_id: str = ""
    audio_bytes: int = 0


class Answer(msgspec.Struct):
    """One response of the model."""

    response_id: str
    asked_ms: int
    """When it was asked for; of the server's own, when the caller's turn was committed."""
    request: str | None = None
    """The bridge's name for it; `None`: the server made it by itself."""
    turn: str | None = None
    """The committed item that it answers, of the server's own."""
    said: list[ServerSaid] = []
    cut_ms: int | None = None
    """When it was cut, after `asked_ms`."""
    cut_by: str = ""
    """`client_cancelled` or `turn_detected`."""
    calls: list[ServerSaid] = []
    """How its calls to MCP servers went on: whatever becomes of the response, they do."""

    @property
    def purpose(self) -> str:
        """What it was asked for, as the bridge names it: `greeting`, `turn`, `tool`, ..."""
        return "turn" if self.request is None else self.request.rpartition("-")[0]


class Update(msgspec.Struct, frozen=True):
    """One `session.update` with its answer."""

    asked: dict[str, Any]
    after_ms: int
    text: str


class Connection(msgspec.Struct):
    """One connection to the model."""

    after_ms: int
    answer: ModelOpened | ModelRefused
    began: list[ServerSaid] = []
    """`session.created`, after the opening."""


class ToolRun(msgspec.Struct, frozen=True):
    """One tool's work."""

    call_id: str
    name: str
    arguments: str
    after_ms: int
    answer: ToolFinished | None
    """`None`: it was still running when the call ended."""


class Left(msgspec.Struct):
    """How the caller left."""

    ms: int
    with_stop: bool
    closed_ms: int
    """When the socket was closed."""
    code: int | None


class Frame(msgspec.Struct, frozen=True, gc=False):
    """Audio of the caller."""

    came_ms: int
    timestamp_ms: int
    """The carrier's time of its first byte."""
    audio: bytes


class Parts(msgspec.Struct):
    """All of them; times are of the recorded call unless said otherwise."""

    verbatim: list[tuple[int, str]] = []
    """The stream's beginning, and what nobody understood."""
    stream: twilio.Start | None = None
    origin_ms: int = 0
    """When the stream's clock began, seen from the bridge by the quickest frame."""
    frames: list[Frame] = []
    round_trip_ms: int = 0
    """From a mark to its echo with nothing to play before it."""
    keys: list[tuple[int, str]] = []
    left: Left | None = None
    facts: list[tuple[int, Input]] = []
    """What nobody asked for: an order to end, a message that was no text, a lost connection."""
    connections: list[Connection] = []
    standbys: list[tuple[int, StandbyReady | StandbyFailed]] = []
    """How long it took until each standby was there, or could not be had."""
    updates: list[Update] = []
    unasked: list[ServerSaid] = []
    answers: list[Answer] = []
    tools: list[ToolRun] = []
    checks: list[tuple[int, PhoneChecked]] = []
    hang_ups: list[tuple[int, HangUpFinished]] = []
    colleagues: list[tuple[int, ColleagueAnswered]] = []
    """How long it took until each colleague had answered, and what."""
    closings: list[int] = []
    """How long the phone's socket took to close when the bridge ordered it."""
    truncations: list[int] = []
    """How long each truncation took to be confirmed."""
    reports: list[tuple[int, Report]] = []
    """What the call said of itself."""
    ends_ms: int = 0
    damage: str = ""
    """Why the rest of the recording cannot be read; empty: it could."""

    @property
    def frame_ms(self) -> int:
        """How much audio the carrier sends at once."""
        return max(1, len(self.frames[0].audio) // BYTES_PER_MS) if self.frames else 20


def parts_of(recording: Recording) -> Parts:
    """Take a recording apart, as far as it can be read. Raises `PeerError` when it holds no call at all."""
    reader = _Reader(recording.header)
    steps = 0
    try:
        for step in recording.steps():
            reader.take(step)
            steps += 1
    except PeerError as error:
        if not steps:
            raise
        reader.parts.damage = str(error)
    if not steps:
        raise PeerError(NO_CALL)
    return reader.finish()


class _Head(msgspec.Struct, frozen=True):
    """What must be known of a server's text; whatever type a vendor gives a field."""

    type: Any = ""
    response_id: Any = ""
    response: Any = None
    item_id: Any = ""
    item: Any = None
    error: Any = None


_head: Callable[[str], _Head] = msgspec.json.Decoder(_Head).decode


class _Reader:
    """Walks through the steps and joins answers to what they answer."""

    def __init__(self, header: Header) -> None:
        self.parts = Parts()
        self._header = header
        self._begun = False
        self._connecting: list[int] = []
        self._standby_ms: int | None = None
        self._opened_ms = 0
        self._model_is_closing = False
        self._we_end = False
        self._phone_closing_ms: int | None = None
        self._checking: list[int] = []
        self._hanging_up: list[int] = []
        self._updating: list[tuple[str, int, dict[str, Any]]] = []
        self._requests: dict[str, int] = {}
        self._tools: dict[str, tuple[int, RunTool]] = {}
        self._colleagues: dict[str, int] = {}
        self._truncating: list[int] = []
        self._answers: dict[str, Answer] = {}
        self._calling: dict[str, Answer] = {}
        """The response that made each MCP call, by the call's item, and by the question about it."""
        self._cancelled_ms: dict[str, int] = {}
        self._turn: tuple[str, int] | None = None
        self._marks: dict[str, int] = {}
        self._round_trips: list[int] = []
        self._stopped_ms: int | None = None

    def take(self, step: Step) -> None:
        """Take one step; raises `PeerError` for what is no part of a call."""
        self.parts.ends_ms = step.now_ms
        is_fed = step.received is not None and step.received.way != "remark"
        if is_fed and not self._begun:
            raise PeerError(NO_BEGINNING)
        self._begun = self._begun or step.received is None
        if step.received is not None and is_fed:
            received = input_of(step.received, self._header)
            if isinstance(received, PhoneText):
                self._take_phone(step.now_ms, received.text)
            elif isinstance(received, ModelText):
                self._take_model(step.now_ms, received.text)
            else:
                self._take_fact(step.now_ms, received)
        for entry in step.sent:
            if find_audio(entry.way, entry.text) is None:
                self._take_sent(step.now_ms, entry)

    def finish(self) -> Parts:
        """Conclude what only the whole tells."""
        parts = self.parts
        # A frame is sent when its last sample is there; the quickest one shows the carrier's clock best.
        began = [frame.came_ms - frame.timestamp_ms - len(frame.audio) // BYTES_PER_MS for frame in parts.frames]
        start_ms = parts.verbatim[-1][0] if parts.verbatim else 0
        parts.origin_ms = min(began, default=start_ms)
        parts.round_trip_ms = max(0, min(self._round_trips, default=0))
        for answer in self._answers.values():
            self._find_cut(answer)
        for _, run in self._tools.values():
            parts.tools.append(ToolRun(run.call_id, run.name, run.arguments, 0, None))
        if parts.left is None and self._stopped_ms is not None:
            parts.left = Left(self._stopped_ms, with_stop=True, closed_ms=self._stopped_ms, code=1000)
        return parts

    # --- the phone ---------------------------------------------------------------------------------------------------

    def _take_phone(self, now_ms: int, text: str) -> None:
        parts = self.parts
        try:
            message = twilio.parse(text)
        except PeerError:
            parts.verbatim.append((now_ms, text))
            return
        match message:
            case twilio.Media():
                if message.media.track == "inbound":
                    parts.frames.append(Frame(now_ms, message.media.timestamp, message.media.payload))
            case twilio.Mark():
                sent_ms = self._marks.pop(message.mark.name, None)
                if sent_ms is not None:
                    self._round_trips.append(now_ms - sent_ms)
            case twilio.Dtmf():
                parts.keys.append((now_ms, message.dtmf.digit))
            case twilio.Stop():
                if not self._we_end:
                    self._stopped_ms = now_ms
            case twilio.Start():
                parts.stream = parts.stream or message
                parts.verbatim.append((now_ms, text))
            case _:
                parts.verbatim.append((now_ms, text))

    # --- what crossed no socket --------------------------------------------------------------------------------------

    def _take_fact(self, now_ms: int, fact: Input) -> None:
        parts = self.parts
        match fact:
            case PhoneClosed():
                self._take_closed(now_ms, fact)
            case PhoneChecked() if self._checking:
                parts.checks.append((now_ms - self._checking.pop(0), fact))
            case HangUpFinished() if self._hanging_up:
                parts.hang_ups.append((now_ms - self._hanging_up.pop(0), fact))
            case ModelOpened() | ModelRefused() if self._connecting:
                parts.connections.append(Connection(now_ms - self._connecting.pop(0), fact))
                self._opened_ms = now_ms
                self._model_is_closing = False
            case StandbyReady() | StandbyFailed() if self._standby_ms is not None:
                parts.standbys.append((now_ms - self._standby_ms, fact))
                self._standby_ms = None
            case ModelClosed():
                if not self._model_is_closing:
                    parts.facts.append((now_ms, fact))
            case ColleagueAnswered() if fact.call_id in self._colleagues:
                parts.colleagues.append((now_ms - self._colleagues.pop(fact.call_id), fact))
            case ToolFinished() if fact.call_id in self._tools:
                began_ms, run = self._tools.pop(fact.call_id)
                parts.tools.append(ToolRun(run.call_id, run.name, run.arguments, now_ms - began_ms, fact))
            case EndRequested() | MachineVerdict() | PhoneFault() | ModelFault():
                parts.facts.append((now_ms, fact))
            case _:
                pass  # timers are today's bridge's own; an answer without a question is none

    def _take_closed(self, now_ms: int, closed: PhoneClosed) -> None:
        if self._phone_closing_ms is not None:
            self.parts.closings.append(now_ms - self._phone_closing_ms)
        if not self._we_end and self.parts.left is None:
            stopped_ms = self._stopped_ms
            left_ms = now_ms if stopped_ms is None else stopped_ms
            self.parts.left = Left(left_ms, with_stop=stopped_ms is not None, closed_ms=now_ms, code=closed.code)

    def _take_sent(self, now_ms: int, entry: Entry) -> None:
        output = output_of(entry)
        match output:
            case PhoneText():
                message = twilio.parse_outgoing(output.text)
                if isinstance(message, twilio.OutgoingMark):
                    self._marks[message.mark.name] = now_ms
            case ModelText():
                self._take_asked(now_ms, output.text)
            case ConnectModel():
                self._connecting.append(now_ms)
            case OpenStandby():
                self._standby_ms = now_ms
            case CloseModel():
                self._model_is_closing = True
            case ClosePhone():
                self._phone_closing_ms = now_ms
                # A bridge closes the socket behind `stop`, too: then it was the caller who left.
                self._we_end = self._we_end or self._stopped_ms is None
            case HangUp():
                self._hanging_up.append(now_ms)
                self._we_end = True
            case CheckPhone():
                self._checking.append(now_ms)
            case CallColleague():
                self._colleagues[output.call_id] = now_ms
            case SettleTransfer():
                pass  # it asks for no answer
            case RunTool():
                self._tools[output.call_id] = now_ms, output
            case KeepDigits() | HideKeys() | HideCaller() | ShowCaller() | ShowKeys():
                pass  # the record has neither digits nor sound any more
            case _:
                self.parts.reports.append((now_ms, output))

    # --- the model ---------------------------------------------------------------------------------------------------

    def _take_asked(self, now_ms: int, text: str) -> None:
        message = realtime.parse_client(text)
        match message:
            case realtime.SessionUpdate():
                self._updating.append((message.event_id or "", now_ms, message.session))
            case realtime.ResponseCreate():
                self._requests[message.event_id or ""] = now_ms
            case realtime.ResponseCancel():
                self._cancelled_ms.setdefault(message.response_id or "", now_ms)
            case realtime.ItemTruncate():
                self._truncating.append(now_ms)
            case _:
                pass  # items are taken without an answer that matters

    def _take_model(self, now_ms: int, text: str) -> None:
        try:
            head = _head(text)
        except (ValueError, RecursionError):
            head = _Head()
        said = _said(now_ms, text, head)
        response_id = head.response_id or (head.response.get("id") if isinstance(head.response, dict) else "")
        if isinstance(response_id, str) and response_id:
            answer = self._answers.get(response_id) or self._begin(now_ms, response_id, head)
            answer.said.append(msgspec.structs.replace(said, ms=now_ms - answer.asked_ms))
            if (item_id := _mcp_item(head)) and said.type == "response.output_item.done":
                self._calling[item_id] = answer
        elif (caller := self._caller_of(head)) is not None:
            caller.calls.append(msgspec.structs.replace(said, ms=now_ms - caller.asked_ms))
        elif said.type == "session.created" and self.parts.connections:
            began = msgspec.structs.replace(said, ms=now_ms - self._opened_ms)
            self.parts.connections[-1].began.append(began)
        elif said.type == "session.updated":
            self._answer_update(now_ms, text)
        elif said.type == "conversation.item.truncated":
            if self._truncating:
                self.parts.truncations.append(now_ms - self._truncating.pop(0))
        elif said.type == "error" and isinstance(head.error, dict) and head.error.get("event_id"):
            self._refuse(now_ms, str(head.error["event_id"]), said)
        else:
            if said.type == "input_audio_buffer.committed":
                self._turn = said.item_id, now_ms
            self.parts.unasked.append(said)

    def _caller_of(self, head: _Head) -> Answer | None:
        """Find the response whose MCP call an event speaks of; `None`: it speaks of something else."""
        item_id = _mcp_item(head) or head.item_id
        found = self._calling.get(item_id) if isinstance(item_id, str) else None
        if found is None and isinstance(head.item, dict) and head.item.get("type") == "mcp_approval_request":
            # It names no call: the newest one is meant.
            found = next(reversed(self._calling.values()), None)
            if found is not None and item_id:
                self._calling[str(item_id)] = found
        return found

    def _begin(self, now_ms: int, response_id: str, head: _Head) -> Answer:
        metadata = head.response.get("metadata") if isinstance(head.response, dict) else None
        request = metadata.get("request") if isinstance(metadata, dict) else None
        if isinstance(request, str) and request in self._requests:
            answer = Answer(response_id, self._requests.pop(request), request=request)
        elif self._turn is not None:
            turn, committed_ms = self._turn
            self._turn = None
            answer = Answer(response_id, committed_ms, turn=turn)
        else:
            answer = Answer(response_id, now_ms)
        self._answers[response_id] = answer
        self.parts.answers.append(answer)
        return answer

    def _answer_update(self, now_ms: int, text: str) -> None:
        if self._updating:
            _, sent_ms, asked = self._updating.pop(0)
            self.parts.updates.append(Update(asked, now_ms - sent_ms, text))

    def _refuse(self, now_ms: int, event_id: str, said: ServerSaid) -> None:
        """An error answers what it names; what was refused of items and cuts is judged anew by the replay."""
        for place, (update_id, sent_ms, asked) in enumerate(self._updating):
            if update_id == event_id:
                del self._updating[place]
                self.parts.updates.append(Update(asked, now_ms - sent_ms, said.text))
                return
        asked_ms = self._requests.pop(event_id, None)
        if asked_ms is not None:
            refused = msgspec.structs.replace(said, ms=now_ms - asked_ms)
            self.parts.answers.append(Answer("", asked_ms, request=event_id, said=[refused]))

    def _find_cut(self, answer: Answer) -> None:
        end = answer.said[-1]
        cancelled_ms = self._cancelled_ms.get(answer.response_id)
        if cancelled_ms is not None and cancelled_ms <= answer.asked_ms + end.ms:
            answer.cut_ms, answer.cut_by = cancelled_ms - answer.asked_ms, "client_cancelled"
        elif end.type == "response.done" and '"turn_detected"' in end.text:
            begun = [said.ms for said in self.parts.unasked if said.type == "input_audio_buffer.speech_started"]
            before = [ms for ms in begun if ms <= answer.asked_ms + end.ms]
            if before:
                answer.cut_ms, answer.cut_by = before[-1] - answer.asked_ms, "turn_detected"


def _mcp_item(head: _Head) -> str:
    """Give the id of the MCP call, or of the question about one, that an event brings; empty: it brings none."""
    item = head.item
    if not isinstance(item, dict) or item.get("type") not in ("mcp_call", "mcp_approval_request"):
        return ""
    return str(item.get("id") or "")


def _said(now_ms: int, text: str, head: _Head) -> ServerSaid:
    kind, item_id = (value if isinstance(value, str) else "" for value in (head.type, head.item_id))
    found = find_audio("model", text)
    size = 0 if found is None else (found[1] - found[0]) * 3 // 4 - text[found[0] : found[1]].count("=")
    return ServerSaid(now_ms, text, kind, item_id, size)
