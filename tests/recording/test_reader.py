import json
import zlib
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recorded import append, caller_media, header, model_delta, write
from voice_agent.errors import PeerError
from voice_agent.recording.cutting import seal
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.format import MAGIC, MOST_TEXTS, blocks, pack
from voice_agent.recording.reader import LONGEST_MS, Recording, read

AUDIO = bytes(range(160))


def call(length: int = 60) -> list[Step]:
    fed = [Step(0, None, (Entry("fact", '{"type":"ConnectModel"}'),))]
    for n in range(length):
        fed.append(Step(n * 20, caller_media(n, AUDIO[n:]), (append(AUDIO[n:]),)))
        fed.append(Step(n * 20 + 3, model_delta(AUDIO * 2, f"event_{n}")))
    fed.append(Step(2000, Entry("remark", '{"what":"the phone is gone: 1 text was not written"}')))
    return fed


def as_read(fed: list[Step]) -> list[Step]:
    return [
        Step(s.now_ms, s.received, tuple(Entry(sent.way, seal(sent.way, sent.text)) for sent in s.sent)) for s in fed
    ]


FED = call()
EXPECTED = as_read(FED)
WHOLE = write(header(model_audio="pcm24k"), FED)
STEPS_ONLY = MAGIC + b"\x01" + pack(b"H", zlib.compress(msgspec.json.encode(header())))


def attempt(data: bytes) -> tuple[list[Step], Recording | None]:
    """Read what can be read; only `PeerError` is caught."""
    steps: list[Step] = []
    recording = None
    try:
        recording = Recording(data)
        steps.extend(recording.steps())
    except PeerError:
        return steps, None
    return steps, recording


def test_a_whole_recording_is_read_as_often_as_one_likes() -> None:
    recording = Recording(WHOLE)

    assert list(recording.steps()) == EXPECTED
    assert list(recording.steps()) == EXPECTED
    assert recording.cut_at is None
    assert recording.header.webhook == {"From": "+14255550123"}


def test_steps_are_decoded_as_they_are_asked_for() -> None:
    damaged = bytearray(WHOLE)
    damaged[-20] ^= 1

    assert list(islice(Recording(bytes(damaged)).steps(), 5)) == EXPECTED[:5]


def test_every_truncation_reads_a_prefix_and_says_where() -> None:
    header_end = next(block.at + 9 + len(block.content) for block in blocks(WHOLE))
    for length in range(header_end, len(WHOLE), 61):
        steps, recording = attempt(WHOLE[:length])

        assert recording is not None
        assert steps == EXPECTED[: len(steps)]
        assert recording.cut_at is not None
        assert recording.cut_at <= length


@pytest.mark.parametrize("length", [0, 1, 6, 7, 8, 12, 40])
def test_a_file_that_ends_before_its_header_does_is_named(length: int) -> None:
    with pytest.raises(PeerError, match=r"empty|cut short at byte"):
        Recording(WHOLE[:length])


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_reads_a_prefix(at: int, change: int) -> None:
    data = bytearray(WHOLE)
    data[at] ^= change
    steps, recording = attempt(bytes(data))

    assert steps == EXPECTED[: len(steps)]
    assert recording is None or recording.cut_at is not None


@given(st.lists(st.tuples(st.sampled_from([b"H", b"C", b"M", b"W", b"D", b"T", b"E", b"?"]), st.binary(max_size=20))))
def test_forged_blocks_end_in_nothing_worse_than_a_peer_error(forged: list[tuple[bytes, bytes]]) -> None:
    attempt(STEPS_ONLY + b"".join(pack(kind, content) for kind, content in forged))
    attempt(STEPS_ONLY + b"".join(pack(kind, zlib.compress(content)) for kind, content in forged))


rows = st.recursive(
    st.integers(-3, 300) | st.text(max_size=3) | st.binary(max_size=3) | st.none(), st.lists, max_leaves=20
)


@given(st.lists(st.tuples(st.integers(), st.tuples(st.integers(0, 3), rows, rows, rows, rows), st.just([]))) | rows)
def test_forged_rows_end_in_nothing_worse_than_a_peer_error(forged: object) -> None:
    try:
        content = msgspec.msgpack.encode(forged)
    except OverflowError:
        return
    attempt(STEPS_ONLY + pack(b"T", zlib.compress(content)))


@pytest.mark.parametrize(
    "row",
    [
        [0, 9, "x"],
        [1, 0, "\x01", [], 0],
        [2, 0, 5, [], 0],
        [1, 0, "\x02", [], 99],
        [1, 0, "\x02", [], -1],
        [1, 0, "\x02" * 1_000_000, [], 0],
    ],
)
def test_rows_that_fit_nothing_are_damage(row: object) -> None:
    data = STEPS_ONLY + pack(b"T", zlib.compress(msgspec.msgpack.encode([[0, row, []]])))

    with pytest.raises(PeerError, match="damaged at byte"):
        list(Recording(data).steps())


