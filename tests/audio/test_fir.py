import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audio.tones import decibels
from voice_agent.audio.fir import exact, lowpass, thirds, toeplitz
from voice_agent.audio.resample import DOWN_TAPS, UP_TAPS


def response(taps: NDArray[np.float64], *hz: int) -> NDArray[np.float64]:
    """Give the gain of a filter at 24 kHz for each frequency."""
    turns = np.outer(hz, np.arange(len(taps))) / 24_000
    return np.asarray(np.abs(np.exp(-2j * np.pi * turns) @ taps))


@pytest.mark.parametrize(
    ("taps", "digest"),
    [(UP_TAPS, "54bac7eaeab3be2e"), (DOWN_TAPS, "7478e841bc3ea464")],
    ids=["up", "down"],
)
def test_the_coefficients_are_the_same_integers_on_every_machine(taps: NDArray[np.float64], digest: str) -> None:
    integers = taps * 2**24

    assert (integers == np.rint(integers)).all()
    assert hashlib.sha256(integers.astype("<i4").tobytes()).hexdigest()[:16] == digest


def test_each_phase_up_and_the_whole_filter_down_have_a_gain_of_exactly_one_for_a_constant() -> None:
    assert [UP_TAPS[phase::3].sum() for phase in range(3)] == [1, 1, 1]
    assert DOWN_TAPS.sum() == 1


def test_every_third_tap_up_is_zero_but_the_centre_is_one() -> None:
    expected = np.zeros(33)
    expected[16] = 1

    assert UP_TAPS[0::3].tolist() == expected.tolist()


def test_both_filters_are_symmetric_so_that_no_frequency_is_delayed_more_than_another() -> None:
    assert UP_TAPS.tolist() == UP_TAPS[::-1].tolist()
    assert DOWN_TAPS.tolist() == DOWN_TAPS[::-1].tolist()


def test_the_filter_up_reaches_what_it_was_chosen_for() -> None:
    passband = response(UP_TAPS, *range(300, 3401, 10)) / 3
    images = response(UP_TAPS, *range(4600, 12001, 10)) / 3

    assert max(abs(decibels(passband.max())), abs(decibels(passband.min()))) < 0.0025
    assert decibels(images.max()) < -75


def test_the_filter_down_reaches_what_it_was_chosen_for() -> None:
    passband = response(DOWN_TAPS, *range(300, 3401, 10))

    assert max(abs(decibels(passband.max())), abs(decibels(passband.min()))) < 0.012
    assert decibels(response(DOWN_TAPS, *range(4600, 12001, 10)).max()) < -67
    assert decibels(response(DOWN_TAPS, *range(4000, 4601, 10)).max()) < -59.5


def test_overload_can_drive_both_filters_beyond_16_bits() -> None:
    overshoot_up = max(np.abs(UP_TAPS[phase::3]).sum() for phase in range(3))

    assert round(float(overshoot_up), 2) == 2.23
    assert round(float(np.abs(DOWN_TAPS).sum()), 2) == 2.11


def test_a_lowpass_halves_its_cutoff_frequency() -> None:
    taps = lowpass(taps=97, rate_hz=24_000, cutoff_hz=3_000, beta=7.5)

    assert response(taps, 3_000)[0] == pytest.approx(0.5, abs=0.001)


def test_rounding_puts_the_remainder_on_the_largest_tap() -> None:
    taps = exact(np.array([1.0, 4.0, 2.0]))

    assert taps.sum() == 1
    assert taps * 7 == pytest.approx([1, 4, 2], abs=1e-6)


def test_thirds_are_exact_by_themselves() -> None:
    assert thirds(np.array([1.0, 1.0, 1.0, 3.0, 1.0, 0.0])).tolist() == [0.25, 0.5, 1, 0.75, 0.5, 0]


def test_a_toeplitz_matrix_filters_a_window() -> None:
    matrix = toeplitz([np.array([1.0, 2.0]), np.array([10.0])], newest=[1, 1, 2, 2], window=3)

    assert (np.array([5.0, 6.0, 7.0]) @ matrix).tolist() == [6 + 2 * 5, 60, 7 + 2 * 6, 70]
