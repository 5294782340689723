"""Keys that the agent presses, in a whole simulated call: the far end talks all the time, as a menu does."""

import random
from collections.abc import Iterator

import pytest

from tests.support.scenes import an_agent
from voice_agent.agent import BargeIn, DigitsToSend, Tool
from voice_agent.audio.dtmf import keys_in
from voice_agent.call.commands import AgentSaid, CallStarted, ToolAnswered
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.sim import carrier as phone
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World, voice

SEND = Tool("send_digits", "", {}, "send_digits", keys=DigitsToSend())


class Menu:
    """Speaks for half of the time."""

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterator[phone.Input]:
        """See `sim.world.Caller`."""
        del carrier
        if now_ms > 20_000:
            yield phone.HangUp()
        elif now_ms % 2000 == 1000:
            yield phone.Speak(voice(1000))


def mind(asked: Think) -> list[ThoughtText | ThoughtCall]:
    """Presses keys once, and then talks."""
    if any(line.kind == "call" for line in asked.conversation):
        return [ThoughtText(asked.response_id, "word " * 10)]
    return [ThoughtCall(asked.response_id, "send_digits", '{"digits": "147*"}')]


@pytest.mark.parametrize("barge_in", [BargeIn(), BargeIn(after_ms=200)])
@pytest.mark.parametrize("direct", [False, True])
def test_the_far_end_hears_them_whole_though_it_talks(barge_in: BargeIn, direct: bool) -> None:
    world = World(
        CallSetup(
            call_sid="CA" + "2" * 32,
            agent=an_agent(tools=(SEND,), greeting=None, barge_in=barge_in),
            model=ModelSetup(audio="g711"),
        ),
        caller=Menu(),
        mind=mind,
        chance=random.Random(2),
        direct=direct,
    ).run(60_000)

    answers = [report.output for _, report in world.reports if isinstance(report, ToolAnswered)]
    assert [found.key for found in keys_in(world.carrier.agent_track)] == list("147*")
    assert answers == ['{"sent":"147*"}']
    assert world.ended is not None


@pytest.mark.parametrize("direct", [False, True])
def test_the_carrier_presses_them_though_the_far_end_talks_and_the_call_goes_on(direct: bool) -> None:
    tool = Tool("send_digits", "", {}, "send_digits", keys=DigitsToSend(by="call"))
    setup = CallSetup(
        call_sid="CA" + "2" * 32, agent=an_agent(tools=(tool,), greeting=None), model=ModelSetup(audio="g711")
    )
    first = World(setup, caller=Menu(), mind=mind, chance=random.Random(2), direct=direct).run(60_000)
    then = setup.going_on(first.bridge.call.resumption())
    second = World(then, caller=Menu(), mind=mind, chance=random.Random(2), direct=direct).run(60_000)

    assert first.invariants.finish() == second.invariants.finish() == []
    assert first.ended is not None
    assert (first.ended.outcome, first.ended.keys) == ("keys_sent", "147*")
    assert second.ended is not None
    assert second.ended.outcome == "caller_hung_up"
    # It speaks at once: that the keys were sent is its turn.
    assert isinstance(next(iter(second.reports))[1], CallStarted)
    assert any(isinstance(report, AgentSaid) for _, report in second.reports)
