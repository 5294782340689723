"""The world's two ways of joining carrier, call and model: a seed gives the same call through the wires and direct."""

from typing import Any

import pytest

from tests.support.faulty_calls import FaultyCall
from tests.support.scenes import SWITCHES, asked_call, asks_and_leaves, interrupted_call
from voice_agent.sim.carrier import Switches
from voice_agent.sim.world import World


def course(world: World) -> dict[str, Any]:
    """All that can be known of a call without looking at what crossed."""
    return {
        "reports": world.reports,
        "truncations": world.invariants.truncations,
        "broken": world.invariants.finish(),
        "echoes": world.carrier.echoes,
        "clears": world.carrier.clears_ms,
        "heard": world.carrier.agent_track,
        "said": world.carrier.caller_track,
    }


@pytest.mark.parametrize("audio", ["g711", "pcm24k"])
@pytest.mark.parametrize("delta_ms", [20, 200])
def test_interruptions_take_the_same_course_without_texts(audio: str, delta_ms: int) -> None:
    for seed in range(6):
        ways = [
            interrupted_call(seed, times=5, audio=audio, shortest_ms=120, delta_ms=delta_ms, direct=direct)
            for direct in (False, True)
        ]

        assert course(ways[0]) == course(ways[1])
        assert len(ways[0].invariants.truncations) > 1
        assert (len(ways[0].log) > 100, ways[1].log) == (True, [])


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_they_do_at_every_kind_of_carrier(switches: Switches) -> None:
    first, second = (interrupted_call(3, times=4, switches=switches, direct=direct) for direct in (False, True))

    assert course(first) == course(second)


@pytest.mark.parametrize("rest", [True, False])
def test_tools_and_goodbyes_take_the_same_course_without_texts(rest: bool) -> None:
    for seed in range(3):
        first, second = (asked_call(seed, asks_and_leaves, rest=rest, direct=direct) for direct in (False, True))

        assert first.ended is not None
        assert course(first) == course(second)


@pytest.mark.parametrize(
    "faults",
    [
        "late-audio=900,chunks=101",
        "rpm=2",
        "fail=server_error*1,midway",
        "refuse=input_audio_buffer.append:rate_limit_exceeded*3,malformed@6,unknown@7",
        "delay=150,drop@9",
    ],
)
def test_faults_of_the_model_take_the_same_course_without_texts(faults: str) -> None:
    first, second = (FaultyCall(faults, direct=direct).world for direct in (False, True))

    assert course(first) == course(second)
