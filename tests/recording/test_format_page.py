"""`FORMAT.md` is true: a reader that was written from the page alone reads its example and every sample as ours does.

`Page` below knows zlib, CRC, base64, msgpack and the page; nothing of `voice_agent.recording`.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from voice_agent.call.commands import Report, Work
from voice_agent.recording import format as ours
from voice_agent.recording.entries import WAYS
from voice_agent.recording.reader import Recording
from voice_agent.wire.bridge import Input

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "voice_agent" / "recording" / "FORMAT.md").read_text(encoding="utf-8")
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.call"))

Text = tuple[str, str]
Line = tuple[int, Text | None, list[Text]]


class Page:
    """Reads a recording as the page says."""

    ways = ("phone", "model", "fact", "remark")

    def __init__(self, data: bytes) -> None:
        assert data[:8] == bytes.fromhex("89 43 41 4C 4C 0D 0A 01")
        self.data = data
        self.header: dict[str, Any] = {}
        self.blocks: list[tuple[str, bytes]] = []
        self.rows: list[Any] = []
        self.stream = zlib.decompressobj()
        self.caller = self.model = self.digests = b""
        self.templates: dict[int, tuple[str, list[int]]] = {}
        self.first_rows = 0

    def lines(self) -> Iterator[Line]:
        now_ms = 0
        for kind, content in self._walk():
            self.blocks.append((kind, content))
            match kind:
                case "H":
                    self.header = json.loads(zlib.decompress(content))
                case "C":
                    self.caller = zlib.decompress(content)
                case "M":
                    self.model = zlib.decompress(content)
                case "W":
                    planes = zlib.decompress(content)
                    even, odd = planes[: (len(planes) + 1) // 2], planes[(len(planes) + 1) // 2 :]
                    joined = bytearray(len(planes))
                    joined[0::2], joined[1::2] = even, odd
                    self.model = bytes(joined)
                case "D":
                    self.digests = content
                case "T":
                    steps = msgspec.msgpack.decode(self.stream.decompress(content))
                    self.rows += steps
                    for after_ms, received, sent in steps:
                        now_ms += after_ms
                        kept = self.header.get("audio", "kept") == "kept"
                        text = None if received is None else self._text(received, kept)
                        yield now_ms, text, [self._text(row, kept=False) for row in sent]

    def _walk(self) -> Iterator[tuple[str, bytes]]:
        at = 8
        while at + 9 <= len(self.data):
            length = int.from_bytes(self.data[at + 1 : at + 5], "big")
            content = self.data[at + 9 : at + 9 + length]
            if len(content) < length:
                return
            crc = int.from_bytes(self.data[at + 5 : at + 9], "big")
            assert crc == binascii.crc32(self.data[at : at + 5] + content)
            yield chr(self.data[at]), content
            at += 9 + length

    def _text(self, row: list[Any], kept: bool) -> Text:
        form, way, rest = row[0], row[1], row[2:]
        if form == 0:
            return self.ways[way], rest[0]
        if form == 3:
            return self.ways[way], rest[0].decode("utf-8", "surrogatepass")
        if form == 1:
            template, numbers = rest[0], rest[1]
            self.templates[self.first_rows % 256] = template, numbers
            self.first_rows += 1
        else:
            template, last = self.templates[rest[0]]
            numbers = [one + more for one, more in zip(last, rest[1], strict=True)]
            self.templates[rest[0]] = template, numbers
        left = iter(numbers)
        text = re.sub("\x01", lambda _: f'"{next(left)}"', template)
        return self.ways[way], text.replace("\x02", self._audio(rest[2], way, kept))

    def _audio(self, count: int, way: int, kept: bool) -> str:
        if not kept:
            digest, self.digests = self.digests[:8], self.digests[8:]
            return f"~{count}:{digest.hex()}"
        if way == 0:
            audio, self.caller = self.caller[:count], self.caller[count:]
        else:
            audio, self.model = self.model[:count], self.model[count:]
        return base64.b64encode(audio).decode()


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


EXAMPLE = bytes.fromhex("".join(fenced("hex")))


def test_the_example_holds_what_the_page_says() -> None:
    page = Page(EXAMPLE)
    lines = list(page.lines())
    header, steps = (json.loads(block) for block in fenced("json"))

    assert f"A call of {lines[-1][0]} ms, {len(EXAMPLE)} bytes" in PAGE
    assert page.header == header
    assert page.rows == steps
    assert [kind for kind, _ in page.blocks] == ["H", "C", "W", "D", "T", "E"]


def test_the_example_s_sound_and_call_are_told_as_they_are() -> None:
    sound, call = fenced("text")
    page = Page(EXAMPLE)
    told = []
    for now_ms, received, sent in page.lines():
        came = "   the call began" if received is None else f"<- {received[0]:<6} {received[1]}"
        told.append(f"{now_ms:>2} ms {came}")
        told += [f"      -> {way:<6} {text}" for way, text in sent]

    assert told == call.splitlines()
    contents = dict(page.blocks)
    assert sound.splitlines() == [
        f"C  {zlib.decompress(contents['C']).hex(' ')}",
        f"W  {zlib.decompress(contents['W']).hex(' ')}, which is 10 27 20 4e",
        f"D  {contents['D'][:8].hex(' ')}  {contents['D'][8:].hex(' ')}",
    ]


@pytest.mark.parametrize("path", [None, *SAMPLES], ids=lambda path: path.stem if path else "example")
def test_a_reader_by_the_page_reads_what_ours_reads(path: Path | None) -> None:
    data = EXAMPLE if path is None else path.read_bytes()
    page, recording = Page(data), Recording(data)
    entries = [
        (
            step.now_ms,
            None if step.received is None else (step.received.way, step.received.text),
            [(sent.way, sent.text) for sent in step.sent],
        )
        for step in recording.steps()
    ]

    assert list(page.lines()) == entries
    assert len(entries) >= 5
    assert page.header["started_at"] == recording.header.started_at


def test_the_page_names_all_facts_keys_and_limits() -> None:
    facts = {kind.__name__ for union in (Input, Report, Work) for kind in get_args(union)} - {"PhoneText", "ModelText"}
    told = PAGE[PAGE.index("Facts that were fed:") : PAGE.index("## What a reader does")]
    assert set(re.findall(r"`([A-Z]\w+)`", told)) == facts

    keys = PAGE[PAGE.index("## Header") : PAGE.index("`setup` has")]
    assert tuple(re.findall(r"^\| `(\w+)` \|", keys, re.MULTILINE)) == ours.Header.__struct_fields__
    assert f"{ours.BLOCK_LIMIT:,} at most" in PAGE
    assert f"template N modulo {ours.TEMPLATES}" in PAGE
    assert Page.ways == WAYS
    assert f"version {ours.VERSION}\n" in PAGE.splitlines(keepends=True)[0]
