"""What the recordings hold of keys, as sound and as bytes."""

import zlib
from pathlib import Path

from voice_agent.audio.dtmf import keys_in
from voice_agent.live.clips import load_clips
from voice_agent.recording.format import blocks
from voice_agent.recording.reader import read
from voice_agent.review.sound import Channels, sound

FOLDER = Path(__file__).resolve().parent


def sound_of(name: str) -> Channels:
    return sound(read(FOLDER / f"{name}.call"), load_clips())


def heard(audio: bytes) -> str:
    return "".join(found.key for found in keys_in(audio))


def test_keys_that_can_be_heard_are_heard_but_for_secret_ones() -> None:
    plain, secret = sound_of("digits-by-length"), sound_of("digits-secret")

    assert heard(plain.caller) == "1204"
    assert heard(secret.caller) == ""


def test_the_far_end_hears_the_keys_that_the_agent_sends() -> None:
    assert heard(sound_of("digits-sent").agent) == "12#"


def test_no_byte_of_secret_digits_is_in_their_recording() -> None:
    data = (FOLDER / "digits-secret.call").read_bytes()
    texts = zlib.decompressobj()
    rows = b"".join(texts.decompress(block.content) for block in blocks(data) if block.kind == b"T")

    assert b"digits_1" in rows
    assert b"4071" not in rows
    assert b'"digit":"0"' in rows
    assert not any(b'"digit":"%d"' % digit in rows for digit in (4, 7, 1))
