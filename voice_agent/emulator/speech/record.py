"""Makes the packaged speech: `python -m voice_agent.emulator.speech.record` writes all files of `recorded.py` anew.

The agents' voice is Hibari's own, the callers' the same one at a lower pitch (see `callers`). Each file is then
recognised, and its word errors are told.
"""

import logging
import re
from difflib import SequenceMatcher

from voice_agent.audio.levels import rms_dbfs
from voice_agent.audio.resample import Upsampler
from voice_agent.audio.wav import read_mulaw, write_mono
from voice_agent.emulator.speech.callers import PITCHES, synthesise
from voice_agent.emulator.speech.hearing import MoonshineHearing
from voice_agent.emulator.speech.recorded import CALLERS, FOLDER, RECORDINGS
from voice_agent.emulator.speech.speaking import HibariSpeaking
from voice_agent.sim.realtime.rates import To16k

CALLER_PITCH = PITCHES["low"]


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


if __name__ == "__main__":
    main()
