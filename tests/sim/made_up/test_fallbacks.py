"""Made-up calls with several endpoints, some of which fail."""

import random

import pytest

from voice_agent.live.clips import load_clips
from voice_agent.sim.made_up.drawing import draw
from voice_agent.sim.made_up.holding import hold
from voice_agent.sim.realtime import parse_faults

CLIPS = load_clips()


def with_choice(count: int) -> list[int]:
    """The first seeds whose calls have several endpoints."""
    return [seed for seed in range(1, 40 * count) if draw(seed, random.Random(seed)).setup.fallbacks][:count]


def test_what_is_drawn_is_known_to_the_stand_in() -> None:
    for seed in with_choice(40):
        for faults in draw(seed, random.Random(seed)).faults:
            parse_faults(faults)


@pytest.mark.parametrize("seed", with_choice(6))
def test_a_call_with_several_endpoints_keeps_the_rules(seed: int) -> None:
    call = draw(seed, random.Random(seed))
    held, _ = hold(call, random.Random(call.seed), CLIPS, direct=True)

    assert held.breaks == ()
