"""Changes inputs so that they stay what they are: JSON stays JSON, a recording's blocks keep their checksums.

Bytes changed at random hardly ever do, and would test the JSON reader and the checksum again and again.
"""

import copy
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from voice_agent.errors import PeerError
from voice_agent.recording.format import MAGIC, blocks, pack

_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, 2**31, 2**63, -(2**63), 2**70, "", "x", "\ud800", "\x00", "é" * 9, "1", "-1",
    "1e400", "9" * 30, "AAAA", "////", "AAA", "CA1", "MZ1", "inbound", "audio/x-mulaw", "response.done", "start", [],
    {}, [[]], {"a": {}}, ["r1"],
]  # fmt: skip
_UNPACKED_MOST = 2**20


def mutate(target: str, data: bytes, chance: random.Random, plainly: Callable[[bytes], bytes]) -> bytes:
    """Change an input of a target; `plainly` changes bytes at random, which is right now and then, too."""
    if chance.random() < 0.15:
        return plainly(data)
    match target:
        case "recording":
            return _recording(data, chance, plainly)
        case "call":
            return _lines(data, chance)
        case _:
            return _text(data, chance) or plainly(data)


def _lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            lines.insert(at, b"T")
        case 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        case 2 if len(lines) > 1:
            del lines[at]
        case 3:
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines[at] = lines[at][:1] + (_text(lines[at][1:], chance) or b"{}")
    return b"\n".join(lines)


def _text(data: bytes, chance: random.Random) -> bytes | None:
    """Change a text of JSON somewhere; `None`: it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    for _ in range(chance.randint(1, 3)):
        value = _changed(value, chance)
    if chance.random() < 0.01:
        value = {"type": value, "x": []}
        return json.dumps(value).encode().replace(b"[]", b"[" * 3000 + b"]" * 3000)
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return None


def _changed(value: Any, chance: random.Random) -> Any:
    inner = _items(value)
    if not inner or chance.random() < 0.1:
        return _value(chance)
    key = chance.choice(inner)
    match chance.randrange(8):
        case 0:
            del value[key]
        case 1:
            value[key] = _value(chance)
        case 2 if isinstance(value, dict):
            value[chance.choice(["type", "event", "x", "id", "item", "streamSid", str(key)])] = copy.deepcopy(
                value[key]
            )
        case 3 if isinstance(value, list):
            value.append(copy.deepcopy(value[key]))
        case _:
            value[key] = _changed(value[key], chance)
    return value


def _value(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(_VALUES))


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []


def _recording(data: bytes, chance: random.Random, plainly: Callable[[bytes], bytes]) -> bytes:
    """Change, repeat, drop or swap blocks, whose checksums are made anew."""
    try:
        found = [(block.kind, block.content) for block in blocks(data)]
    except PeerError:
        found = []
    if not found or not data.startswith(MAGIC):
        return plainly(data)
    at = chance.randrange(len(found))
    kind, content = found[at]
    match chance.randrange(7):
        case 0:
            found.insert(at, found[chance.randrange(len(found))])
        case 1 if len(found) > 1:
            del found[at]
        case 2:
            found[at] = (chance.choice([b"H", b"C", b"M", b"W", b"D", b"T", b"E", b"?"]), content)
        case 3:
            found[at] = (kind, plainly(content))
        case _:
            found[at] = (kind, _packed(kind, content, chance, plainly))
    return data[: len(MAGIC) + 1] + b"".join(pack(*block) for block in found)


def _packed(kind: bytes, content: bytes, chance: random.Random, plainly: Callable[[bytes], bytes]) -> bytes:
    """Change what is packed in a block."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(content, _UNPACKED_MOST)
    except zlib.error:
        return plainly(content)
    changed: bytes | None = None
    if kind == b"H":
        changed = _text(plain, chance)
    elif kind == b"T":
        try:
            rows = msgspec.msgpack.decode(plain)
            changed = msgspec.msgpack.encode(_changed(rows, chance))
        except (ValueError, RecursionError, TypeError, OverflowError):
            changed = None
    return zlib.compress(plainly(plain) if changed is None else changed, 1)
