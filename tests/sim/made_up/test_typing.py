import random

from voice_agent.call.commands import ToolAnswered
from voice_agent.sim.made_up.drawing import draw
from voice_agent.sim.made_up.holding import hold
from voice_agent.sim.made_up.typing import COLLECT

CLIPS = dict.fromkeys(("apology", "moment", "withheld"), b"\x90" * 8000)


def test_callers_type_what_the_model_asks_for_and_break_no_rule() -> None:
    """The whole way: drawn, held, and the tool answered; the seeds are those of the first calls that type."""
    calls = [draw(seed, random.Random(seed)) for seed in range(1, 200)]
    typed = [call for call in calls if any(tool.name == COLLECT for tool in call.setup.agent.tools)][:8]
    answers = []
    for call in typed:
        held, world = hold(call, random.Random(call.seed), CLIPS, direct=True)
        assert held.breaks == ()
        answers += [report.output for _, report in world.reports if isinstance(report, ToolAnswered)]

    assert len(typed) == 8
    assert any('"ended_by"' in answer for answer in answers)


def test_some_of_their_keys_can_be_heard() -> None:
    switches = [draw(seed, random.Random(seed)).switches for seed in range(1, 400)]

    assert {switch.keys_audible for switch in switches} == {True, False}
