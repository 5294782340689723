"""The caller's voice on its way to the model: gaps filled by the carrier's clock, silence padded, a bounded wait.

Server VAD counts the audio that was appended, so a hole in the stream would shift its times and an ended stream would
never end a turn. Twilio sends no frames in some silences and in packet loss
(livekit agents PR #1608).
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from voice_agent.agent import ServerVad, TurnDetection
from voice_agent.call.commands import AppendAudio, CheckPhone, Command, Note
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    CallerAudio,
    Event,
    KeyPressed,
    PhoneChecked,
    SpeechStopped,
    StreamStarted,
    TimerFired,
)
from voice_agent.call.facts import (
    AgentChanged,
    CallerStopped,
    CallOver,
    CollectionBegan,
    CollectionEnded,
    Fact,
    KeyHeard,
    LineClosing,
    ModelGone,
    SecrecyEnded,
    SessionReady,
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

STALL_MS = 750
"""Without frames for so long the model is given silence, so that VAD can end a turn."""

PAD_STEP_MS = 250
"""How often silence is given while the stall lasts."""

LATE_MS = 100
"""A wake-up that comes so much later than it was due: this process stood still, and frames may lie unread meanwhile."""

CHECK_MS = 15_000
"""A stream silent for so long is asked whether it lives."""


class CallerAudioPart:
    """See the module. Audio goes out as one `AppendAudio` a frame, once the session is ready."""

    HANDLES: ClassVar[Handled] = (
        CallerAudio,
        StreamStarted,
        SessionReady,
        ModelGone,
        LineClosing,
        KeyPressed,
        CollectionBegan,
        CollectionEnded,
        SecrecyEnded,
        SpeechStopped,
        AgentChanged,
        PhoneChecked,
        TimerFired,
        CallOver,
    )

    def __init__(self, turn_detection: TurnDetection) -> None:
        self._silence_ms = _silence_ms(turn_detection)
        self._deadlines = Deadlines()
        self._ready = False
        self._gone = False
        self._buffer = bytearray()
        self._filled_ms = 0
        """The carrier's time up to which the model has (or will have) audio."""
        self._appended = 0
        """How many bytes the model was given since its session began: its own time."""
        self._padded_to_ms = 0
        self._stall_ms = 0
        """When silence is due."""
        self._was_late = False
        """It was put off since the last frame."""
        self._lost = False
        self._hidden: HiddenAudio | None = None
        """While the caller types secret digits."""

    def deadline(self) -> int | None:
        """The stall's padding and the check of a silent stream."""
        return self._deadlines.earliest()

    def feed(self, now_ms: int, event: Event | Fact) -> Iterable[Command | Fact]:
        """Take one event or fact."""
        if isinstance(event, CallerAudio):
            self._seen(now_ms)
            return self._take_frame(event)
        return self._take(now_ms, event)

    def _take(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        match event:
            case StreamStarted():
                self._seen(now_ms)
            case SessionReady():
                yield from self._release()
            case ModelGone() | LineClosing():
                self._gone = True
                self._buffer.clear()
            case KeyPressed() | CollectionBegan() | CollectionEnded() | SecrecyEnded():
                yield from self._take_keys(event)
            case AgentChanged():
                self._silence_ms = _silence_ms(event.agent.turn_detection)
            case SpeechStopped():
                # The newest byte is the carrier's `_filled_ms` and the session's `_session_ms`.
                heard_ms = event.audio_end_ms - self._silence_ms
                yield CallerStopped(self._filled_ms - self._session_ms + heard_ms)
            case PhoneChecked(alive=True):
                self._deadlines.set("check", now_ms + CHECK_MS)
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    if name == "stall":
                        yield from self._pad(now_ms)
                    else:
                        yield Note("warning", "no audio from the carrier: asking whether the stream lives")
                        yield CheckPhone()
            case CallOver():
                self._deadlines.clear("stall", "check")

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

    def _seen(self, now_ms: int) -> None:
        self._padded_to_ms = now_ms
        self._was_late = False
        self._await_stall(now_ms + STALL_MS)
        self._deadlines.set("check", now_ms + CHECK_MS)

    def _await_stall(self, due_ms: int) -> None:
        self._stall_ms = due_ms
        self._deadlines.set("stall", due_ms)

    def _take_frame(self, event: CallerAudio) -> Iterable[Command]:
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

    def _pad(self, now_ms: int) -> Iterator[Command]:
        if now_ms >= self._stall_ms + LATE_MS and not self._was_late:
            self._was_late = True
            self._await_stall(now_ms + LATE_MS)
            return
        missing_ms = now_ms - self._padded_to_ms
        self._padded_to_ms = now_ms
        self._filled_ms += missing_ms
        self._await_stall(now_ms + PAD_STEP_MS)
        held = b"" if self._hidden is None else self._hidden.release()
        yield from self._give(held + SILENCE * (missing_ms * BYTES_PER_MS))

    def _give(self, audio: bytes) -> Iterable[Command]:
        if self._gone or not audio:
            return ()
        if self._ready:
            self._appended += len(audio)
            return (AppendAudio(audio),)
        return self._keep(audio)

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
        if self._buffer:
            audio = bytes(self._buffer)
            self._buffer.clear()
            yield from self._give(audio)


def _silence_ms(turn_detection: TurnDetection) -> int:
    """`audio_end_ms` includes the silence that ended the turn (OpenAI's reference of speech_stopped)."""
    return turn_detection.silence_duration_ms if isinstance(turn_detection, ServerVad) else 0
