"""Draws calls that we placed: who takes them, a person or a machine, and what the carrier says about that, and when.

Drawn behind everything else of a call, so that a seed gives the same call but for this.
"""

from collections.abc import Sequence
from typing import TypeVar, get_args

import msgspec

from voice_agent.agent import OnMachine
from voice_agent.call.events import AnsweredBy
from voice_agent.sim.made_up.call import Act, MadeUpCall, Verdict
from voice_agent.sim.network import Chance

_T = TypeVar("_T")

_WISHES = (OnMachine("hang_up"), OnMachine("leave", "Please call us back."), OnMachine("continue"))

_ANSWERED_BY: tuple[AnsweredBy, ...] = get_args(AnsweredBy)


def with_callee(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let one call in eight be one that we placed, most of them with a wish about machines."""
    if chance.randint(1, 8) > 1:
        return call
    wish = None if chance.randint(1, 6) == 1 else _pick(chance, _WISHES)
    agent = msgspec.structs.replace(call.setup.agent, on_machine=wish)
    first = _person(chance) if chance.randint(1, 2) == 1 else _machine(chance)
    return msgspec.structs.replace(
        call,
        setup=msgspec.structs.replace(call.setup, agent=agent, outbound=True),
        acts=(*first, *call.acts),
        verdicts=() if wish is None else tuple(_verdict(chance) for _ in range(_pick(chance, (0, 1, 1, 1, 2, 3)))),
    )


def _person(chance: Chance) -> list[Act]:
    """Say hello, once or again and again."""
    return [
        Act(when="at once", after_ms=chance.randint(100, 2500), length_ms=chance.randint(200, 900))
        for _ in range(chance.randint(1, 3))
    ]


def _machine(chance: Chance) -> list[Act]:
    """Say its greeting to the end, with a pause in it or not, whatever the agent says meanwhile."""
    greeting = [Act(when="at once", after_ms=chance.randint(0, 1500), length_ms=chance.randint(1500, 12_000))]
    if chance.randint(1, 3) == 1:
        greeting.append(Act(when="at once", after_ms=chance.randint(500, 14_000), length_ms=chance.randint(500, 8000)))
    return greeting


def _verdict(chance: Chance) -> Verdict:
    """Say anything at any time: what detection gets wrong is drawn as often as what it gets right."""
    return Verdict(chance.randint(0, _pick(chance, (3000, 6000, 20_000))), _pick(chance, _ANSWERED_BY))


def _pick(chance: Chance, values: Sequence[_T]) -> _T:
    return values[chance.randint(0, len(values) - 1)]
