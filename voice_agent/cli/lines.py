"""What an emulated person says: recordings, and words in the local voice."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from voice_agent.audio.wav import read_mulaw
from voice_agent.emulator.speech.callers import synthesise
from voice_agent.emulator.speech.loading import INSTALL
from voice_agent.emulator.speech.models import ModelMissingError
from voice_agent.emulator.speech.speaking import HibariSpeaking
from voice_agent.errors import CommandError

WORDS_OR_WAV = "WORDS|FILE.wav"


@cache
def _voice() -> HibariSpeaking:
    """Load it once, and only if something is said with it."""
    return HibariSpeaking()


def spoken(lines: Sequence[str], voice: Callable[[], HibariSpeaking] = _voice) -> Iterator[tuple[str, bytes]]:
    """Give each line's name and sound, mu-law 8 kHz: what ends in `.wav` is a file, anything else is said.

    Raises `CommandError` for a file that cannot be read, words that the voice cannot say, and where there is no voice.
    """
    for line in lines:
        if line.lower().endswith(".wav"):
            yield Path(line).name, read_mulaw(Path(line))
            continue
        try:
            sound = synthesise(voice(), line)
        except ModelMissingError as missing:
            wanted = f"{line!r} cannot be said: {missing} is not installed ({INSTALL})"
            raise CommandError(f"{wanted}; or name a recording, FILE.wav") from None
        if not sound:
            raise CommandError(f"the local voice cannot say {line!r}: it speaks English; or name a recording, FILE.wav")
        yield repr(line), sound
