from itertools import accumulate, pairwise

import numpy as np

from voice_agent.audio import alaw, mulaw
from voice_agent.audio.audioop_import import audioop

EVERY_CODE = bytes(range(256))


def test_the_samples_are_those_of_g711() -> None:
    # Table 1a, in 13-bit units: 32 intervals of 2, then in each segment 16 that are twice as wide.
    widths = [2] * 32 + [2 << segment for segment in range(1, 7) for _ in range(16)]
    edges = [0, *accumulate(widths)]
    middles = [8 * (low + high) // 2 for low, high in pairwise(edges)]

    # Codes as they are sent: 0xD5 and 0x55 are the smallest, 0xAA and 0x2A the largest.
    sent = [(0x80 | number) ^ 0x55 for number in range(128)]
    assert edges[-1] == 4096
    assert [int(alaw.DECODED[code]) for code in sent] == middles
    assert [int(alaw.DECODED[code ^ 0x80]) for code in sent] == [-middle for middle in middles]
    assert (int(alaw.DECODED[0xD5]), int(alaw.DECODED[0xAA])) == (8, 32256)


def test_decoding_agrees_with_audioop() -> None:
    assert alaw.DECODED.astype("<i2").tobytes() == audioop.alaw2lin(EVERY_CODE, 2)


def test_a_code_becomes_the_nearest_one_of_the_other_law() -> None:
    for table, source, target in (
        (alaw.TO_MULAW, alaw.DECODED, mulaw.DECODED),
        (alaw.FROM_MULAW, mulaw.DECODED, alaw.DECODED),
    ):
        wanted = source.astype(int)
        made = target.astype(int)[np.frombuffer(EVERY_CODE.translate(table), np.uint8)]
        nearest = np.abs(wanted[:, None] - target.astype(int)[None, :]).min(axis=1)

        assert np.array_equal(np.abs(made - wanted), nearest)


def test_silence_stays_nearly_silent_both_ways() -> None:
    assert int(alaw.DECODED[alaw.SILENCE]) == 8
    assert abs(int(mulaw.DECODED[alaw.TO_MULAW[alaw.SILENCE]])) <= 8
    assert abs(int(alaw.DECODED[alaw.FROM_MULAW[mulaw.SILENCE]])) == 8


def test_speech_survives_the_way_there_and_back_within_a_step() -> None:
    samples = mulaw.DECODED.astype(int)
    back = samples[np.frombuffer(EVERY_CODE.translate(alaw.FROM_MULAW).translate(alaw.TO_MULAW), np.uint8)]

    assert np.all(np.abs(back - samples) <= np.maximum(24, np.abs(samples) // 12))
