"""The demo's scene in the simulated world: the same agent file, the same steps, the same expectations, no sound."""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.config.agents import load_agent
from voice_agent.config.render import render
from voice_agent.config.settings import PACKAGED_AGENTS
from voice_agent.sim import carrier as phone
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World, voice

SAID = (
    "Hi, what services do you offer?",
    "Sorry, what are your opening hours on Saturday?",
    "Great, thanks for your help, goodbye.",
)
HOURS = {"day": "Saturday", "open": "from 9 in the morning to 1 in the afternoon"}

LISTEN_MS = 900
"""So long a polite caller waits before answering."""


class Visitor:
    """Asks for the services, interrupts the long answer with a question about opening hours, thanks, says goodbye."""

    def __init__(self) -> None:
        self._now_ms = 0
        self._agent_ends_ms = self._caller_ends_ms = 0
        self._play = self._part()

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        """See `sim.world.Caller`."""
        self._now_ms = now_ms
        self._agent_ends_ms, self._caller_ends_ms = carrier.agent.end // 8, carrier.caller.end // 8
        action = next(self._play, None)
        if action is not None:
            yield action

    def _part(self) -> Iterator[phone.Input | None]:
        yield from self._hear_out()
        yield phone.Speak(voice(1500))
        yield from self._until(lambda: self._caller_ends_ms < self._now_ms < self._agent_ends_ms)
        began_ms = self._now_ms
        yield from self._until(lambda: self._now_ms > began_ms + 3500)
        yield phone.Speak(voice(2000))
        yield from self._until(lambda: self._caller_ends_ms < self._now_ms)
        yield from self._hear_out()
        yield phone.Speak(voice(2500))

    def _hear_out(self) -> Iterator[None]:
        yield from self._until(lambda: self._agent_ends_ms > self._now_ms)
        yield from self._until(lambda: self._agent_ends_ms + LISTEN_MS < self._now_ms)

    def _until(self, true: Callable[[], bool]) -> Iterator[None]:
        while not true():
            yield None


def answers(asked: Think) -> list[ThoughtText | ThoughtCall]:
    """Think as the receptionist of the example does."""
    lines = asked.conversation
    if lines and lines[-1].kind == "output":
        return [ThoughtText(asked.response_id, f"On Saturday we are open {json.loads(lines[-1].text)['open']}.")]
    match sum(line.kind == "user" for line in lines):
        case 0:
            return [ThoughtText(asked.response_id, "Thanks for calling Alder Dental, how can I help?")]
        case 1:
            services = "We look after the whole family. We offer check-ups, fillings, crowns and bridges, and cleaning."
            return [ThoughtText(asked.response_id, services), ThoughtText(asked.response_id, "And whitening.")]
        case 2:
            return [ThoughtCall(asked.response_id, "opening_hours", '{"day": "Saturday"}')]
        case _:
            goodbye = "Thank you for calling Alder Dental. Have a nice day, goodbye."
            return [ThoughtText(asked.response_id, goodbye), ThoughtCall(asked.response_id, "hang_up", "{}")]


def reception_call(dialect: Literal["ga", "preview"], audio: Literal["pcm24k", "g711"]) -> World:
    """Run the scene to its end with the packaged agent file."""
    agent = render(
        load_agent(PACKAGED_AGENTS / "reception.yaml"),
        "+14255550123",
        "+14255550100",
        datetime(2026, 11, 22, 18, 0, tzinfo=UTC),
    )
    model = ModelSetup(dialect=dialect, audio=audio)
    world = World(
        CallSetup(call_sid="CA" + "0" * 32, agent=agent, model=model, rest=True),
        caller=Visitor(),
        mind=answers,
        chance=random.Random(1),
        tools={"opening_hours": json.dumps(HOURS)},
        heard=SAID,
    )
    return world.run(120_000)
