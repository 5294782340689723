"""Calls that go on where another one was: what the model knows, and that their recordings replay."""

import random
from collections.abc import Iterable

import pytest

from tests.support.recorded import write
from tests.support.scenes import Asker, an_agent
from tests.support.simulated import header_of, steps_of
from voice_agent.call.commands import AgentSaid, Note
from voice_agent.call.conversation import AgentTurn, CallerTurn, Conversation, KeysTurn, Resumption, ToolTurn
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.recording.reader import Recording
from voice_agent.replay.strict import replay
from voice_agent.sim import carrier as phone
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import Caller, World

FORMER = Conversation(
    "simulated",
    (
        AgentTurn("item_1", "Hello there.", interrupted=False),
        CallerTurn("item_2", "Is Ana there?"),
        KeysTurn("12"),
        ToolTurn("call_1", "look_up", '{"who":"Ana"}', "She is."),
        ToolTurn("call_2", "look_up", "{}", None),
    ),
)


CLIPS = {"moment": b"\x91" * 4000}


class Waiter:
    """Says nothing, and hangs up after 6 s."""

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        del carrier
        return (phone.HangUp(),) if now_ms >= 6000 else ()


def resumed_call(dialect: str, asked: list[Think], *faults: str, caller: Caller | None = None) -> World:
    def mind(think: Think) -> list[ThoughtText | ThoughtCall]:
        asked.append(think)
        said = ThoughtText(think.response_id, "I am sorry, the line is busy.")
        return [said] if len(asked) == 1 else [said, ThoughtCall(think.response_id, "hang_up", "{}")]

    setup = CallSetup(
        call_sid="CA" + "0" * 32,
        agent=an_agent(),
        model=ModelSetup(audio="g711", dialect="preview" if dialect == "preview" else "ga"),
        resumed=Resumption(FORMER, "The line of Ana is busy."),
    )
    chance = random.Random(3)
    caller = caller or Asker(1)
    return World(setup, caller=caller, mind=mind, chance=chance, clips=CLIPS, faults=faults).run(20_000)


@pytest.mark.parametrize("dialect", ["ga", "preview"])
def test_the_model_knows_what_was_said_and_why_the_call_goes_on(dialect: str) -> None:
    asked: list[Think] = []
    world = resumed_call(dialect, asked)
    told = [(line.kind, line.text) for line in asked[0].conversation]

    assert told == [
        ("assistant", "Hello there."),
        ("user", "Is Ana there?"),
        ("user", "The caller pressed these keys: 1 2"),
        ("call", '{"who":"Ana"}'),
        ("output", "She is."),
        ("call", "{}"),
        ("output", "There is no answer: the session ended first."),
        ("system", "The line of Ana is busy."),
    ]
    assert world.invariants.finish() == []
    assert [report for _, report in world.reports if isinstance(report, Note) and report.level != "info"] == []
    assert [report.text for _, report in world.reports if isinstance(report, AgentSaid)] == [
        "I am sorry, the line is busy."
    ] * 2


@pytest.mark.parametrize(("late_ms", "signs"), [(1000, 0), (2200, 1)])
def test_whoever_has_waited_for_another_stream_hears_soon_that_somebody_is_there(late_ms: int, signs: int) -> None:
    world = resumed_call("ga", [], f"slow-upgrade={late_ms}", caller=Waiter())

    assert world.invariants.finish() == []
    assert world.carrier.agent_track.count(CLIPS["moment"]) == signs


def test_the_recording_of_a_call_that_goes_on_replays_to_the_same() -> None:
    world = resumed_call("ga", [])
    recording = Recording(write(header_of(world.setup), steps_of(world, world.setup)))

    assert recording.header.setup.resumed == world.setup.resumed
    assert replay(recording, {}).same
