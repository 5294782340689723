"""A call that breaks something is made smaller, and still breaks it."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_agent.sim.made_up.call import MadeUpCall
from voice_agent.sim.made_up.drawing import draw
from voice_agent.sim.made_up.shrinking import shrink, size
from voice_agent.sim.mishaps import Gap, Mishaps


def drawn(seed: int) -> MadeUpCall:
    return draw(seed, random.Random(seed))


def spoken(call: MadeUpCall) -> int:
    return sum(act.what == "speak" for act in call.acts)


@given(st.integers(0, 2**40), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_what_breaks_still_breaks_when_it_is_smaller(seed: int, needed: int) -> None:
    call = drawn(seed)
    needed = min(needed, spoken(call))
    smallest = shrink(call, lambda smaller: spoken(smaller) >= needed, 5000)

    assert spoken(smallest) == len(smallest.acts) == needed
    assert smallest.faults == ()
    assert smallest.mishaps == Mishaps()
    assert size(smallest) <= size(call)


def test_of_many_faults_the_one_that_matters_stays() -> None:
    call = msgspec.structs.replace(drawn(1), faults=("delay=300,drop@4,deaf", "chunks=300,mute"))
    smallest = shrink(call, lambda smaller: any("drop@4" in faults for faults in smaller.faults), 4000)

    assert smallest.faults == ("drop@4",)


def test_a_second_connection_keeps_its_place() -> None:
    call = msgspec.structs.replace(drawn(1), faults=("status-429,delay=300", "chunks=300,mute"))
    smallest = shrink(call, lambda smaller: "mute" in "".join(smaller.faults[1:]), 4000)

    assert smallest.faults[0] == ""
    assert "mute" in smallest.faults[1]


def test_one_gap_of_many_stays() -> None:
    gaps = tuple(Gap(at_ms, 60) for at_ms in range(0, 5000, 1000))
    call = msgspec.structs.replace(drawn(2), mishaps=Mishaps(gaps=gaps, lost_marks_percent=30))
    smallest = shrink(call, lambda smaller: Gap(3000, 60) in smaller.mishaps.gaps, 4000)

    assert smallest.mishaps == Mishaps(gaps=(Gap(3000, 60),))


def test_shrinking_ends_when_its_tries_are_used_up() -> None:
    asked: list[MadeUpCall] = []

    def breaks(call: MadeUpCall) -> bool:
        asked.append(call)
        return True

    shrink(drawn(5), breaks, 4000, tries=7)
    assert len(asked) == 7
