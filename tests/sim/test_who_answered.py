"""What counts as broken in calls that we placed, and simulated ones in which nothing is."""

import random

import pytest

from tests.support.scenes import Asker, an_agent, talkative
from voice_agent.agent import OnMachine
from voice_agent.call.commands import (
    CallCommand,
    CallEnded,
    ClearPlayback,
    ClosePhone,
    CreateResponse,
    HangUp,
    PlayAudio,
)
from voice_agent.call.events import (
    AnsweredBy,
    CallEvent,
    EndRequested,
    KeyPressed,
    MachineVerdict,
    ModelAudio,
    ResponseCreated,
    StreamStarted,
    TimerFired,
)
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.sim.who_answered import WhoAnswered
from voice_agent.sim.world import World

HANG_UP, LEAVE, CONTINUE = OnMachine("hang_up"), OnMachine("leave", "Please call us back."), OnMachine("continue")
TEXT = "Please call us back."


def setup(on_machine: OnMachine | None, *, outbound: bool = True) -> CallSetup:
    agent = an_agent(on_machine=on_machine)
    return CallSetup(call_sid="CA1", agent=agent, outbound=outbound, rest=True, model=ModelSetup(audio="g711"))


def judged(on_machine: OnMachine, *steps: tuple[int, CallEvent, list[CallCommand]]) -> list[str]:
    watch = WhoAnswered(setup(on_machine))
    found = [watch.watch(0, StreamStarted("MZ1", "CA1"), [])]
    found += [watch.watch(now_ms, event, commands) for now_ms, event, commands in steps]
    return [one for one in found if one]


SOUND = ModelAudio("r1", "i1", 0, b"\x10" * 160, 20)


def test_before_it_is_known_who_answered_only_the_greeting_may_be_asked_for_and_nothing_is_cut() -> None:
    assert judged(HANG_UP, (100, TimerFired(), [CreateResponse("greeting-1")])) == []
    assert judged(HANG_UP, (100, TimerFired(), [CreateResponse("turn-1")])) == [
        "turn-1 was asked for before it was known who answered"
    ]
    assert judged(LEAVE, (3999, TimerFired(), [ClearPlayback()])) == [
        "the greeting was cut before it was known who answered"
    ]
    assert judged(LEAVE, (3999, EndRequested("drained"), [ClearPlayback(), ClosePhone("drained")])) == []


def test_behind_a_key_the_conversation_is_open_and_a_verdict_may_come_too_late() -> None:
    turn: list[CallCommand] = [CreateResponse("turn-1")]

    assert judged(HANG_UP, (100, KeyPressed("1"), turn), (200, TimerFired(), turn)) == []
    assert judged(HANG_UP, (100, KeyPressed("1"), []), (200, MachineVerdict("machine_start"), [])) == []
    assert judged(HANG_UP, (100, MachineVerdict("fax"), [HangUp()]), (200, KeyPressed("1"), turn)) == [
        "turn-1 was asked for, though a machine has answered"
    ]


def test_once_a_person_is_known_or_the_time_is_up_everything_may_be_said() -> None:
    turn: list[CallCommand] = [CreateResponse("turn-1"), ClearPlayback()]

    assert judged(HANG_UP, (100, MachineVerdict("human"), turn)) == []
    assert judged(HANG_UP, (4000, TimerFired(), turn)) == []
    assert judged(CONTINUE, (100, TimerFired(), turn)) == []


def test_a_machine_must_be_hung_up_on() -> None:
    assert judged(HANG_UP, (100, MachineVerdict("machine_start"), [HangUp()])) == []
    assert judged(HANG_UP, (100, MachineVerdict("fax"), [])) == ["a machine was not hung up on"]


def test_a_machine_hears_nothing_but_its_message() -> None:
    verdict = (100, MachineVerdict("machine_end_beep"), list[CallCommand]([CreateResponse("goodbye-1")]))
    message = (200, ResponseCreated("r1", "goodbye-1"), list[CallCommand]())

    assert judged(LEAVE, verdict, message, (300, SOUND, [PlayAudio(SOUND.audio)])) == []
    assert judged(LEAVE, verdict, (300, SOUND, [PlayAudio(SOUND.audio)])) == ["a machine hears r1"]
    assert judged(LEAVE, verdict, (300, TimerFired(), [PlayAudio(b"\xff")])) == ["a machine hears a clip"]
    assert judged(LEAVE, verdict, (300, TimerFired(), [CreateResponse("turn-2")])) == [
        "turn-2 was asked for, though a machine has answered"
    ]


def test_a_verdict_after_the_conversation_has_opened_leaves_room_for_doubt() -> None:
    assert judged(HANG_UP, (5000, MachineVerdict("machine_start"), [])) == []


# --- simulated calls -------------------------------------------------------------------------------------------------


def held(
    on_machine: OnMachine | None, *verdicts: tuple[int, AnsweredBy], asks: int = 1, outbound: bool = True, seed: int = 7
) -> World:
    chance = random.Random(seed)
    world = World(
        setup(on_machine, outbound=outbound),
        caller=Asker(asks),
        mind=talkative(chance),
        chance=chance,
        verdicts=[(at_ms, MachineVerdict(answered_by)) for at_ms, answered_by in verdicts],
    )
    return world.run(40_000)


@pytest.mark.parametrize("seed", range(4))
def test_a_person_is_conversed_with(seed: int) -> None:
    world = held(HANG_UP, (2500, "human"), asks=2, seed=seed)

    assert world.ended is None
    assert world.invariants.broken == []
    assert world.carrier.agent.end > 8 * 8000


@pytest.mark.parametrize("answered_by", ["machine_start", "machine_end_beep", "fax"])
def test_a_machine_is_hung_up_on(answered_by: AnsweredBy) -> None:
    world = held(HANG_UP, (2500, answered_by))

    assert isinstance(world.ended, CallEnded)
    assert (world.ended.outcome, world.ended.duration_ms < 4000) == ("machine", True)
    assert world.invariants.finish() == []


@pytest.mark.parametrize("seed", range(4))
def test_a_message_is_heard_whole_by_the_machine(seed: int) -> None:
    world = held(LEAVE, (6500, "machine_end_beep"), asks=3, seed=seed)

    assert isinstance(world.ended, CallEnded)
    assert (world.ended.outcome, world.ended.reason) == ("machine", "a message was left")
    assert world.invariants.finish() == []


def test_a_verdict_of_a_call_that_came_in_means_nothing() -> None:
    world = held(HANG_UP, (2500, "machine_start"), outbound=False)

    assert world.ended is None
    assert world.invariants.broken == []
