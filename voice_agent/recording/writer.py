"""Turns steps into the bytes of a recording: pure, no file, no thread, no clock.

It must not know where the bytes go; `spool` takes them to the disk.
"""

import re
import zlib
from collections.abc import Iterable, Sequence
from operator import add, sub

import msgspec

from voice_agent.recording.cutting import decode_exactly, digest, digest_of, find_audio, seal_of
from voice_agent.recording.entries import WAYS, Entry, Step, Way
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

_TEXT_MEMORY = 6
"""zlib's `memLevel` for texts: 160 KB a call instead of 256, which caches hold rather; files are as long
(+0.1 % over 60 calls)."""

END_BLOCK = pack(END, b"")

BLOCK_MS = 500
"""As much of a call as `spool` writes at once."""

_ENCODER = msgspec.msgpack.Encoder()

_STEP_HEADS = [b"\x93" + bytes([after_ms]) for after_ms in range(128)]
"""How a `StepRow` begins: an array of three, the first a number that is one byte of msgpack."""

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

    def next_numbers(self) -> tuple[int, ...]:
        """Give the numbers that are expected next."""
        if len(self.numbers) == 3:  # Twilio's media; written out it takes a third of the time
            (a, b, c), (x, y, z) = self.numbers, self.differences
            return (a + x, b + y, c + z)
        return tuple(map(add, self.numbers, self.differences))

    def payload(self, text: str, numbers: tuple[int, ...]) -> str | None:
        """Cut the audio out of a text that is of this template with these numbers; `None`: it is not."""
        head, _, tail = (self.shape % numbers).partition(AUDIO_MARK)
        end = len(text) - len(tail)
        if end < len(head) or not text.startswith(head) or not text.endswith(tail):
            return None
        return text[len(head) : end]

    def row(self, way: Way, numbers: tuple[int, ...], differences: tuple[int, ...], audio: int) -> AgainRow:
        """Give the row of the template with these numbers, and expect the same differences next time."""
        again = self.again
        if again is None or again.audio != audio or differences != self.differences:
            again = self.again = AgainRow(_NUMBER_OF_WAY[way], self.number, differences, audio)
            self.differences = differences
        self.numbers = numbers
        return again


class _Pair:
    """A frame of the caller and the one text that came of it: such a step comes 50 times a second, with the same rows.

    All of it but its time and its audio is known, so it is looked through once and written without a row.
    """

    __slots__ = ("after", "before", "made", "packed", "received", "received_row", "sent", "sent_row", "taken")

    def __init__(self, taken: Way, received: _Template, made: Way, sent: _Template) -> None:
        assert received.again is not None, "its row has just been made"
        assert sent.again is not None, "its row has just been made"
        self.taken, self.received, self.received_row = taken, received, received.again
        self.made, self.sent, self.sent_row = made, sent, sent.again
        self.packed = _ENCODER.encode(received.again) + _ENCODER.encode([sent.again])
        """The step without its beginning."""
        self.before, _, self.after = (sent.shape % ()).partition(AUDIO_MARK)
        """What stands around the audio of the text that is sent."""


class Rows:
    """What was fed and is not packed yet."""

    __slots__ = ("caller", "count", "digests", "model", "steps")

    def __init__(self) -> None:
        self.steps = bytearray()
        """One behind another, as they stand in the file."""
        self.count = 0
        self.caller = bytearray()
        self.model = bytearray()
        self.digests = bytearray()


