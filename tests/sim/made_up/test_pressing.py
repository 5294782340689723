"""Agents that press keys, as they are drawn and held."""

import random

from tests.sim.made_up.test_drawing import many
from tests.sim.made_up.test_typing import CLIPS
from voice_agent.call.commands import ToolAnswered
from voice_agent.sim.made_up.holding import hold
from voice_agent.sim.made_up.pressing import PRESS


def test_keys_are_pressed_and_no_rule_is_broken() -> None:
    able = [call for call in many() if any(tool.name == PRESS for tool in call.setup.agent.tools)]
    answers = []
    for call in able[:12]:
        held, world = hold(call, random.Random(call.seed), CLIPS, direct=True)
        assert held.breaks == ()
        answers += [report.output for _, report in world.reports if isinstance(report, ToolAnswered)]

    assert 0.05 < len(able) / len(many()) < 0.2
    assert any('"sent"' in answer for answer in answers)
