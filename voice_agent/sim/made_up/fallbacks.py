"""Draws further endpoints of the model, and what goes wrong at one after the other."""

import msgspec

from voice_agent.call.setup import ModelSetup
from voice_agent.sim.made_up.call import MadeUpCall
from voice_agent.sim.network import Chance

_WRONG = (
    "status-401",
    "status-429,retry-after=2",
    "status-503",
    "silence",
    "slow-upgrade=3000",
    "close=1011@0.1",
    "error=insufficient_quota@2",
    "drop@{at}",
    "close=1001@{at}",
    "error=session_expired@{at}",
    "silence@{at}",
    "mute",
    "fail=server_error",
    "",
)


def with_fallbacks(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Give one call in six one or two endpoints more, and each connection a fault, but for the last ones."""
    if chance.randint(1, 6) > 1:
        return call
    further = tuple(
        ModelSetup(
            name=f"endpoint_{number}",
            model=call.setup.model.model,
            dialect="preview" if chance.randint(1, 3) == 1 else "ga",
            audio=call.setup.model.audio,
        )
        for number in range(2, 3 + chance.randint(0, 1))
    )
    faults = tuple(a_fault(chance) for _ in range(chance.randint(1, 4)))
    return msgspec.structs.replace(
        call, setup=msgspec.structs.replace(call.setup, fallbacks=further), faults=(*faults, *call.faults)
    )


def a_fault(chance: Chance) -> str:
    """Draw what goes wrong at one connection, or nothing."""
    return _WRONG[chance.randint(0, len(_WRONG) - 1)].format(at=chance.randint(500, 20_000) / 1000)
