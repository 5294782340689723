"""Simulated calls for tests and benches: callers who interrupt, and what they meet."""

import random
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from voice_agent.agent import Agent, BargeIn, Limits, ServerVad, Tool
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.sim import carrier as phone
from voice_agent.sim.model_service import Mind
from voice_agent.sim.network import Network, Timing
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World, voice

TOOLS = (
    Tool("hang_up", "End the call.", {"type": "object", "properties": {}}, "hang_up"),
    Tool("look_up", "Look it up.", {"type": "object", "properties": {}}, "python", "m:f"),
)

SWITCHES = [
    phone.Switches(),
    phone.Switches(echo_marks_on_clear=False),
    phone.Switches(echo_before_frame=True),
    phone.Switches(marks_at_frame_edges=True),
    phone.Switches(silent_gaps=True),
    phone.Switches(play_buffer_after_close=True),
    phone.Switches(action_after_abnormal_close=False),
]
"""The carrier as it is known best, and with each switch turned."""


class Interrupter:
    """Speaks while the agent speaks, again and again, and hangs up in the end."""

    def __init__(self, chance: random.Random, times: int, shortest_ms: int = 500) -> None:
        self._chance = chance
        self._left = times
        self._shortest_ms = shortest_ms
        self._speaks_at: int | None = None
        self._quiet_since = 0
        self._until = 0

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterator[phone.Input]:
        """See `sim.world.Caller`."""
        if now_ms < self._until:
            self._quiet_since = now_ms
        elif self._speaks_at is None:
            if carrier.agent.end > now_ms * 8:
                self._speaks_at = now_ms + self._chance.randint(60, 2500)
            elif now_ms - self._quiet_since > 5000:
                self._speaks_at = now_ms
        elif now_ms >= self._speaks_at:
            self._speaks_at = None
            if self._left == 0:
                yield phone.HangUp()
                return
            self._left -= 1
            length_ms = self._chance.randint(self._shortest_ms, self._shortest_ms + 400)
            self._until = now_ms + length_ms + 800
            yield phone.Speak(voice(length_ms))


class Asker:
    """Asks a number of times, each time when the agent has been silent for a while, then listens."""

    def __init__(self, times: int, length_ms: int = 800) -> None:
        self._left = times
        self._length_ms = length_ms
        self._quiet_since = 0

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        """See `sim.world.Caller`."""
        if carrier.agent.end > now_ms * 8 or carrier.caller.end > now_ms * 8:
            self._quiet_since = now_ms
        elif now_ms - self._quiet_since > 1500 and self._left:
            self._left -= 1
            self._quiet_since = now_ms + self._length_ms
            return (phone.Speak(voice(self._length_ms)),)
        return ()


def talkative(chance: random.Random) -> Mind:
    """A model that answers everything with one to twenty words, in one or two pieces."""

    def think(asked: Think) -> list[ThoughtText | ThoughtCall]:
        return [ThoughtText(asked.response_id, "word " * chance.randint(3, 20)) for _ in range(chance.randint(1, 2))]

    return think


def asks_and_leaves(asked: Think) -> list[ThoughtText | ThoughtCall]:
    """Answers a question by a tool, and then hangs up."""
    lines = asked.conversation
    if not any(line.kind == "user" for line in lines):
        return [ThoughtText(asked.response_id, "Hello.")]
    if not any(line.kind == "call" for line in lines):
        return [ThoughtCall(asked.response_id, "look_up", "{}")]
    return [
        ThoughtText(asked.response_id, "It is forty two. Goodbye, and have a nice day."),
        ThoughtCall(asked.response_id, "hang_up", "{}"),
    ]


def an_agent(**changes: object) -> Agent:
    """Make the agent of simulated calls: turns end after 200 ms, nobody waits for ever."""
    agent = Agent(
        name="simulated",
        instructions="Speak.",
        greeting="Hello there, dear caller, how can I help you today?",
        turn_detection=ServerVad(silence_duration_ms=200),
        limits=Limits(minutes=60, idle_seconds=0),
        tools=TOOLS,
    )
    return msgspec.structs.replace(agent, **changes)


def a_network(chance: random.Random, jitter_ms: int | None = None) -> Network:
    """Draw one-way delays of 0 to 200 ms, with jitter."""
    return Network(
        phone_up_ms=chance.randint(0, 200),
        phone_down_ms=chance.randint(0, 200),
        phone_jitter_ms=chance.randint(0, 60) if jitter_ms is None else jitter_ms,
        model_ms=chance.randint(5, 60),
        model_jitter_ms=20,
    )


def interrupted_call(
    seed: int,
    *,
    times: int = 20,
    audio: str = "g711",
    switches: phone.Switches | None = None,
    barge_in: BargeIn | None = None,
    shortest_ms: int = 500,
    delta_ms: int = 200,
    direct: bool = False,
) -> World:
    """Run a call with so many interruptions to its end."""
    chance = random.Random(seed)
    agent = an_agent(barge_in=barge_in or BargeIn())
    setup = CallSetup(call_sid=f"CA{seed:032}", agent=agent, model=ModelSetup(audio=audio))  # type: ignore[arg-type]
    world = World(
        setup,
        caller=Interrupter(chance, times, shortest_ms),
        mind=talkative(chance),
        chance=chance,
        network=a_network(chance),
        switches=switches,
        delta_ms=delta_ms,
        direct=direct,
    )
    return world.run(600_000)


def asked_call(
    seed: int,
    mind: Mind,
    *,
    asks: int = 1,
    agent: Agent | None = None,
    rest: bool = False,
    delta_ms: int = 200,
    direct: bool = False,
    faults: Sequence[str] = (),
) -> World:
    """Run a call in which the caller only asks. `faults`: of each connection to the model."""
    chance = random.Random(seed)
    world = World(
        CallSetup(call_sid=f"CA{seed:032}", agent=agent or an_agent(), rest=rest, model=ModelSetup(audio="g711")),
        caller=Asker(asks),
        mind=mind,
        chance=chance,
        network=a_network(chance),
        timing=Timing(),
        tools={"look_up": '{"answer": 42}'},
        clips={"apology": b"\x90" * 8000, "moment": b"\x90" * 4000},
        delta_ms=delta_ms,
        direct=direct,
        faults=faults,
    )
    return world.run(120_000)


def errors_by_basis(worlds: list[World]) -> dict[str, list[int]]:
    """Give told minus truly played, in ms, of every truncation, by what decided it."""
    errors: dict[str, list[int]] = {}
    for world in worlds:
        for cut in world.invariants.truncations:
            error = cut.told_ms - world.invariants.played_ms(cut.item_id)
            errors.setdefault(cut.basis, []).append(error)
    return errors
