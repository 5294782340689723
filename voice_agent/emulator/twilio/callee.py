"""Somebody whom the account calls: whether they answer, what they are, and what the carrier's detection makes of it.

What is heard first decides, as at Twilio: little speech and then silence is a person, much of it a machine. It must not
know how the call is carried. https://www.twilio.com/docs/voice/answering-machine-detection
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

from voice_agent.audio import mulaw

if TYPE_CHECKING:
    from voice_agent.emulator.twilio.call import EmulatedCall

AnsweredBy = Literal[
    "human", "machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax", "unknown"
]
"""What the detection may say."""

FAX_MS = 1500
"""Until a fax's tone is known."""

_BEEP_HZ, _BEEP_MS, _BEEP_LEVEL = 1000, 400, 8000


def _beep() -> bytes:
    time = np.arange(_BEEP_MS * mulaw.BYTES_PER_MS) / 8000
    return mulaw.encode((_BEEP_LEVEL * np.sin(2 * np.pi * _BEEP_HZ * time)).astype(np.int16))


BEEP: Final = _beep()
"""What a machine ends its greeting with."""


class Verdict(msgspec.Struct, frozen=True):
    """What the detection says, and when: milliseconds since the call was answered."""

    at_ms: int
    answered_by: AnsweredBy


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of the detection of answering machines; the names are the API's."""

    mode: Literal["Enable", "DetectMessageEnd"]
    callback: str = ""
    """Told what it says while the call goes on; empty: the first TwiML waits for it."""
    timeout_ms: int = 30_000
    speech_threshold_ms: int = 2400
    speech_end_threshold_ms: int = 1200
    silence_timeout_ms: int = 5000


@dataclass(frozen=True, kw_only=True)
class Callee:
    """One number's owner; times count from the ringing or from the answer."""

    becomes: Literal["answers", "busy", "no-answer", "failed"] = "answers"
    is_a: Literal["human", "machine", "fax"] = "human"
    rings_ms: int = 20
    """Until one of these; a call whose `Timeout` is shorter is not answered."""
    talks_ms: int = 20
    """Of who is reached by `<Dial>`: until they hang up."""
    greeting: bytes = b""
    """Said on answering, mu-law; what nobody streams yet is lost."""
    beeps: bool = True
    """A machine beeps behind its greeting."""
    records_ms: int = 60_000
    """A machine listens for so long behind its greeting, then hangs up."""
    verdicts: tuple[Verdict, ...] | None = None
    """Instead of what the detection makes of the greeting: late, several times, out of order."""
    acts: "Callable[[EmulatedCall], Awaitable[None]] | None" = None
    """What a person does behind the greeting; must end when the call does. `None`: listens."""

    @property
    def sound(self) -> bytes:
        """All that is heard without being spoken to."""
        return self.greeting + (BEEP if self.is_a == "machine" and self.beeps else b"")

    def verdict(self, detection: Detection) -> tuple[Verdict, ...]:
        """Say what the detection says, usually once."""
        if self.verdicts is not None:
            return self.verdicts
        found = self._found(detection, len(self.greeting) // mulaw.BYTES_PER_MS)
        return (found if found.at_ms <= detection.timeout_ms else Verdict(detection.timeout_ms, "unknown"),)

    def _found(self, detection: Detection, greeting_ms: int) -> Verdict:
        if self.is_a == "fax":
            return Verdict(FAX_MS, "fax")
        if not self.sound:
            return Verdict(detection.silence_timeout_ms, "unknown")
        if self.is_a == "human":
            return Verdict(greeting_ms + detection.speech_end_threshold_ms, "human")
        if detection.mode == "Enable":
            return Verdict(min(greeting_ms, detection.speech_threshold_ms), "machine_start")
        if self.beeps:
            return Verdict(greeting_ms + _BEEP_MS, "machine_end_beep")
        return Verdict(greeting_ms + detection.speech_end_threshold_ms, "machine_end_silence")
