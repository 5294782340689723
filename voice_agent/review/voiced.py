"""How much of an answer's sound is voice: what its words are apportioned by where it was cut.

The API gives no times of words. By the clock, the silence before the first word and every pause would count as speech.
"""

import numpy as np

from voice_agent.audio import mulaw

FRAME_MS = 20

LEAST = 0.05
"""A frame is voice whose level is this part of the loudest one's."""

MS_PER_CHARACTER = 45
"""How fast a voice speaks, pauses left out: tells how much sound is yet to come of words that came ahead of it."""


class Voice:
    """The sound of one answer, as the model sent it."""

    def __init__(self, audio: bytes, kind: str) -> None:
        """`kind`: as `ModelSetup.audio` says."""
        if kind == "pcm24k":
            samples, rate = np.frombuffer(audio[: len(audio) // 2 * 2], "<i2"), 24
        else:
            samples, rate = mulaw.DECODED[np.frombuffer(audio, np.uint8)], 8
        size = FRAME_MS * rate
        whole = samples[: len(samples) // size * size].astype(np.float64).reshape(-1, size)
        levels = np.sqrt((whole**2).mean(axis=1))
        self._voiced = levels > LEAST * levels.max(initial=1.0)

    def until(self, ms: int) -> int:
        """Give how much of it is voice before a place, in ms."""
        return int(self._voiced[: ms // FRAME_MS].sum()) * FRAME_MS

    @property
    def ms(self) -> int:
        """How much of all of it is voice."""
        return int(self._voiced.sum()) * FRAME_MS


def words_heard(words: str, voice: Voice, heard_ms: int, *, finished: bool) -> str:
    """Give about which words were heard of an answer that was cut; one that was only begun does not count.

    `finished`: the model sent all of its sound.
    """
    whole_ms = voice.ms if finished else max(voice.ms, len(words) * MS_PER_CHARACTER)
    voiced_ms = voice.until(heard_ms)
    if not voiced_ms or voiced_ms >= whole_ms:
        return words.strip() if voiced_ms else ""
    end = len(words) * voiced_ms // whole_ms
    if end < len(words) and not words[end].isspace():
        end = words[:end].rfind(" ") + 1
    return words[:end].strip()
