from pathlib import Path

import pytest

from voice_agent.config.secret import Secret
from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.emulator.brains import choose_brain
from voice_agent.emulator.dialogue.brain import DialogueBrain
from voice_agent.emulator.llm import ChatBrain
from voice_agent.errors import ConfigError

PACKAGED = len([*PACKAGED_AGENTS.glob("*.dialogue.yaml")])


def test_without_anything_the_packaged_dialogues_answer() -> None:
    brain, words = choose_brain(Settings())

    assert isinstance(brain, DialogueBrain)
    assert words == f"{PACKAGED} dialogue files, chosen by a session's tools"


def test_dialogues_beside_the_agents_come_first(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine")
    (tmp_path / "mine.dialogue.yaml").write_text("tools: []\nintents: []")

    assert choose_brain(Settings(agents=tmp_path))[1].startswith(f"{PACKAGED + 1} dialogue files")
    assert choose_brain(Settings(agents=tmp_path / "mine.yaml"))[1].startswith(f"{PACKAGED + 1} dialogue files")


def test_a_chat_endpoint_answers_instead_of_dialogues() -> None:
    settings = Settings(llm_url="http://127.0.0.1:1/v1", llm_model="small", llm_api_key=Secret("key"))
    brain, words = choose_brain(settings)

    assert isinstance(brain, ChatBrain)
    assert words == "small at http://127.0.0.1:1/v1"


def test_a_dialogue_that_was_named_wins() -> None:
    path = PACKAGED_AGENTS / "table.dialogue.yaml"

    assert choose_brain(Settings(llm_url="http://127.0.0.1:1/v1"), path)[1] == str(path)


def test_half_an_endpoint_is_told() -> None:
    with pytest.raises(ConfigError, match="LLM_MODEL: is missing"):
        choose_brain(Settings(llm_url="http://127.0.0.1:1/v1"))
