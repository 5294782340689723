"""Makes the packaged speech: `python -m voice_agent.emulator.speech.record` writes all files of `recorded.py` anew.

The agents' voice is Hibari's own. The callers' is the same one made another: spoken faster by 1/0.82 and then stretched
by as much, which lowers it like a tape that runs slow and brings the tempo back. All are brought to the level of a
telephone speaker and to the telephone's 8 kHz. Each file is then recognised, and its word errors are told.
"""

import logging
import re
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from voice_agent.audio.levels import rms_dbfs
from voice_agent.audio.resample import Downsampler, Upsampler
from voice_agent.audio.wav import read_mulaw, write_mono
from voice_agent.emulator.speech.hearing import MoonshineHearing
from voice_agent.emulator.speech.recorded import CALLERS, FOLDER, RECORDINGS
from voice_agent.emulator.speech.speaking import HibariSpeaking
from voice_agent.sim.realtime.rates import To16k

CALLER_PITCH = 0.82
LEVEL_DBFS = -20.0
_QUIET = 0.01
"""Samples below this part of full scale, at either end, are trimmed."""
_MARGIN_SAMPLES = 24_000 // 20
"""Left at either end: 50 ms."""


def synthesise(voice: HibariSpeaking, text: str, pitch: float = 1.0) -> bytes:
    """Say a text as mu-law 8 kHz, trimmed and levelled; `pitch` below 1 is a deeper voice at the same tempo."""
    samples = np.concatenate(list(voice.synthesise(text, speed=1 / pitch))).astype(np.float64)
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    samples = samples[max(0, loud[0] - _MARGIN_SAMPLES) : loud[-1] + _MARGIN_SAMPLES]
    samples = _stretched(samples, round(len(samples) / pitch))
    # Twice: what is clipped at the first try is missing from the level.
    for _ in range(2):
        samples = samples * 10 ** ((LEVEL_DBFS - rms_dbfs(_to_phone(samples))) / 20)
    return _to_phone(samples)


def word_error_rate(said: str, heard: str) -> float:
    """Count words that are wrong, missing or too many, as part of the words said; "good-bye" is "goodbye"."""
    words, found = (re.sub(r"[^\w\s]", "", text.lower()).split() for text in (said, heard))
    matched = sum(block.size for block in SequenceMatcher(None, words, found, autojunk=False).get_matching_blocks())
    return (max(len(words), len(found)) - matched) / len(words)


def recognise(hearing: MoonshineHearing, audio: bytes) -> str:
    """Recognise mu-law 8 kHz."""
    return hearing.recognise(To16k().feed(Upsampler().feed(audio)))


def main() -> None:
    """Write all recordings and tell how well each is understood."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    voice, hearing = HibariSpeaking(), MoonshineHearing()
    for name, text in RECORDINGS.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mono(path, synthesise(voice, text, CALLER_PITCH if name in CALLERS else 1.0))
        audio = read_mulaw(path)
        heard = recognise(hearing, audio)
        error = 100 * word_error_rate(text, heard)
        logging.info("%-34s %5.2f s %6.1f dBFS  %3.0f %%  %s", name, len(audio) / 8000, rms_dbfs(audio), error, heard)


def _stretched(samples: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Resample to another length, without loss in the band: the spectrum stays, the clock changes."""
    spectrum = np.fft.rfft(samples)
    return np.fft.irfft(spectrum, length) * (length / len(samples))


def _to_phone(samples: NDArray[np.float64]) -> bytes:
    down = Downsampler()
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return down.feed(pcm) + down.flush()


if __name__ == "__main__":
    main()
