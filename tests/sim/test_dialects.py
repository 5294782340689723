"""The same agent file in the same scene, whatever the endpoint speaks and however audio crosses its socket."""

from typing import Any, Literal

import pytest

from tests.support.simulated_scene import play_scene
from voice_agent.call.commands import AgentSaid
from voice_agent.cli.scenes import scene_named
from voice_agent.replay.expectations import unmet
from voice_agent.replay.held_call import HeldCall
from voice_agent.sim.world import World
from voice_agent.wire.texts import ModelText

WAYS = [("ga", "pcm24k"), ("ga", "g711"), ("preview", "pcm24k"), ("preview", "g711")]


def texts(world: World) -> str:
    """All that crossed the model's socket."""
    received = [received.text for _, received, _ in world.log if isinstance(received, ModelText)]
    sent = [output.text for _, _, outputs in world.log for output in outputs if isinstance(output, ModelText)]
    return "\n".join(received + sent)


@pytest.mark.parametrize(("dialect", "audio"), WAYS)
def test_the_scene_of_the_demo_comes_true(dialect: Any, audio: Any) -> None:
    played = play_scene(scene_named("ask"), dialect, audio)

    assert unmet(played.scenario.expect, HeldCall(played.reports, "")) == []
    assert played.breaks() == []


@pytest.mark.parametrize(
    ("dialect", "audio", "marks", "foreign"),
    [
        ("ga", "g711", ['"response.output_audio.delta"', '"audio/pcmu"', '"type":"realtime"'], ['"modalities"']),
        ("preview", "g711", ['"response.audio.delta"', '"input_audio_format":"g711_ulaw"'], ['"output_modalities"']),
        ("preview", "pcm24k", ['"output_audio_format":"pcm16"', '"conversation.item.created"'], ['"audio/pcm"']),
    ],
)
def test_each_way_is_spoken_as_it_says(dialect: Any, audio: Any, marks: list[str], foreign: list[str]) -> None:
    crossed = texts(play_scene(scene_named("ask"), dialect, audio).worlds[0])

    assert [mark for mark in marks if mark not in crossed] == []
    assert [mark for mark in foreign if mark in crossed] == []
    assert '"type":"error"' not in crossed


def test_the_caller_hears_the_same_in_every_dialect() -> None:
    def said(dialect: Literal["ga", "preview"]) -> list[tuple[str, int]]:
        reports = play_scene(scene_named("ask"), dialect, "g711").reports
        return [(report.text, report.heard_ms) for _, report in reports if isinstance(report, AgentSaid)]

    assert said("preview") == said("ga")
