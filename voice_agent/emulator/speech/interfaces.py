"""What the Realtime stand-in needs of speech models, whichever they are. All calls may take long and run in threads."""

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from voice_agent.sim.realtime import VoiceActivity


class Hearing(Protocol):
    """A recogniser; may be called from several threads at once."""

    def recognise(self, pcm: bytes) -> str:
        """Turn PCM16 at 16 kHz into words; empty when nobody speaks in it."""


class Speaking(Protocol):
    """A voice; may be called from several threads at once."""

    def speak(self, text: str) -> Iterator[bytes]:
        """Say a text: yield PCM16 at 24 kHz, a sentence or less at a time, as soon as it is there."""


class Speech(msgspec.Struct, frozen=True):
    """Everything that a Realtime server hears and speaks with."""

    hearing: Hearing
    speaking: Speaking
    new_activity: Callable[[], VoiceActivity]
    """Makes the detector of one session."""
