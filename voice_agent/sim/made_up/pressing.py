"""Draws agents that press keys, and a model that has them do so: by a name, by digits, or by what is neither.

Drawn behind everything else of a call, so that a seed gives the same call but for this.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from voice_agent.agent import DigitsToSend, Tool
from voice_agent.sim.made_up.call import MadeUpCall, Part
from voice_agent.sim.network import Chance

_T = TypeVar("_T")

PRESS = "press"

_NAMED = {"": "1", "menu": "1w2", "account": "0123456789#"}

_ARGUMENTS = ('{"digits": "1"}', '{"digits": "0049 1234-5#"}', '{"digits": "menu"}', '{"digits": "account"}', "{}")


def with_pressing(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let one in ten of the calls whose model has tools have one that presses keys."""
    agent = call.setup.agent
    if chance.randint(1, 10) > 1 or not agent.tools:
        return call
    named = _NAMED if chance.randint(1, 2) == 1 else {}
    # Where the carrier presses them, the made-up call ends there: another stream is another call.
    keys = DigitsToSend(named=named, by="call" if chance.randint(1, 4) == 1 else "tones")
    tool = Tool(PRESS, "Press keys.", {"type": "object", "properties": {}}, "send_digits", keys=keys)
    agent = msgspec.structs.replace(agent, tools=(*agent.tools, tool))
    answers = list(call.answers)
    for _ in range(chance.randint(1, 3)):
        answers.insert(chance.randint(0, len(answers)), _answer(chance))
    return msgspec.structs.replace(call, setup=msgspec.structs.replace(call.setup, agent=agent), answers=tuple(answers))


def _answer(chance: Chance) -> tuple[Part, ...]:
    words = Part(chance.randint(1, 15))
    pressed = Part(name=PRESS, arguments=_pick(chance, _ARGUMENTS))
    kinds = ((pressed,), (pressed,), (words, pressed), (words, pressed, words), (pressed, pressed))
    return _pick(chance, kinds)


def _pick(chance: Chance, values: Sequence[_T]) -> _T:
    return values[chance.randint(0, len(values) - 1)]
