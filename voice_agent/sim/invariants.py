"""What a call must never do, checked at every step of a simulated call.

The truth about the caller's ear is the carrier's; what the model knows of it is what the call told it. Everything is
judged by what the call was fed and what it ordered, so it is the same whether texts cross a wire or not.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from voice_agent.call.call import Call
from voice_agent.call.commands import (
    AddToolOutput,
    CallCommand,
    CallEnded,
    ClearPlayback,
    ClosePhone,
    CreateResponse,
    HangUp,
    Interrupted,
    Note,
    PlayAudio,
    TruncateItem,
)
from voice_agent.call.events import (
    CallerAudio,
    CallEvent,
    ModelAudio,
    ModelError,
    SpeechStarted,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.setup import CallSetup
from voice_agent.sim.carrier import Carrier
from voice_agent.sim.track import BYTES_PER_MS


class Truncation(msgspec.Struct, frozen=True):
    """One `conversation.item.truncate`, beside the truth."""

    item_id: str
    told_ms: int
    basis: str
    """Of the cut; `unplayed` when nothing of the item was in the stretch that was cut."""
    at_ms: int


class Invariants:
    """Watches one call. `broken` stays empty in a right one."""

    def __init__(self, carrier: Carrier) -> None:
        self.broken: list[str] = []
        self.truncations: list[Truncation] = []
        self._carrier = carrier
        self._media_items: list[str] = []
        """The item of each media message sent, in order; empty for speech of our own."""
        self._sent_ms: dict[str, int] = {}
        """What the model has sent of each item."""
        self._cut_items: set[str] = set()
        self._caller_speaks = False
        self._playing_until_ms = 0
        self._calls: Counter[str] = Counter()
        """Answers of each function call of the model."""
        self._ended = False

    def watch(self, now_ms: int, event: CallEvent, commands: Sequence[CallCommand]) -> None:
        """Look at one step."""
        if type(event) is not CallerAudio:
            self._look_in(now_ms, event)
        item_id = event.item_id if isinstance(event, ModelAudio) else ""
        basis = "unplayed"
        for command in commands:
            if self._ended:
                self._break(now_ms, f"{command} after the end of the call")
            match command:
                case PlayAudio():
                    self._look_at_sound(now_ms, item_id, len(command.audio) // BYTES_PER_MS)
                case ClearPlayback():
                    self._cut_items.update(item for item in self._media_items if item)
                    self._playing_until_ms = now_ms
                case Interrupted():
                    basis = command.basis
                case TruncateItem():
                    self._look_at_truncation(now_ms, command, basis)
                case AddToolOutput():
                    self._calls[command.call_id] += 1
                case CreateResponse() if self._caller_speaks:
                    self._break(now_ms, "a response was asked for while the caller speaks")
                case HangUp() | ClosePhone(reason="the agent hung up"):
                    self._look_at_goodbye(now_ms)
                case Note(what="the server did not commit the caller's turn"):
                    self._caller_speaks = False
                case CallEnded():
                    self._ended = True

    def played_ms(self, item_id: str) -> int:
        """How much of an item the caller has heard, in truth."""
        return self._heard().get(item_id, 0) // BYTES_PER_MS

    def finish(self, *, caller_left: bool) -> list[str]:
        """Look at the whole, after the call; give all that was broken."""
        if not self._ended:
            self.broken.append("the call never ended")
        for call_id, answers in self._calls.items():
            if answers > 1 or (answers == 0 and not caller_left):
                self.broken.append(f"function call {call_id} was answered {answers} times")
        return self.broken

    def _heard(self) -> dict[str, int]:
        """How many bytes of each item were played; audio on its way to the carrier was not."""
        now = self._carrier.now_ms * BYTES_PER_MS
        heard: dict[str, int] = {}
        for stretch, item_id in zip(self._carrier.queued, self._media_items, strict=False):
            heard[item_id] = heard.get(item_id, 0) + stretch.played(now)
        return heard

    def _look_in(self, now_ms: int, event: CallEvent) -> None:
        match event:
            case ModelAudio():
                self._sent_ms[event.item_id] = event.sent_ms
            case SpeechStarted():
                self._caller_speaks = True
            case TurnCommitted():
                self._caller_speaks = False
            case ToolRequested():
                self._calls.setdefault(event.call_id, 0)
            case ModelError():
                if "already shorter" in event.message or "truncat" in (event.code or ""):
                    self._break(now_ms, f"a truncation was refused: {event.code}: {event.message}")

    def _look_at_sound(self, now_ms: int, item_id: str, length_ms: int) -> None:
        self._media_items.append(item_id)
        if item_id in self._cut_items:
            self._break(now_ms, f"audio of {item_id} was sent after clear")
        if item_id and self._caller_speaks and self._playing_until_ms <= now_ms:
            self._break(now_ms, f"{item_id} began to play while the caller speaks")
        self._playing_until_ms = max(self._playing_until_ms, now_ms) + length_ms

    def _look_at_truncation(self, now_ms: int, order: TruncateItem, basis: str) -> None:
        self.truncations.append(Truncation(order.item_id, order.audio_end_ms, basis, now_ms))
        sent_ms = self._sent_ms.get(order.item_id, 0)
        if order.audio_end_ms > sent_ms:
            self._break(now_ms, f"{order.item_id} was truncated at {order.audio_end_ms} of {sent_ms} ms")

    def _look_at_goodbye(self, now_ms: int) -> None:
        carrier = self._carrier
        unheard_ms = carrier.agent.end // BYTES_PER_MS - carrier.now_ms
        if unheard_ms > 0:
            self._break(now_ms, f"hung up {unheard_ms} ms before the goodbye was heard")

    def _break(self, now_ms: int, what: str) -> None:
        self.broken.append(f"{now_ms} ms: {what}")


class WatchedCall(Call):
    """A call at whose every step the invariants look."""

    def __init__(self, setup: CallSetup, clips: Mapping[str, bytes], invariants: Invariants) -> None:
        super().__init__(setup, clips)
        self._invariants = invariants

    def feed(self, now_ms: int, event: CallEvent) -> list[CallCommand]:
        """See `Call.feed`."""
        commands = super().feed(now_ms, event)
        self._invariants.watch(now_ms, event, commands)
        return commands
