"""The items of one response while they are being made: a message that is spoken or written, or a function call.

Each knows the order of its own events and tells the response when it is finished. The order is that of OpenAI's
Realtime reference; where it is silent, what client libraries rely on.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from voice_agent.sim.realtime.formats import AudioFormat, Mouth
from voice_agent.sim.realtime.items import Conversation, Item, Part
from voice_agent.sim.realtime.outbox import Outbox


class Stage(msgspec.Struct):
    """Where the items of one response appear."""

    outbox: Outbox
    response_id: str
    conversation: Conversation | None
    """`None`: out of band, no item is added to the conversation."""
    pacer: "Pacer"
    may_say: Callable[[], bool]
    """Whether the response's limit of tokens leaves room."""


class Pacer:
    """Sends audio a little faster than it plays, as the services do; one clock for all items of a response."""

    def __init__(self, delta_ms: int, pace: int) -> None:
        self.delta_ms = delta_ms
        self.first_ms: int | None = None
        """When the first audio was sent."""
        self.sent_ms = 0
        """Audio sent so far."""
        self.next_ms = 0
        """When the next delta may be sent."""
        self._pace = pace

    def count(self, now_ms: int, audio_ms: int) -> None:
        """Note audio that was sent."""
        self.first_ms = now_ms if self.first_ms is None else self.first_ms
        self.sent_ms += audio_ms
        if now_ms > self.next_ms:
            self.next_ms = now_ms
        self.next_ms += audio_ms // self._pace if self._pace else 0

    @property
    def playout_end_ms(self) -> int:
        """When the last audio would have played, had it been played at once; 0 when there was none."""
        return 0 if self.first_ms is None else self.first_ms + self.sent_ms


class OutputItem(Protocol):
    """What a response needs of an item in the making."""

    item: Item

    def advance(self, now_ms: int) -> bool:
        """Send what may be sent by now; return whether the item is finished."""

    def cut(self) -> None:
        """End it as incomplete. Nothing is sent of an item that had not begun."""

    def due(self) -> int | None:
        """When `advance` has something to do again; `None`: only when something arrives."""


class _Shown:
    """What all kinds of items share: their place in the response and in the conversation."""

    def __init__(self, stage: Stage, item: Item, output_index: int) -> None:
        self.item = item
        self.begun = False
        self._stage = stage
        self._output_index = output_index
        self._previous: str | None = None

    @property
    def _place(self) -> dict[str, Any]:
        return {
            "response_id": self._stage.response_id,
            "item_id": self.item.id,
            "output_index": self._output_index,
        }

    def _begin(self) -> None:
        self.begun = True
        self._tell_item("response.output_item.added")
        if self._stage.conversation is not None:
            self._previous = self._stage.conversation.insert(self.item)
            self._tell_conversation("conversation.item.added")

    def _end(self, *, complete: bool) -> None:
        self.item.status = "completed" if complete else "incomplete"
        # A client may have deleted the item meanwhile.
        if self._stage.conversation is not None and self._stage.conversation.find(self.item.id):
            self._tell_conversation("conversation.item.done")
        self._tell_item("response.output_item.done")

    def _tell_item(self, event_type: str) -> None:
        self._stage.outbox.send(
            event_type,
            response_id=self._stage.response_id,
            output_index=self._output_index,
            item=self.item.wire(),
        )

    def _tell_conversation(self, event_type: str) -> None:
        self._stage.outbox.send(event_type, previous_item_id=self._previous, item=self.item.wire())


class CallOutput(_Shown):
    """A function call: all there at once."""

    def advance(self, now_ms: int) -> bool:  # noqa: ARG002 - part of the interface
        """Send the call whole."""
        arguments, self.item.arguments = self.item.arguments, ""
        self._begin()
        self.item.arguments = arguments
        call = {**self._place, "call_id": self.item.call_id}
        self._stage.outbox.send("response.function_call_arguments.delta", **call, delta=arguments)
        self._stage.outbox.send(
            "response.function_call_arguments.done", **call, name=self.item.name, arguments=arguments
        )
        self._end(complete=True)
        return True

    def cut(self) -> None:
        """Nothing: a call that has begun is finished."""

    def due(self) -> int | None:
        """Never: it waits for nothing but its turn."""
        return None


class McpOutput(_Shown):
    """A call of an MCP server's tool: written by the response, and then carried out without it."""

    def __init__(self, stage: Stage, item: Item, output_index: int, begin: Callable[[Item, int], None]) -> None:
        """`begin`: carries the call out; takes the item and its place in the response."""
        super().__init__(stage, item, output_index)
        self._begin_call = begin

    def advance(self, now_ms: int) -> bool:  # noqa: ARG002 - part of the interface
        """Send the call whole, and have it carried out; the item is done when that is over."""
        arguments, self.item.arguments = self.item.arguments, ""
        self._begin()
        self.item.arguments = arguments
        self._stage.outbox.send("response.mcp_call_arguments.delta", **self._place, delta=arguments)
        self._stage.outbox.send("response.mcp_call_arguments.done", **self._place, arguments=arguments)
        self._tell_item("response.output_item.done")
        self._begin_call(self.item, self._output_index)
        return True

    def cut(self) -> None:
        """Nothing: a call that has begun goes on."""

    def due(self) -> int | None:
        """Never: it waits for nothing but its turn."""
        return None


