"""Finds the audio in a leg's texts, and seals audio that is not kept.

It knows where the two protocols carry base64 audio and nothing else about them. A recording never depends on its being
right: what cannot be put back exactly is not cut out.
"""

import hashlib
import re

import pybase64

from voice_agent.recording.entries import Way

_OPENING = re.compile(r'\s*:\s*"')

DIGEST_BYTES = 8
"""A digest guards against our own changes, not against an attacker; 50 a second of them are part of every file."""


def find_audio(way: Way, text: str) -> tuple[int, int] | None:
    """Find the base64 audio of a text: where its first character stands and where it ends; `None`: it carries none."""
    if way == "phone":
        key = '"payload"' if '"media"' in text else None
    elif way == "model" and 'audio.delta"' in text:
        key = '"delta"'
    elif way == "model" and 'input_audio_buffer.append"' in text:
        key = '"audio"'
    else:
        key = None
    if key is None:
        return None
    # `str.find`, because a regular expression walks a long payload character by character.
    at = text.find(key)
    opening = _OPENING.match(text, at + len(key)) if at >= 0 else None
    if opening is None:
        return None
    end = text.find('"', opening.end())
    return (opening.end(), end) if end >= 0 else None


def decode_exactly(payload: str) -> bytes | None:
    """Decode base64 that its bytes can be turned back into, to the letter; `None` for any other."""
    try:
        audio = pybase64.b64decode(payload, validate=True)
    except ValueError:
        return None
    return audio if pybase64.b64encode_as_string(audio) == payload else None


def digest(payload: str) -> tuple[int, bytes]:
    """Give length and hash of a payload's bytes; for what is no proper base64 minus its own length, and its hash."""
    audio = decode_exactly(payload)
    if audio is not None:
        return len(audio), digest_of(audio)
    raw = payload.encode("utf-8", "surrogatepass")
    return -len(raw), digest_of(raw)


def digest_of(audio: bytes) -> bytes:
    """Give the hash of audio that is decoded already."""
    return hashlib.blake2b(audio, digest_size=DIGEST_BYTES).digest()


def seal_of(length: int, hashed: bytes) -> str:
    """Write what stands in a text instead of audio; `~` is no character of base64."""
    return f"~{length}:{hashed.hex()}"


def seal(way: Way, text: str) -> str:
    """Put length and hash in the place of a text's audio; a text without audio is returned as it is."""
    found = find_audio(way, text)
    if found is None:
        return text
    start, end = found
    return text[:start] + seal_of(*digest(text[start:end])) + text[end:]


def sealed_length(way: Way, text: str) -> tuple[int, int, int] | None:
    """Find a seal: where it begins and ends, and how many bytes it stands for; `None`: this text holds none."""
    found = find_audio(way, text)
    if found is None or not text.startswith("~", found[0]):
        return None
    length, _, _ = text[found[0] + 1 : found[1]].partition(":")
    try:
        return found[0], found[1], max(0, int(length))
    except ValueError:
        return None
