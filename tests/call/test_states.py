"""The table of states."""

import pytest

from voice_agent.call.states import TRANSITIONS, Cause, Phase, after


def reachable(start: Phase) -> set[Phase]:
    found, new = {start}, [start]
    while new:
        phase = new.pop()
        next_phases = {after(phase, cause) for cause in Cause} - {None} - found
        found |= next_phases  # type: ignore[arg-type]  # `None` was taken out
        new += next_phases  # type: ignore[arg-type]  # as above
    return found


def test_every_phase_is_reached_from_the_first() -> None:
    assert reachable(Phase.WAITING) == set(Phase)


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_comes_to_the_end(phase: Phase) -> None:
    assert Phase.ENDED in reachable(phase)


@pytest.mark.parametrize("phase", set(Phase) - {Phase.ENDED})
def test_a_caller_who_is_gone_ends_every_phase_at_once(phase: Phase) -> None:
    assert after(phase, Cause.CALLER_GONE) is Phase.ENDED


@pytest.mark.parametrize("cause", Cause)
def test_the_end_is_final(cause: Cause) -> None:
    assert after(Phase.ENDED, cause) is None


def test_only_a_goodbye_can_be_taken_back() -> None:
    assert [phase for phase in Phase if after(phase, Cause.CALLER_SPOKE)] == [Phase.GOODBYE]


def test_every_cause_means_something_somewhere() -> None:
    assert {cause for _, cause in TRANSITIONS} == set(Cause)