class TextOutput(_Shown):
    """A message in writing."""

    def __init__(self, stage: Stage, item: Item, output_index: int) -> None:
        super().__init__(stage, item, output_index)
        self._part = Part("output_text")
        self._waiting: deque[str] = deque()
        self._closed = False

    def add_text(self, text: str) -> None:
        """Take the next words."""
        self._waiting.append(text)

    def close(self) -> None:
        """No more words come."""
        self._closed = True

    def advance(self, now_ms: int) -> bool:  # noqa: ARG002 - writing needs no clock
        """Send what has come."""
        if not self.begun:
            self._begin()
            self.item.content.append(self._part)
            self._tell_part("response.content_part.added", "")
        while self._waiting and self._stage.may_say():
            for word in words(self._waiting.popleft(), first=not self._part.text):
                self._part.text += word
                self._stage.outbox.send("response.output_text.delta", **self._place, content_index=0, delta=word)
        if self._closed and not self._waiting:
            self._finish(complete=True)
            return True
        return False

    def cut(self) -> None:
        """End it as incomplete."""
        if self.begun:
            self._finish(complete=False)

    def due(self) -> int | None:
        """Never: it waits only for words."""
        return None

    def _finish(self, *, complete: bool) -> None:
        self._stage.outbox.send("response.output_text.done", **self._place, content_index=0, text=self._part.text)
        self._tell_part("response.content_part.done", self._part.text)
        self._end(complete=complete)

    def _tell_part(self, event_type: str, text: str) -> None:
        self._stage.outbox.send(event_type, **self._place, content_index=0, part={"type": "text", "text": text})


class _Piece(msgspec.Struct):
    """One `Speak` and what came of it: its words go out with the first of its audio."""

    text: str
    audio: bytearray
    sent: int = 0
    """How many bytes of it."""
    spoken: bool = False
    announced: bool = False


class SpokenOutput(_Shown):
    """A message in speech, with its transcript."""

    def __init__(self, stage: Stage, item: Item, output_index: int, mouth: Mouth, audio_format: AudioFormat) -> None:
        super().__init__(stage, item, output_index)
        self._part = Part("output_audio", audio=bytearray(), format=audio_format)
        self._pieces: deque[_Piece] = deque()
        self._mouth = mouth
        self._delta_bytes = stage.pacer.delta_ms * audio_format.bytes_per_ms
        self._transcript = ""
        self._closed = False

    def add_text(self, text: str) -> None:
        """Take the next words; their speech has been ordered."""
        self._pieces.append(_Piece(text, bytearray()))

    def add_speech(self, pcm: bytes, *, last: bool) -> None:
        """Speech for the oldest piece that still lacks some."""
        piece = next((piece for piece in self._pieces if not piece.spoken), None)
        if piece is not None:
            piece.audio += self._mouth.feed(pcm)
            piece.spoken = last

    def close(self) -> None:
        """No more words come."""
        self._closed = True

    def advance(self, now_ms: int) -> bool:
        """Send what is there and due."""
        if not self.begun:
            self._begin()
            self.item.content.append(self._part)
            self._tell_part("response.content_part.added", "")
        while self._pieces and self._advance_piece(now_ms, self._pieces[0]):
            self._pieces.popleft()
        if self._closed and not self._pieces:
            self._send_audio(now_ms, self._mouth.flush())
            self._finish(complete=True)
            return True
        return False

    def cut(self) -> None:
        """End it as incomplete: what was not sent is lost."""
        if self.begun:
            self._finish(complete=False)

    def due(self) -> int | None:
        """When the next delta may go, if there is one."""
        if not self._pieces:
            return None
        piece = self._pieces[0]
        full = len(piece.audio) - piece.sent >= self._delta_bytes
        return self._stage.pacer.next_ms if full or piece.spoken else None

    def _advance_piece(self, now_ms: int, piece: _Piece) -> bool:
        pacer, may_say = self._stage.pacer, self._stage.may_say
        while now_ms >= pacer.next_ms and may_say():
            if not piece.announced and (piece.audio or piece.spoken):
                piece.announced = True
                self._send_words(piece.text)
            audio = bytes(piece.audio[piece.sent : piece.sent + self._delta_bytes])
            if len(audio) < self._delta_bytes and not piece.spoken:
                return False
            if not audio:
                return True
            piece.sent += len(audio)
            self._send_audio(now_ms, audio)
        return piece.spoken and piece.sent == len(piece.audio) and piece.announced

    def _send_words(self, text: str) -> None:
        for word in words(text, first=not self._transcript):
            self._transcript += word
            self._stage.outbox.send(
                "response.output_audio_transcript.delta", **self._place, content_index=0, delta=word
            )
        self._part.text = self._transcript

    def _send_audio(self, now_ms: int, audio: bytes) -> None:
        if audio:
            stage = self._stage
            self._part.audio += audio
            stage.pacer.count(now_ms, len(audio) // self._part.format.bytes_per_ms)
            stage.outbox.send_audio(stage.response_id, self.item.id, self._output_index, audio)

    def _finish(self, *, complete: bool) -> None:
        place = {**self._place, "content_index": 0}
        self._stage.outbox.send("response.output_audio.done", **place)
        self._stage.outbox.send("response.output_audio_transcript.done", **place, transcript=self._transcript)
        self._tell_part("response.content_part.done", self._transcript)
        self._end(complete=complete)

    def _tell_part(self, event_type: str, transcript: str) -> None:
        part = {"type": "audio", "transcript": transcript}
        self._stage.outbox.send(event_type, **self._place, content_index=0, part=part)


def words(text: str, *, first: bool = True) -> list[str]:
    """Split a text into deltas: words with the space before them."""
    return [word if first and index == 0 else f" {word}" for index, word in enumerate(text.split())]
