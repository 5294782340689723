"""Callers who begin to speak just when an old session is exchanged, behind 50 minutes on a virtual clock."""

import random
from collections.abc import Iterable

import pytest

from tests.support.scenes import an_agent
from voice_agent.call.commands import AgentSaid, Note, ResponseUsed
from voice_agent.call.renewal import RENEW_MS
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.sim import carrier as phone
from voice_agent.sim.network import Network
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import Timing, World, voice

SPEAKS_MS = 800
ANSWER = "It is forty two."
SIGN_MS = 500
TURN_TOKENS = 14
"""100 ms each, with the 300 ms before what was said, and the 200 ms after which its end is known."""


class SpeaksThen:
    """Says one thing when the session is exchanged, and hangs up 20 s later."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.spoke_ms = 0

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        """See `sim.world.Caller`."""
        del carrier
        if not self.spoke_ms and self.world is not None and renewed(self.world):
            self.spoke_ms = now_ms
            return (phone.Speak(voice(SPEAKS_MS)),)
        return (phone.HangUp(),) if self.spoke_ms and now_ms == self.spoke_ms + 20_000 else ()


def renewed(world: World) -> bool:
    return any(isinstance(said, Note) and "nears its longest time" in str(said.fields) for _, said in world.reports)


def answers(asked: Think) -> list[ThoughtText | ThoughtCall]:
    said = any(line.kind == "user" for line in asked.conversation)
    return [ThoughtText(asked.response_id, ANSWER if said else "Hello.")]


def held(faults: list[str], *, fallbacks: int = 0) -> tuple[World, SpeaksThen]:
    caller, model = SpeaksThen(), ModelSetup(audio="g711")
    world = caller.world = World(
        CallSetup(call_sid="CA1", agent=an_agent(), model=model, fallbacks=(model,) * fallbacks),
        caller=caller,
        mind=answers,
        chance=random.Random(1),
        network=Network(phone_up_ms=50, phone_down_ms=50, model_ms=20),
        timing=Timing(connect_ms=0),
        clips={"apology": b"\x90" * 8000, "moment": b"\x90" * 8 * SIGN_MS},
        faults=["", *faults],
        direct=True,
    )
    return world.run(RENEW_MS + 40_000), caller


def silences(track: bytes, from_ms: int) -> list[int]:
    """Give how long each lasted, the first one until there is sound, up to the last sound."""
    found = [0]
    for at in range(from_ms * 8, len(track), 80):
        if track[at : at + 1] == b"\xff":
            found[-1] += 10
        elif found[-1]:
            found.append(0)
    return found[:-1]


@pytest.mark.parametrize(
    ("faults", "fallbacks", "answered_ms", "signs"),
    [
        (["slow-upgrade=1000"], 0, 700, 0),
        (["status-503,retry-after=1"], 0, 700, 0),
        (["slow-upgrade=9000"], 1, 700, 0),
        (["slow-upgrade=3000"], 0, 2700, 1),
        (["status-429,retry-after=3"], 0, 2700, 1),
        (["slow-upgrade=9000", "slow-upgrade=5000"], 0, 7900, 4),
    ],
    ids=["1 s", "refused, then 1 s", "second endpoint", "3 s", "refused, then 3 s", "8 s"],
)
def test_who_speaks_while_the_session_is_exchanged_is_heard_and_answered_and_waits_in_no_dead_air(
    faults: list[str], fallbacks: int, answered_ms: int, signs: int
) -> None:
    world, caller = held(faults, fallbacks=fallbacks)
    quiet = silences(world.carrier.agent_track, caller.spoke_ms + SPEAKS_MS)
    said = [report.text for _, report in world.reports if isinstance(report, AgentSaid)]
    heard = [report.usage for _, report in world.reports if isinstance(report, ResponseUsed)]

    assert world.invariants.finish() == []
    assert said == ["Hello.", ANSWER]
    assert heard[-1].input_audio_tokens == TURN_TOKENS
    assert len(quiet) == signs + 1
    assert sum(quiet) + signs * SIGN_MS <= answered_ms
    assert max(quiet) < 1700
