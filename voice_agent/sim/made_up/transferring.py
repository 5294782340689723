"""Draws transfers: an agent that can put its caller through, and a model that does, by the right name or a wrong one.

Drawn behind everything else of a call, so that a seed gives the same call but for this.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from voice_agent.agent import Tool, Transfer
from voice_agent.sim.made_up.call import MadeUpCall, Part
from voice_agent.sim.network import Chance

_T = TypeVar("_T")

TRANSFER = "transfer"

_TO = Transfer(to={"front_desk": "+14255550101", "sales": "sip:sales@example.com"})

_ARGUMENTS = ('{"to": "front_desk"}', '{"to": "sales"}', '{"to": "front_desk"}', "{}", '{"to": "nobody"}', '{"to": ')


def with_transfer(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let one in eight of the calls whose model has tools have one that transfers."""
    agent = call.setup.agent
    if chance.randint(1, 8) > 1 or not agent.tools:
        return call
    tool = Tool(TRANSFER, "Put the caller through.", {"type": "object", "properties": {}}, "transfer", transfer=_TO)
    agent = msgspec.structs.replace(agent, tools=(*agent.tools, tool))
    answers = list(call.answers)
    for _ in range(chance.randint(1, 3)):
        answers.insert(chance.randint(0, len(answers)), _answer(chance))
    return msgspec.structs.replace(call, setup=msgspec.structs.replace(call.setup, agent=agent), answers=tuple(answers))


def _answer(chance: Chance) -> tuple[Part, ...]:
    words = Part(chance.randint(1, 15))
    put_through = Part(name=TRANSFER, arguments=_pick(chance, _ARGUMENTS))
    kinds: tuple[tuple[Part, ...], ...] = (
        (words, put_through),
        (words, put_through),
        (put_through,),
        (words, put_through, words),
        (put_through, put_through),
        (Part(name="look_up"), put_through),
        (words, put_through, Part(name="hang_up")),
    )
    return _pick(chance, kinds)


def _pick(chance: Chance, values: Sequence[_T]) -> _T:
    return values[chance.randint(0, len(values) - 1)]
