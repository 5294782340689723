"""Every scene of the demo, in the simulated world: what the agents' dialogues and the bridge make of it, in no time."""

import pytest

from tests.support.simulated_scene import PlayedScene, play_scene
from voice_agent.call.commands import Note
from voice_agent.cli.main import main
from voice_agent.cli.scenes import SCENES, Scene
from voice_agent.replay.expectations import examine
from voice_agent.replay.held_call import HeldCall


def unmet(played: PlayedScene) -> list[str]:
    """What did not come true, in lines."""
    held = HeldCall(played.reports, "")
    return [str(one) for _, missed in examine(played.scenario.expect, held) for one in missed]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_every_scene_of_the_demo_comes_true_in_the_simulated_world(scene: Scene) -> None:
    played = play_scene(scene)

    assert unmet(played) == []
    assert played.played.problem == ""
    assert played.played.moves == len(played.scenario.caller)
    assert played.breaks() == []


def test_the_session_of_the_scene_that_is_about_that_is_lost_in_an_answer() -> None:
    (scene,) = (scene for scene in SCENES if scene.name == "lost")
    notes = [report.what for _, report in play_scene(scene).reports if isinstance(report, Note)]

    assert notes == ["the model's session is opened anew", "the model is back"]


def test_a_scene_that_went_otherwise_is_told() -> None:
    played = play_scene(SCENES[0])
    (world,) = played.worlds
    world.reports = [entry for entry in world.reports if "Saturday" not in repr(entry[1])]

    assert any("the caller did not hear" in line for line in unmet(played))
    assert any("tool 1 was hang_up" in line for line in unmet(played))


def test_the_demo_lists_its_scenes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--list"]) == 0

    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == [scene.name for scene in SCENES]
    assert all(len(line.split()) > 3 for line in listed)


@pytest.mark.parametrize(("name", "told"), [("boko", 'did you mean "book"?'), ("x", "there are ask, book")])
def test_a_scene_that_is_not_there_is_told_with_those_that_are(
    name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", name]) == 2

    assert told in capsys.readouterr().err
