"""Makes a call that breaks something smaller, as long as it breaks in the same way: what is left is what matters.

Greedy: each simplification is tried once a round, and kept if the break is still there; rounds go on until one changes
nothing. Whether it breaks is asked of a function, so nothing here holds calls.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.setup import RENEW_MS
from voice_agent.sim.carrier import Switches
from voice_agent.sim.made_up.call import Leaving, MadeUpCall
from voice_agent.sim.mishaps import Mishaps
from voice_agent.sim.network import Network, Timing

Breaks = Callable[[MadeUpCall], bool]
Change = Callable[[MadeUpCall], MadeUpCall]

MOST_TRIES = 400
"""Calls held for one shrinking; most take a tenth of a second."""


def shrink(call: MadeUpCall, breaks: Breaks, broke_ms: int, tries: int = MOST_TRIES) -> MadeUpCall:
    """Give the smallest call found that still breaks; `call` itself does. `broke_ms`: when it did."""
    changes = list(_changes(broke_ms))
    while True:
        before = call
        for change in changes:
            candidate = change(call)
            if candidate == call:
                continue
            if tries == 0:
                return call
            tries -= 1
            if breaks(candidate):
                call = candidate
        call, tries = _without_elements(call, breaks, tries)
        if call == before:
            return call


def size(call: MadeUpCall) -> int:
    """Count what is not plain about a call: shrinking never lets it grow."""
    odd = 0
    for value in (call.network, call.timing, call.switches, call.mishaps, call.setup.agent.barge_in):
        usual = type(value)()
        odd += sum(getattr(value, name) != getattr(usual, name) for name in usual.__struct_fields__)
    faults = sum(len(faults.split(",")) for faults in call.faults)
    return odd + faults + len(call.acts) + sum(len(answer) + 1 for answer in call.answers)


# --- one thing at a time ---------------------------------------------------------------------------------------------


def _changes(broke_ms: int) -> Iterator[Change]:
    """Give the simplifications, the most telling first."""
    yield _with(faults=())
    yield _with(mishaps=Mishaps())
    yield _with(network=Network())
    yield _with(switches=Switches())
    yield _with(timing=Timing())
    yield _with(acts=())
    yield _with(tools={})
    yield _with(mcp={})
    yield _with(verdicts=())
    yield _with(mcp_continues=False)
    yield _with(pace=4)
    yield _with(delta_ms=200)
    yield _with(leaving=Leaving(after_ms=broke_ms + 1000))
    for usual in (Network(), Switches(), Timing(), Mishaps()):
        name = type(usual).__name__.lower()
        for field in usual.__struct_fields__:
            yield _within(name, field, getattr(usual, field))
    for field in ("with_stop", "with_close"):
        yield _within("leaving", field, value=True)
    yield from _plainer_setup()


def _plainer_setup() -> Iterator[Change]:
    usual = Agent(name="", instructions="")
    for field in (
        "turn_detection",
        "barge_in",
        "transcription",
        "limits",
        "model",
        "greeting",
        "tools",
        "mcp",
        "on_machine",
        "hold_sound",
        "last_resort",
    ):
        yield _of_agent(field, getattr(usual, field))
    plain = {"rest": False, "preconnect": True, "others": (), "outbound": False, "kept_greeting": None, "resumed": None}
    plain["renew_ms"] = RENEW_MS
    for field, value in plain.items():
        yield _within("setup", field, value)
    yield lambda call: _replace(call, setup=_replace(call.setup, model=_replace(call.setup.model, audio="g711")))
    yield lambda call: _replace(call, setup=_replace(call.setup, model=_replace(call.setup.model, dialect="ga")))


def _replace(struct: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(struct, **changes)


def _with(**changes: Any) -> Change:
    return lambda call: _replace(call, **changes)


def _within(part: str, field: str, value: Any) -> Change:
    return lambda call: _replace(call, **{part: _replace(getattr(call, part), **{field: value})})


def _of_agent(field: str, value: Any) -> Change:
    return lambda call: _replace(call, setup=_replace(call.setup, agent=_replace(call.setup.agent, **{field: value})))


# --- lists -----------------------------------------------------------------------------------------------------------


def _without_elements(call: MadeUpCall, breaks: Breaks, tries: int) -> tuple[MadeUpCall, int]:
    """Take out of each list what is not needed, the last first: what comes before is what led there."""
    for get, put in _LISTS:
        at = len(get(call)) - 1
        while at >= 0 and tries > 0:
            elements = get(call)
            candidate = put(call, elements[:at] + elements[at + 1 :])
            tries -= 1
            if breaks(candidate):
                call = candidate
            at -= 1
    return call, tries


def _faults(call: MadeUpCall) -> tuple[str, ...]:
    return tuple(filter(None, call.faults[0].split(","))) if call.faults else ()


def _set_faults(call: MadeUpCall, faults: tuple[str, ...]) -> MadeUpCall:
    rest = call.faults[1:]
    return msgspec.structs.replace(call, faults=(",".join(faults), *rest) if faults or rest else ())


_Get = Callable[[MadeUpCall], tuple[Any, ...]]
_Put = Callable[[MadeUpCall, tuple[Any, ...]], MadeUpCall]

_LISTS: tuple[tuple[_Get, _Put], ...] = (
    (lambda call: call.faults[1:], lambda call, faults: _replace(call, faults=(*call.faults[:1], *faults))),
    (_faults, _set_faults),
    (lambda call: call.mishaps.gaps, lambda call, gaps: _replace(call, mishaps=_replace(call.mishaps, gaps=gaps))),
    (
        lambda call: call.network.stalls,
        lambda call, stalls: _replace(call, network=_replace(call.network, stalls=stalls)),
    ),
    (lambda call: call.acts, lambda call, acts: _replace(call, acts=acts)),
    (lambda call: call.verdicts, lambda call, verdicts: _replace(call, verdicts=verdicts)),
    (lambda call: call.answers, lambda call, answers: _replace(call, answers=answers)),
)
"""What holds several things, each with how it is read and written."""
