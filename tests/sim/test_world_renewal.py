"""Callers who begin to speak just when an old session is exchanged, and callers to whom no other one can be given."""

import random
from collections.abc import Iterable, Sequence

import pytest

from tests.support.scenes import an_agent
from voice_agent.call.commands import AgentSaid, Note, ResponseUsed
from voice_agent.call.renewal import QUIET_MS
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.sim import carrier as phone
from voice_agent.sim.network import Network, Timing
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World, voice

RENEW_MS = 20_000
SPEAKS_MS = 800
ANSWER = "It is forty two."
ANSWERED_MS = 900
TURN_TOKENS = 14
"""100 ms each, with the 300 ms before what was said, and the 200 ms after which its end is known."""


class Speaks:
    """Says one thing when the session is exchanged, or at given times, and hangs up 20 s after the last."""

    def __init__(self, at_ms: Sequence[int]) -> None:
        self.world: World | None = None
        self.spoke_ms: list[int] = []
        self._at_ms = at_ms
        self._leaves_ms = -1

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        """See `sim.world.Caller`."""
        del carrier
        if now_ms in self._at_ms or (not self._at_ms and not self.spoke_ms and self._exchanged()):
            self.spoke_ms.append(now_ms)
            self._leaves_ms = now_ms + 20_000
            return (phone.Speak(voice(SPEAKS_MS)),)
        return (phone.HangUp(),) if now_ms == self._leaves_ms and len(self.spoke_ms) >= len(self._at_ms) else ()

    def _exchanged(self) -> bool:
        return self.world is not None and renewed(self.world)


def renewed(world: World) -> bool:
    return any(isinstance(said, Note) and "nears its longest time" in str(said.fields) for _, said in world.reports)


def answers(asked: Think) -> list[ThoughtText | ThoughtCall]:
    said = any(line.kind == "user" for line in asked.conversation)
    return [ThoughtText(asked.response_id, ANSWER if said else "Hello.")]


def held(faults: list[str], *, fallbacks: int = 0, speaks_ms: Sequence[int] = ()) -> tuple[World, Speaks]:
    caller, model = Speaks(speaks_ms), ModelSetup(audio="g711")
    world = caller.world = World(
        CallSetup(call_sid="CA1", agent=an_agent(), model=model, fallbacks=(model,) * fallbacks, renew_ms=RENEW_MS),
        caller=caller,
        mind=answers,
        chance=random.Random(1),
        network=Network(phone_up_ms=50, phone_down_ms=50, model_ms=20),
        timing=Timing(connect_ms=0),
        clips={"apology": b"\x90" * 8000, "moment": b"\x90" * 4000},
        faults=["", *faults],
        direct=True,
    )
    return world.run(60 * 60_000), caller


def silent_ms(track: bytes, from_ms: int) -> int:
    """Give how long it takes until there is sound."""
    return next(at for at in range(0, len(track), 80) if track[from_ms * 8 + at] != 0xFF) // 8


def watch(world: World, caller: Speaks, answers: int) -> None:
    """Hold a call to what all of these have in common: each question is answered as on any other day."""
    said = [report.text for _, report in world.reports if isinstance(report, AgentSaid)]

    assert world.invariants.finish() == []
    assert said == ["Hello.", *[ANSWER] * answers]
    assert len(caller.spoke_ms) == answers
    for spoke_ms in caller.spoke_ms:
        assert silent_ms(world.carrier.agent_track, spoke_ms + SPEAKS_MS) <= ANSWERED_MS


@pytest.mark.parametrize(
    ("faults", "fallbacks"),
    [
        ([], 0),
        (["slow-upgrade=3000"], 0),
        (["slow-upgrade=9000"], 1),
        (["slow-upgrade=12000"], 0),
        (["status-503,retry-after=1"], 0),
        (["status-429,retry-after=3", "status-503"], 1),
    ],
    ids=["at once", "3 s", "9 s", "no answer", "refused", "refused at both"],
)
def test_who_speaks_when_the_session_is_exchanged_is_heard_and_answered_as_ever(
    faults: list[str], fallbacks: int
) -> None:
    world, caller = held(faults, fallbacks=fallbacks)

    watch(world, caller, 1)
    heard = [report.usage.input_audio_tokens for _, report in world.reports if isinstance(report, ResponseUsed)]
    assert (world.sessions, heard[-1]) == (2, TURN_TOKENS)


def test_who_speaks_while_the_next_session_is_sought_is_answered_by_the_old_one() -> None:
    world, caller = held(["slow-upgrade=3000"], speaks_ms=[RENEW_MS + QUIET_MS + 1000])

    watch(world, caller, 1)
    assert world.sessions == 2, "the next quiet moment comes"


def test_a_call_outlives_nine_minutes_in_which_no_session_is_to_be_had() -> None:
    world, caller = held(["status-503"] * 16, speaks_ms=[RENEW_MS + minute * 60_000 for minute in (1, 5, 9)])

    watch(world, caller, 3)
    assert world.sessions > 1
