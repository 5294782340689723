"""The streams from the outside: what goes in, what comes out, and how good it is in each direction alone.

A round trip would be blind: even plain decimation passes one at 1 kHz. The bounds are those the design was chosen by.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.audio.tones import TELEPHONE_BAND_HZ, decibels, sinad, sine, spectrum
from voice_agent.audio import mulaw
from voice_agent.audio.resample import DOWN_TAPS, UP_TAPS, Downsampler, Upsampler

FULL_SCALE = 32124
"""The loudest sample of mu-law."""

Stream = Upsampler | Downsampler
BOTH = pytest.mark.parametrize("kind", [Upsampler, Downsampler])


def up(data: bytes) -> NDArray[np.int16]:
    return np.frombuffer(Upsampler().feed(data), "<i2")


def down(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    return mulaw.decode(Downsampler().feed(samples.astype("<i2").tobytes()))


def noise(length: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, length, np.uint8).tobytes()


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut into chunks of these sizes, over and over if the data are longer."""
    chunks = []
    while data:
        for size in [*sizes, 1]:
            chunks.append(data[:size])
            data = data[size:]
    return chunks


def saturated(exact: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.floor(exact + 0.5), -32768, 32767).astype(np.int16)


# What comes out is the definition of the filter


@given(st.binary(min_size=1, max_size=600))
def test_up_is_the_convolution_with_its_taps_saturated(data: bytes) -> None:
    stuffed = np.zeros(3 * len(data))
    stuffed[::3] = mulaw.decode(data)
    expected = saturated(np.convolve(stuffed, UP_TAPS)[: 3 * len(data)])

    assert up(data).tolist() == expected.tolist()


