"""What a standby tells before it is taken over, and what it is then."""

import asyncio

import pytest

from tests.support.pump import FakeLeg
from voice_agent.call.events import ModelClosed, ModelFault, ModelOpened, ModelRefused, StandbyFailed, StandbyReady
from voice_agent.live.standby import Standby
from voice_agent.wire.bridge import Input
from voice_agent.wire.texts import ModelText


def run(leg: FakeLeg, *heard: Input, take: bool = False) -> tuple[Standby, list[Input]]:
    """Let the server say this; `take`: take the standby over when it is ready."""
    standby, fed = Standby(leg), list[Input]()

    def feed(received: Input) -> None:
        fed.append(received)
        if take and isinstance(received, StandbyReady):
            assert standby.take()

    for received in heard:
        leg.hear(received)
    leg.close("the test is over")
    asyncio.run(standby.run(feed))
    return standby, fed


def test_taken_over_it_is_the_leg_that_it_was_made_of_from_the_first_text_on() -> None:
    leg = FakeLeg()
    standby, fed = run(leg, ModelOpened(), ModelText("a"), ModelText("b"), ModelClosed(1000), take=True)

    assert fed == [StandbyReady(), ModelText("a"), ModelText("b"), ModelClosed(1000)]
    assert (standby.send("to the server"), leg.sent, standby.waiting) == (0, ["to the server"], 1)


def test_not_taken_over_it_closes_itself_and_tells_nothing_more() -> None:
    leg = FakeLeg()
    standby = Standby(leg)
    fed: list[Input] = []
    for received in (ModelText("a"), ModelText("b"), ModelClosed(1000)):
        leg.hear(received)
    asyncio.run(standby.run(fed.append))

    assert (fed, leg.closed, standby.take()) == ([StandbyReady()], "", False)


@pytest.mark.parametrize("heard", [ModelRefused(503, "HTTP 503: busy"), ModelClosed(1013, "HTTP 503: busy")])
def test_that_it_is_not_to_be_had_is_told_once(heard: Input) -> None:
    standby, fed = run(FakeLeg(), ModelFault("a binary message"), heard, ModelText("late"), ModelClosed(1006))

    assert len(fed) == 1
    assert isinstance(fed[0], StandbyFailed)
    assert "HTTP 503: busy" in fed[0].detail
    assert not standby.take()
