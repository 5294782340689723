"""What is shown of a recorded call: its course as JSON, its sound with the peaks of a picture, a redacted copy.

Each takes a second of computing for some minutes of a call, so whoever serves calls has it done in another process.
"""

import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from voice_agent.audio import mulaw
from voice_agent.audio.wav import write_stereo
from voice_agent.live.clips import load_clips
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.redact import Wanted
from voice_agent.review.course import course_of
from voice_agent.review.expected import draft
from voice_agent.review.redacted import redact
from voice_agent.review.sound import sound

PEAK_MS = 10
"""One value of the picture."""

WAV, PEAKS = "sound.wav", "peaks"

_HEIGHTS = np.rint(np.sqrt(np.abs(mulaw.DECODED.astype(np.int32)) / 32768) * 255).astype(np.uint8).tobytes()
"""Of each code of mu-law."""


def lie_low() -> None:
    """Let calls go first on the processor; for the process that does nothing else."""
    if hasattr(os, "nice"):
        os.nice(15)


def course_json(path: Path) -> bytes:
    """Give the course of a call as JSON; raises `PeerError` for what is no recording."""
    recording = read(path)
    course, _ = course_of(recording, load_clips())
    header = recording.header
    told: dict[str, Any] = msgspec.to_builtins(course)
    told |= {"sound": header.audio == "kept", "dialect": header.setup.model.dialect, "made_by": header.made_by}
    return msgspec.json.encode(told)


def heard_json(path: Path) -> bytes:
    """Give about which words were heard of each answer that was cut, and which not, by its voice; else as above."""
    course, _ = course_of(read(path), by_voice=True)
    cut = (answer for answer in course.answers if answer.unheard)
    return msgspec.json.encode({each.item_id: {"text": each.text, "unheard": each.unheard} for each in cut})


def write_sound(path: Path, folder: Path) -> None:
    """Write WAV (caller left, agent right) and peaks; raises `PeerError` or `CommandError` with one line."""
    channels = sound(read(path), load_clips())
    write_stereo(folder / WAV, channels.caller, channels.agent)
    (folder / PEAKS).write_bytes(peaks(channels.caller) + peaks(channels.agent))


def redacted_copy(path: Path, wanted: Wanted) -> tuple[bytes, str]:
    """Give the recording without numbers, keys and secrets, and a draft of what is expected of it.

    Raises `PeerError` or `CommandError` with one line.
    """
    data = redact(read(path), load_clips(), wanted)
    return data, draft(Recording(data))


def peaks(data: bytes) -> bytes:
    """Give a byte for each `PEAK_MS` of mu-law audio: the square root of its loudest sample, 255 at full scale.

    The root shows quiet speech beside loud; a last part that is shorter counts as a whole one.
    """
    size = PEAK_MS * mulaw.BYTES_PER_MS
    whole = data.ljust(-(-len(data) // size) * size, bytes([mulaw.SILENCE]))
    # A byte for a byte: ten times as fast as a table of numpy's, whose index is of eight bytes.
    loudest: bytes = np.frombuffer(whole.translate(_HEIGHTS), np.uint8).reshape(-1, size).max(axis=1).tobytes()
    return loudest
