"""Recorded speech, for machines on which the models cannot be installed: enough for the demo, and for nothing else.

Speaking plays packaged recordings of the sentences that the reception's dialogue says in the demo. Hearing knows the
packaged callers by the rise and fall of their loudness, and understands nobody else.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import voice_agent
from voice_agent.audio.resample import Upsampler
from voice_agent.audio.wav import read_mulaw
from voice_agent.sim.realtime.rates import To16k

FOLDER = Path(voice_agent.__file__).parent
CALLERS_FOLDER = FOLDER / "examples/callers"

CALLERS = {
    "examples/callers/reception-1.wav": "Hi, what services do you offer?",
    "examples/callers/reception-2.wav": "Sorry, what are your opening hours on Saturday?",
    "examples/callers/reception-3.wav": "Great, thanks for your help, goodbye.",
    "examples/callers/table-1.wav": "Hello, do you have a free table for four on Friday at seven?",
    "examples/callers/table-2.wav": "Thanks a lot, goodbye.",
}
"""What the callers say in each file."""

CLIPS = {
    "clips/apology.wav": "I'm sorry, we have a technical problem. Please call again in a few minutes.",
    "clips/moment.wav": "One moment, please.",
    "clips/withheld.wav": "I'm sorry, I can't say that. Is there something else I can help you with?",
}
"""What the bridge itself can say."""

NO_RECORDING = "examples/replies/no-recording.wav"
REPLIES = {
    "examples/replies/greeting.wav": "Thanks for calling Alder Dental, how can I help?",
    "examples/replies/services-1.wav": "We look after the whole family.",
    "examples/replies/services-2.wav": (
        "We offer check-ups and cleanings, fillings, crowns and bridges, and braces for children and adults."
    ),
    "examples/replies/services-3.wav": "If you are nervous about the dentist, we take all the time that you need.",
    "examples/replies/services-4.wav": (
        "We also do whitening and implants, and every weekday morning we keep an hour free for people in pain."
    ),
    "examples/replies/saturday.wav": "On Saturday we are open from 9 in the morning to 1 in the afternoon.",
    "examples/replies/anything-else.wav": "Is there anything else I can do for you?",
    "examples/replies/thank-you.wav": "Thank you for calling Alder Dental.",
    "examples/replies/goodbye.wav": "Have a nice day, goodbye.",
    NO_RECORDING: "I have no recording of that answer.",
}
"""What the reception's dialogue says in the demo, sentence by sentence."""

RECORDINGS = CLIPS | CALLERS | REPLIES
"""All packaged speech; `record.py` makes it."""


def utterance(name: str) -> bytes:
    """Give what a packaged caller says in a file, e.g. `table-1`: mu-law 8 kHz."""
    return read_mulaw(CALLERS_FOLDER / f"{name}.wav")


def caller_sounds() -> dict[str, bytes]:
    """Give what the packaged callers say, by its text: mu-law 8 kHz."""
    return {text: read_mulaw(FOLDER / name) for name, text in CALLERS.items()}


_WINDOW_SAMPLES = 320
"""20 ms at 16 kHz: fine enough to tell two sentences apart, coarse enough not to mind the phase."""
_ALIKE = 0.9
"""Correlation of loudness from which two sounds are the same recording; other sentences stay below 0.75."""


class RecordedSpeaking:
    """Plays recordings."""

    def __init__(self) -> None:
        """Read all recordings; raises `ConfigError` where one is missing."""
        self._audio = {text: read_mulaw(FOLDER / name) for name, text in REPLIES.items()}

    def speak(self, text: str) -> Iterator[bytes]:
        """Yield PCM16 at 24 kHz; a text that nobody recorded is apologised for."""
        up = Upsampler()
        yield up.feed(self._audio.get(text, self._audio[REPLIES[NO_RECORDING]])) + up.flush()


class RecordedHearing:
    """Knows the packaged callers again."""

    def __init__(self) -> None:
        """Read all callers; raises `ConfigError` where one is missing."""
        self._callers = {
            text: _loudness(To16k().feed(Upsampler().feed(sound))) for text, sound in caller_sounds().items()
        }

    def recognise(self, pcm: bytes) -> str:
        """Give the words of the caller whose recording lies somewhere in PCM16 at 16 kHz; empty for anybody else."""
        heard = _loudness(pcm)
        likeness, text = max((_likeness(heard, known), text) for text, known in self._callers.items())
        return text if likeness >= _ALIKE else ""


def _loudness(pcm: bytes) -> NDArray[np.float64]:
    """Level of each window, in dB; what is quieter than a line's noise counts as such."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    windows = samples[: len(samples) // _WINDOW_SAMPLES * _WINDOW_SAMPLES].reshape(-1, _WINDOW_SAMPLES)
    power = np.square(windows).mean(axis=1)
    level: NDArray[np.float64] = 10 * np.log10(power + 1)
    return np.maximum(level, 30.0)


def _likeness(heard: NDArray[np.float64], known: NDArray[np.float64]) -> float:
    """Best correlation of a recording with any stretch of what was heard; 0 if that is much shorter."""
    # A detector may cut the first syllable off or wait a little less than the recording's own silence.
    padded = np.pad(heard, len(known) // 8, constant_values=30.0)
    best = 0.0
    for start in range(len(padded) - len(known) + 1):
        stretch = padded[start : start + len(known)]
        if stretch.std() and known.std():
            best = max(best, float(np.corrcoef(stretch, known)[0, 1]))
    return best
