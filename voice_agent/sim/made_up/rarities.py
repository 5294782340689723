"""Draws what seldom happens in a call, each thing in a few of a hundred: no two of them belong together.

Drawn behind everything else of a call, so that a seed gives the same call but for this.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from voice_agent.agent import LastResort, Tool
from voice_agent.call.setup import RENEW_MS
from voice_agent.sim.made_up.call import Act, MadeUpCall, Part, oddities
from voice_agent.sim.made_up.fallbacks import a_fault
from voice_agent.sim.network import Chance, Stall
from voice_agent.sim.world import voice

_T = TypeVar("_T")

GREETING = "Hello, you have reached us, what can I do?"

_NOTHING: dict[str, object] = {"type": "object", "properties": {}}

_DECIDING = (
    Tool("take_call", "Take the call.", _NOTHING, "take_call"),
    Tool("decline_call", "Decline it.", _NOTHING, "decline_call"),
)


def with_rarities(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Give a call what chance wants, mostly nothing."""
    for one_in, change in _RARITIES:
        if chance.randint(1, one_in) == 1:
            call = change(call, chance)
    return call


def _wish(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let the operator end the call with a goodbye, or connect the caller with somebody, known or not."""
    wishes: tuple[dict[str, Any], ...] = ({"end_with_goodbye": True}, {"end_to": "sales"}, {"end_to": "nobody"})
    wish = wishes[0] if chance.randint(1, 2) == 1 else _pick(chance, wishes[1:])
    return _within(call, "mishaps", end_requested_ms=chance.randint(500, 30_000), **wish)


def _stalls(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let connections stand still for a while: what was sent meanwhile comes all at once."""
    stalls = tuple(
        Stall(
            leg=_pick(chance, ("phone", "model", "both")),
            at_ms=chance.randint(500, 30_000),
            length_ms=_pick(chance, (150, 400, 1000, 2000)),
        )
        for _ in range(chance.randint(1, 3))
    )
    return _within(call, "network", stalls=stalls)


def _talk(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let the caller talk on and on, whoever else speaks."""
    acts = list(call.acts)
    for _ in range(chance.randint(1, 2)):
        long = Act(
            when=_pick(chance, ("at once", "agent speaks", "quiet")),
            what="speak" if chance.randint(1, 2) == 1 else "two people",
            after_ms=chance.randint(0, 3000),
            length_ms=chance.randint(6000, 30_000),
        )
        acts.insert(chance.randint(0, len(acts)), long)
    return msgspec.structs.replace(call, acts=tuple(acts))


def _keys(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let the caller press a great many keys, or some after a long silence."""
    acts = list(call.acts)
    if chance.randint(1, 2) == 1:
        keys = "".join(_pick(chance, "0123456789*#") for _ in range(chance.randint(10, 40)))
        pressed = [Act(what="keys", when=_pick(chance, ("quiet", "agent speaks")), after_ms=300, keys=keys)]
    else:
        every_ms = _pick(chance, (80, 200, 900))
        pressed = [
            Act(what="keys", when="at once", after_ms=every_ms, keys=_pick(chance, "0123456789*#"))
            for _ in range(chance.randint(10, 40))
        ]
        pressed[0] = Act(what="keys", when="quiet", after_ms=chance.randint(4000, 15_000), keys="1")
    place = chance.randint(0, len(acts))
    acts[place:place] = pressed
    return msgspec.structs.replace(call, acts=tuple(acts))


def _equals(call: MadeUpCall, _: Chance) -> MadeUpCall:
    """Give those who take over all that the first one has, and a greeting of their own: each might take calls too.

    One of them has another voice, which a session that has spoken cannot take on.
    """
    first = call.setup.agent
    shared = tuple(tool for tool in first.tools if tool.kind != "handoff")
    others = tuple(
        msgspec.structs.replace(
            other,
            tools=(*shared, *(tool for tool in other.tools if tool.kind == "handoff")),
            mcp=first.mcp,
            greeting=GREETING,
            voice="cedar" if other.name == "billing" else first.voice,
            barge_in=msgspec.structs.replace(other.barge_in, protect_greeting=first.barge_in.protect_greeting),
        )
        for other in call.setup.others
    )
    return _within(call, "setup", others=others)


def _limits(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let a call that goes on have used up a part of what it may, and any one have few transfers."""
    agent = call.setup.agent
    call = _of_agent(call, limits=msgspec.structs.replace(agent.limits, transfers=1))
    resumed = call.setup.resumed
    if resumed is None:
        return call
    resumed = msgspec.structs.replace(
        resumed,
        left_ms=chance.randint(0, 60_000),
        transfers=chance.randint(0, 1),
        pressed=chance.randint(0, 5),
    )
    return _within(call, "setup", resumed=resumed)


def _last_words(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let the carrier tell the caller that no model is to be had, or a clip of the agent's own."""
    own = LastResort(say="Sorry.") if chance.randint(1, 2) == 1 else LastResort(clip=voice(chance.randint(300, 6000)))
    return _of_agent(call, last_resort=own)


def _silence(call: MadeUpCall, _: Chance) -> MadeUpCall:
    """Do not tell who waits in silence that somebody is there.

    Not where audio comes behind its own end, which no service was seen to do: none of it may be played at all then.
    """
    if any("late-audio" in faults for faults in call.faults):
        return call
    return _of_agent(call, hold_sound=False)


def _audible(call: MadeUpCall, _: Chance) -> MadeUpCall:
    """Let the carrier pass the sound of keys on, where something is odd in any case."""
    if not oddities(call):
        return call
    return _within(call, "switches", keys_audible=True)


def _more_faults(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let the sessions that take the place of an old one have faults as well."""
    if call.setup.renew_ms == RENEW_MS:
        call = _within(call, "setup", renew_ms=chance.randint(500, 8000))
    further = tuple(a_fault(chance) for _ in range(chance.randint(1, 6)))
    return msgspec.structs.replace(call, faults=(*(call.faults or ("",)), *further))


def _colleague(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Make it the call with a colleague who is asked to take a caller: see `call.colleague`."""
    agent = call.setup.agent
    agent = msgspec.structs.replace(agent, greeting=GREETING, tools=_DECIDING, mcp=(), on_machine=None)
    said: Sequence[Part] = (
        Part(chance.randint(1, 12)),
        Part(name=_pick(chance, ("take_call", "decline_call"))),
        Part(name="no_such_tool"),
    )
    answers = tuple(
        _pick(chance, ((said[0],), said[:2], said[1:2], (said[1], said[1]), said)) for _ in range(chance.randint(1, 6))
    )
    pressed = Act(what="keys", when=_pick(chance, ("quiet", "agent speaks")), keys=_pick(chance, ("1", "2", "12", "5")))
    acts = list(call.acts)
    acts.insert(chance.randint(0, len(acts)), msgspec.structs.replace(pressed, after_ms=chance.randint(0, 3000)))
    call = _within(call, "setup", agent=agent, others=(), outbound=True, resumed=None, kept_greeting=None)
    return msgspec.structs.replace(call, answers=answers, acts=tuple(acts), mcp={}, verdicts=())


_RARITIES: tuple[tuple[int, Callable[[MadeUpCall, Chance], MadeUpCall]], ...] = (
    (16, _wish),
    (12, _stalls),
    (16, _talk),
    (20, _keys),
    (2, _equals),
    (12, _limits),
    (24, _last_words),
    (16, _more_faults),
    (40, _colleague),
    (24, _silence),
    (16, _audible),
)
"""How many calls there are to one that has each. Only where there are others can `_equals` change anything."""


def _within(call: MadeUpCall, part: str, **changes: Any) -> MadeUpCall:
    return msgspec.structs.replace(call, **{part: msgspec.structs.replace(getattr(call, part), **changes)})


def _of_agent(call: MadeUpCall, **changes: Any) -> MadeUpCall:
    return _within(call, "setup", agent=msgspec.structs.replace(call.setup.agent, **changes))


def _pick(chance: Chance, values: Sequence[_T]) -> _T:
    return values[chance.randint(0, len(values) - 1)]
