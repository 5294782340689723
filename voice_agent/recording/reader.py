"""Reads recordings back, as far as they can be read.

Whatever the bytes are, the only exception is `PeerError`, with one line that says what is wrong and what to do.
"""

import zlib
from collections.abc import Iterator
from operator import add
from pathlib import Path
from typing import Annotated, cast

import msgspec

from voice_agent.errors import PeerError
from voice_agent.recording.cutting import DIGEST_BYTES
from voice_agent.recording.entries import WAYS, Entry, Step
from voice_agent.recording.format import (
    AUDIO_MARK,
    BLOCK_LIMIT,
    CALLER,
    DIGESTS,
    END,
    HEADER,
    MAGIC,
    MODEL,
    MOST_TEXTS,
    NUMBER_MARK,
    STEPS,
    TEMPLATES,
    VERSION,
    WIDE,
    AgainRow,
    Block,
    FirstRow,
    Header,
    RawRow,
    Row,
    StepRow,
    WholeRow,
    blocks,
    damaged,
    join_wide,
)
from voice_agent.recording.loose import Carrying, LooseStep, LooseText

PROBLEM_SHOWN = 200
"""Characters of what is wrong with a header: it may quote a value of any length."""

LONGEST_MS = 25 * 60 * 60_000
"""No carrier lets a call last for more than a day; what claims to would be days of silence in the memory."""

_RAW_STEPS = msgspec.msgpack.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_TEXTS)])
"""As they stand in the file: of a block that claims more, nothing is made."""
_STEP_ROW = msgspec.msgpack.Decoder(StepRow)
_HEADER = msgspec.json.Decoder(Header)


class Recording:
    """One recorded call. `header` is there at once, steps are decoded as they are asked for."""

    def __init__(self, data: bytes) -> None:
        """Raises `PeerError` for what is no recording, is newer than this program, or ends before its header does."""
        self._data = data
        self.cut_at: int | None = None
        """After all `steps()`: the byte from which on the file is missing; `None`: it is whole."""
        self.header = _read_header(data)

    def steps(self) -> Iterator[Step]:
        """Give all steps that can be read, from the first, as often as it is called.

        Raises `PeerError` behind the last readable step of a damaged file; a file that was cut short just ends there,
        see `cut_at`.
        """
        return (step.step() for step in self.loose_steps())

    def loose_steps(self, *, audio: bool = True) -> Iterator[LooseStep]:
        """Give the same, not put together: faster, and three times as fast where its `audio` is not wanted."""
        self.cut_at = None
        decoder = _Decoder(self.header.audio == "kept", audio)
        readable = len(MAGIC) + 1
        ended = False
        for block in blocks(self._data):
            if ended:
                raise damaged(block.at)
            yield from decoder.take(block)
            ended = block.kind == END
            readable = block.at + 9 + len(block.content)
        if ended and readable < len(self._data):
            raise damaged(readable)
        if not ended:
            self.cut_at = readable


