"""What the model's own events tell of a call's course: turns, responses, whole words, first sounds, lost sessions.

Read leniently, in both dialects: what has another form is passed over, as it may be a later version's.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from voice_agent.recording.cutting import find_audio


class _Making(msgspec.Struct):
    """A response while it is made."""

    begin_ms: int
    end_ms: int | None = None
    status: str = ""


class _Speech(msgspec.Struct):
    """A turn of the caller's."""

    begin_ms: int
    end_ms: int | None = None


class _Response(msgspec.Struct, frozen=True):
    id: str = ""
    status: str = ""


class _Event(msgspec.Struct, frozen=True):
    type: str = ""
    item_id: str = ""
    response_id: str = ""
    audio_start_ms: int = 0
    audio_end_ms: int = 0
    delta: str = ""
    response: _Response = _Response()


class _Sound(msgspec.Struct, frozen=True):
    item_id: str = ""
    response_id: str = ""


class _Fact(msgspec.Struct, frozen=True):
    type: str = ""
    reason: str = ""
    answered_by: str = ""


_EVENTS = msgspec.json.Decoder(_Event)
_SOUNDS = msgspec.json.Decoder(_Sound)
_FACTS = msgspec.json.Decoder(_Fact)


class ModelCourse:
    """Fed with what the model said, and with what crossed no socket."""

    def __init__(self, silence_ms: int) -> None:
        self.silence_ms = silence_ms
        """The silence that ends a turn and that the model counts as a part of it."""
        self.moments: list[tuple[int, str, str, str]] = []
        """Carrier's time, level, what, detail."""
        self._turns: dict[str, _Speech] = {}
        self._stops: list[int] = []
        """When ends of speech were noticed, on the call's clock."""
        self._words: dict[str, list[str]] = {}
        self._sounds: dict[str, list[bytes]] = {}
        """By item, until it is known what was heard of it."""
        self._of_response: dict[str, str] = {}
        self._first_sounds: dict[str, int] = {}
        """By item, on the call's clock."""
        self._responses: dict[str, _Making] = {}

    # --- what is fed -------------------------------------------------------------------------------------------------

    def take(self, now_ms: int, at_ms: int, text: str, of_session: Callable[[int], int], audio: bytes = b"") -> None:
        """Take a text of the model, and its audio where that is kept.

        `at_ms`: the carrier's time; `of_session` gives it for the session's time.
        """
        if find_audio("model", text) is not None:
            sound = _decoded(_SOUNDS, text)
            if sound is not None:
                self._first_sounds.setdefault(sound.item_id, now_ms)
                self._of_response[sound.item_id] = sound.response_id
                if audio:
                    self._sounds.setdefault(sound.item_id, []).append(audio)
            return
        event = _decoded(_EVENTS, text)
        if event is None:
            return
        match event.type:
            case "input_audio_buffer.speech_started":
                self._turns.setdefault(event.item_id, _Speech(of_session(event.audio_start_ms)))
            case "input_audio_buffer.speech_stopped":
                self._stops.append(now_ms)
                end_ms = max(0, of_session(event.audio_end_ms) - self.silence_ms)
                turn = self._turns.setdefault(event.item_id, _Speech(end_ms))
                turn.end_ms = max(end_ms, turn.begin_ms)
            case "response.output_audio_transcript.delta" | "response.audio_transcript.delta":
                self._words.setdefault(event.item_id, []).append(event.delta)
            case "response.created":
                self._responses[event.response.id] = _Making(at_ms)
            case "response.done":
                making = self._responses.setdefault(event.response.id, _Making(at_ms))
                making.end_ms, making.status = at_ms, event.response.status

    def take_fact(self, at_ms: int, text: str) -> None:
        """Take an input that came through no socket, or an order."""
        fact = _decoded(_FACTS, text)
        match fact:
            case _Fact(type="ConnectModel"):
                self._end_responses(at_ms)
            case _Fact(type="ModelClosed"):
                self._end_responses(at_ms)
            case _Fact(type="EndRequested"):
                self._add(at_ms, "info", "somebody asks for the end", fact.reason)
            case _Fact(type="MachineVerdict"):
                self._add(at_ms, "info", "who answered", fact.answered_by)
            case _:
                pass

    # --- what is asked -----------------------------------------------------------------------------------------------

    def words(self, item_id: str) -> str:
        """Give all words of an item, heard or not."""
        return "".join(self._words.get(item_id, ()))

    def taken_sound(self, item_id: str) -> bytes:
        """Give the sound of an item, and forget it."""
        return b"".join(self._sounds.pop(item_id, ()))

    def is_finished(self, item_id: str) -> bool:
        """Say whether the model has sent all of an item."""
        making = self._responses.get(self._of_response.get(item_id, ""))
        return making is not None and making.status == "completed"

    def turns(self) -> Iterator[tuple[str, int, int | None]]:
        """Give the caller's turns: item, beginning and end on the carrier's clock."""
        for item_id, turn in self._turns.items():
            yield item_id, turn.begin_ms, turn.end_ms

    def responses(self, until_ms: int) -> Iterator[tuple[int, int, str]]:
        """Give when responses were being made, and how each ended."""
        for making in self._responses.values():
            yield making.begin_ms, until_ms if making.end_ms is None else making.end_ms, making.status

    def noticed(self, from_ms: int, until_ms: int) -> int:
        """Say when the end of speech was noticed that lies between, on the call's clock."""
        return max((stop for stop in self._stops if from_ms <= stop <= until_ms), default=from_ms)

    def first_sound(self, item_id: str, otherwise_ms: int) -> int:
        """Say when the first sound of an item came, on the call's clock."""
        return self._first_sounds.get(item_id, otherwise_ms)

    def _end_responses(self, at_ms: int) -> None:
        """A session is over, and what it was making with it."""
        for making in self._responses.values():
            if making.end_ms is None:
                making.end_ms, making.status = at_ms, "lost with its session"

    def _add(self, at_ms: int, level: str, what: str, detail: str) -> None:
        self.moments.append((at_ms, level, what, detail))


def _decoded(decoder: msgspec.json.Decoder[Any], text: str) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
