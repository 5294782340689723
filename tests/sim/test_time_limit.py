"""Until when a call may last, whoever has it and whoever wants it to end."""

import pytest

from tests.support.scenes import an_agent
from voice_agent.agent import Limits
from voice_agent.call.conversation import Conversation, Resumption
from voice_agent.call.events import EndRequested, StreamStarted
from voice_agent.call.setup import CallSetup
from voice_agent.sim.time_limit import TimeLimit

BEGINS = StreamStarted("MZ1", "CA1")
GOODBYE = EndRequested("the operator", goodbye=True)
ONE_MINUTE = an_agent(limits=Limits(minutes=1))


def limit(left_ms: int | None = None) -> TimeLimit:
    resumed = None if left_ms is None else Resumption(Conversation("an agent"), left_ms=left_ms)
    limit = TimeLimit(CallSetup(call_sid="CA1", agent=ONE_MINUTE, resumed=resumed))
    limit.watch(300, BEGINS)
    return limit


@pytest.mark.parametrize(("left_ms", "ends_ms"), [(None, 60_300), (50_000, 50_300), (0, 30_300)])
def test_it_is_the_agent_s_or_what_is_left_of_it(left_ms: int | None, ends_ms: int) -> None:
    assert [limit(left_ms).is_over(at_ms) for at_ms in (ends_ms - 1, ends_ms)] == [False, True]


def test_another_agent_has_a_time_of_its_own_and_the_former_s_end_still_counts_just_then() -> None:
    handed = limit()
    handed.hand_over(60_290, ONE_MINUTE)

    assert [handed.is_over(at_ms) for at_ms in (60_299, 60_300, 60_319, 60_320, 120_290)] == [
        False,
        True,
        True,
        False,
        True,
    ]


def test_who_wants_a_goodbye_brings_it_forward_once_for_whoever_gets_the_call() -> None:
    asked = limit()
    asked.watch(5000, GOODBYE)
    asked.watch(9000, GOODBYE)
    asked.hand_over(10_000, ONE_MINUTE)

    assert [asked.is_over(at_ms) for at_ms in (19_999, 20_000)] == [False, True]


@pytest.mark.parametrize("wish", [EndRequested("the operator"), EndRequested("the operator", goodbye=True, to="sales")])
def test_no_other_wish_changes_it(wish: EndRequested) -> None:
    asked = limit()
    asked.watch(5000, wish)

    assert not asked.is_over(20_000)