class RecordingWriter:
    """Call `feed` once a step, `take` about once a second, `end` once and last. What the two give is the file.

    `take` is `cut`, then `pack`: two threads may share these, if no two of `feed` and `cut` are ever at work at once.
    """

    def __init__(self, header: Header) -> None:
        self._header: Header | None = header
        """`None`: it is packed."""
        self._keep_audio = header.audio == "kept"
        self._model_kind = WIDE if header.setup.model.audio == "pcm24k" else MODEL
        self._now_ms = 0
        self._new = Rows()
        self._templates: dict[str, _Template] = {}
        self._first_rows = 0
        self._received: _Expected = {}
        self._sent: _Expected = {}
        self._pair: _Pair | None = None
        """What the last step was, if the next one may be like it."""
        self._payload, self._audio = "", b""
        """What was decoded last: mu-law that is passed through comes twice."""
        self._text_stream = zlib.compressobj(memLevel=_TEXT_MEMORY)

    @property
    def waiting(self) -> int:
        """How many steps are not cut off yet."""
        return self._new.count

    def feed(self, now_ms: int, received: Entry | None, sent: Sequence[Entry]) -> None:
        """Take one step; `received` is `None` for the call's beginning. Costs some microseconds."""
        after_ms, self._now_ms = now_ms - self._now_ms, now_ms
        self._new.count += 1
        if self._pair is not None and len(sent) == 1 and self._feed_pair(self._pair, after_ms, received, sent[0]):
            return
        row = None if received is None else self._row(received, self._received, self._keep_audio)
        if len(sent) == 1:
            only = self._row(sent[0], self._sent, False)
            self._pair = self._pair_of(received, row, sent[0], only)
            step = StepRow(after_ms, row, [only])
        else:
            step = StepRow(after_ms, row, [self._row(entry, self._sent, False) for entry in sent])
        # At once: rows that wait as objects would be walked through by the garbage collector.
        _ENCODER.encode_into(step, self._new.steps, -1)

    def cut(self) -> Rows:
        """Give all that was fed since the last time."""
        new, self._new = self._new, Rows()
        return new

    def pack(self, rows: Rows) -> bytes:
        """Give the blocks of what was cut off; empty when that was nothing. Takes a hundred microseconds."""
        ready = b"" if self._header is None else _packed_header(self._header)
        self._header = None
        if not rows.count:
            return ready
        model = split_wide(bytes(rows.model)) if self._model_kind == WIDE else rows.model
        blocks = [(CALLER, _packed_audio(rows.caller)), (self._model_kind, _packed_audio(model))]
        blocks.append((DIGESTS, bytes(rows.digests)))
        text = self._text_stream.compress(_array_head(rows.count) + rows.steps)
        blocks.append((STEPS, text + self._text_stream.flush(zlib.Z_SYNC_FLUSH)))
        return ready + b"".join(pack(kind, content) for kind, content in blocks if content)

    def take(self) -> bytes:
        """Give the blocks of all steps since the last time; empty when there were none."""
        return self.pack(self.cut())

    def end(self) -> bytes:
        """Give what is left and the end."""
        return self.take() + END_BLOCK

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
            self._new.digests += hashed
        return self._templated(way, head + AUDIO_MARK + tail, length, expected)

    def _pair_of(self, received: Entry | None, row: Row | None, sent: Entry, sent_row: Row) -> _Pair | None:
        if received is None or not self._keep_audio:
            return None
        taken, made = self._received.get(received.way), self._sent.get(sent.way)
        if taken is None or made is None or made.numbers or taken.again is not row or made.again is not sent_row:
            return None
        return _Pair(received.way, taken, sent.way, made)

    def _feed_pair(self, pair: _Pair, after_ms: int, received: Entry | None, sent: Entry) -> bool:
        """Take a step that is like the last one; false: it is not."""
        template, sent_row = pair.received, pair.sent_row
        if (
            received is None
            or received.way != pair.taken
            or sent.way != pair.made
            or template.again is not pair.received_row
            or pair.sent.again is not sent_row
            or not 0 <= after_ms < len(_STEP_HEADS)
        ):
            return False
        numbers = template.next_numbers()
        payload = template.payload(received.text, numbers)
        audio = made_audio = None if payload is None else decode_exactly(payload)
        if payload is None or audio is None or len(audio) != pair.received_row.audio:
            return False
        # Mu-law that is passed through comes twice.
        if sent.text != f"{pair.before}{payload}{pair.after}":
            made = pair.sent.payload(sent.text, ())
            made_audio = None if made is None else decode_exactly(made)
        if made_audio is None or len(made_audio) != sent_row.audio:
            return False
        template.numbers = numbers
        new = self._new
        (new.caller if pair.taken == "phone" else new.model).extend(audio)
        new.digests += digest_of(made_audio)
        new.steps += _STEP_HEADS[after_ms] + pair.packed
        return True

    def _expected_row(self, template: _Template, way: Way, text: str, keep_audio: bool) -> Row | None:
        """Take a text that is a template's next one; `None`: it is another."""
        numbers = template.next_numbers()
        payload = template.payload(text, numbers)
        audio = None if payload is None else self._decoded(payload)
        if audio is None:
            return None
        if keep_audio:
            self._keep(way, audio)
        else:
            self._new.digests += digest_of(audio)
        return template.row(way, numbers, template.differences, len(audio))

    def _decoded(self, payload: str) -> bytes | None:
        if payload == self._payload:
            return self._audio
        audio = decode_exactly(payload)
        if audio is not None:
            self._payload, self._audio = payload, audio
        return audio

    def _keep(self, way: Way, audio: bytes) -> None:
        (self._new.caller if way == "phone" else self._new.model).extend(audio)

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
        self._pair = None
        for expected in (self._received, self._sent):
            for way in [way for way, each in expected.items() if each is template]:
                del expected[way]


def written(header: Header, steps: Iterable[Step], *, whole: bool = True) -> bytes:
    """Give the file of steps that are all there, in blocks as a call in progress writes them.

    So what stands before a later cut can be read. `whole`: it gets its end; without, it is cut short itself.
    """
    writer = RecordingWriter(header)
    data = bytearray()
    packed_ms = 0
    for step in steps:
        if step.now_ms - packed_ms >= BLOCK_MS:
            data += writer.take()
            packed_ms = step.now_ms
        writer.feed(step.now_ms, step.received, step.sent)
    return bytes(data + (writer.end() if whole else writer.take()))


def _packed_header(header: Header) -> bytes:
    setup = header.setup
    agent, *others = (msgspec.structs.replace(each, folder="") for each in (setup.agent, *setup.others))
    setup = msgspec.structs.replace(setup, agent=agent, others=tuple(others))
    told = msgspec.json.encode(msgspec.structs.replace(header, setup=setup))
    return MAGIC + bytes([VERSION]) + pack(HEADER, zlib.compress(told))


def _array_head(count: int) -> bytes:
    """Begin a msgpack array."""
    if count < 16:
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")


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
