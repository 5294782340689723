"""The caller's side of a session: appended audio becomes turns, turns become user items, items get their words.

It decides nothing about responses: it tells what happened, one fact at a time, and the session acts in between.
"""

from collections.abc import Iterable, Iterator

import msgspec

from voice_agent.sim.realtime.activity import Detector
from voice_agent.sim.realtime.formats import AudioFormat
from voice_agent.sim.realtime.items import CHARACTERS_PER_TOKEN, Conversation, Item, Part
from voice_agent.sim.realtime.listening import (
    LOOKBACK_MS,
    InputBuffer,
    SpeechBegan,
    SpeechEnded,
    TurnRules,
    Turns,
    turn_rules,
)
from voice_agent.sim.realtime.messages import Recognise
from voice_agent.sim.realtime.outbox import Outbox
from voice_agent.sim.realtime.refusals import ClientError
from voice_agent.sim.realtime.settings import Settings
from voice_agent.sim.realtime.speech import words

SHORTEST_COMMIT_MS = 100


class TurnBegan(msgspec.Struct, frozen=True):
    """The caller began to speak; the client has been told."""

    rules: TurnRules


class TurnEnded(msgspec.Struct, frozen=True):
    """The caller's turn became an item; the client has been told."""

    rules: TurnRules


class Hearing:
    """Audio buffer, detector and recognition of one session."""

    def __init__(self, settings: Settings, conversation: Conversation, detector: Detector, outbox: Outbox) -> None:
        self._settings = settings
        self._conversation = conversation
        self._outbox = outbox
        self._buffer = InputBuffer(settings.input_format)
        self._turns = Turns(detector, settings.input_format)
        self._rules = turn_rules(settings.turn_detection)
        self._item_id = ""
        """The item that the turn in progress will be."""
        self._unheard: set[str] = set()

    @property
    def rules(self) -> TurnRules | None:
        """`None`: the client ends turns."""
        return self._rules

    @property
    def waits_for_words(self) -> bool:
        """Some turn is not recognised yet."""
        return bool(self._unheard)

    def settings_changed(self) -> None:
        """Read format and turn detection anew."""
        before = self._rules
        self._rules = turn_rules(self._settings.turn_detection)
        old_end_ms = self._buffer.end_ms
        changed = self._buffer.change_format(self._settings.input_format)
        if changed or (before is None) != (self._rules is None):
            self._turns.restart(old_end_ms, self._settings.input_format)

    def append(self, audio: bytes) -> Iterable[TurnBegan | TurnEnded]:
        """Take audio; yield each fact when its events have been sent."""
        rules = self._rules
        if rules is None:
            self._buffer.append(audio)
            return ()
        found = self._turns.feed(audio, rules)
        quiet = not (found or self._turns.speaking)
        self._buffer.append(audio, rules.prefix_padding_ms + LOOKBACK_MS if quiet else None)
        return self._tell(found, rules) if found else ()

    def _tell(self, found: list[SpeechBegan | SpeechEnded], rules: TurnRules) -> Iterator[TurnBegan | TurnEnded]:
        for one in found:
            if isinstance(one, SpeechBegan):
                yield self._begin_turn(one.at_ms, rules)
            else:
                yield self._end_turn(one.at_ms, rules)

    def commit(self) -> None:
        """Make an item of the buffer, by the client's will; creates no response. Raises `ClientError`."""
        duration_ms = self._buffer.duration_ms
        if duration_ms < SHORTEST_COMMIT_MS:
            raise ClientError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{SHORTEST_COMMIT_MS}ms of audio, but buffer only has {duration_ms:.2f}ms of audio.",
            )
        self._commit(self._item_id or self._outbox.new_id("item"), self._buffer.end_ms)
        self._turns.forget_turn()

    def clear(self) -> None:
        """Drop what is not committed."""
        self._buffer.take(self._buffer.end_ms)
        self._turns.forget_turn()
        self._item_id = ""
        self._outbox.send("input_audio_buffer.cleared")

    def commit_silence(self) -> bool:
        """Make an item of the silence of the idle timeout; false when no audio came either."""
        if not self._buffer.duration_ms or self._turns.speaking:
            return False
        item_id = self._outbox.new_id("item")
        self._outbox.send(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=self._buffer.start_ms,
            audio_end_ms=self._buffer.end_ms,
            item_id=item_id,
        )
        self._commit(item_id, self._buffer.end_ms)
        return True

    def recognise(self, item: Item) -> None:
        """Order the words of an item that a client brought as audio."""
        for part in item.content:
            if part.type == "input_audio" and not part.heard:
                self._order(item.id, bytes(part.audio), part.format)

    def recognised(self, item_id: str, text: str) -> None:
        """Take the words of a turn."""
        part = self._take_unheard(item_id)
        if part is None:
            return
        part.text = text
        transcription = self._settings.transcription
        if transcription is None:
            return
        part.heard = True
        event = "conversation.item.input_audio_transcription"
        place = {"item_id": item_id, "content_index": 0}
        for word in words(text):
            self._outbox.send(f"{event}.delta", **place, delta=word)
        # Only whisper is billed by the second.
        if transcription.get("model", "").startswith("whisper"):
            usage: dict[str, object] = {"type": "duration", "seconds": part.audio_ms / 1000}
        else:
            heard, written = -(-part.audio_ms // 100), -(-len(text) // CHARACTERS_PER_TOKEN)
            usage = {
                "type": "tokens",
                "total_tokens": heard + written,
                "input_tokens": heard,
                "output_tokens": written,
                "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
            }
        self._outbox.send(f"{event}.completed", **place, transcript=text, usage=usage)

    def recognition_failed(self, item_id: str, problem: str) -> None:
        """Stop waiting for the words of a turn: they will never come."""
        if self._take_unheard(item_id) is not None and self._settings.transcription is not None:
            self._outbox.send(
                "conversation.item.input_audio_transcription.failed",
                item_id=item_id,
                content_index=0,
                error={"type": "server_error", "code": None, "message": problem, "param": None},
            )

    def _begin_turn(self, at_ms: int, rules: TurnRules) -> TurnBegan:
        self._item_id = self._outbox.new_id("item")
        self._buffer.take(at_ms - rules.prefix_padding_ms)
        self._outbox.send(
            "input_audio_buffer.speech_started", audio_start_ms=self._buffer.start_ms, item_id=self._item_id
        )
        return TurnBegan(rules)

    def _end_turn(self, at_ms: int, rules: TurnRules) -> TurnEnded:
        self._outbox.send("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=self._item_id)
        self._commit(self._item_id, at_ms)
        return TurnEnded(rules)

    def _commit(self, item_id: str, until_ms: int) -> None:
        audio = self._buffer.take(until_ms)
        self._item_id = ""
        part = Part("input_audio", heard=False, audio=audio, format=self._settings.input_format)
        item = Item(id=item_id, type="message", role="user", content=[part])
        previous = self._conversation.insert(item)
        self._outbox.send("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
        self._outbox.send("conversation.item.added", previous_item_id=previous, item=item.wire())
        self._outbox.send("conversation.item.done", previous_item_id=previous, item=item.wire())
        self._order(item_id, audio, part.format)

    def _order(self, item_id: str, audio: bytes, audio_format: AudioFormat) -> None:
        self._unheard.add(item_id)
        self._outbox.order(Recognise(item_id, audio, audio_format))

    def _take_unheard(self, item_id: str) -> Part | None:
        """Find the audio part that waited for words; `None` when the item was deleted meanwhile."""
        if item_id not in self._unheard:
            return None
        self._unheard.discard(item_id)
        item = self._conversation.find(item_id)
        parts = item.content if item is not None else []
        return next((part for part in parts if part.type == "input_audio"), None)
