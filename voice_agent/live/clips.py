"""The packaged speech that a call plays by itself: when the model is gone, while it is late, for what was withheld.

It must not know when they are played.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from voice_agent.audio.wav import read_mulaw

PACKAGED_CLIPS = Path(__file__).resolve().parent.parent / "clips"


def load_clips(folder: Path = PACKAGED_CLIPS) -> dict[str, bytes]:
    """Read all `NAME.wav` of a folder as mu-law 8 kHz, by name; raises `ConfigError` for one that is no good."""
    return {path.stem: read_mulaw(path) for path in sorted(folder.glob("*.wav"))}


def hashes(clips: Mapping[str, bytes]) -> dict[str, str]:
    """Give each clip's SHA-256 in hex: a recording names what was played, it does not hold it."""
    return {name: hashlib.sha256(audio).hexdigest() for name, audio in clips.items()}
