"""Speech without models: tones for words, and a recogniser that is told what it will hear."""

from collections.abc import Iterable, Iterator

import numpy as np

from tests.support.realtime_client import SPEECH_MS_PER_CHARACTER, tone
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.sim.realtime import CHUNK_BYTES
from voice_agent.sim.realtime.activity import level_dbfs


class ToldHearing:
    """Recognises the next of the given texts, whatever is played to it."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = iter(texts)

    def recognise(self, pcm: bytes) -> str:  # noqa: ARG002 - part of the interface
        """Give the next text; nothing when they have run out."""
        return next(self._texts, "")


class ToneSpeaking:
    """Says every sentence as a tone of 10 ms a character."""

    def speak(self, text: str) -> Iterator[bytes]:
        """Yield the tone in two parts."""
        audio = tone(SPEECH_MS_PER_CHARACTER * len(text))
        middle = len(audio) // 4 * 2
        yield audio[:middle]
        yield audio[middle:]


class Loudness:
    """A network that knows loud from silent."""

    def feed(self, pcm: bytes) -> float:
        """Judge 32 ms."""
        assert len(pcm) == CHUNK_BYTES
        return float(level_dbfs(np.frombuffer(pcm, "<i2")) > -45)

    def reset(self) -> None:
        """Nothing to forget: each chunk stands for itself."""


def fake_speech(*heard: str) -> Speech:
    """Speech that hears these texts, one a turn."""
    return Speech(ToldHearing(heard), ToneSpeaking(), Loudness)
