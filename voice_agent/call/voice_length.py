"""How long the caller has really been speaking: for the barge-in policy that asks for a length.

Server VAD tells the end of speech only after its silence (500 ms by default), so a cough of 100 ms would pass for
600 ms of speech. Therefore the loud frames are counted here, from shortly before `speech_started`, which is late too.
It knows nothing of who may speak.
"""

from collections import deque
from collections.abc import Iterator
from typing import ClassVar

from voice_agent.call.commands import Command
from voice_agent.call.events import CallerAudio, Event, SpeechStarted, SpeechStopped
from voice_agent.call.facts import AgentChanged, CollectionBegan, Fact, SecrecyEnded, SpeechLasted
from voice_agent.call.part import Handled

BYTES_PER_MS = 8

LOOK_BACK_MS = 400
"""How late `speech_started` may be: the detector's own delay and the network's."""

PAUSE_MS = 200
"""A pause within a word or between two; longer ones begin the count anew."""

_LOUD = bytes((~code & 0x7F) >= 0x20 for code in range(256))
"""For each mu-law byte 1 if its amplitude reaches the third of eight segments: 396 of 32124, -38 dBFS."""

_LOUD_PART = 8
"""A frame is loud when every eighth sample is: a voice is, a click is not."""


class VoiceLength:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        CallerAudio,
        SpeechStarted,
        SpeechStopped,
        CollectionBegan,
        SecrecyEnded,
        AgentChanged,
    )

    def __init__(self, wanted_ms: int) -> None:
        self._wanted_ms = wanted_ms
        self._recent: deque[tuple[int, bool]] = deque()
        """Length of each frame of the last `LOOK_BACK_MS`, and whether it is loud."""
        self._recent_ms = 0
        self._deaf = False
        """The caller types something secret: what is heard of it now will not be in the record."""
        self._listening = False
        self._loud_ms = 0
        self._quiet_ms = 0

    def deadline(self) -> int | None:
        """None: the caller's audio is the clock."""
        return None

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event; say once a turn that the speech has lasted."""
        del now_ms
        match event:
            case CallerAudio():
                length_ms = len(event.audio) // BYTES_PER_MS
                loud = not self._deaf and event.audio.translate(_LOUD).count(1) * _LOUD_PART >= len(event.audio)
                if self._listening:
                    yield from self._count(length_ms, loud)
                else:
                    self._remember(length_ms, loud)
            case CollectionBegan() | SecrecyEnded():
                self._deaf = isinstance(event, CollectionBegan) and event.secret
            case SpeechStarted():
                self._listening = True
                self._loud_ms = self._quiet_ms = 0
                for length_ms, loud in self._recent:
                    yield from self._count(length_ms, loud)
            case AgentChanged():
                self._wanted_ms = event.agent.barge_in.after_ms
            case SpeechStopped():
                self._listening = False
                self._recent.clear()
                self._recent_ms = 0

    def _count(self, length_ms: int, loud: bool) -> Iterator[Fact]:
        if loud:
            self._loud_ms += length_ms + (self._quiet_ms if self._loud_ms else 0)
            self._quiet_ms = 0
        else:
            self._quiet_ms += length_ms
            if self._quiet_ms > PAUSE_MS:
                self._loud_ms = 0
        if self._listening and 0 < self._wanted_ms <= self._loud_ms:
            self._listening = False
            yield SpeechLasted()

    def _remember(self, length_ms: int, loud: bool) -> None:
        self._recent.append((length_ms, loud))
        self._recent_ms += length_ms
        while self._recent_ms > LOOK_BACK_MS:
            self._recent_ms -= self._recent.popleft()[0]
