"""Changes recordings where a reader looks: what is packed is unpacked, changed and packed so that it is read again.

All `T` blocks are one zlib stream: each is changed by what it unpacks to, and the others stay readable. What is
packed is stored as it is (RFC 1951, 3.2.4): that costs a tenth of compressing it.
"""

import random
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tests.fuzz.values import changed, changed_text
from voice_agent.recording.cutting import DIGEST_BYTES
from voice_agent.recording.entries import WAYS
from voice_agent.recording.format import (
    AUDIO_MARK,
    CALLER,
    DIGESTS,
    END,
    HEADER,
    MAGIC,
    MODEL,
    NUMBER_MARK,
    STEPS,
    TEMPLATES,
    VERSION,
    WIDE,
    AgainRow,
    FirstRow,
    Header,
    RawRow,
    Row,
    StepRow,
    WholeRow,
    pack,
)

_FRONT = MAGIC + bytes([VERSION])
_HEADER = b'{"setup":{"call_sid":"CA1","agent":{"name":"a","instructions":""}},"started_at":""}'
_HEADERS = msgspec.json.Decoder(Header)
_ROWS = msgspec.msgpack.Decoder(list[StepRow])
_SOURCES = {CALLER: CALLER, MODEL: MODEL, WIDE: MODEL, DIGESTS: DIGESTS}
"""What the blocks of audio and digests are used for."""
_PACKED = frozenset({HEADER, CALLER, MODEL, WIDE, STEPS})
_KINDS = (HEADER, CALLER, MODEL, WIDE, DIGESTS, STEPS, END, b"?")
_UNPACKED_MOST = 2**16
_STORED_MOST = 2**16 - 1
"""Bytes of one stored piece of a zlib stream."""
_MANY = 300
"""More steps than a reader keeps templates."""
_TEXTS = (
    "",
    "{}",
    "\x02",
    "\x01",
    '{"a":\x01,"b":"\x02"}',
    "\x01\x01\x02",
    "\x02\x02",
    "%",
    "%d%s\x01",
    "\x00",
    "é" * 9,
)
_BYTES = (b"", b"{}", b"\xed\xa0\x80", b"\xff", b"\xc3", b"\x02")
_FOREIGN = (
    b"",
    MAGIC[:3],
    b"\r\n" + MAGIC,
    MAGIC[:5] + b"\n",
    b"version https://git-lfs",
    b"RIFF",
    MAGIC,
    MAGIC + b"\x02",
)


_made: "dict[bytes, tuple[Part, ...]]" = {}
"""What was made last: it is changed again at once, four times out of five."""


class Part(NamedTuple):
    """One block."""

    kind: bytes
    content: bytes
    """Unpacked, where it is."""
    packed: bool


def change_recording(data: bytes, chance: random.Random, plainly: Callable[[bytes], bytes]) -> bytes:
    """Change a recording somewhere, mostly so that it can still be read; `plainly` changes bytes at random."""
    if chance.random() < 0.03:
        return plainly(data)
    if chance.random() < 0.03:
        return _end_changed(data, chance)
    parts = [*(_made.get(data) or _apart(data))]
    if chance.random() < 0.5:
        if chance.random() < 0.1:
            parts.append(
                Part(STEPS, msgspec.msgpack.encode([_step(chance) for _ in range(chance.randint(1, 16))]), True)
            )
        parts = _mended(parts, ended=chance.random() < 0.5)
    if not parts:
        parts = [Part(HEADER, _HEADER, True)]
    _change_part(parts, chance, plainly)
    while chance.random() < 0.2:
        _change_part(parts, chance, plainly)
    if chance.random() < 0.7:
        _supply(parts)
    made = _together(parts, chance.random() < 0.02)
    _made.clear()
    _made[made] = tuple(parts)
    return made


def _end_changed(data: bytes, chance: random.Random) -> bytes:
    """Change how a file begins, or where it ends."""
    match chance.randrange(3):
        case 0:
            return data[: chance.randrange(len(data) + 1)]
        case 1:
            return data + chance.choice([b"\x00", pack(END, b""), pack(STEPS, b"")])
        case _:
            return chance.choice(_FOREIGN) + data[chance.choice([len(MAGIC), len(_FRONT), len(data)]) :]


@lru_cache(4096)
def _apart(data: bytes) -> tuple[Part, ...]:
    """Give the whole blocks, whatever their checksums are. (Kept, as the same inputs are changed again and again.)"""
    parts: list[Part] = []
    steps = zlib.decompressobj()
    at = len(_FRONT)
    while at + 9 <= len(data):
        kind, length = data[at : at + 1], int.from_bytes(data[at + 1 : at + 5], "big")
        content = data[at + 9 : at + 9 + length]
        plain = None
        if kind in _PACKED:
            plain = _unpacked(steps if kind == STEPS else zlib.decompressobj(), content)
        parts.append(Part(kind, content if plain is None else plain, plain is not None))
        at += 9 + length
    return tuple(parts)


