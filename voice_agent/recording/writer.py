"""Turns steps into the bytes of a recording: pure, no file, no thread, no clock.

It must not know where the bytes go; `spool` takes them to the disk.
"""

import re
import zlib
from collections.abc import Sequence

import msgspec

from voice_agent.recording.cutting import decode_exactly, digest, find_audio, seal_of
from voice_agent.recording.entries import WAYS, Entry, Way
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
    split_wide,
)

_NUMBER = re.compile(r'"(0|[1-9][0-9]{0,14})"')
"""A string that is a whole number, as Twilio writes its counters; at most 15 digits, so that differences fit 64 bits.
Bare JSON numbers are left alone: looking for them too takes three times as long, and only stand-ins count with them."""

_NUMBER_OF_WAY: dict[Way, int] = {way: number for number, way in enumerate(WAYS)}


class _Template:
    """A text that has come before, and the numbers it came with last."""

    __slots__ = ("number", "numbers")

    def __init__(self, number: int, numbers: list[int]) -> None:
        self.number = number
        self.numbers = numbers


class RecordingWriter:
    """Call `feed` once a step, `take` about once a second, `end` once and last. What the two give is the file."""

    def __init__(self, header: Header) -> None:
        setup = header.setup
        agent, *others = (msgspec.structs.replace(each, folder="") for each in (setup.agent, *setup.others))
        setup = msgspec.structs.replace(setup, agent=agent, others=tuple(others))
        header = msgspec.structs.replace(header, setup=setup)
        self._keep_audio = header.audio == "kept"
        self._model_kind = WIDE if header.setup.model.audio == "pcm24k" else MODEL
        self._ready = bytearray(MAGIC + bytes([VERSION]) + pack(HEADER, zlib.compress(msgspec.json.encode(header))))
        self._now_ms = 0
        self._steps: list[StepRow] = []
        self._caller = bytearray()
        self._model = bytearray()
        self._digests = bytearray()
        self._templates: dict[str, _Template] = {}
        self._first_rows = 0
        self._text_stream = zlib.compressobj()

    def feed(self, now_ms: int, received: Entry | None, sent: Sequence[Entry]) -> None:
        """Take one step; `received` is `None` for the call's beginning."""
        row = None if received is None else self._row(received, self._keep_audio)
        self._steps.append(StepRow(now_ms - self._now_ms, row, [self._row(entry, False) for entry in sent]))
        self._now_ms = now_ms

    def take(self) -> bytes:
        """Give the blocks of all steps since the last time; empty when there were none."""
        if self._steps:
            for kind, content in (
                (CALLER, _packed_audio(self._caller)),
                (
                    self._model_kind,
                    _packed_audio(split_wide(bytes(self._model)) if self._model_kind == WIDE else self._model),
                ),
                (DIGESTS, bytes(self._digests)),
            ):
                if content:
                    self._ready += pack(kind, content)
            rows = msgspec.msgpack.encode(self._steps)
            rows = self._text_stream.compress(rows) + self._text_stream.flush(zlib.Z_SYNC_FLUSH)
            self._ready += pack(STEPS, rows)
            self._steps.clear()
            self._caller.clear()
            self._model.clear()
            self._digests.clear()
        ready, self._ready = self._ready, bytearray()
        return bytes(ready)

    def end(self) -> bytes:
        """Give what is left and the end."""
        return self.take() + pack(END, b"")

    # --- one text ----------------------------------------------------------------------------------------------------

    def _row(self, entry: Entry, keep_audio: bool) -> Row:
        way, text = entry.way, entry.text
        found = find_audio(way, text)
        if found is None:
            return _whole(way, text)
        start, end = found
        head, payload, tail = text[:start], text[start:end], text[end:]
        plain = _is_plain(head) and _is_plain(tail)
        if keep_audio:
            audio = decode_exactly(payload) if plain else None
            if audio is None:
                return _whole(way, text)
            length = len(audio)
            (self._caller if way == "phone" else self._model).extend(audio)
        else:
            length, hashed = digest(payload)
            if not plain:
                return _whole(way, head + seal_of(length, hashed) + tail)
            self._digests += hashed
        return self._templated(way, head + AUDIO_MARK + tail, length)

    def _templated(self, way: Way, text: str, audio: int) -> Row:
        parts = _NUMBER.split(text)
        numbers = [int(number) for number in parts[1::2]]
        key = NUMBER_MARK.join(parts[::2])
        template = self._templates.get(key)
        if template is not None:
            differences = [new - last for new, last in zip(numbers, template.numbers, strict=True)]
            template.numbers = numbers
            return AgainRow(_NUMBER_OF_WAY[way], template.number, differences, audio)
        if len(self._templates) == TEMPLATES:
            del self._templates[next(iter(self._templates))]  # the oldest: its number is the one that is given now
        self._templates[key] = _Template(self._first_rows % TEMPLATES, numbers)
        self._first_rows += 1
        return FirstRow(_NUMBER_OF_WAY[way], key, numbers, audio)


def _is_plain(text: str) -> bool:
    """Say whether a template can be made of it. JSON has no control characters; nothing beyond ASCII was ever seen."""
    return text.isascii() and NUMBER_MARK not in text and AUDIO_MARK not in text


def _whole(way: Way, text: str) -> WholeRow | RawRow:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return RawRow(_NUMBER_OF_WAY[way], text.encode("utf-8", "surrogatepass"))
    return WholeRow(_NUMBER_OF_WAY[way], text)


def _packed_audio(audio: bytes | bytearray) -> bytes:
    """Speech repeats nothing but silence, so looking for matches is a waste: Z_RLE takes a fifth of the time."""
    if not audio:
        return b""
    packer = zlib.compressobj(strategy=zlib.Z_RLE)
    return packer.compress(audio) + packer.flush()
