import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.emulator.speech.hearing import cut_at_silence, read_tokens


@given(st.lists(st.binary(max_size=300)))
def test_tokens_of_any_length_are_read(tokens: list[bytes]) -> None:
    def length(size: int) -> bytes:
        return bytes([size]) if size < 128 else bytes([128 + size % 128, size // 128])

    assert read_tokens(b"".join(length(len(token)) + token for token in tokens)) == tokens


def test_a_short_turn_is_not_cut() -> None:
    samples = np.ones(16_000 * 20, np.float32)

    assert [len(piece) for piece in cut_at_silence(samples)] == [16_000 * 20]


def test_a_long_turn_is_cut_where_it_is_quiet() -> None:
    samples = np.ones(16_000 * 30, np.float32)
    samples[16_000 * 17 : 16_000 * 17 + 3200] = 0
    pieces = cut_at_silence(samples)

    assert 17.0 < len(pieces[0]) / 16_000 < 17.2
    assert sum(map(len, pieces)) == len(samples)
