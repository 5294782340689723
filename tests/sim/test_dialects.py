"""The same agent file in the same scene, whatever the endpoint speaks and however audio crosses its socket."""

from typing import Any, get_args

import pytest

from tests.support.reception_scene import reception_call
from voice_agent.call.commands import AgentSaid, Report
from voice_agent.emulator.scene import ASK
from voice_agent.sim.world import World
from voice_agent.wire.texts import ModelText

WAYS = [("ga", "pcm24k"), ("ga", "g711"), ("preview", "pcm24k"), ("preview", "g711")]


def reports(world: World) -> list[Report]:
    return [report for _, report in world.reports if isinstance(report, get_args(Report))]


def texts(world: World) -> str:
    """All that crossed the model's socket."""
    received = [received.text for _, received, _ in world.log if isinstance(received, ModelText)]
    sent = [output.text for _, _, outputs in world.log for output in outputs if isinstance(output, ModelText)]
    return "\n".join(received + sent)


@pytest.mark.parametrize(("dialect", "audio"), WAYS)
def test_the_scene_of_the_demo_comes_true(dialect: Any, audio: Any) -> None:
    world = reception_call(dialect, audio)
    expectations = list(ASK.expect(reports(world)))

    assert len(expectations) == 6
    assert [sentence for sentence, true in expectations if not true] == []
    assert world.invariants.finish() == []


@pytest.mark.parametrize(
    ("dialect", "audio", "marks", "foreign"),
    [
        ("ga", "g711", ['"response.output_audio.delta"', '"audio/pcmu"', '"type":"realtime"'], ['"modalities"']),
        ("preview", "g711", ['"response.audio.delta"', '"input_audio_format":"g711_ulaw"'], ['"output_modalities"']),
        ("preview", "pcm24k", ['"output_audio_format":"pcm16"', '"conversation.item.created"'], ['"audio/pcm"']),
    ],
)
def test_each_way_is_spoken_as_it_says(dialect: Any, audio: Any, marks: list[str], foreign: list[str]) -> None:
    crossed = texts(reception_call(dialect, audio))

    assert [mark for mark in marks if mark not in crossed] == []
    assert [mark for mark in foreign if mark in crossed] == []
    assert '"type":"error"' not in crossed


def test_the_caller_hears_the_same_in_every_dialect() -> None:
    def said(world: World) -> list[tuple[str, int]]:
        return [(report.text, report.heard_ms) for report in reports(world) if isinstance(report, AgentSaid)]

    assert said(reception_call("preview", "g711")) == said(reception_call("ga", "g711"))
