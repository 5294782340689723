"""The pieces that make the file of one call, `*.call`: blocks, header, rows. `FORMAT.md` beside it defines them.

It must not know what any text means, nor the types that a bridge is fed.
"""

import zlib
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from voice_agent.call.setup import CallSetup
from voice_agent.errors import PeerError

MAGIC = b"\x89CALL\r\n"
VERSION = 1
SUFFIX = ".call"

HEADER, CALLER, MODEL, WIDE, DIGESTS, STEPS, END = b"H", b"C", b"M", b"W", b"D", b"T", b"E"

TEMPLATES = 256
"""Enough for the few texts that come 50 times a second, though each of the model's, with its own id, takes a place."""

NUMBER_MARK = "\x01"
AUDIO_MARK = "\x02"

BLOCK_LIMIT = 64 * 2**20
"""Longest content, packed or unpacked: a minute of the busiest call is a thirtieth of it, and a forged length fails."""

MOST_TEXTS = 2_000_000
"""Steps of a file, and texts that came out of them: an hour of the busiest call has 830,000; a forged block of 60 KB
would be 15 million.
"""

_HEAD_BYTES = 9


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What is known before anything happens."""

    setup: CallSetup
    """The agent as rendered, without its folder; no secrets."""
    started_at: str
    """ISO 8601 with the offset to UTC."""
    audio: Literal["kept", "digests"] = "kept"
    """`digests`: the agent's `recording: text`."""
    webhook: dict[str, str] = {}
    """The fields of the voice webhook."""
    clips: dict[str, str] = {}
    """Packaged speech that the core was given: SHA-256 in hex by name."""
    made_by: str = ""
    """The version of the program."""
    redacted: bool = False
    """Numbers, keys and secrets were taken out, with the sound of the turns in which they stood."""


class WholeRow(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    """See the page."""

    way: int
    text: str


class FirstRow(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """See the page."""

    way: int
    text: str
    numbers: tuple[int, ...]
    audio: int


class AgainRow(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """See the page."""

    way: int
    template: int
    numbers: tuple[int, ...]
    audio: int


class RawRow(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """See the page."""

    way: int
    text: bytes


Row = WholeRow | FirstRow | AgainRow | RawRow


class StepRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step; times are differences to the step before, the first to 0."""

    after_ms: int
    received: Row | None
    sent: Annotated[list[Row], msgspec.Meta(max_length=MOST_TEXTS)]


class Block(msgspec.Struct, frozen=True, gc=False):
    """One block as it stands in a file."""

    at: int
    """Its first byte, counted from the file's."""
    kind: bytes
    content: bytes


def pack(kind: bytes, content: bytes) -> bytes:
    """Write one block."""
    front = kind + len(content).to_bytes(4, "big")
    return front + zlib.crc32(content, zlib.crc32(front)).to_bytes(4, "big") + content


def blocks(data: bytes) -> Iterator[Block]:
    """Walk through the whole blocks after magic and version; ends before the first one that is cut short.

    Raises `PeerError` at the first block that is not as it was written.
    """
    at = len(MAGIC) + 1
    while at + _HEAD_BYTES <= len(data):
        length = int.from_bytes(data[at + 1 : at + 5], "big")
        if length > BLOCK_LIMIT:
            raise damaged(at)
        end = at + _HEAD_BYTES + length
        if end > len(data):
            return
        content = data[at + _HEAD_BYTES : end]
        if zlib.crc32(content, zlib.crc32(data[at : at + 5])) != int.from_bytes(data[at + 5 : at + 9], "big"):
            raise damaged(at)
        yield Block(at, data[at : at + 1], content)
        at = end


def damaged(at: int) -> PeerError:
    """Make the error for a file whose bytes from `at` on are not what was written."""
    return PeerError(f"the recording is damaged at byte {at:,}: take it from a backup; up to there it can be read")


def split_wide(audio: bytes) -> bytes:
    """Put all even bytes before all odd ones."""
    return audio[0::2] + audio[1::2]


def join_wide(planes: bytes) -> bytes:
    """Undo `split_wide`."""
    audio = bytearray(len(planes))
    half = (len(planes) + 1) // 2
    audio[0::2] = planes[:half]
    audio[1::2] = planes[half:]
    return bytes(audio)
