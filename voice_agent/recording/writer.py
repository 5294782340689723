"""Turns steps into the bytes of a recording: pure, no file, no thread, no clock.

It must not know where the bytes go; `spool` takes them to the disk.
"""

import re
import zlib
from collections.abc import Sequence
from operator import add, sub

import msgspec

from voice_agent.recording.cutting import decode_exactly, digest, digest_of, find_audio, seal_of
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


_Expected = dict[Way, "_Template"]
"""The template that a way's texts with audio came of last, in one direction."""


class _Template:
    """A text that has come before, the numbers it came with last, and how much more they were than before that.

    What comes 50 times a second counts on by the same steps, so the next text is known but for its audio. To see that
    it is the expected one costs a third of taking it apart.
    """

    __slots__ = ("again", "differences", "number", "numbers", "shape")

    def __init__(self, key: str, number: int, numbers: tuple[int, ...]) -> None:
        self.shape = key.replace("%", "%%").replace(NUMBER_MARK, '"%d"')
        self.number = number
        self.numbers = numbers
        self.differences: tuple[int, ...] = (0,) * len(numbers)
        self.again: AgainRow | None = None
        """The row that it made last."""

    def row(self, way: Way, numbers: tuple[int, ...], differences: tuple[int, ...], audio: int) -> AgainRow:
        """Give the row of the template with these numbers, and expect the same differences next time."""
        again = self.again
        if again is None or again.audio != audio or differences != self.differences:
            again = self.again = AgainRow(_NUMBER_OF_WAY[way], self.number, differences, audio)
            self.differences = differences
        self.numbers = numbers
        return again


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
        self._received: _Expected = {}
        self._sent: _Expected = {}
        self._payload, self._audio = "", b""
        """What was decoded last: mu-law that is passed through comes twice."""
        self._text_stream = zlib.compressobj()

    def feed(self, now_ms: int, received: Entry | None, sent: Sequence[Entry]) -> None:
        """Take one step; `received` is `None` for the call's beginning."""
        row = None if received is None else self._row(received, self._received, self._keep_audio)
        self._steps.append(StepRow(now_ms - self._now_ms, row, [self._row(entry, self._sent, False) for entry in sent]))
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

    def _row(self, entry: Entry, expected: _Expected, keep_audio: bool) -> Row:
        way, text = entry.way, entry.text
        template = expected.get(way)
        if template is not None:
            again = self._expected_row(template, way, text, keep_audio)
            if again is not None:
                return again
        found = find_audio(way, text)
        if found is None:
            return _whole(way, text)
        start, end = found
        head, payload, tail = text[:start], text[start:end], text[end:]
        plain = _is_plain(head) and _is_plain(tail)
        if keep_audio:
            audio = self._decoded(payload) if plain else None
            if audio is None:
                return _whole(way, text)
            length = len(audio)
            self._keep(way, audio)
        else:
            length, hashed = digest(payload)
            if not plain:
                return _whole(way, head + seal_of(length, hashed) + tail)
            self._digests += hashed
        return self._templated(way, head + AUDIO_MARK + tail, length, expected)

    def _expected_row(self, template: _Template, way: Way, text: str, keep_audio: bool) -> Row | None:
        """Take a text that is a template's next one; `None`: it is another."""
        numbers = tuple(map(add, template.numbers, template.differences))
        head, _, tail = (template.shape % numbers).partition(AUDIO_MARK)
        end = len(text) - len(tail)
        if end < len(head) or not text.startswith(head) or not text.endswith(tail):
            return None
        audio = self._decoded(text[len(head) : end])
        if audio is None:
            return None
        if keep_audio:
            self._keep(way, audio)
        else:
            self._digests += digest_of(audio)
        return template.row(way, numbers, template.differences, len(audio))

    def _decoded(self, payload: str) -> bytes | None:
        if payload == self._payload:
            return self._audio
        audio = decode_exactly(payload)
        if audio is not None:
            self._payload, self._audio = payload, audio
        return audio

    def _keep(self, way: Way, audio: bytes) -> None:
        (self._caller if way == "phone" else self._model).extend(audio)

    def _templated(self, way: Way, text: str, audio: int, expected: _Expected) -> Row:
        parts = _NUMBER.split(text)
        numbers = tuple(map(int, parts[1::2]))
        key = NUMBER_MARK.join(parts[::2])
        template = self._templates.get(key)
        if template is not None:
            expected[way] = template
            return template.row(way, numbers, tuple(map(sub, numbers, template.numbers)), audio)
        if len(self._templates) == TEMPLATES:
            self._forget(next(iter(self._templates)))  # the oldest: its number is the one that is given now
        template = expected[way] = self._templates[key] = _Template(key, self._first_rows % TEMPLATES, numbers)
        self._first_rows += 1
        return FirstRow(_NUMBER_OF_WAY[way], key, numbers, audio)

    def _forget(self, key: str) -> None:
        template = self._templates.pop(key)
        for expected in (self._received, self._sent):
            for way in [way for way, each in expected.items() if each is template]:
                del expected[way]


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
