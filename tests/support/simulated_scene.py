"""A scene of the demo in the simulated world: the same agent, dialogue, caller and tools, without sound or waiting.

The caller is the one who plays scenes on real sockets (`emulator.caller`); what it awaits is answered by the virtual
clock. What it says is understood as written, and costs as much time as its letters.
"""

import json
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import Report
from voice_agent.call.conversation import Resumption
from voice_agent.call.events import MachineVerdict
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.cli.scenes import Scene
from voice_agent.config.agents import load_agents
from voice_agent.config.python_tools import find_function
from voice_agent.config.render import render
from voice_agent.config.scenario_keys import Scenario
from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.emulator.caller import Move, Part, Played, Watch, play
from voice_agent.emulator.dialogue.brain import DialogueBrain
from voice_agent.emulator.dialogue.file import load_dialogues
from voice_agent.emulator.twilio import BEEP
from voice_agent.emulator.twilio.hearing import Hearing
from voice_agent.live.clips import load_clips
from voice_agent.replay.scenarios import clock_of
from voice_agent.server.transfers import came_back
from voice_agent.sim import carrier as phone
from voice_agent.sim.mishaps import Tool, ToolWork
from voice_agent.sim.model_service import Mind
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World, voice

A_SUNDAY = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
MS_A_LETTER = 60
STREAM_MS = 300
"""From the answer to the stream, see `sim.world.Timing`."""


class Moment:
    """What is awaited: a condition, or a time."""

    def __init__(self, condition: Callable[[], bool], until_ms: float) -> None:
        self.condition = condition
        self.until_ms = until_ms

    def __await__(self) -> Generator["Moment", bool, bool]:
        """Wait; `False`: in vain."""
        return (yield self)


class ScenePlayer:
    """The caller of a world, and the phone in its hand."""

    def __init__(self, part: Part, *, greeted: bool) -> None:
        self.watch = Watch()
        self.played: Played | None = None
        self.over = False
        self.hearing: Hearing | None = None
        self._now_ms = 0
        self._before_ms = 0
        """How long all streams before this one lasted."""
        self._actions: list[phone.Input] = []
        self._told = 0
        self._play: Coroutine[Any, bool, Played] = play(self, part, self.watch, greeted=greeted)
        self._awaits: Moment | None = None
        self._reports: Callable[[], list[Report]] = list

    def begin(self, reports: Callable[[], list[Report]]) -> None:
        """Take part in a further world; `reports`: all that were made so far, in all of them."""
        self._reports = reports
        self._before_ms = self._now_ms
        self.hearing = None

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterator[phone.Input]:
        """See `sim.world.Caller`."""
        self._now_ms = self._before_ms + now_ms
        if self.hearing is None:
            self.hearing = Hearing(lambda _: None, lambda _: None)
        self.hearing.listen(carrier.agent, now_ms)
        self._go_on()
        actions, self._actions = self._actions, []
        yield from actions

    def leave(self) -> Played:
        """The call is over: play the rest of the part, which is nothing; say how far it went."""
        self.over = True
        self._go_on()
        assert self.played is not None, "the caller waits for something after the end of the call"
        return self.played

    def _go_on(self) -> None:
        reports = self._reports()
        for report in reports[self._told :]:
            self.watch.take(report)
        self._told = len(reports)
        try:
            if self._awaits is None:
                self._awaits = self._play.send(None)  # type: ignore[arg-type]
            while self.played is None:
                holds = self._awaits.condition()
                if not holds and not self.over and self._now_ms < self._awaits.until_ms:
                    return
                self._awaits = self._play.send(holds)
        except StopIteration as done:
            self.played = done.value

    # --- the phone, see `emulator.caller.Phone` ----------------------------------------------------------------------

    def say(self, audio: bytes) -> None:
        """Speak."""
        self._actions.append(phone.Speak(audio))

    def stop_speaking(self) -> None:
        """Fall silent."""
        self._actions.append(phone.StopSpeaking())

    def press(self, digit: str) -> None:
        """Press a key."""
        self._actions.append(phone.PressKey(digit))

    def hang_up(self) -> None:
        """Leave."""
        self._actions.append(phone.HangUp())

    async def wait_until(self, condition: Callable[[], bool], within_s: float | None = None) -> bool:
        """Wait for a condition."""
        if condition():
            return True
        if self.over:
            return False
        return await Moment(condition, float("inf") if within_s is None else self._now_ms + within_s * 1000)

    async def streaming(self, within_s: float | None = None) -> bool:
        """Wait until the agent can be spoken to."""
        return await self.wait_until(lambda: self.hearing is not None, within_s)

    async def ended(self) -> None:
        """Wait for the end."""
        await self.wait_until(lambda: self.over)


