"""Whole calls on a virtual clock: what must never happen, and how exact the books of what was heard are."""

import pytest

from tests.support.scenes import SWITCHES, an_agent, asked_call, asks_and_leaves, errors_by_basis, interrupted_call
from voice_agent.agent import BargeIn, Limits, ServerVad
from voice_agent.call.commands import AgentSaid, CallEnded, Interrupted, ToolAnswered
from voice_agent.sim.carrier import Switches
from voice_agent.sim.realtime import ThoughtText
from voice_agent.sim.world import World


def reported(world: World, kind: type) -> list[object]:
    return [report for _, report in world.reports if isinstance(report, kind)]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_a_cut_is_measured_to_a_frame_whatever_the_carrier_does(switches: Switches) -> None:
    worlds = [interrupted_call(seed, times=12, switches=switches) for seed in range(2)]
    errors = errors_by_basis(worlds)

    assert [world.invariants.finish() for world in worlds] == [[], []]
    assert sum(map(len, errors.values())) > 15
    assert all(abs(error) <= 40 for error in errors.get("mark", []))
    assert all(abs(error) <= 40 + 60 for error in errors.get("estimate", []))
    assert all(abs(error) <= 5 for error in errors.get("unplayed", []))


def test_resampled_calls_are_as_exact_as_passed_through_ones() -> None:
    errors = errors_by_basis([interrupted_call(7, times=8, audio="pcm24k")])

    assert all(abs(error) <= 40 for error in errors["mark"])


def test_words_too_short_for_the_echo_are_measured_by_the_estimate() -> None:
    worlds = [interrupted_call(seed, times=10, shortest_ms=120) for seed in range(6)]
    errors = errors_by_basis(worlds)

    assert [w.invariants.finish() for w in worlds] == [[]] * 6
    assert "estimate" in errors
    assert all(abs(error) <= 40 + 60 for error in errors["estimate"])


def test_a_policy_that_asks_for_length_cuts_by_itself() -> None:
    world = interrupted_call(3, times=8, barge_in=BargeIn(after_ms=300))

    assert world.invariants.finish() == []
    assert len(reported(world, Interrupted)) > 3


def test_a_protected_greeting_is_heard_to_its_end() -> None:
    world = interrupted_call(5, times=6, barge_in=BargeIn(protect_greeting=True))
    first = next(report for _, report in world.reports if isinstance(report, AgentSaid))

    assert world.invariants.finish() == []
    assert not first.interrupted


@pytest.mark.parametrize("rest", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_the_agent_answers_by_a_tool_and_hangs_up_after_its_goodbye_was_heard(seed: int, rest: bool) -> None:
    world = asked_call(seed, asks_and_leaves, rest=rest)

    assert world.invariants.finish() == []
    assert world.ended is not None
    assert world.ended.outcome == "completed"
    assert [answer.failed for answer in reported(world, ToolAnswered) if isinstance(answer, ToolAnswered)] == [
        False
    ] * 2
    last = reported(world, AgentSaid)[-1]
    assert isinstance(last, AgentSaid)
    assert not last.interrupted


def test_a_silent_caller_is_asked_once_and_then_told_goodbye() -> None:
    agent = an_agent(limits=Limits(minutes=10, idle_seconds=5))
    world = asked_call(1, lambda asked: [ThoughtText(asked.response_id, "Are you there?")], asks=0, agent=agent)

    assert world.invariants.finish() == []
    assert len(reported(world, AgentSaid)) == 3
    assert world.ended is not None
    assert world.ended.reason == "the caller was silent"


def test_a_call_over_its_time_limit_says_goodbye_before_it() -> None:
    agent = an_agent(limits=Limits(minutes=1, idle_seconds=0))
    world = asked_call(2, lambda asked: [ThoughtText(asked.response_id, "Well, well, well.")], asks=30, agent=agent)

    assert world.invariants.finish() == []
    assert isinstance(world.reports[-1][1], CallEnded)
    assert world.reports[-1][0] <= 62_000
    assert world.ended is not None
    assert world.ended.reason == "the time limit was reached"


def test_a_seed_decides_everything() -> None:
    first, second = (interrupted_call(11, times=4) for _ in range(2))

    assert first.log == second.log


def test_a_silent_caller_whom_the_server_asks_by_itself_is_told_goodbye() -> None:
    agent = an_agent(
        turn_detection=ServerVad(silence_duration_ms=200, idle_timeout_ms=6000), limits=Limits(idle_seconds=20)
    )
    world = asked_call(5, lambda asked: [ThoughtText(asked.response_id, "Are you there?")], asks=0, agent=agent)

    assert world.invariants.finish() == []
    # Our own question would have come after 20 s, the goodbye after 40.
    assert world.ended is not None
    assert (world.ended.outcome, world.ended.reason) == ("completed", "the caller was silent")
    assert 15_000 < world.ended.duration_ms < 20_000