def read(path: Path) -> Recording:
    """Open one file; raises `PeerError` like `Recording`, and for a file that cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PeerError(f"cannot be read: {error.strerror or error}") from None
    return Recording(data)


def _read_header(data: bytes) -> Header:
    if not data:
        raise PeerError("the file is empty: the call ended before anything was written")
    if not data.startswith(MAGIC):
        if MAGIC.startswith(data):
            raise PeerError(f"the recording is cut short at byte {len(data)}, before its header: nothing can be read")
        raise PeerError(_foreign(data))
    version = data[len(MAGIC)] if len(data) > len(MAGIC) else VERSION
    if version > VERSION:
        raise PeerError(
            f"recorded in format {version}, this program reads up to {VERSION}: "
            "update voice-agent, or use the version that recorded it"
        )
    if version != VERSION:
        raise damaged(len(MAGIC))
    first = next(blocks(data), None)
    if first is None:
        raise PeerError(f"the recording is cut short at byte {len(data):,}, in its header: nothing can be read")
    if first.kind != HEADER:
        raise damaged(first.at)
    try:
        return _HEADER.decode(_unpack(zlib.decompressobj(), first))
    except (ValueError, RecursionError) as error:  # no JSON, no Unicode, nested beyond reason
        raise PeerError(
            f"the recording's header is not as this version writes it: {str(error)[:PROBLEM_SHOWN]}; "
            "if a later voice-agent made it, update"
        ) from None


def _foreign(data: bytes) -> str:
    """Say what a file is that does not begin as a recording, as far as that is known."""
    if b"\x89CALL" in data[:8]:
        # The first bytes of a recording are there to show this.
        return "damaged by a transfer that took it for text: send it as binary (git: `*.call binary` in .gitattributes)"
    if data.startswith(b"version https://git-lfs"):
        return "not the recording, but Git LFS's pointer to it: run `git lfs pull`"
    return "not a recording: it does not begin as a .call file does"


class _Template:
    """A text as `%` takes it, and the numbers it came with last."""

    __slots__ = ("form", "numbers")

    def __init__(self, text: str, numbers: tuple[int, ...]) -> None:
        if text.count(AUDIO_MARK) > 1 or text.count(NUMBER_MARK) != len(numbers):
            raise ValueError("a text holds one audio, and as many numbers as were told; a forged one a million")
        self.form = text.replace("%", "%%").replace(NUMBER_MARK, '"%d"')
        self.numbers = numbers


class _Decoder:
    """Turns blocks into steps; holds what later blocks build on."""

    def __init__(self, audio_is_kept: bool, audio_is_wanted: bool) -> None:
        self._audio_is_kept = audio_is_kept
        self._audio_is_wanted = audio_is_wanted
        self._stream = zlib.decompressobj()
        self._now_ms = 0
        self._templates: list[_Template] = []
        self._first_rows = 0
        self._texts = 0
        self._caller = _Bytes()
        self._model = _Bytes()
        self._digests = _Bytes()

    def take(self, block: Block) -> Iterator[LooseStep]:
        """Give the steps of a T block; remember what others hold; pass over kinds of a later version."""
        if block.kind == STEPS:
            # A writer never makes rows that fail here, and the CRC was right: these bytes are forged or a bug's.
            try:
                for raw in _RAW_STEPS.decode(_unpack(self._stream, block)):
                    yield self._step(_STEP_ROW.decode(raw))
            except (IndexError, ValueError, RecursionError):
                raise damaged(block.at) from None
        elif self._audio_is_wanted:
            self._take_audio(block)

    def _take_audio(self, block: Block) -> None:
        if block.kind == CALLER:
            self._caller = _Bytes(_unpack(zlib.decompressobj(), block))
        elif block.kind == MODEL:
            self._model = _Bytes(_unpack(zlib.decompressobj(), block))
        elif block.kind == WIDE:
            self._model = _Bytes(join_wide(_unpack(zlib.decompressobj(), block)))
        elif block.kind == DIGESTS:
            self._digests = _Bytes(block.content)

    def _step(self, row: StepRow) -> LooseStep:
        self._now_ms += row.after_ms
        if self._now_ms > LONGEST_MS:
            raise ValueError("a call lasts no longer than a day")
        self._texts += 1 + len(row.sent)
        if self._texts > MOST_TEXTS:
            raise ValueError("no call has so many")
        received = None if row.received is None else self._part(row.received, self._audio_is_kept)
        return LooseStep(self._now_ms, received, tuple([self._part(sent, False) for sent in row.sent]))

    def _part(self, row: Row, audio_is_kept: bool) -> LooseText:
        way = WAYS[row.way]
        # By type, not by `isinstance`: nearly all rows are of the first kind, and there are 200 a second.
        if type(row) is AgainRow:
            template = self._templates[row.template]
            if len(row.numbers) != len(template.numbers):
                raise ValueError("other numbers than the template's")
            numbers = template.numbers = tuple(map(add, template.numbers, row.numbers))
        elif type(row) is FirstRow:
            numbers = row.numbers
            template = self._keep(_Template(row.text, numbers))
        else:
            text = cast("WholeRow | RawRow", row).text
            return Entry(way, text if isinstance(text, str) else text.decode("utf-8", "surrogatepass"))
        if not self._audio_is_wanted:
            audio = b""
        elif audio_is_kept:
            audio = (self._caller if way == "phone" else self._model).take(row.audio)
        else:
            audio = self._digests.take(DIGEST_BYTES)
        return Carrying(way, template.form, numbers, audio, row.audio, audio_is_kept)

    def _keep(self, template: _Template) -> _Template:
        if len(self._templates) < TEMPLATES:
            self._templates.append(template)
        else:
            self._templates[self._first_rows % TEMPLATES] = template
        self._first_rows += 1
        return template


class _Bytes:
    """Bytes that are taken from the front."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Give the next bytes; raises `ValueError` when there are fewer."""
        taken = self._data[self._at : self._at + count]
        if count < 0 or len(taken) != count:
            raise ValueError(count)
        self._at += count
        return taken


def _unpack(stream: "zlib._Decompress", block: Block) -> bytes:
    try:
        content = stream.decompress(block.content, BLOCK_LIMIT)
    except zlib.error:
        raise damaged(block.at) from None
    if stream.unconsumed_tail:
        raise damaged(block.at)
    return content
