"""The model of a recorded call, answering what today's bridge asks: by kind and order, re-timed to the request.

It must not know the phone, nor what a bridge makes of the answers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from voice_agent.call.setup import ModelSetup
from voice_agent.replay.parts import Answer, Parts, ServerSaid
from voice_agent.wire import realtime
from voice_agent.wire.dialects import DIALECTS, look
from voice_agent.wire.texts import ModelText

QUICK_MS = 30
"""How long a server takes for what it has not done in the recording: confirm, refuse, cancel."""

SILENT_MS = 200
"""How long a silent response takes."""

_WANTED = {
    "greeting": "a greeting",
    "tool": "an answer to a tool's result",
    "mcp": "an answer to an MCP tool's result",
    "keys": "an answer to pressed keys",
    "idle": "a word into the silence",
    "goodbye": "a goodbye",
    "turn": "an answer to the caller's turn",
    "retry": "an answer once more",
}


class Line(Protocol):
    """What carries texts, and knows the time."""

    now_ms: int

    def at(self, at_ms: int, happen: Callable[[], None]) -> None:
        """Let something happen; at one moment in the order of asking."""

    def feed(self, received: ModelText) -> None:
        """Give a text to the bridge."""

    def diverge(self, what: str) -> None:
        """Note where the recording has nothing to go by."""


class _Given:
    """An answer that is being given."""

    def __init__(self, answer: Answer, request: str | None) -> None:
        self.answer = answer
        self.request = request
        self.said = 0
        """How many of its texts."""
        self.cuts = 0
        """What was planned before a cut is not said behind it."""


class RecordedModel:
    """See the module. `open` for each connection, `take` for each text of the bridge, `close` when it is gone."""

    def __init__(self, parts: Parts, setup: ModelSetup, line: Line) -> None:
        self._line = line
        self._turn_detection = DIALECTS[setup.dialect].turn_detection
        self._bytes_per_ms = 48 if setup.audio == "pcm24k" else 8
        self._connections = list(parts.connections)
        self._updates = list(parts.updates)
        self._truncations = list(parts.truncations)
        self._left = list(parts.answers)
        self._is_open = False
        self._answers_turns = self._cuts_at_speech = True
        self._given: list[_Given] = []
        self._sent: dict[str, int] = {}
        """Audio of each item that was sent, in bytes."""
        self._made = 0
        for said in parts.unasked:
            line.at(said.ms, partial(self._say_unasked, said))
        for answer in parts.answers:
            if answer.request is None and answer.turn is None:
                line.at(answer.asked_ms, partial(self._give_unasked, answer))

    def open(self, began: list[ServerSaid]) -> None:
        """Begin a session with what the server says first."""
        self._is_open = True
        for said in began:
            self._line.at(self._line.now_ms + said.ms, partial(self._say, said.text))

    def close(self) -> None:
        """End the session; nothing more is said in it."""
        self._is_open = False
        self._given.clear()

    def take(self, text: str) -> None:
        """Take one text of the bridge."""
        if text.startswith('{"type":"input_audio_buffer.append"'):
            return
        message = realtime.parse_client(text)
        match message:
            case realtime.SessionUpdate():
                self._update(message)
            case realtime.ResponseCreate():
                self._respond(message.event_id or "")
            case realtime.ResponseCancel():
                for given in [given for given in self._given if given.answer.response_id == message.response_id]:
                    self._cut(given, "client_cancelled")
            case realtime.ItemTruncate():
                self._truncate(message)
            case _:
                pass  # items are taken without an answer that matters to a call

    # --- the session -------------------------------------------------------------------------------------------------

    def _update(self, message: realtime.SessionUpdate) -> None:
        found = look(message.session, self._turn_detection)
        if isinstance(found, dict):
            self._answers_turns = bool(found.get("create_response", True))
            self._cuts_at_speech = bool(found.get("interrupt_response", True))
        if self._updates:
            recorded = self._updates.pop(0)
            text, after_ms = _renewed(recorded.text, recorded.asked, message.session), recorded.after_ms
        else:
            text = _text({"type": "session.updated", "event_id": self._name("event"), "session": message.session})
            after_ms = QUICK_MS
        self._line.at(self._line.now_ms + after_ms, partial(self._say, text))

    def _truncate(self, message: realtime.ItemTruncate) -> None:
        sent_ms = self._sent.get(message.item_id, 0) // self._bytes_per_ms
        after_ms = self._truncations.pop(0) if self._truncations else QUICK_MS
        answer: dict[str, Any] = {
            "type": "conversation.item.truncated",
            "event_id": self._name("event"),
            "item_id": message.item_id,
            "content_index": message.content_index,
            "audio_end_ms": message.audio_end_ms,
        }
        if message.audio_end_ms > sent_ms:
            what = f"Audio content of {sent_ms}ms is already shorter than {message.audio_end_ms}ms"
            problem = {"type": "invalid_request_error", "code": "invalid_value", "message": what}
            answer = {
                "type": "error",
                "event_id": self._name("event"),
                "error": problem | {"event_id": message.event_id},
            }
        self._line.at(self._line.now_ms + after_ms, partial(self._say, _text(answer)))

    def _say_unasked(self, said: ServerSaid) -> None:
        if not self._is_open:
            return
        self._say(said.text)
        if said.type == "input_audio_buffer.speech_started" and self._cuts_at_speech:
            # What the server has not begun is not cut by it: the bridge cancels it when it begins.
            for given in [given for given in self._given if given.said]:
                self._cut(given, "turn_detected")
        elif said.type == "input_audio_buffer.committed" and self._answers_turns:
            answer = self._take_out(lambda answer: answer.request is None and answer.turn == said.item_id)
            # The bridge asked for it then; today the server answers by itself.
            answer = answer or self._take_out(lambda answer: answer.request is not None and answer.purpose == "turn")
            if answer is not None:
                self._give(answer, None)

    def _say(self, text: str) -> None:
        if self._is_open:
            self._line.feed(ModelText(text))

    # --- responses ---------------------------------------------------------------------------------------------------

    def _respond(self, request: str) -> None:
        purpose = request.rpartition("-")[0]
        answer = self._take_out(lambda answer: answer.request is not None and answer.purpose == purpose)
        if answer is None and purpose in {"turn", "retry"}:
            answer = self._take_out(self._is_late_turn)
        if answer is None:
            wanted = _WANTED.get(purpose, purpose)
            self._line.diverge(f"asked for {wanted} ({request}), which the recording has no answer to")
            answer = self._silence(request)
        self._give(answer, request)

    def _is_late_turn(self, answer: Answer) -> bool:
        """Say whether the server answered by itself what today's bridge asks for."""
        return answer.purpose == "turn" and not self._answers_turns and answer.asked_ms <= self._line.now_ms

    def _take_out(self, fits: Callable[[Answer], bool]) -> Answer | None:
        for place, answer in enumerate(self._left):
            if fits(answer):
                return self._left.pop(place)
        return None

    def _give_unasked(self, answer: Answer) -> None:
        if self._is_open and answer in self._left:
            self._left.remove(answer)
            self._give(answer, None)

    def _give(self, answer: Answer, request: str | None) -> None:
        given = _Given(answer, request)
        self._given.append(given)
        began_ms = self._line.now_ms
        for said in answer.said:
            self._line.at(began_ms + said.ms, partial(self._say_of, given, 0, said))
        for said in answer.calls:
            # If the response was cut before it made the call, this is news of nothing, as the bridge takes it.
            self._line.at(began_ms + said.ms, partial(self._say_call, given, said))

    def _say_of(self, given: _Given, cuts: int, said: ServerSaid) -> None:
        if given.cuts != cuts or given not in self._given:
            return
        text = said.text
        given.said += 1
        if said.type in {"response.done", "error"}:
            self._given.remove(given)
            if given.answer.cut_ms is not None and cuts == 0:
                self._line.diverge("an answer goes on that the recording has only until it was cut")
        if said.type in {"response.created", "response.done"} and given.request != given.answer.request:
            text = _asked_by(text, given.request)
        if said.audio_bytes:
            self._sent[said.item_id] = self._sent.get(said.item_id, 0) + said.audio_bytes
        self._say(text)

    def _say_call(self, given: _Given, said: ServerSaid) -> None:
        if given.said:
            self._say(said.text)

    def _cut(self, given: _Given, reason: str) -> None:
        """Stop giving an answer: as it was cut then, or with an end of our own."""
        given.cuts += 1
        answer, now_ms = given.answer, self._line.now_ms
        if answer.cut_ms is not None and answer.cut_by == reason:
            for said in answer.said[given.said :]:
                if said.ms >= answer.cut_ms:
                    self._line.at(now_ms + said.ms - answer.cut_ms, partial(self._say_of, given, given.cuts, said))
            return
        details = {"type": "cancelled", "reason": reason}
        response: dict[str, Any] = {"id": answer.response_id, "status": "cancelled", "status_details": details}
        response |= {"object": "realtime.response", "output": [], "metadata": _metadata(given.request), "usage": None}
        said = self._made_up("response.done", response, QUICK_MS)
        self._line.at(now_ms + said.ms, partial(self._say_of, given, given.cuts, said))

    def _silence(self, request: str) -> Answer:
        response: dict[str, Any] = {"object": "realtime.response", "id": self._name("resp"), "status": "in_progress"}
        response |= {"status_details": None, "output": [], "metadata": _metadata(request), "usage": None}
        created = self._made_up("response.created", response, QUICK_MS)
        done = self._made_up("response.done", response | {"status": "completed"}, SILENT_MS)
        return Answer(response["id"], self._line.now_ms, request=request, said=[created, done])

    def _made_up(self, kind: str, response: dict[str, Any], after_ms: int) -> ServerSaid:
        text = _text({"type": kind, "event_id": self._name("event"), "response": response})
        return ServerSaid(after_ms, text, kind)

    def _name(self, what: str) -> str:
        self._made += 1
        return f"{what}_resimulated_{self._made}"


def _metadata(request: str | None) -> dict[str, str] | None:
    return None if request is None else {"request": request}


def _asked_by(text: str, request: str | None) -> str:
    message = msgspec.json.decode(text)
    if isinstance(message.get("response"), dict):
        message["response"]["metadata"] = _metadata(request)
    return _text(message)


def _renewed(text: str, asked_then: dict[str, Any], asked_now: dict[str, Any]) -> str:
    """Answer as then, but for what is asked otherwise today."""
    if asked_then == asked_now:
        return text
    message = msgspec.json.decode(text)
    if isinstance(message.get("session"), dict):
        message["session"] = _overlaid(message["session"], asked_then, asked_now)
    return _text(message)


def _overlaid(echo: Any, then: Any, now: Any) -> Any:
    if then == now:
        return echo
    if not (isinstance(echo, dict) and isinstance(then, dict) and isinstance(now, dict)):
        return now
    changed = {key: _overlaid(echo.get(key), then.get(key), value) for key, value in now.items()}
    return echo | changed


def _text(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
