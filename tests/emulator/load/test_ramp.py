import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.emulator.load.ramp import Ramp


def climb(ramp: Ramp, capacity: int) -> list[int]:
    """Try what the ramp asks for on a bridge that carries so many calls."""
    tried = []
    while (calls := ramp.next()) is not None:
        tried.append(calls)
        ramp.note(calls, calls <= capacity)
    return tried


def test_levels_are_doubled_until_one_is_too_much_and_halved_then() -> None:
    assert climb(Ramp(400), 97) == [10, 20, 40, 80, 160, 120, 100, 90, 95]


def test_a_bridge_that_carries_all_that_is_allowed_is_asked_no_more() -> None:
    ramp = Ramp(50)

    assert climb(ramp, 1000) == [10, 20, 40, 50]
    assert (ramp.carried, ramp.refused) == (50, None)


def test_a_bridge_that_carries_nothing_is_found_out() -> None:
    ramp = Ramp(400)

    assert climb(ramp, 0) == [10, 5, 2, 1]
    assert ramp.carried == 0


@pytest.mark.parametrize("most", [1, 7])
def test_the_first_level_is_within_what_is_allowed(most: int) -> None:
    assert max(climb(Ramp(most), 1000)) == most


@given(st.integers(0, 1500), st.integers(1, 1024))
def test_the_capacity_is_found_to_a_tenth_in_few_levels(capacity: int, most: int) -> None:
    ramp = Ramp(most)

    tried = climb(ramp, capacity)

    true = min(capacity, most)
    assert ramp.carried <= true <= ramp.carried * 1.1 + 1
    assert len(tried) <= 16
    assert max(tried) <= most