def _mended(parts: list[Part], *, ended: bool) -> list[Part]:
    """Make a recording that can be read to its end of what is there: most of what a change breaks would stay unread."""
    whole = [Part(HEADER, next((part.content for part in parts if _is_header(part)), _HEADER), True)]
    templates: list[int] = []
    for part in parts:
        if part.kind == STEPS and (steps := _told(part)):
            content = msgspec.msgpack.encode([_mended_step(step, templates) for step in steps])
            whole.append(Part(STEPS, content, True))
        elif part.kind in _SOURCES and part.packed == (part.kind != DIGESTS):
            whole.append(part)
    _supply(whole)
    return [*whole, Part(END, b"", False)] if ended else whole


@lru_cache(256)
def _is_header(part: Part) -> bool:
    try:
        _HEADERS.decode(part.content)
    except (ValueError, RecursionError):
        return False
    return part.kind == HEADER and part.packed


def _told(part: Part) -> list[StepRow]:
    try:
        return _ROWS.decode(part.content) if part.packed else []
    except (ValueError, RecursionError):
        return []


def _mended_step(step: StepRow, templates: list[int]) -> StepRow:
    received = step.received
    if received is not None:
        received = _mended_row(received, templates)
        if isinstance(received, FirstRow | AgainRow) and received.audio < 0:
            received = msgspec.structs.replace(received, audio=0)
    return StepRow(step.after_ms, received, [_mended_row(row, templates) for row in step.sent])


def _mended_row(row: Row, templates: list[int]) -> Row:
    """Give the row, or one that fits. `templates` holds how many numbers each has, and grows."""
    way = row.way if -len(WAYS) <= row.way < len(WAYS) else 0
    match row:
        case AgainRow():
            if not templates:
                return WholeRow(way, "")
            template = row.template % len(templates)
            return AgainRow(way, template, (*row.numbers, *[0] * templates[template])[: templates[template]], row.audio)
        case FirstRow():
            if row.text.count(AUDIO_MARK) > 1:
                return WholeRow(way, row.text)
            count = row.text.count(NUMBER_MARK)
            if len(templates) < TEMPLATES:
                templates.append(count)
            return FirstRow(way, row.text, (*row.numbers, *[0] * count)[:count], row.audio)
        case RawRow():
            try:
                row.text.decode("utf-8", "surrogatepass")
            except ValueError:
                return WholeRow(way, "")
            return RawRow(way, row.text)
        case _:
            return WholeRow(way, row.text)


def _supply(parts: list[Part]) -> None:
    """Put as much audio, and as many digests, before each block of steps as its rows use up."""
    kept = not any(part.kind == HEADER and b'"digests"' in part.content for part in parts)
    last: dict[bytes, int] = {}
    used: dict[bytes, int] = {}
    at = 0
    while at < len(parts):
        part = parts[at]
        if part.kind == STEPS:
            for kind, count in _needed(part.content, kept):
                if kind not in last:
                    parts.insert(at, Part(kind, b"", kind != DIGESTS))
                    last[kind], used[kind], at = at, 0, at + 1
                used[kind] += count
                source = parts[last[kind]]
                if used[kind] > len(source.content):
                    parts[last[kind]] = source._replace(content=source.content.ljust(used[kind], b"\x7f"))
        elif part.kind in _SOURCES:
            last[_SOURCES[part.kind]], used[_SOURCES[part.kind]] = at, 0
        at += 1


@lru_cache(4096)
def _needed(packed: bytes, kept: bool) -> tuple[tuple[bytes, int], ...]:
    """Count the bytes of each kind that rows use up; of rows that are none, none."""
    needed = {CALLER: 0, MODEL: 0, DIGESTS: 0}
    try:
        for step in _ROWS.decode(packed):
            for row in step.sent:
                if isinstance(row, FirstRow | AgainRow):
                    needed[DIGESTS] += DIGEST_BYTES
            if isinstance(step.received, FirstRow | AgainRow):
                kind = DIGESTS if not kept else CALLER if step.received.way == 0 else MODEL
                needed[kind] += max(0, step.received.audio) if kept else DIGEST_BYTES
    except (ValueError, RecursionError):
        return ()
    return tuple((kind, count) for kind, count in needed.items() if 0 < count < _UNPACKED_MOST)


def _unpacked(stream: "zlib._Decompress", content: bytes) -> bytes | None:
    try:
        plain = stream.decompress(content, _UNPACKED_MOST)
    except zlib.error:
        return None
    return None if stream.unconsumed_tail else plain


def _together(parts: list[Part], compressed: bool) -> bytes:
    """Write the blocks, compressed as a writer does or stored."""
    out = [_FRONT]
    steps = zlib.compressobj(1) if compressed else None
    begun = False
    for kind, content, packed in parts:
        if not packed:
            out.append(pack(kind, content))
        elif kind == STEPS and steps is not None:
            out.append(pack(kind, steps.compress(content) + steps.flush(zlib.Z_SYNC_FLUSH)))
        elif kind == STEPS:
            out.append(pack(kind, _stored(content, begun)))
            begun = True
        else:
            out.append(pack(kind, zlib.compress(content, 1) if compressed else _stored(content)))
    return b"".join(out)


