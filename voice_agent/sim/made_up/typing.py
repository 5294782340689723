"""Draws what made-up callers type: an agent that collects digits, a model that asks for them, fingers on the keypad.

Drawn behind everything else of a call, so that a seed gives the same call but for this.
"""

from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec

from voice_agent.agent import DigitCollection, Tool
from voice_agent.sim.made_up.call import Act, MadeUpCall, Part
from voice_agent.sim.network import Chance

_T = TypeVar("_T")

COLLECT = "collect"


_WHEN: tuple[Literal["quiet", "agent speaks", "at once"], ...] = ("quiet", "quiet", "agent speaks", "at once")


def with_typing(call: MadeUpCall, chance: Chance, *, odd: bool) -> MadeUpCall:
    """Let one in five of the calls whose model has tools collect digits; `odd`: keys may be heard, too."""
    agent = call.setup.agent
    if chance.randint(1, 5) > 1 or not agent.tools:
        return call
    agent = msgspec.structs.replace(agent, tools=(*agent.tools, _tool(chance)))
    answers, acts = list(call.answers), list(call.acts)
    for _ in range(chance.randint(1, 3)):
        words = (Part(chance.randint(2, 12)),) if chance.randint(1, 3) > 1 else ()
        answers.insert(chance.randint(0, len(answers)), (*words, Part(name=COLLECT)))
        place = chance.randint(0, len(acts))
        acts[place:place] = _typing(chance)
    return msgspec.structs.replace(
        call,
        setup=msgspec.structs.replace(call.setup, agent=agent),
        answers=tuple(answers),
        acts=tuple(acts),
        switches=msgspec.structs.replace(call.switches, keys_audible=odd and chance.randint(1, 2) == 1),
    )


def _tool(chance: Chance) -> Tool:
    wanted = DigitCollection(
        length=_pick(chance, (None, 1, 3, 4, 6)),
        terminator=_pick(chance, ("#", "#", "*", "")),
        timeout_seconds=_pick(chance, (1, 3, 8)),
        secret=chance.randint(1, 3) == 1,
    )
    return Tool(COLLECT, "Collect digits.", {"type": "object", "properties": {}}, "collect_digits", digits=wanted)


def _typing(chance: Chance) -> list[Act]:
    """Type some keys, one after the other; sometimes speak into them."""
    acts = [Act(what="keys", when=_pick(chance, _WHEN), after_ms=chance.randint(0, 2000), keys=_key(chance))]
    for _ in range(chance.randint(0, 6)):
        acts.append(Act(what="keys", when="at once", after_ms=_pick(chance, (120, 250, 400, 1200)), keys=_key(chance)))
        if chance.randint(1, 8) == 1:
            acts.append(Act(when="at once", after_ms=chance.randint(0, 600), length_ms=chance.randint(100, 1200)))
    return acts


def _key(chance: Chance) -> str:
    return _pick(chance, "0123456789*##")


def _pick(chance: Chance, values: Sequence[_T]) -> _T:
    return values[chance.randint(0, len(values) - 1)]
