"""Made-up calls that had a stream before."""

import random

import pytest

from voice_agent.call.conversation import ToolTurn
from voice_agent.live.clips import load_clips
from voice_agent.sim.made_up.drawing import draw
from voice_agent.sim.made_up.holding import hold

CLIPS = load_clips()
SEEDS = range(1, 400)


def with_past() -> list[int]:
    return [seed for seed in SEEDS if draw(seed, random.Random(seed)).setup.resumed is not None]


def test_some_calls_go_on_and_those_without_a_reason_behind_what_a_tool_has_answered() -> None:
    resumed = [draw(seed, random.Random(seed)).setup.resumed for seed in with_past()]
    answered = [one.conversation.turns[-1] for one in resumed if one is not None and not one.reason]

    assert 0.05 < len(resumed) / len(SEEDS) < 0.15
    assert 0.3 < len(answered) / len(resumed) < 0.7
    assert all(isinstance(turn, ToolTurn) and turn.output for turn in answered)


@pytest.mark.parametrize("seed", with_past()[:16])
def test_a_call_that_goes_on_keeps_the_rules(seed: int) -> None:
    call = draw(seed, random.Random(seed))
    held, _ = hold(call, random.Random(call.seed), CLIPS, direct=True)

    assert held.breaks == ()
