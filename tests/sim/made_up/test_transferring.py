"""Calls that are transferred, as they are drawn and held."""

import random

from tests.sim.made_up.test_drawing import many
from tests.sim.made_up.test_typing import CLIPS
from voice_agent.sim.made_up.holding import hold
from voice_agent.sim.made_up.transferring import TRANSFER


def test_callers_are_put_through_and_no_rule_is_broken() -> None:
    able = [call for call in many() if any(tool.name == TRANSFER for tool in call.setup.agent.tools)]
    outcomes = set()
    for call in able[:12]:
        held, _ = hold(call, random.Random(call.seed), CLIPS, direct=True)
        assert held.breaks == ()
        outcomes.add(held.outcome)

    assert 0.05 < len(able) / len(many()) < 0.2
    assert {"transferred", "caller_hung_up"} <= outcomes