def _stored(plain: bytes, begun: bool = False) -> bytes:
    """Write a piece of a zlib stream that is not compressed, nor the last; `begun`: it is not the first either."""
    out = b"" if begun else b"\x78\x01"
    for at in range(0, len(plain), _STORED_MOST):
        piece = plain[at : at + _STORED_MOST]
        out += b"\x00" + len(piece).to_bytes(2, "little") + (len(piece) ^ _STORED_MOST).to_bytes(2, "little") + piece
    return out


def _change_part(parts: list[Part], chance: random.Random, plainly: Callable[[bytes], bytes]) -> None:
    """Change a block of steps, or one of the others, or repeat, drop, move or add one."""
    told = [at for at, part in enumerate(parts) if part.kind == STEPS]
    if told and chance.random() < 0.7:
        at = chance.choice(told)
        parts[at] = parts[at]._replace(content=_changed_steps(parts[at].content, chance) or plainly(parts[at].content))
        return
    at = chance.randrange(len(parts))
    part = parts[at]
    match chance.randrange(10):
        case 0:
            parts.insert(at, parts[chance.randrange(len(parts))])
        case 1 if len(parts) > 1:
            del parts[at]
        case 2:
            parts[at] = part._replace(kind=chance.choice(_KINDS))
        case 3:
            parts.insert(at + 1, Part(chance.choice(_KINDS), chance.choice(_BYTES), chance.random() < 0.8))
        case 4:
            parts.insert(at + 1, Part(STEPS, msgspec.msgpack.encode([[0, None, [_row(chance)]]]), True))
        case 5:
            parts[at] = part._replace(packed=not part.packed)
        case 6 | 7 if part.kind not in (HEADER, STEPS):
            parts[at] = part._replace(content=part.content + bytes(2 ** chance.randrange(12)))
        case _:
            content = changed_text(part.content, chance) if part.kind == HEADER else None
            parts[at] = part._replace(content=content or plainly(part.content))


def _changed_steps(packed: bytes, chance: random.Random) -> bytes | None:
    """Change what a block of steps says; `None`: that cannot be read, or not be written."""
    try:
        steps = msgspec.msgpack.decode(packed)
        if not isinstance(steps, list) or not steps or chance.random() < 0.1:
            steps = changed(steps, chance)
        else:
            _change_steps(steps, chance)
        return msgspec.msgpack.encode(steps)
    except (ValueError, RecursionError, TypeError, OverflowError):
        return None


def _change_steps(steps: list[Any], chance: random.Random) -> None:
    """Repeat, drop, move or add a step, or change one."""
    at = chance.randrange(len(steps))
    match chance.randrange(10):
        case 0:
            steps[at:at] = [steps[chance.randrange(len(steps))]] * chance.choice([1, 1, 2, 8])
        case 1:
            steps[at:at] = [[0, None, [[1, 1, "", [], 0]]]] * chance.choice([1, 1, 1, 1, 1, 1, 1, 8, 8, _MANY])
        case 2:
            del steps[at : at + chance.choice([1, 2, 100])]
        case 3:
            steps.insert(at, _step(chance))
        case 4:
            steps[at] = changed(steps[at], chance)
        case _:
            _change_row(steps[at], chance)
    del steps[_MANY:]


def _change_row(step: Any, chance: random.Random) -> None:
    """Add, repeat or drop a row of a step, or change one field of one so that it nearly is as it was."""
    if not isinstance(step, list) or len(step) != 3 or not isinstance(step[2], list):
        return
    rows = [row for row in (step[1], *step[2]) if isinstance(row, list) and row]
    if not rows or chance.random() < 0.3:
        step[2].append(_row(chance))
        return
    row = chance.choice(rows)
    if chance.random() < 0.3:
        if chance.random() < 0.3:
            step[1] = row
        else:
            step[2].append(row)
        return
    at = chance.randrange(len(row))
    match row[at]:
        case bool() | None | float():
            row[at] = 0
        case int(number):
            row[at] = number + chance.choice([-1, 1, 3, 256, -number])
        case str():
            row[at] = chance.choice(_TEXTS)
        case bytes():
            row[at] = chance.choice(_BYTES)
        case list(numbers):
            numbers.insert(0, chance.choice([0, 1, 20, -1, 2**63 - 1, -(2**63)]))
            del numbers[chance.choice([1, 2, 3]) :]


def _step(chance: random.Random) -> list[Any]:
    """Make a step."""
    fed = chance.choice([None, _row(chance)])
    return [chance.choice([0, 20, -1]), fed, [_row(chance) for _ in range(chance.randrange(3))]]


def _row(chance: random.Random) -> list[Any]:
    """Make a row."""
    way = chance.randrange(4)
    match chance.randrange(8):
        case 0 | 1:
            audio = chance.choice([0, 1, 8, -1])
            return [2, way, chance.choice([0, 1, 2, 255]), [1] * chance.randrange(3), audio]
        case 2:
            return [3, way, chance.choice(_BYTES)]
        case 3 | 4:
            return [0, way, chance.choice(_TEXTS)]
        case _:
            text = chance.choice(_TEXTS)
            return [1, way, text, [7] * text.count("\x01"), chance.choice([0, 1, 8, 160, -1])]
