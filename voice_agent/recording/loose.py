"""Steps whose texts are not put together yet: all that a reader needs who wants little of the audio.

Nearly all texts of a call carry audio. To write a number and base64 into each takes most of the time of reading a file.
"""

import msgspec
import pybase64

from voice_agent.recording.cutting import seal_of
from voice_agent.recording.entries import Entry, Step, Way
from voice_agent.recording.format import AUDIO_MARK


class Carrying(msgspec.Struct, frozen=True, gc=False):
    """A text that carries audio."""

    way: Way
    form: str
    """The text as `%` takes it, with `%d` for each number and `AUDIO_MARK` for the audio."""
    numbers: tuple[int, ...]
    audio: bytes
    """As it was received; of audio that is not kept its digest."""
    length: int
    """Bytes of audio; negative where it was no proper base64, see `cutting.digest`."""
    kept: bool

    def bare(self) -> str:
        """Give the text without its audio."""
        return (self.form % self.numbers).replace(AUDIO_MARK, "")

    def entry(self) -> Entry:
        """Give the text as it went; a seal stands for audio that is not kept."""
        audio = pybase64.b64encode_as_string(self.audio) if self.kept else seal_of(self.length, self.audio)
        return Entry(self.way, (self.form % self.numbers).replace(AUDIO_MARK, audio))


LooseText = Entry | Carrying


class LooseStep(msgspec.Struct, frozen=True, gc=False):
    """A `Step` that is not put together."""

    now_ms: int
    received: LooseText | None
    sent: tuple[LooseText, ...]

    def step(self) -> Step:
        """Put it together."""
        received = None if self.received is None else whole(self.received)
        return Step(self.now_ms, received, tuple([whole(part) for part in self.sent]))


def whole(part: LooseText) -> Entry:
    """Put a text together, if it is not."""
    return part.entry() if isinstance(part, Carrying) else part


def bare(part: LooseText) -> str:
    """Give a text without its audio, if it is one that carries any."""
    return part.bare() if isinstance(part, Carrying) else part.text
