"""A call whose session was exchanged when it was old, held again: as it is done today, and as it was done once."""

import random
from collections.abc import Iterable
from functools import cache

import msgspec
import pytest

from tests.support.recorded import write
from tests.support.scenes import an_agent
from tests.support.simulated import header_of, steps_of
from voice_agent.agent import Limits
from voice_agent.call.events import TimerFired
from voice_agent.call.renewal import RENEW_MS
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Step
from voice_agent.recording.reader import Recording
from voice_agent.replay.resimulated import resimulate
from voice_agent.replay.strict import replay
from voice_agent.sim import carrier as phone
from voice_agent.sim.network import Network
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World, voice

SETUP = CallSetup(
    call_sid="CA1", agent=an_agent(limits=Limits(minutes=60, idle_seconds=0)), model=ModelSetup(audio="g711")
)
ANSWER = "It is forty two."
ASKS_MS = (5000, RENEW_MS + 60_000)


class Asks:
    """Asks before the exchange and behind it."""

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        """See `sim.world.Caller`."""
        del carrier
        if now_ms in ASKS_MS:
            yield phone.Speak(voice(1000))
        if now_ms == ASKS_MS[-1] + 10_000:
            yield phone.HangUp()


def _answers(asked: Think) -> list[ThoughtText | ThoughtCall]:
    return [ThoughtText(asked.response_id, ANSWER)]


@cache
def held(*faults: str) -> World:
    """Hold one call; its carrier sends nothing in silence, so that its 51 minutes have few steps."""
    world = World(
        SETUP,
        caller=Asks(),
        mind=_answers,
        chance=random.Random(1),
        network=Network(phone_up_ms=60, phone_down_ms=60),
        switches=phone.Switches(silent_gaps=True),
        faults=["", *faults],
    )
    return world.run(ASKS_MS[-1] + 20_000)


def recorded(steps: list[Step]) -> Recording:
    return Recording(write(header_of(SETUP), steps))


@pytest.mark.parametrize("faults", [(), ("status-503",)], ids=["at once", "refused once"])
def test_a_call_whose_session_was_exchanged_is_the_same_strictly_and_held_again(faults: tuple[str, ...]) -> None:
    world = held(*faults)
    recording = recorded(steps_of(world, SETUP))
    again = resimulate(recording, {})

    assert (world.sessions, world.invariants.finish()) == (2, [])
    assert replay(recording, {}).same
    assert (again.changed, again.diverged, again.broken) == ((), (), ())
    assert again.now.said == again.then.said == [ANSWER] * 3


def test_a_recording_of_before_there_were_standbys_is_held_again() -> None:
    """There a timer gave the old session up, and the next one was sought then."""
    steps = []
    for step in steps_of(held(), SETUP):
        if any("OpenStandby" in sent.text for sent in step.sent):
            continue
        ready = step.received is not None and "StandbyReady" in step.received.text
        steps.append(msgspec.structs.replace(step, received=describe(TimerFired())) if ready else step)
    again = resimulate(recorded(steps), {})

    assert (again.changed, again.diverged, again.broken) == ((), (), ())
    assert again.now.said == [ANSWER] * 3
