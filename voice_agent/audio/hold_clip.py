"""What a caller hears while somebody else is being called for them: two soft notes, made here and packaged as a clip.

python -m voice_agent.audio.hold_clip voice_agent/clips/hold.wav
"""

import sys
from pathlib import Path

import numpy as np

from voice_agent.audio import mulaw
from voice_agent.audio.wav import write_mono

NOTES_HZ = (440.0, 554.37)
"""A third; no tone of a keypad is near."""
NOTE_MS = 900
LEVEL = 2600
"""Of 32,767: some 22 dB below full scale, softer than speech."""


def hold_clip() -> bytes:
    """Make it: mu-law, 8 kHz."""
    time_s = np.arange(NOTE_MS * mulaw.BYTES_PER_MS) / 8000
    # Each note swells and fades, so that its ends are no clicks.
    swell = np.sin(np.pi * time_s / time_s[-1]) ** 2
    notes = [LEVEL * swell * np.sin(2 * np.pi * hz * time_s) for hz in NOTES_HZ]
    return mulaw.encode(np.concatenate(notes).round().astype(np.int16))


if __name__ == "__main__":
    write_mono(Path(sys.argv[1]), hold_clip())
