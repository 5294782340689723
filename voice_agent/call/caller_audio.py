"""The caller's voice on its way to the model: gaps filled by the carrier's clock, silence padded, a bounded wait.

What was given lately is kept, so that a session which takes a conversation over hears what the lost one had not
understood: the turn that was open, or the last one if nobody has written it down and its answer is missing.

Server VAD counts the audio that was appended, so a hole in the stream would shift its times and an ended stream would
never end a turn. Twilio sends no frames in some silences and in packet loss
(livekit agents PR #1608).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import ClassVar

from voice_agent.agent import ServerVad, TurnDetection
from voice_agent.call.commands import AppendAudio, CheckPhone, Command, Note
from voice_agent.call.events import (
    CallerAudio,
    CallerTranscribed,
    Event,
    KeyPressed,
    PhoneChecked,
    SpeechStarted,
    SpeechStopped,
    StreamStarted,
    TimerFired,
    TurnCommitted,
)
from voice_agent.call.facts import (
    AgentChanged,
    CallerStopped,
    CollectionBegan,
    CollectionEnded,
    Fact,
    KeyHeard,
    LineClosing,
    ModelGone,
    SecrecyEnded,
    SessionLost,
    SessionReady,
    TurnHeardAgain,
    TurnUnanswered,
)
from voice_agent.call.hidden_audio import HiddenAudio
from voice_agent.call.part import Handled

SILENCE = b"\xff"
"""One byte of mu-law silence."""

BYTES_PER_MS = 8

LONGEST_GAP_MS = 10_000
"""A larger jump of the timestamps is filled only so far: the model needs no longer silence."""

ROUNDING_MS = 1
"""Timestamps are whole milliseconds, frames need not be: what is no more than this is no gap."""

BUFFER_MS = 10_000
"""How much of the caller waits for the session; the oldest goes first."""

KEPT_MS = 15_000
"""How much of what was given is kept for the next session: more than it will be given, for the turn began before."""

TRIM_MS = 1000
"""Kept beyond that at most."""

UNHEARD_MS = 500
"""What a lost session was given last may not have reached it, or no speech was found in it so far."""

LOST_AUDIO = "of what the caller said the model has not heard all"

STALL_MS = 750
"""Without frames for so long the model is given silence, so that VAD can end a turn."""

PAD_STEP_MS = 250
"""How often silence is given while the stall lasts."""

LATE_MS = 100
"""A wake-up that comes so much later than it was due: this process stood still, and frames may lie unread meanwhile."""

NEVER = 1 << 60
"""The moment of what is not waited for."""

CHECK_MS = 15_000
"""A stream silent for so long is asked whether it lives."""

_MOST_GIVEN = (KEPT_MS + TRIM_MS) * BYTES_PER_MS


class CallerAudioPart:
    """See the module. Audio goes out as one `AppendAudio` a frame, once the session is ready."""

    HANDLES: ClassVar[Handled] = (
        CallerAudio,
        StreamStarted,
        SessionLost,
        TurnUnanswered,
        SessionReady,
        ModelGone,
        LineClosing,
        KeyPressed,
        CollectionBegan,
        CollectionEnded,
        SecrecyEnded,
        SpeechStarted,
        SpeechStopped,
        TurnCommitted,
        CallerTranscribed,
        AgentChanged,
        PhoneChecked,
        TimerFired,
    )

    def __init__(self, turn_detection: TurnDetection) -> None:
        self._silence_ms = _silence_ms(turn_detection)
        self._ready = False
        self._gone = False
        self._buffer = bytearray()
        self._given: deque[bytes] = deque()
        """The newest of what this session was given."""
        self._given_bytes = 0
        self._turn: int | None = None
        """Where the open turn began, in bytes of the session."""
        self._last_turn: tuple[str, int] | None = None
        """The last one's item and beginning, while its words are not known."""
        self._settled = 0
        """Up to where turns are over."""
        self._again_from: int | None = None
        """From where on the next session is given once more what the lost one had."""
        self._filled_ms = 0
        """The carrier's time up to which the model has (or will have) audio."""
        self._appended = 0
        """How many bytes the model was given since its session began: its own time."""
        self._padded_to_ms = 0
        # Not `Deadlines`: both move with every frame.
        self._stall_ms = NEVER
        """When silence is due."""
        self._check_ms = NEVER
        """When the carrier is asked."""
        self._was_late = False
        """It was put off since the last frame."""
        self._lost = False
        self._hidden: HiddenAudio | None = None
        """While the caller types secret digits."""

    def deadline(self) -> int | None:
        """The stall's padding and the check of a silent stream."""
        due_ms = self._stall_ms if self._stall_ms < self._check_ms else self._check_ms
        return None if due_ms == NEVER else due_ms

    def feed(self, now_ms: int, event: Event | Fact) -> Iterable[Command | Fact]:
        """Take one event or fact."""
        if type(event) is CallerAudio:
            return self._take_frame(now_ms, event)
        return self._take(now_ms, event)

    def _take(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        match event:
            case StreamStarted():
                self._padded_to_ms = now_ms
                self._stall_ms = now_ms + STALL_MS
                self._check_ms = now_ms + CHECK_MS
            case SessionReady():
                yield from self._release()
            case SessionLost():
                self._lose_session()
            case TurnUnanswered() if self._last_turn is not None and self._again_from is not None:
                item_id, began = self._last_turn
                # Of one that was over so long ago nothing is given any more: it is not waited for either.
                if self._appended - self._settled < BUFFER_MS * BYTES_PER_MS:
                    self._again_from = min(self._again_from, began)
                    yield TurnHeardAgain(item_id)
            case SpeechStarted() | TurnCommitted() | CallerTranscribed():
                self._follow_turn(event)
            case ModelGone() | LineClosing():
                self._gone = True
                self._buffer.clear()
            case KeyPressed() | CollectionBegan() | CollectionEnded() | SecrecyEnded():
                yield from self._take_keys(event)
            case AgentChanged():
                self._silence_ms = _silence_ms(event.agent.turn_detection)
            case SpeechStopped():
                # The newest byte is the carrier's `_filled_ms` and the session's `_session_ms`.
                self._settled = event.audio_end_ms * BYTES_PER_MS
                heard_ms = event.audio_end_ms - self._silence_ms
                yield CallerStopped(self._filled_ms - self._session_ms + heard_ms)
            case PhoneChecked(alive=True):
                self._check_ms = now_ms + CHECK_MS
            case TimerFired():
                dues = ((self._check_ms, self._check), (self._stall_ms, self._pad))
                for due_ms, do in sorted(dues, key=itemgetter(0)):
                    if due_ms <= now_ms:
                        yield from do(now_ms)

    def _follow_turn(self, event: Event | Fact) -> None:
        match event:
            case SpeechStarted():
                self._turn = event.audio_start_ms * BYTES_PER_MS if self._turn is None else self._turn
            case TurnCommitted():
                self._last_turn = None if self._turn is None else (event.item_id, self._turn)
                self._turn = None
            case CallerTranscribed():
                if self._last_turn is not None and event.item_id == self._last_turn[0]:
                    self._last_turn = None

    def _lose_session(self) -> None:
        self._ready = False
        unheard = max(self._settled, self._appended - UNHEARD_MS * BYTES_PER_MS)
        self._again_from = unheard if self._turn is None else min(self._turn, unheard)

    def _take_keys(self, event: Event | Fact) -> Iterator[Command | Fact]:
        hidden = self._hidden
        match event:
            case KeyPressed():
                yield KeyHeard(self._session_ms)
                if hidden is not None:
                    audio, orders = hidden.key()
                    yield from orders
                    yield from self._give(audio)
            case CollectionBegan(secret=True):
                self._hidden = HiddenAudio()
            case CollectionEnded() if hidden is not None:
                hidden.enough()
            case SecrecyEnded() if hidden is not None:
                self._hidden = None
                yield from hidden.show()
                yield from self._give(hidden.release())

    @property
    def _session_ms(self) -> int:
        """Where the newest byte is, or will be, on the session's clock."""
        held_ms = 0 if self._hidden is None else self._hidden.held_ms
        return self._appended // BYTES_PER_MS + held_ms

    def _take_frame(self, now_ms: int, event: CallerAudio) -> Iterable[Command]:
        self._padded_to_ms = now_ms
        self._was_late = False
        self._stall_ms = now_ms + STALL_MS
        self._check_ms = now_ms + CHECK_MS
        gap_ms = event.timestamp_ms - self._filled_ms
        audio = event.audio
        if gap_ms > ROUNDING_MS:
            filled_ms = min(gap_ms, LONGEST_GAP_MS)
            audio = SILENCE * (filled_ms * BYTES_PER_MS) + audio
        end_ms = event.timestamp_ms + len(event.audio) // BYTES_PER_MS
        # After padding, frames may begin before `_filled_ms`: it cannot be taken back, and is no gap again.
        if end_ms > self._filled_ms:
            self._filled_ms = end_ms
        return self._give(audio) if self._hidden is None else self._hide(self._hidden, end_ms, audio)

    def _hide(self, hidden: HiddenAudio, end_ms: int, audio: bytes) -> Iterator[Command]:
        ready, orders = hidden.frame(end_ms, audio)
        yield from self._give(ready)
        yield from orders

    def _check(self, now_ms: int) -> Iterator[Command]:
        del now_ms
        self._check_ms = NEVER
        yield Note("warning", "no audio from the carrier: asking whether the stream lives")
        yield CheckPhone()

    def _pad(self, now_ms: int) -> Iterator[Command]:
        if now_ms >= self._stall_ms + LATE_MS and not self._was_late:
            self._was_late = True
            self._stall_ms = now_ms + LATE_MS
            return
        missing_ms = now_ms - self._padded_to_ms
        self._padded_to_ms = now_ms
        self._filled_ms += missing_ms
        self._stall_ms = now_ms + PAD_STEP_MS
        held = b"" if self._hidden is None else self._hidden.release()
        yield from self._give(held + SILENCE * (missing_ms * BYTES_PER_MS))

    def _give(self, audio: bytes) -> Iterable[Command]:
        if self._gone or not audio:
            return ()
        if self._ready:
            self._appended += len(audio)
            self._given.append(audio)
            self._given_bytes += len(audio)
            if self._given_bytes > _MOST_GIVEN:
                self._trim()
            return (AppendAudio(audio),)
        return self._keep(audio)

    def _trim(self) -> None:
        while self._given_bytes > KEPT_MS * BYTES_PER_MS:
            self._given_bytes -= len(self._given.popleft())

    def _keep(self, audio: bytes) -> Iterator[Command]:
        self._buffer += audio
        excess = len(self._buffer) - BUFFER_MS * BYTES_PER_MS
        if excess > 0:
            del self._buffer[:excess]
            if not self._lost:
                self._lost = True
                yield Note("warning", "the caller's earliest audio was dropped: the model is not ready")

    def _release(self) -> Iterator[Command]:
        self._ready = True
        if self._again_from is not None:
            yield from self._give_again(self._appended - self._again_from)
        if self._buffer:
            audio = bytes(self._buffer)
            self._buffer.clear()
            yield from self._give(audio)

    def _give_again(self, length: int) -> Iterator[Command]:
        """Begin with so much of what the lost session was given, as far as it is kept and not too long ago."""
        given = b"".join(self._given)[-length:] if length > 0 else b""
        most = BUFFER_MS * BYTES_PER_MS - len(self._buffer)
        lost = max(0, length - min(len(given), most))
        if lost:
            yield Note("warning", LOST_AUDIO, {"lost_ms": lost // BYTES_PER_MS})
        self._buffer[:0] = given[-most:] if most > 0 else b""
        self._given.clear()
        self._given_bytes = self._appended = self._settled = 0
        self._again_from = self._turn = self._last_turn = None


def _silence_ms(turn_detection: TurnDetection) -> int:
    """`audio_end_ms` includes the silence that ended the turn (OpenAI's reference of speech_stopped)."""
    return turn_detection.silence_duration_ms if isinstance(turn_detection, ServerVad) else 0
