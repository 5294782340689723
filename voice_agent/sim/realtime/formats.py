"""The audio formats of a session, and the way of appended audio to the detector and the recogniser."""

import msgspec

from voice_agent.audio import alaw
from voice_agent.audio.resample import Downsampler, Upsampler
from voice_agent.sim.realtime.rates import To16k
from voice_agent.sim.realtime.voices import HUNDREDTHS, Tape


class AudioFormat(msgspec.Struct, frozen=True):
    """One format of the wire."""

    type: str
    bytes_per_ms: int

    def wire(self) -> dict[str, object]:
        """Give the format object; only PCM states its rate."""
        return {"type": self.type, "rate": 24000} if self.type == "audio/pcm" else {"type": self.type}


PCM = AudioFormat("audio/pcm", 48)
PCMU = AudioFormat("audio/pcmu", 8)
PCMA = AudioFormat("audio/pcma", 8)
FORMATS = {each.type: each for each in (PCM, PCMU, PCMA)}


class Ear:
    """Brings appended audio to PCM16 at 16 kHz, as a stream; 1 ms late for PCM, 3 ms for G.711."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._up = None if audio_format is PCM else Upsampler()
        self._is_alaw = audio_format is PCMA
        self._to_16k = To16k()

    def feed(self, data: bytes) -> bytes:
        """Take any number of bytes."""
        if self._is_alaw:
            data = data.translate(alaw.TO_MULAW)
        return self._to_16k.feed(self._up.feed(data) if self._up else data)


class Mouth:
    """Brings speech (PCM16, 24 kHz) to a voice and to the session's output format, as one stream an item."""

    def __init__(self, audio_format: AudioFormat, voice: str) -> None:
        self._tape = Tape(HUNDREDTHS.get(voice, 100))
        self._down = None if audio_format is PCM else Downsampler()
        self._is_alaw = audio_format is PCMA

    def feed(self, pcm: bytes) -> bytes:
        """Take any number of whole samples."""
        pcm = self._tape.feed(pcm)
        return self._coded(self._down.feed(pcm)) if self._down else pcm

    def flush(self) -> bytes:
        """Bring out what the filter still holds, at the end of an item."""
        return self._coded(self._down.flush()) if self._down else b""

    def _coded(self, mulaw: bytes) -> bytes:
        return mulaw.translate(alaw.FROM_MULAW) if self._is_alaw else mulaw
