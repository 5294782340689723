"""Draws transfers: an agent that can put its caller through, and a model that does, by the right name or a wrong one.

Drawn behind everything else of a call, so that a seed gives the same call but for this.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from voice_agent.agent import Tool, Transfer
from voice_agent.sim.made_up.call import MadeUpCall, Part
from voice_agent.sim.mishaps import ToolWork
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
    answers = list(call.answers)
    for _ in range(chance.randint(1, 3)):
        answers.insert(chance.randint(0, len(answers)), _answer(chance))
    # With a warm one the caller holds, and whoever is named does what a tool of that name would.
    warm = chance.randint(1, 2) == 1
    colleagues = {name: _colleague(chance) for name in _TO.to} if warm else {}
    transfer = msgspec.structs.replace(_TO, warm=warm)
    tool = Tool(
        TRANSFER, "Put the caller through.", {"type": "object", "properties": {}}, "transfer", transfer=transfer
    )
    agent = msgspec.structs.replace(agent, tools=(*agent.tools, tool))
    return msgspec.structs.replace(
        call,
        setup=msgspec.structs.replace(call.setup, agent=agent),
        answers=tuple(answers),
        tools=call.tools | colleagues,
    )


def _colleague(chance: Chance) -> ToolWork:
    """Draw somebody who takes the caller, or does not, or of whom nothing is heard."""
    after_ms = chance.randint(300, 30_000)
    kinds = (
        ToolWork("", after_ms=after_ms),
        ToolWork("", after_ms=after_ms),
        ToolWork("they do not take the call", failed=True, after_ms=after_ms),
        ToolWork("nobody answered", failed=True, after_ms=20_000),
        ToolWork(answers=False),
    )
    return _pick(chance, kinds)


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
