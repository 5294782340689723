"""The sounds of the bridge's own that a caller heard: a sign of life, the sound of holding, an apology, tones.

No report tells of them. They are what was sent to the carrier in a step that brought no audio of the model's; when each
was heard is told by the marks around it. It must not know what else happened.
"""

from collections.abc import Callable, Mapping

import msgspec

from voice_agent.errors import PeerError
from voice_agent.recording.loose import Carrying, LooseStep, bare
from voice_agent.wire import twilio

BYTES_PER_MS = 8

LEAST_MS = 100
"""What is shorter is the last of an answer's audio, which comes out when the answer is done."""

NAMES = {
    "moment": "a sign of life",
    "hold": "the sound of holding",
    "apology": "an apology",
    "withheld": "a sentence instead of withheld words",
}
"""Of the packaged clips."""

OTHER = "a sound of the bridge's own"


class _Mark(msgspec.Struct, frozen=True):
    name: str = ""


class _Sent(msgspec.Struct, frozen=True):
    event: str = ""
    mark: _Mark = _Mark()


_SENT = msgspec.json.Decoder(_Sent)


class OwnSound(msgspec.Struct, kw_only=True):
    """One of them, as it was heard."""

    begin_ms: int
    end_ms: int
    what: str


class OwnSounds:
    """Fed with all steps of a call, in order."""

    def __init__(self, clips: Mapping[str, bytes]) -> None:
        """`clips`: those of today, by name. A sound is known by its length; one that is none of them has no name."""
        self.heard: list[OwnSound] = []
        self._names = {len(audio): NAMES.get(name, OTHER) for name, audio in clips.items()}
        self._awaited: dict[str, tuple[str, int, str]] = {}
        """By the mark behind a sound: the start mark before it, its length in ms, and what it is."""
        self._began: dict[str, int] = {}
        """When the echoes of start marks came."""

    def take(self, step: LooseStep, at_ms: Callable[[int], int]) -> None:
        """Take the next step; `at_ms` gives the carrier's time of a moment on the call's clock."""
        received = step.received
        if self._awaited and received is not None and received.way == "phone" and type(received) is not Carrying:
            self._take_phone(bare(received), at_ms(step.now_ms))
        if not step.sent or (received is not None and received.way == "model" and type(received) is Carrying):
            return
        start, carried = "", None
        for part in step.sent:
            if part.way != "phone":
                continue
            if type(part) is Carrying:
                carried = part
                continue
            name = _mark_in(bare(part))
            if name.startswith("start-"):
                start = name
            elif name and carried is not None and carried.length >= LEAST_MS * BYTES_PER_MS:
                what = self._names.get(carried.length, OTHER)
                self._awaited[name] = (start, carried.length // BYTES_PER_MS, what)
                carried = None

    def _take_phone(self, text: str, at_ms: int) -> None:
        try:
            message = twilio.parse(text)
        except PeerError:
            return
        if not isinstance(message, twilio.Mark):
            return
        name = message.mark.name
        if name.startswith("start-"):
            self._began[name] = at_ms
        elif name in self._awaited:
            start, ms, what = self._awaited.pop(name)
            begin_ms = max(self._began.get(start, 0), at_ms - ms)
            if begin_ms < at_ms:
                self.heard.append(OwnSound(begin_ms=begin_ms, end_ms=at_ms, what=what))


def _mark_in(text: str) -> str:
    try:
        sent = _SENT.decode(text)
    except msgspec.DecodeError:
        return ""
    return sent.mark.name if sent.event == "mark" else ""
