"""A call whose session was exchanged when it was old, held again: as it is done today, and as it was done once."""

import random
from collections.abc import Iterable, Iterator
from functools import cache

import msgspec
import pytest

from tests.support.recorded import write
from tests.support.scenes import an_agent
from tests.support.simulated import header_of, steps_of
from voice_agent.agent import Limits
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.recording.entries import Step
from voice_agent.recording.reader import Recording
from voice_agent.replay.resimulated import resimulate
from voice_agent.replay.strict import replay
from voice_agent.sim import carrier as phone
from voice_agent.sim.network import Network
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World, voice

SETUP = CallSetup(
    call_sid="CA1",
    agent=an_agent(limits=Limits(minutes=10, idle_seconds=0)),
    model=ModelSetup(audio="g711"),
    renew_ms=50_000,
)
ANSWER = "It is forty two."
ASKS_MS = (5000, 90_000)


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
    """Hold one call."""
    world = World(
        SETUP,
        caller=Asks(),
        mind=_answers,
        chance=random.Random(1),
        network=Network(phone_up_ms=60, phone_down_ms=60),
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
    """There the timer at which a standby is ordered today gave the old session up at once."""
    rest = iter(steps_of(held(), SETUP))
    *before, ordered = _until(rest, "OpenStandby")
    *between, ready = _until(rest, "StandbyReady")
    steps = [*before, msgspec.structs.replace(ordered, sent=ready.sent), *between, *rest]
    again = resimulate(recorded(steps), {})

    # Today's next session hears the caller from another moment on, so its times are others.
    assert (again.diverged, again.broken) == ((), ())
    assert again.now.said == [ANSWER] * 3


def _until(steps: Iterator[Step], what: str) -> Iterator[Step]:
    """Give steps up to the one in which this stands."""
    for step in steps:
        yield step
        if any(what in entry.text for entry in (step.received, *step.sent) if entry is not None):
            return
