import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.errors import PeerError
from voice_agent.recording.format import BLOCK_LIMIT, MAGIC, Block, blocks, join_wide, pack, split_wide

FRONT = MAGIC + b"\x01"


def test_blocks_come_back_with_their_places() -> None:
    data = FRONT + pack(b"C", b"sound") + pack(b"T", b"")

    assert list(blocks(data)) == [Block(8, b"C", b"sound"), Block(22, b"T", b"")]


def test_a_block_that_is_cut_short_ends_the_walk() -> None:
    whole = FRONT + pack(b"C", b"sound")

    for length in range(len(FRONT), len(whole)):
        assert list(blocks(whole[:length])) == []


def test_a_changed_byte_is_found_where_its_block_begins() -> None:
    data = bytearray(FRONT + pack(b"C", b"sound") + pack(b"T", b"steps"))
    data[-1] ^= 1
    walk = blocks(bytes(data))
    next(walk)

    with pytest.raises(PeerError, match="damaged at byte 22"):
        next(walk)


def test_a_forged_length_is_refused() -> None:
    with pytest.raises(PeerError, match="damaged at byte 8"):
        next(blocks(FRONT + b"C" + (BLOCK_LIMIT + 1).to_bytes(4, "big") + b"\0" * 20))


@given(st.binary())
def test_splitting_wide_audio_can_be_undone(audio: bytes) -> None:
    assert join_wide(split_wide(audio)) == audio


def test_wide_audio_is_split_into_low_and_high_bytes() -> None:
    assert split_wide(b"\x01\xa0\x02\xb0\x03") == b"\x01\x02\x03\xa0\xb0"
