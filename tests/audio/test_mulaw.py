from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.audio import mulaw
from voice_agent.audio.audioop_import import audioop

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
EVERY_CODE = bytes(range(256))


def decision_values() -> list[int]:
    """Give x1 to x128 of ITU-T G.711 table 2a in 14-bit units: 1, 3, 5, ... 31, 35, ... 8159."""
    values = [1]
    for segment, intervals in enumerate([15] + [16] * 7, start=1):
        values += [values[-1] + 2**segment * (interval + 1) for interval in range(intervals)]
    return values


def test_the_decision_values_of_this_test_are_those_printed_in_g711() -> None:
    values = decision_values()

    assert len(values) == 128
    assert [values[index] for index in (15, 31, 47, 63, 79, 95, 111, 127)] == [31, 95, 223, 479, 991, 2015, 4063, 8159]


def test_every_sample_gets_the_code_that_g711_gives_it() -> None:
    # Table 2 has no code beyond x128, so what is louder gets the last one. Codes are sent inverted.
    number = np.searchsorted(4 * np.array(decision_values()[:-1]), np.abs(EVERY_SAMPLE.astype(int)), side="right")
    expected = np.where(EVERY_SAMPLE >= 0, 0xFF - number, 0x7F - number).astype(np.uint8)

    assert mulaw.encode(EVERY_SAMPLE) == expected.tobytes()


def test_every_code_gets_the_value_that_g711_gives_it() -> None:
    edges = [0, *decision_values()]
    values = [0] + [(low + high) // 2 for low, high in pairwise(edges[1:])]
    expected = [-4 * values[0x7F - code] if code < 0x80 else 4 * values[0xFF - code] for code in range(256)]

    assert mulaw.decode(EVERY_CODE).tolist() == expected


def test_every_code_survives_decoding_and_encoding_except_the_second_zero() -> None:
    expected = EVERY_CODE.replace(b"\x7f", b"\xff")

    assert mulaw.encode(mulaw.decode(EVERY_CODE)) == expected


def test_silence_is_zero_and_zero_is_silence() -> None:
    assert mulaw.decode(bytes([mulaw.SILENCE])).tolist() == [0]
    assert mulaw.encode(np.zeros(1, np.int16)) == bytes([mulaw.SILENCE])


def test_decoding_agrees_with_audioop_and_encoding_differs_where_audioop_is_wrong() -> None:
    theirs = audioop.lin2ulaw(EVERY_SAMPLE.tobytes(), 2)
    different = EVERY_SAMPLE[np.frombuffer(mulaw.encode(EVERY_SAMPLE), np.uint8) != np.frombuffer(theirs, np.uint8)]

    assert mulaw.decode(EVERY_CODE).tobytes() == audioop.ulaw2lin(EVERY_CODE, 2)
    assert len(different) == 381
    assert (different < 0).all()


@given(st.binary(max_size=400))
def test_a_byte_is_a_sample(data: bytes) -> None:
    assert len(mulaw.decode(data)) == len(data)
    assert len(mulaw.encode(mulaw.decode(data))) == len(data)


def test_a_millisecond_is_eight_bytes() -> None:
    assert mulaw.BYTES_PER_MS == 8
