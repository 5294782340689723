"""Calls whose session is lost in the middle, on a virtual clock; and the watch that sees what is wrong about it."""

import pytest

from tests.support.scenes import an_agent, asked_call, asks_and_leaves
from voice_agent.call.commands import (
    AddAgentText,
    AgentSaid,
    ConnectModel,
    CreateResponse,
    ToolAnswered,
    TruncateItem,
)
from voice_agent.call.events import ModelAudio, ModelClosed, SessionUpdated
from voice_agent.call.setup import CallSetup
from voice_agent.sim.lost_session import LostSession

READY, DROPPED = SessionUpdated(), ModelClosed(None)
HEARD = ModelAudio("r1", "a", 0, b"\x80" * 80, 10)
SAID = AgentSaid("a", "Hello.", 10, 10, interrupted=False)


def watched() -> LostSession:
    """Watch a call whose session is lost when the agent has been heard."""
    watch = LostSession(CallSetup(call_sid="CA1", agent=an_agent()))
    for event, commands in ((READY, []), (HEARD, [SAID]), (DROPPED, [ConnectModel()])):
        assert watch.watch(event, commands) == ""
    return watch


def test_what_is_right_is_not_told() -> None:
    watch = watched()

    assert watch.watch(READY, [AddAgentText("history-1", "Hello.")]) == ""
    assert watch.finish() == ""


def test_a_word_to_a_session_that_is_lost_is_told() -> None:
    assert "a lost session is told" in watched().watch(DROPPED, [CreateResponse("turn-1")])


def test_an_item_that_is_cut_in_another_session_is_told() -> None:
    watch = watched()
    watch.watch(READY, [AddAgentText("history-1", "Hello.")])

    assert "does not know it" in watch.watch(DROPPED, [TruncateItem("truncate-a", "a", 0, 5, "mark")])


@pytest.mark.parametrize("told", [[], ["Hello.", "Hello."], ["Hello there."]])
def test_a_history_that_is_not_what_was_heard_is_told(told: list[str]) -> None:
    watch = watched()
    watch.watch(READY, [AddAgentText(f"history-{number}", text) for number, text in enumerate(told)])

    assert "a session was told" in watch.finish()


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("lost_ms", range(300, 8000, 435))
def test_a_call_goes_on_whenever_its_session_is_lost(lost_ms: int, direct: bool) -> None:
    """In the greeting, the question, the tool's run, the answer, the goodbye."""
    world = asked_call(3, asks_and_leaves, direct=direct, faults=[f"drop@{lost_ms / 1000}"])

    assert world.invariants.finish() == []
    assert world.ended is not None
    assert world.ended.outcome == "completed"
    assert world.sessions == 2
    assert [answered.output for _, answered in world.reports if isinstance(answered, ToolAnswered)] == [
        '{"answer": 42}',
        "The call has ended.",
    ]


def test_two_sessions_in_a_row_that_are_lost_are_no_end_either() -> None:
    world = asked_call(3, asks_and_leaves, faults=["close=1011@6.2", "drop@0.4", "delay=300"])

    assert world.invariants.finish() == []
    assert world.ended is not None
    assert (world.ended.outcome, world.sessions) == ("completed", 3)


def test_a_greeting_of_a_former_call_that_is_told_late_was_heard_first() -> None:
    watch = watched()
    watch.watch(READY, [AddAgentText("history-1", "Hello.")])
    heard = AgentSaid("kept-greeting", "Good day.", 10, 10, interrupted=False)
    watch._heard.insert(0, heard.text)

    assert watch.finish() != ""
    assert watch.watch(HEARD, [AddAgentText("greeting-heard", "Good day.", first=True)]) == ""
    assert watch.finish() == ""
