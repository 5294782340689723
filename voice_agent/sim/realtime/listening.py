"""What the client appended: its length, its place on the session's audio clock, and where speech begins and ends in it.

The audio clock counts appended audio only: where a client sends nothing, no silence passes.
"""

from typing import Any

import msgspec

from voice_agent.sim.realtime.activity import CHUNK_MS, Detector
from voice_agent.sim.realtime.formats import AudioFormat
from voice_agent.sim.realtime.settings import SILENCE_BY_EAGERNESS_MS

ONSET_CHUNKS = 2
"""Chunks in a row above the threshold that make a start: one alone is a click on the line."""

RELEASE = 0.7
"""Speech lasts while the probability stays above this part of the threshold: 0.35 for 0.5, as Silero does it."""

LOOKBACK_MS = 200
"""Kept before the padding while nobody speaks: more than the detector needs to be sure."""


class TurnRules(msgspec.Struct, frozen=True):
    """Server VAD, in numbers."""

    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    create_response: bool
    interrupt_response: bool
    idle_timeout_ms: int | None


def turn_rules(turn_detection: dict[str, Any] | None) -> TurnRules | None:
    """Read the rules of a session; semantic VAD becomes a server VAD whose silence follows the eagerness."""
    if turn_detection is None:
        return None
    silence_ms = SILENCE_BY_EAGERNESS_MS.get(turn_detection.get("eagerness", ""), 0)
    return TurnRules(
        threshold=turn_detection.get("threshold", 0.5),
        prefix_padding_ms=turn_detection.get("prefix_padding_ms", 300),
        silence_duration_ms=turn_detection.get("silence_duration_ms", silence_ms),
        create_response=turn_detection["create_response"],
        interrupt_response=turn_detection["interrupt_response"],
        idle_timeout_ms=turn_detection.get("idle_timeout_ms"),
    )


class InputBuffer:
    """Audio that was appended and is not committed yet, as it came."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.start_ms = 0
        """Place of its first byte on the audio clock."""
        self._format = audio_format
        self._audio = bytearray()

    @property
    def duration_ms(self) -> int:
        """Whole milliseconds in it."""
        return len(self._audio) // self._format.bytes_per_ms

    @property
    def end_ms(self) -> int:
        """Place behind its last byte on the audio clock."""
        return self.start_ms + self.duration_ms

    def change_format(self, audio_format: AudioFormat) -> bool:
        """Take another format from now on; what was waiting in the old one is dropped. False: it is the same."""
        if audio_format is self._format:
            return False
        self.start_ms = self.end_ms
        self._audio.clear()
        self._format = audio_format
        return True

    def append(self, data: bytes, newest_ms: int | None = None) -> None:
        """Add audio; of all, keep no more than the newest."""
        self._audio += data
        if newest_ms is not None:
            excess_ms = len(self._audio) // self._format.bytes_per_ms - newest_ms
            if excess_ms > 0:
                del self._audio[: excess_ms * self._format.bytes_per_ms]
                self.start_ms += excess_ms

    def take(self, until_ms: int) -> bytes:
        """Remove what lies before `until_ms` and return it."""
        length_ms = min(max(0, until_ms - self.start_ms), self.duration_ms)
        end = length_ms * self._format.bytes_per_ms
        taken = bytes(self._audio[:end])
        del self._audio[:end]
        self.start_ms += length_ms
        return taken


class SpeechBegan(msgspec.Struct, frozen=True):
    """Speech began; the padding is not yet taken off."""

    at_ms: int


class SpeechEnded(msgspec.Struct, frozen=True):
    """The silence that ends a turn is complete."""

    at_ms: int
    """Includes that silence."""


class Turns:
    """Finds turns in a stream. Chunks are judged whole, so decisions fall on multiples of 32 ms."""

    def __init__(self, detector: Detector, audio_format: AudioFormat) -> None:
        self.speaking = False
        self._detector = detector
        self._detector.begin(audio_format)
        self._position_ms = 0
        self._loud_chunks = 0
        self._silence_ms = 0

    def restart(self, at_ms: int, audio_format: AudioFormat) -> None:
        """Begin anew at a place of the audio clock: the detector was off or the format changed."""
        self._detector.begin(audio_format)
        self._position_ms = at_ms
        self.forget_turn()

    def forget_turn(self) -> None:
        """End the turn in progress by the client's will (commit, clear)."""
        self.speaking = False
        self._loud_chunks = 0
        self._silence_ms = 0

    def feed(self, audio: bytes, rules: TurnRules) -> list[SpeechBegan | SpeechEnded]:
        """Take audio; return what was found, in order."""
        found: list[SpeechBegan | SpeechEnded] = []
        for probability in self._detector.feed(audio):
            self._position_ms += CHUNK_MS
            if self.speaking:
                self._wait_for_end(probability, rules, found)
            else:
                self._wait_for_start(probability, rules, found)
        return found

    def _wait_for_start(self, probability: float, rules: TurnRules, found: list[SpeechBegan | SpeechEnded]) -> None:
        self._loud_chunks = self._loud_chunks + 1 if probability > rules.threshold else 0
        if self._loud_chunks == ONSET_CHUNKS:
            self.speaking = True
            self._silence_ms = 0
            found.append(SpeechBegan(self._position_ms - ONSET_CHUNKS * CHUNK_MS))

    def _wait_for_end(self, probability: float, rules: TurnRules, found: list[SpeechBegan | SpeechEnded]) -> None:
        self._silence_ms = 0 if probability >= rules.threshold * RELEASE else self._silence_ms + CHUNK_MS
        if self._silence_ms and self._silence_ms >= rules.silence_duration_ms:
            self.forget_turn()
            found.append(SpeechEnded(self._position_ms))