def test_a_row_that_is_nested_without_end_is_damage() -> None:
    rows = b"\x91\x94\x00\xc0\x90" + b"\x91" * 100_000 + b"\xc0"  # a fourth field, of lists in lists

    with pytest.raises(PeerError, match="damaged at byte"):
        list(Recording(STEPS_ONLY + pack(b"T", zlib.compress(rows))).steps())


def test_a_block_that_swells_without_end_is_damage() -> None:
    bomb = zlib.compress(bytes(70 * 2**20))

    with pytest.raises(PeerError, match="damaged at byte"):
        list(Recording(STEPS_ONLY + pack(b"C", bomb)).steps())


def test_blocks_of_a_later_version_are_passed_over() -> None:
    with_news = STEPS_ONLY + pack(b"Z", b"news") + pack(b"T", zlib.compress(msgspec.msgpack.encode([[7, None, []]])))

    assert list(Recording(with_news).steps()) == [Step(7, None)]


def test_more_fields_than_this_version_knows_are_passed_over() -> None:
    fields = json.loads(msgspec.json.encode(header())) | {"weather": "fine"}
    row = [7, [0, 2, "{}", "more"], [], "more"]
    data = MAGIC + b"\x01" + pack(b"H", zlib.compress(json.dumps(fields).encode()))
    data += pack(b"T", zlib.compress(msgspec.msgpack.encode([row])))

    assert list(Recording(data).steps()) == [Step(7, Entry("fact", "{}"))]


@pytest.mark.parametrize("more", [b"x", pack(b"E", b"")])
def test_nothing_may_follow_the_end(more: bytes) -> None:
    with pytest.raises(PeerError, match=f"damaged at byte {len(WHOLE):,}"):
        list(Recording(WHOLE + more).steps())


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"RIFF....WAVEfmt ", "not a recording"),
        (b"\x89CALL\n\x01" + WHOLE[8:], r"took it for text: send it as binary \(git: `\*.call binary`"),
        (b"\xc2\x89CALL\r\n\x01", "took it for text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "Git LFS's pointer to it: run `git lfs pull`"),
        (MAGIC + b"\x02" + b"whatever", "recorded in format 2, this program reads up to 1: update voice-agent"),
        (MAGIC + b"\x00", "damaged at byte 7"),
        (MAGIC + b"\x01" + pack(b"T", b""), "damaged at byte 8"),
        (MAGIC + b"\x01" + pack(b"H", b"no zlib"), "damaged at byte 8"),
        (
            MAGIC + b"\x01" + pack(b"H", zlib.compress(b"{}")),
            "header is not as this version writes it: .*; if a later voice-agent made it, update",
        ),
        (MAGIC + b"\x01" + pack(b"H", zlib.compress(b'"\xff"')), "header is not as this version writes it"),
        (
            MAGIC + b"\x01" + pack(b"H", zlib.compress(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
            "header is not as this version writes it: maximum recursion depth",
        ),
    ],
)
def test_what_is_no_recording_is_named_with_the_reason(data: bytes, problem: str) -> None:
    with pytest.raises(PeerError, match=problem):
        Recording(data)


def test_a_header_with_a_value_that_nobody_knows_is_told_in_one_short_line() -> None:
    value = b'"\\u0000' + b"x" * 10_000 + b'"'
    written = msgspec.json.encode(header()).replace(b'"server_vad"', value)

    with pytest.raises(PeerError, match="Invalid value") as raised:
        Recording(MAGIC + b"\x01" + pack(b"H", zlib.compress(written)))

    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "one.call").write_bytes(WHOLE)

    assert list(read(tmp_path / "one.call").steps()) == EXPECTED
    with pytest.raises(PeerError, match="cannot be read: No such file"):
        read(tmp_path / "two.call")
    with pytest.raises(PeerError, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_a_call_of_days_is_damage() -> None:
    steps = [Step(0, None), Step(LONGEST_MS, None), Step(LONGEST_MS + 1, None)]
    recording = Recording(write(header(), steps))
    found: list[Step] = []

    with pytest.raises(PeerError, match="damaged"):
        found.extend(recording.steps())
    assert list(Recording(write(header(), steps[:2])).steps()) == steps[:2]


@pytest.mark.parametrize(
    ("steps", "each"),
    [
        (MOST_TEXTS + 1, b"\x93\x00\xc0\x90"),
        (1, b"\x93\x00\xc0\xdd" + (MOST_TEXTS + 1).to_bytes(4, "big") + b"\x93\x00\x02\xa0" * (MOST_TEXTS + 1)),
        (1, b"\x93\x00\xc0\xdd" + MOST_TEXTS.to_bytes(4, "big") + b"\x93\x00\x02\xa0" * MOST_TEXTS),
    ],
    ids=["more steps", "more texts", "more of both"],
)
def test_more_steps_and_texts_than_any_call_has_are_damage(steps: int, each: bytes) -> None:
    packed = zlib.compress(b"\xdd" + steps.to_bytes(4, "big") + each * steps)
    assert len(packed) < 100_000

    recording = Recording(STEPS_ONLY + pack(b"T", packed))
    with pytest.raises(PeerError, match="damaged"):
        next(recording.loose_steps())