class Machine:
    """An answering machine: says its greeting, beeps, and listens."""

    def __init__(self, greeting: bytes) -> None:
        self._sound: list[phone.Input] = [phone.Speak(greeting + BEEP)]

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterator[phone.Input]:
        """See `sim.world.Caller`."""
        del now_ms, carrier
        sound, self._sound = self._sound, []
        yield from sound

    def begin(self, reports: Callable[[], list[Report]]) -> None:
        """There is nothing to be known for it."""

    def leave(self) -> Played:
        """It has said all that it says."""
        return Played(1)


Player = ScenePlayer | Machine


def _player(scenario: Scenario, *, greeted: bool) -> tuple[Player, list[tuple[int, MachineVerdict]]]:
    """Make who is on the line and, if we have called them, what the carrier says of them, by the world's clock."""
    part = part_of(scenario)
    if scenario.given.answered_by is None:
        return ScenePlayer(part, greeted=greeted), []
    first, *rest = part.moves
    end_ms = STREAM_MS + len(first.sound) // 8
    if scenario.given.answered_by == "machine":
        return Machine(first.sound), [(end_ms + len(BEEP) // 8, MachineVerdict("machine_end_beep"))]
    player = ScenePlayer(Part(moves=tuple(rest)), greeted=greeted)
    player.say(first.sound)
    return player, [(end_ms + 1200, MachineVerdict("human"))]


def part_of(scenario: Scenario) -> Part:
    """Make the part of a scenario: a tone for every text."""
    moves = [
        Move(
            name=f"turn {number}",
            sound=voice(len(turn.says) * MS_A_LETTER),
            keys=turn.keys,
            silent_ms=turn.silent_ms,
            into_ms=turn.interrupt_ms,
        )
        for number, turn in enumerate(scenario.caller, 1)
    ]
    return Part(moves=tuple(moves))


def mind_of(folder: Path) -> Mind:
    """Think by the dialogues of a folder."""
    brain = DialogueBrain(load_dialogues(folder))

    def think(asked: Think) -> list[ThoughtText | ThoughtCall]:
        return [_thought(asked.response_id, thought) for thought in _all(brain.think(asked))]

    return think


def _thought(response_id: str, thought: Thought) -> ThoughtText | ThoughtCall:
    if isinstance(thought, ToolCall):
        return ThoughtCall(response_id, thought.name, thought.arguments)
    return ThoughtText(response_id, thought)


def _all(thoughts: AsyncGenerator[Thought, None]) -> list[Thought]:
    """Collect what comes at once: a dialogue waits for nothing."""

    async def collect() -> list[Thought]:
        return [thought async for thought in thoughts]

    try:
        collect().send(None)
    except StopIteration as done:
        found: list[Thought] = done.value
        return found
    raise AssertionError("a dialogue waited for something")


def tools_of(agents: Iterable[Agent]) -> dict[str, Tool]:
    """Run the agents' functions, as the live call does, but at once."""
    return {
        tool.name: _run(find_function(tool.target, agent.folder))
        for agent in agents
        for tool in agent.tools
        if tool.kind == "python"
    }


def given_tools(scenario: Scenario) -> dict[str, Tool]:
    """Answer as the scenario says."""
    return {
        name: ToolWork(msgspec.json.encode(given.answer).decode(), after_ms=given.after_ms)
        for name, given in scenario.given.tools.items()
    }


def colleagues_of(agent: Agent, scenario: Scenario) -> dict[str, Tool]:
    """Let whoever is asked answer as the scenario says, by the name that the world knows them by."""
    asked = [tool.transfer.to for tool in agent.tools if tool.transfer is not None and tool.transfer.warm]
    return {
        name: ToolWork(f"they said: {scenario.given.callees[address]}", failed=True, after_ms=8000)
        for to in asked
        for name, address in to.items()
        if address in scenario.given.callees
    }


def _run(function: Callable[..., object]) -> Callable[[str], str]:
    def run(arguments: str) -> str:
        return msgspec.json.encode(function(**json.loads(arguments))).decode()

    return run


class PlayedScene(msgspec.Struct, frozen=True):
    """What came of it."""

    scenario: Scenario
    worlds: list[World]
    """One a stream: a caller who was put through in vain has a further one."""
    played: Played

    @property
    def reports(self) -> list[tuple[int, Report]]:
        """What the call reported."""
        return [entry for world in self.worlds for entry in reports_of(world)]

    def breaks(self) -> list[str]:
        """What must never happen, and did."""
        return [found for world in self.worlds for found in world.invariants.finish()]


def reports_of(world: World) -> list[tuple[int, Report]]:
    """Give the reports of a world, without its orders."""
    return [(at_ms, report) for at_ms, report in world.reports if isinstance(report, get_args(Report))]


def play_scene(
    scene: Scene, dialect: Literal["ga", "preview"] = "ga", audio: Literal["pcm24k", "g711"] = "g711"
) -> PlayedScene:
    """Hold a scene to its end."""
    agent, scenario = scene.load()
    folder = load_agents(scene.folder)
    now = A_SUNDAY if scenario.given.now is None else clock_of(scenario, agent)()
    taker = folder.on_duty(agent, now) or agent
    agent, *others = (render(one, "+14255550123", "+14255550100", now) for one in (taker, *folder.reachable(taker)))
    setup = CallSetup(
        call_sid="CA" + "0" * 32,
        agent=agent,
        others=tuple(others),
        model=ModelSetup(dialect=dialect, audio=audio),
        rest=True,
    )
    player, verdicts = _player(scenario, greeted=agent.greeting is not None)
    setup = msgspec.structs.replace(setup, outbound=scenario.given.answered_by is not None)
    heard = iter([turn.says for turn in scenario.caller if turn.says])
    worlds: list[World] = []
    while True:
        world = World(
            setup,
            caller=player,
            mind=mind_of(scene.folder),
            chance=random.Random(1),
            tools=tools_of((agent, *others)) | given_tools(scenario) | colleagues_of(agent, scenario),
            clips=load_clips(),
            heard=heard,
            verdicts=verdicts,
            faults=scene.faults.split(";"),
        )
        worlds.append(world)
        player.begin(lambda: [report for world in worlds for _, report in reports_of(world)])
        world.run(300_000)
        back = _back(world, scenario)
        if back is None:
            return PlayedScene(scenario, worlds, player.leave())
        setup = msgspec.structs.replace(setup, resumed=back)


def _back(world: World, scenario: Scenario) -> Resumption | None:
    """Say why the caller is back from a transfer; `None`: the call is over."""
    destination = None if world.ended is None else world.ended.destination
    missed = None if destination is None else scenario.given.callees.get(destination.address)
    if destination is None or missed is None:
        return None
    return msgspec.structs.replace(
        world.bridge.call.resumption(), reason=came_back(destination, {"DialCallStatus": missed})
    )
