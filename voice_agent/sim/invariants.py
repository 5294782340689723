"""What a call must never do, checked at every step of a simulated call.

The truth about the caller's ear is the carrier's; what the model knows of it is what the bridge told it.
"""

from typing import Any

import msgspec

from voice_agent.call.commands import CallEnded, ClosePhone, HangUp, Interrupted
from voice_agent.sim.carrier import Carrier
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText

BYTES_PER_MS = 8


class Truncation(msgspec.Struct, frozen=True):
    """One `conversation.item.truncate`, beside the truth."""

    item_id: str
    told_ms: int
    basis: str
    """Of the cut; `unplayed` when nothing of the item was in the stretch that was cut."""
    at_ms: int


class _Head(msgspec.Struct, frozen=True):
    """What an invariant must know of a Realtime message."""

    type: str
    item_id: str = ""
    response_id: str = ""
    audio_end_ms: int = 0
    item: dict[str, Any] = {}
    error: dict[str, Any] = {}


_read_head = msgspec.json.Decoder(_Head).decode


class Invariants:
    """Watches the feeds of one bridge. `broken` stays empty in a right call."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.truncations: list[Truncation] = []
        self._media_items: list[str] = []
        """The item of each media message sent, in order; empty for speech of our own."""
        self._cut_items: set[str] = set()
        self._caller_speaks = False
        self._playing_until_ms = 0
        self._calls: dict[str, int] = {}
        """Answers of each function call of the model."""
        self._ended = False

    def watch(self, now_ms: int, received: Input, outputs: list[Output], carrier: Carrier) -> None:
        """Look at one step."""
        item_id = self._look_in(now_ms, received) if isinstance(received, ModelText) else ""
        basis = "unplayed"
        for output in outputs:
            if self._ended:
                self._break(now_ms, f"{output} after the end of the call")
            if isinstance(output, PhoneText):
                self._look_at_phone(now_ms, output.text, item_id)
            elif isinstance(output, ModelText):
                self._look_at_model(now_ms, output.text, basis)
            elif isinstance(output, Interrupted):
                basis = output.basis
            elif isinstance(output, HangUp) or (
                isinstance(output, ClosePhone) and output.reason == "the agent hung up"
            ):
                unheard_ms = carrier.agent.end // BYTES_PER_MS - carrier.now_ms
                if unheard_ms > 0:
                    self._break(now_ms, f"hung up {unheard_ms} ms before the goodbye was heard")
            elif isinstance(output, CallEnded):
                self._ended = True

    def played_ms(self, carrier: Carrier, item_id: str) -> int:
        """How much of an item the caller has heard, in truth."""
        now = carrier.now_ms * BYTES_PER_MS
        heard = sum(
            stretch.played(now)
            for stretch, item in zip(carrier.queued, self._media_items, strict=False)
            if item == item_id
        )
        return heard // BYTES_PER_MS

    def finish(self, *, caller_left: bool) -> list[str]:
        """Look at the whole, after the call; give all that was broken."""
        if not self._ended:
            self.broken.append("the call never ended")
        for call_id, answers in self._calls.items():
            if answers > 1 or (answers == 0 and not caller_left):
                self.broken.append(f"function call {call_id} was answered {answers} times")
        return self.broken

    def _look_in(self, now_ms: int, received: ModelText) -> str:
        try:
            head = _read_head(received.text)
        except msgspec.DecodeError:
            return ""  # a fault of the simulated server; whether the call survives it is seen in what follows
        match head.type:
            case "response.output_audio.delta" | "response.audio.delta":
                return head.item_id
            case "input_audio_buffer.speech_started":
                self._caller_speaks = True
            case "input_audio_buffer.committed":
                self._caller_speaks = False
            case "response.output_item.done":
                if head.item.get("type") == "function_call" and head.item.get("status") == "completed":
                    self._calls.setdefault(str(head.item["call_id"]), 0)
            case "error":
                if "already shorter" in str(head.error.get("message")) or "truncat" in str(head.error.get("code")):
                    self._break(now_ms, f"a truncation was refused: {head.error}")
        return ""

    def _look_at_phone(self, now_ms: int, text: str, item_id: str) -> None:
        if '"media"' in text:
            self._media_items.append(item_id)
            if item_id in self._cut_items:
                self._break(now_ms, f"audio of {item_id} was sent after clear")
            if item_id and self._caller_speaks and self._playing_until_ms <= now_ms:
                self._break(now_ms, f"{item_id} began to play while the caller speaks")
            length_ms = (len(text) * 3 // 4) // BYTES_PER_MS
            self._playing_until_ms = max(self._playing_until_ms, now_ms) + length_ms
        elif '"clear"' in text:
            self._cut_items.update(item for item in self._media_items if item)
            self._playing_until_ms = now_ms

    def _look_at_model(self, now_ms: int, text: str, basis: str) -> None:
        if '"input_audio_buffer.append"' in text[:60]:
            return
        head = _read_head(text)
        if head.type == "conversation.item.truncate":
            self.truncations.append(Truncation(head.item_id, head.audio_end_ms, basis, now_ms))
        elif head.type == "conversation.item.create" and head.item.get("type") == "function_call_output":
            call_id = str(head.item["call_id"])
            self._calls[call_id] = self._calls.get(call_id, 0) + 1
        elif head.type == "response.create" and self._caller_speaks:
            self._break(now_ms, "a response was asked for while the caller speaks")

    def _break(self, now_ms: int, what: str) -> None:
        self.broken.append(f"{now_ms} ms: {what}")