@given(st.binary(min_size=6, max_size=2000))
def test_down_is_every_third_sample_of_the_convolution_saturated_and_encoded(data: bytes) -> None:
    samples = np.frombuffer(data[: len(data) // 6 * 6], "<i2")
    expected = mulaw.encode(saturated(np.convolve(samples, DOWN_TAPS)[: len(samples) : 3]))

    assert Downsampler().feed(data) == expected


def test_the_input_stands_unchanged_in_what_was_brought_up() -> None:
    data = noise(8000)

    assert up(data)[48::3].tolist() == mulaw.decode(data)[:-16].tolist()


@pytest.mark.parametrize("constant", [0, 1, -1, 3, -5, 100, -1000, 12345, -12345, 32767, -32768])
def test_a_constant_comes_down_as_exactly_its_code(constant: int) -> None:
    data = np.full(2400, constant, "<i2")

    # After the three milliseconds of the delay and three more the past is the constant alone.
    assert Downsampler().feed(data.tobytes())[48:] == mulaw.encode(data[:752])


@pytest.mark.parametrize("code", [0x00, 0x7F, 0x80, 0xFF, 0x9A, 0x15])
def test_a_constant_comes_up_as_exactly_its_value(code: int) -> None:
    assert set(up(bytes([code]) * 800)[96:].tolist()) == set(mulaw.decode(bytes([code])).tolist())


def test_silence_stays_exact_silence() -> None:
    up_stream, down_stream = Upsampler(), Downsampler()

    assert up_stream.feed(bytes([mulaw.SILENCE]) * 1600) + up_stream.flush() == bytes(9600 + 96)
    assert down_stream.feed(bytes(9600)) + down_stream.flush() == bytes([mulaw.SILENCE]) * (1600 + 24)


def test_overload_saturates_and_never_wraps_up() -> None:
    # Ones and minus ones that follow the signs of a phase's taps drive the filter to its worst overshoot, 2.23 times.
    signs = np.sign(UP_TAPS[1::3][::-1])
    worst = mulaw.encode((np.concatenate([signs, -signs]) * FULL_SCALE).astype(np.int16))
    result = up(worst)

    assert (result[31 * 3 + 1], result[63 * 3 + 1]) == (32767, -32768)


def test_overload_saturates_and_never_wraps_down() -> None:
    signs = np.where(DOWN_TAPS[::-1] < 0, -1, 1)
    worst = np.concatenate([np.zeros(2), signs * 32767]).astype(np.int16)

    # The newest of the 145 is sample 146, on which output 48 is made with the padding of a group.
    padded = np.concatenate([worst[2:], np.zeros(2, np.int16)])
    assert down(padded)[48] == FULL_SCALE
    assert down(-padded)[48] == -FULL_SCALE


@pytest.mark.parametrize("seed", range(5))
def test_square_noise_at_full_scale_keeps_its_sign_where_it_is_clear(seed: int) -> None:
    signs = np.random.default_rng(seed).choice([-1, 1], 4000)
    stuffed = np.zeros(12_000)
    stuffed[::3] = signs * FULL_SCALE
    exact = np.convolve(stuffed, UP_TAPS)[:12_000]
    result = up(mulaw.encode((signs * FULL_SCALE).astype(np.int16)))

    assert np.abs(exact).max() > 40_000
    assert (result[exact > 32767] == 32767).all()
    assert (result[exact < -32768] == -32768).all()


# Lengths, chunks, ends and cuts


@given(st.integers(1, 50))
def test_every_20_ms_frame_gives_exactly_20_ms_at_once(frames: int) -> None:
    up_stream, down_stream = Upsampler(), Downsampler()

    assert {len(up_stream.feed(bytes(160))) for _ in range(frames)} == {960}
    assert {len(down_stream.feed(bytes(960))) for _ in range(frames)} == {160}


@BOTH
@given(data=st.binary(max_size=3000), sizes=st.lists(st.integers(0, 700), max_size=8))
def test_the_result_does_not_depend_on_the_chunks(kind: type[Stream], data: bytes, sizes: list[int]) -> None:
    whole, parts = kind(), kind()

    expected = whole.feed(data) + whole.flush()

    assert b"".join([*map(parts.feed, cut(data, sizes)), parts.flush()]) == expected


@BOTH
@pytest.mark.parametrize("size", [1, 161, 7, 960, 1280, 1281, 7680, 7681, 24_001])
def test_a_long_stream_does_not_depend_on_the_chunks(kind: type[Stream], size: int) -> None:
    whole, parts = kind(), kind()
    data = noise(48_003)

    expected = whole.feed(data) + whole.flush()

    assert b"".join([*map(parts.feed, cut(data, [size])), parts.flush()]) == expected


FRAME = st.builds(noise, st.sampled_from([6, 30, 48, 160, 288, 480, 960]), st.integers(1, 3))


@BOTH
@given(frames=st.lists(st.tuples(FRAME, st.integers(1, 4)), max_size=8))
def test_a_frame_that_comes_again_is_filtered_as_any_other(kind: type[Stream], frames: list[tuple[bytes, int]]) -> None:
    whole, parts = kind(), kind()
    again = [frame for frame, times in frames for _ in range(times)]

    expected = whole.feed(b"".join(again)) + whole.flush()

    assert b"".join([*map(parts.feed, again), parts.flush()]) == expected


@BOTH
def test_nothing_in_gives_nothing_out(kind: type[Stream]) -> None:
    stream = kind()

    assert stream.feed(b"") == b""
    assert stream.flush() == b""


@given(st.integers(1, 2000))
def test_a_flushed_stream_up_holds_the_whole_input(length: int) -> None:
    stream = Upsampler()
    result = stream.feed(noise(length)) + stream.flush()

    assert len(result) == 6 * length + 96
    assert np.frombuffer(result, "<i2")[48::3].tolist() == mulaw.decode(noise(length)).tolist()


@given(st.integers(2, 3000))
def test_a_flushed_stream_down_holds_the_whole_input_but_half_a_tenth_of_a_millisecond(length: int) -> None:
    stream = Downsampler()
    result = stream.feed(noise(length)) + stream.flush()
    samples = length // 2
    last_centre = 3 * (len(result) - 1 - 24)

    assert len(result) == -(-samples // 3) + 24
    assert (samples - 1 - last_centre) / 24 < 0.1
    assert length % 6 or len(result) == length // 6 + 24


def test_half_a_sample_has_no_tail() -> None:
    stream = Downsampler()

    assert stream.feed(b"\x7f") == b""
    assert stream.flush() == b""


@BOTH
@given(before=st.binary(max_size=500), after=st.binary(max_size=500))
def test_after_a_flush_the_stream_is_as_new(kind: type[Stream], before: bytes, after: bytes) -> None:
    stream, fresh = kind(), kind()
    stream.feed(before)
    stream.flush()

    assert stream.feed(after) + stream.flush() == fresh.feed(after) + fresh.flush()
    assert stream.flush() == b""


@BOTH
@given(before=st.binary(max_size=500), after=st.binary(max_size=500))
def test_nothing_of_a_cut_reply_is_heard_in_the_next(kind: type[Stream], before: bytes, after: bytes) -> None:
    stream, fresh = kind(), kind()
    stream.feed(before)
    stream.reset()

    assert stream.feed(after) + stream.flush() == fresh.feed(after) + fresh.flush()


@BOTH
def test_two_streams_share_nothing(kind: type[Stream]) -> None:
    alone, one, other = kind(), kind(), kind()
    frames = cut(noise(9600), [960])
    expected = b"".join(map(alone.feed, frames))
    mixed = b""
    for frame in frames:
        mixed += one.feed(frame)
        other.feed(frame[::-1])

    assert mixed == expected


# Quality: the bounds of the design


def test_the_delay_up_is_2_ms() -> None:
    assert int(np.argmax(np.abs(up(b"\x00" + b"\xff" * 799)))) == 48


def test_the_delay_down_is_3_ms() -> None:
    click = np.zeros(2400, np.int16)
    click[0] = 32767

    assert int(np.argmax(np.abs(down(click)))) == 24


def test_up_leaves_the_telephone_band_as_it_was() -> None:
    gains = []
    for hz in TELEPHONE_BAND_HZ:
        data = mulaw.encode(sine(hz, FULL_SCALE / 2, 8_000))
        before, after = spectrum(mulaw.decode(data), 8_000)[hz], spectrum(up(data), 24_000)[hz]
        gains.append(decibels(after / before))

    assert abs(gains[7]) <= 0.1  # 1000 Hz
    assert max(gains) - min(gains) <= 0.1
    assert max(gains) - min(gains) <= 0.003  # what this filter reaches


def test_up_leaves_no_images_of_the_telephone_band() -> None:
    worst = -200.0
    for hz in TELEPHONE_BAND_HZ:
        lines = spectrum(up(mulaw.encode(sine(hz, FULL_SCALE / 2, 8_000))), 24_000)
        worst = max(worst, decibels(max(lines[8_000 - hz], lines[8_000 + hz]) / lines[hz]))

    assert worst <= -60
    assert worst <= -75  # what this filter reaches


@pytest.mark.parametrize("level_db", [0, -20])
def test_up_costs_a_sine_none_of_its_sinad(level_db: int) -> None:
    data = mulaw.encode(sine(1004, FULL_SCALE * 10 ** (level_db / 20), 8_000))

    assert sinad(up(data), 1004, 24_000) >= sinad(mulaw.decode(data), 1004, 8_000) - 0.3


def test_down_leaves_the_telephone_band_as_it_was() -> None:
    gains = []
    for hz in TELEPHONE_BAND_HZ:
        # The odd Hz spreads mu-law's own errors over many phases of the sine.
        after = spectrum(down(sine(hz + 7, FULL_SCALE / 2, 24_000)), 8_000)[hz + 7]
        gains.append(decibels(after / (FULL_SCALE / 2)))

    assert abs(gains[7]) <= 0.1
    assert max(gains) - min(gains) <= 0.1


@pytest.mark.parametrize(("band", "bound_db"), [(range(4_600, 12_000, 100), -55), (range(4_000, 4_600, 50), -50)])
def test_down_lets_nothing_fold_back(band: range, bound_db: int) -> None:
    for hz in band:
        left = down(sine(hz, 32767, 24_000))[-8_000:].astype(float).std() / (32767 / np.sqrt(2))

        assert left <= 10 ** (bound_db / 20), hz


@pytest.mark.parametrize(("level_db", "bound_db"), [(0, 39.0), (-20, 36.7), (-50, 29.0)])
def test_down_gives_a_sine_the_sinad_of_mulaw_itself(level_db: int, bound_db: float) -> None:
    result = down(sine(1004, FULL_SCALE * 10 ** (level_db / 20), 24_000))

    assert sinad(result, 1004, 8_000) >= bound_db
