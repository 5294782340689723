"""A kept greeting in the simulated world: heard at once, and known to a session that comes later."""

import random

import pytest

from tests.support.recorded import write
from tests.support.scenes import Asker, Interrupter, an_agent
from tests.support.simulated import header_of, steps_of
from voice_agent.call.commands import AgentSaid
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.recording.reader import Recording
from voice_agent.replay.strict import replay
from voice_agent.sim.network import Timing
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import Caller, World, voice

AGENT = an_agent(greeting="Hello there, who is it?")


def hold(caller: Caller, asked: list[Think], *, connect_ms: int = 2500, dialect: str = "ga", seed: int = 3) -> World:
    def mind(think: Think) -> list[ThoughtText | ThoughtCall]:
        asked.append(think)
        said = ThoughtText(think.response_id, "this is an answer")
        return [said] if len(asked) == 1 else [said, ThoughtCall(think.response_id, "hang_up", "{}")]

    setup = CallSetup(
        call_sid="CA" + "0" * 32,
        agent=AGENT,
        kept_greeting=voice(2000),
        model=ModelSetup(audio="g711", dialect="preview" if dialect == "preview" else "ga"),
    )
    timing = Timing(connect_ms=connect_ms)
    return World(setup, caller=caller, mind=mind, chance=random.Random(seed), timing=timing).run(30_000)


@pytest.mark.parametrize("dialect", ["ga", "preview"])
@pytest.mark.parametrize("connect_ms", [100, 5000])
def test_what_was_heard_of_it_stands_before_all_that_the_model_knows(connect_ms: int, dialect: str) -> None:
    asked: list[Think] = []
    world = hold(Asker(2), asked, connect_ms=connect_ms, dialect=dialect)
    lines = [(line.kind, line.text) for line in asked[0].conversation]

    assert world.invariants.finish() == []
    assert lines == [("assistant", AGENT.greeting), ("user", "hello")]
    first = next((now_ms, report) for now_ms, report in world.reports if isinstance(report, AgentSaid))
    assert (first[1].item_id, first[1].heard_ms, first[1].interrupted) == ("kept-greeting", 2000, False)
    assert world.carrier.queued[0].start < 100 * 8


@pytest.mark.parametrize("seed", range(10))
def test_a_caller_who_interrupts_it_breaks_no_rule(seed: int) -> None:
    world = hold(Interrupter(random.Random(seed), 3), [], connect_ms=300 * seed, seed=seed)

    assert world.invariants.finish() == []


def test_its_recording_holds_the_sound_and_replays_to_the_same() -> None:
    world = hold(Asker(2), [])
    recording = Recording(write(header_of(world.setup), steps_of(world, world.setup)))

    assert recording.header.setup.kept_greeting == world.setup.kept_greeting
    assert replay(recording, {}).same
