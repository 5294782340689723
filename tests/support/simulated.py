"""Calls of the simulated world as recordings: long enough for an answer, an interruption and a second answer."""

import random
from collections.abc import Iterable
from functools import cache

from voice_agent.agent import Agent
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Step
from voice_agent.recording.format import Header
from voice_agent.sim import carrier as phone
from voice_agent.sim import realtime as model
from voice_agent.sim.network import Network
from voice_agent.sim.world import World, voice
from voice_agent.wire.bridge import Bridge


class Interrupter:
    """Asks, interrupts the answer, then hangs up."""

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        del carrier
        if now_ms in {4000, 8000}:
            yield phone.Speak(voice(1000))
        if now_ms == 11_000:
            yield phone.PressKey("5")
        if now_ms == 15_000:
            yield phone.HangUp()


def _answer(think: model.Think) -> list[model.ThoughtText | model.ThoughtCall]:
    return [model.ThoughtText(think.response_id, "this is an answer that takes about three seconds to say")]


def setup(audio: str = "g711") -> CallSetup:
    """Make a call to an agent that speaks first."""
    return CallSetup(
        call_sid="CA" + "0" * 32,
        agent=Agent(name="reception", instructions="Be kind.", greeting="Hello there, who is it?"),
        caller="+14255550123",
        called="+14255550100",
        model=ModelSetup(audio="pcm24k" if audio == "pcm24k" else "g711"),
    )


@cache
def simulated_call(audio: str = "g711", jitter_ms: int = 0, seed: int = 1, silent_gaps: bool = False) -> World:
    """Hold one call of 15 s; the same arguments give the same call."""
    network = Network(phone_up_ms=60, phone_down_ms=60, phone_jitter_ms=jitter_ms, model_jitter_ms=jitter_ms)
    world = World(
        setup(audio),
        caller=Interrupter(),
        mind=_answer,
        chance=random.Random(seed),
        network=network,
        switches=phone.Switches(silent_gaps=silent_gaps),
    )
    return world.run(16_000)


def steps_of(world: World, of: CallSetup) -> list[Step]:
    """Give a world's log as steps of a recording."""
    began = Step(0, None, tuple(describe(output) for output in Bridge(of, {}).start()))
    return [
        began,
        *(
            Step(now_ms, describe(received), tuple(describe(output) for output in outputs))
            for now_ms, received, outputs in world.log
        ),
    ]


def header_of(of: CallSetup, audio: str = "kept") -> Header:
    """Make the header that such a call's recording has."""
    return Header(setup=of, started_at="2026-11-22T10:00:00.000+00:00", audio="kept" if audio == "kept" else "digests")
