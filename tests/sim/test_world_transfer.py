"""Transfers on the virtual clock: the farewell is heard, or the caller keeps the call, whatever the network does."""

import random
from collections.abc import Iterator

import pytest

from tests.support.scenes import TOOLS, Asker, a_network, an_agent
from voice_agent.agent import Tool, Transfer
from voice_agent.call.commands import AgentSaid, CallEnded, Destination, ToolAnswered
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.sim import carrier as phone
from voice_agent.sim.mishaps import ToolWork
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import Caller, World, voice

DESK = Transfer(to={"front_desk": "+14255550101"})
AGENT = an_agent(tools=(*TOOLS, Tool("transfer", "Connect.", {}, "transfer", transfer=DESK)))
FAREWELL = "I am connecting you with the front desk now, one moment please."


class Hesitant(Asker):
    """Asks, speaks into the last second of the farewell, and asks again."""

    def __init__(self) -> None:
        super().__init__(2)
        self._hesitates = True

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterator[phone.Input]:
        """See `sim.world.Caller`."""
        left_ms = carrier.agent.end // 8 - now_ms
        asked, farewell_ms = self._left == 1, carrier.agent.end // 8 - carrier.caller.end // 8
        if self._hesitates and asked and farewell_ms > 3000 and 0 < left_ms < 1000:
            self._hesitates = False
            yield phone.Speak(voice(700))
        yield from super().act(now_ms, carrier)


def clerk(asked: Think) -> list[ThoughtText | ThoughtCall]:
    last = asked.conversation[-1] if asked.conversation else None
    if last is None or last.kind != "user":
        return [ThoughtText(asked.response_id, "What can I do for you?")]
    return [
        ThoughtText(asked.response_id, FAREWELL),
        ThoughtCall(asked.response_id, "transfer", '{"to":"front_desk"}'),
    ]


def transferred(seed: int, caller: Caller, *, rest: bool = False) -> World:
    chance = random.Random(seed)
    world = World(
        CallSetup(call_sid=f"CA{seed:032}", agent=AGENT, rest=rest, model=ModelSetup(audio="g711")),
        caller=caller,
        mind=clerk,
        chance=chance,
        network=a_network(chance),
        clips={"apology": b"\x90" * 8000, "moment": b"\x90" * 4000},
    )
    return world.run(60_000)


@pytest.mark.parametrize("rest", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_caller_is_put_through_behind_the_last_word_of_the_farewell(seed: int, rest: bool) -> None:
    world = transferred(seed, Asker(1), rest=rest)
    reports = [report for _, report in world.reports]

    assert world.invariants.finish() == []
    assert [said for said in reports if isinstance(said, AgentSaid)][-1].text == FAREWELL
    assert isinstance(world.ended, CallEnded)
    assert (world.ended.outcome, world.ended.destination) == (
        "transferred",
        Destination("front_desk", "+14255550101", 20),
    )


WARM = Transfer(to={"front_desk": "+14255550101"}, warm=True)
"""The colleague is asked while the caller holds."""


def holding(seed: int, desk: ToolWork) -> World:
    """A caller who is put through, or is not and then leaves."""

    def mind(asked: Think) -> list[ThoughtText | ThoughtCall]:
        last = asked.conversation[-1] if asked.conversation else None
        if last is not None and last.kind == "output":
            return [
                ThoughtText(asked.response_id, "I am sorry, they cannot take your call. Goodbye."),
                ThoughtCall(asked.response_id, "hang_up", "{}"),
            ]
        return clerk(asked)

    chance = random.Random(seed)
    agent = an_agent(tools=(*TOOLS, Tool("transfer", "Connect.", {}, "transfer", transfer=WARM)))
    world = World(
        CallSetup(call_sid=f"CA{seed:032}", agent=agent, rest=True, model=ModelSetup(audio="g711")),
        caller=Asker(1),
        mind=mind,
        chance=chance,
        network=a_network(chance),
        tools={"front_desk": desk},
        clips={"apology": b"\x90" * 8000, "moment": b"\x90" * 4000, "hold": b"\x91" * 14_400},
    )
    return world.run(90_000)


@pytest.mark.parametrize("seed", range(3))
def test_a_caller_who_holds_hears_something_until_the_colleague_takes_the_call(seed: int) -> None:
    world = holding(seed, ToolWork("", after_ms=25_000))

    assert world.invariants.finish() == []
    assert isinstance(world.ended, CallEnded)
    assert world.ended.destination == Destination("front_desk", "+14255550101", 20, conference="room")


@pytest.mark.parametrize("seed", range(3))
def test_a_caller_whose_colleague_declines_hears_so_from_the_agent(seed: int) -> None:
    world = holding(seed, ToolWork("they do not take the call", failed=True, after_ms=12_000))

    assert world.invariants.finish() == []
    assert isinstance(world.ended, CallEnded)
    assert (world.ended.outcome, world.ended.destination) == ("completed", None)


@pytest.mark.parametrize("seed", range(3))
def test_a_caller_who_speaks_into_the_farewell_is_not_put_through_then(seed: int) -> None:
    world = transferred(seed, Hesitant())
    answers = [report.output for _, report in world.reports if isinstance(report, ToolAnswered)]

    assert world.invariants.finish() == []
    assert answers[0] == "The caller spoke: the call goes on."
    assert answers[-1] == "The caller is being connected with front_desk."
