"""A call that is handed over in the simulated world: what the model is, knows and says before and after."""

import random

import pytest

from tests.support.recorded import write
from tests.support.scenes import Asker, Interrupter, an_agent
from tests.support.simulated import header_of, steps_of
from voice_agent.agent import BargeIn, Limits, ModelOptions, Tool
from voice_agent.call.commands import AgentSaid, HandedOver, Note, RunTool
from voice_agent.call.handoff import MOST_HANDOVERS
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.config.handoff_tools import handoff_tool
from voice_agent.recording.reader import Recording
from voice_agent.replay.strict import replay
from voice_agent.sim.model_service import Mind
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import Caller, World

HANG_UP = Tool("hang_up", "End the call.", {"type": "object", "properties": {}}, "hang_up")
DESK = an_agent(name="desk", instructions="You are the desk.", tools=(HANG_UP, handoff_tool(("billing",))))
BILLING = an_agent(
    name="billing",
    instructions="You are billing.",
    voice="ash",
    barge_in=BargeIn(after_ms=300),
    limits=Limits(minutes=3, idle_seconds=10),
    model=ModelOptions(speed=1.2),
    tools=(HANG_UP, handoff_tool(("desk",)), Tool("invoice", "Find it.", {}, "python", "m:f")),
)


def hold(mind: Mind, caller: Caller, *, seed: int = 3, dialect: str = "ga", direct: bool = False) -> World:
    setup = CallSetup(
        call_sid="CA" + "0" * 32,
        agent=DESK,
        others=(BILLING,),
        model=ModelSetup(audio="g711", dialect="preview" if dialect == "preview" else "ga"),
    )
    world = World(setup, caller=caller, mind=mind, chance=random.Random(seed), direct=direct, tools={"invoice": "paid"})
    return world.run(60_000)


def scripted(asked: list[Think]) -> Mind:
    """Greet, hand over at the first question, look the invoice up, tell, say goodbye."""

    def mind(think: Think) -> list[ThoughtText | ThoughtCall]:
        asked.append(think)
        said = ThoughtText(think.response_id, f"words of answer {len(asked)}")
        match len(asked):
            case 2:
                reason = '{"reason": "an invoice"}'
                return [said, ThoughtCall(think.response_id, "handoff", reason)]
            case 3:
                return [said, ThoughtCall(think.response_id, "invoice", "{}")]
            case 5:
                return [said, ThoughtCall(think.response_id, "hang_up", "{}")]
            case _:
                return [said]

    return mind


@pytest.mark.parametrize("dialect", ["ga", "preview"])
def test_the_other_agent_goes_on_in_the_same_session_with_all_that_was_said(dialect: str) -> None:
    asked: list[Think] = []
    world = hold(scripted(asked), Asker(2), dialect=dialect)
    lines = [(line.kind, line.text) for line in asked[2].conversation]

    assert world.invariants.finish() == []
    assert [think.instructions for think in asked[1:4]] == [
        DESK.instructions,
        BILLING.instructions,
        BILLING.instructions,
    ]
    assert [tool["name"] for tool in asked[2].tools] == ["hang_up", "handoff", "invoice"]
    assert lines[:2] == [("assistant", "words of answer 1"), ("user", "hello")]
    assert lines[-1][0] == "output"
    assert "an invoice" in lines[-1][1]
    assert [report for _, report in world.reports if isinstance(report, HandedOver)] == [HandedOver("billing")]
    assert [report.agent for _, report in world.reports if isinstance(report, AgentSaid)] == ["", ""] + ["billing"] * 3
    assert [output.agent for _, _, outputs in world.log for output in outputs if isinstance(output, RunTool)] == [
        "billing"
    ]
    assert [report for _, report in world.reports if isinstance(report, Note) and report.level != "info"] == []


def test_its_recording_holds_both_agents_and_replays_to_the_same() -> None:
    world = hold(scripted([]), Asker(2))
    recording = Recording(write(header_of(world.setup), steps_of(world, world.setup)))

    assert [agent.name for agent in recording.header.setup.others] == ["billing"]
    assert replay(recording, {}).same


@pytest.mark.parametrize("seed", range(12))
def test_hand_overs_back_and_forth_into_a_caller_who_interrupts_break_no_rule(seed: int) -> None:
    def mind(think: Think) -> list[ThoughtText | ThoughtCall]:
        words = ThoughtText(think.response_id, "this is what the agent says now")
        return [words, ThoughtCall(think.response_id, "handoff", "{}")]

    world = hold(mind, Interrupter(random.Random(seed), 6), seed=seed, direct=seed % 2 == 0)
    times = sum(isinstance(report, HandedOver) for _, report in world.reports)

    assert world.invariants.finish() == []
    assert 1 <= times <= MOST_HANDOVERS
