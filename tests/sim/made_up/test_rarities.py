"""Made-up calls in which something seldom happens."""

import random
from collections.abc import Callable
from functools import cache

import pytest

from voice_agent.live.clips import load_clips
from voice_agent.sim.made_up.call import LATEST_MS, MadeUpCall
from voice_agent.sim.made_up.drawing import draw
from voice_agent.sim.made_up.holding import hold
from voice_agent.sim.made_up.shrinking import shrink

LONG_MS = 6000
MANY_KEYS = 10

Has = Callable[[MadeUpCall], object]


def has_left(call: MadeUpCall) -> bool:
    return call.setup.resumed is not None and call.setup.resumed.left_ms is not None


def has_many_keys(call: MadeUpCall) -> bool:
    keys = [act.keys for act in call.acts if act.what == "keys"]
    return len(keys) >= MANY_KEYS or any(len(pressed) >= MANY_KEYS for pressed in keys)


RARITIES: dict[str, Has] = {
    "an operator who wants a goodbye": lambda call: call.mishaps.end_with_goodbye,
    "an operator who connects the caller with somebody": lambda call: call.mishaps.end_to,
    "a connection that stands still": lambda call: call.network.stalls,
    "a caller who talks on and on": lambda call: any(act.length_ms >= LONG_MS for act in call.acts),
    "a great many keys": has_many_keys,
    "others who have all that the first one has": lambda call: any(
        other.greeting and len(other.tools) == len(call.setup.agent.tools) for other in call.setup.others
    ),
    "another who has another voice": lambda call: any(other.voice == "cedar" for other in call.setup.others),
    "keys that are heard": lambda call: call.switches.keys_audible,
    "one transfer at most": lambda call: call.setup.agent.limits.transfers == 1,
    "little time that is left": has_left,
    "last words of the carrier's": lambda call: call.setup.agent.last_resort and call.setup.agent.last_resort.say,
    "an apology of the agent's own": lambda call: call.setup.agent.last_resort and call.setup.agent.last_resort.clip,
    "nobody who tells that somebody is there": lambda call: not call.setup.agent.hold_sound,
    "old sessions and faults of the next ones": lambda call: call.setup.renew_ms < LATEST_MS and len(call.faults) > 2,
    "a colleague who is asked": lambda call: any(tool.kind == "take_call" for tool in call.setup.agent.tools),
}


@cache
def many() -> list[MadeUpCall]:
    return [draw(seed, random.Random(seed)) for seed in range(2000)]


@pytest.mark.parametrize("what", RARITIES)
def test_it_comes_to_be_drawn_seldom(what: str) -> None:
    calls = [call for call in many() if RARITIES[what](call)]

    assert 0.003 < len(calls) / len(many()) < 0.13


@pytest.mark.parametrize("what", RARITIES)
def test_calls_that_have_it_keep_the_rules(what: str) -> None:
    calls = [call for call in many() if RARITIES[what](call)][:8]
    broken = {
        call.seed: breaks
        for call in calls
        if (breaks := hold(call, random.Random(call.seed), load_clips(), direct=True)[0].breaks)
    }

    assert broken == {}


@pytest.mark.parametrize("what", RARITIES)
def test_a_call_that_breaks_something_without_it_is_made_smaller_without_it(what: str) -> None:
    call = next(call for call in many() if RARITIES[what](call))

    assert not RARITIES[what](shrink(call, lambda _: True, 5000))
