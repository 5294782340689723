"""Which brain the local Realtime server gets: a dialogue file, a chat endpoint, or the dialogues beside the agents."""

from pathlib import Path

from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.emulator.brain import Brain
from voice_agent.emulator.dialogue.brain import DialogueBrain
from voice_agent.emulator.dialogue.file import load_dialogue, load_dialogues
from voice_agent.emulator.llm import ChatBrain
from voice_agent.errors import ConfigError


def choose_brain(settings: Settings, dialogue: Path | None = None) -> tuple[Brain, str]:
    """Choose the brain, and say in words what it is. `dialogue`: this file answers every session.

    Otherwise `LLM_URL` does, if it is set, else the dialogue files beside the agents and the packaged ones, each for
    the sessions that offer its tools. Raises `ConfigError` for a file that is no good and for half an endpoint.
    """
    if dialogue is not None:
        return DialogueBrain([], always=load_dialogue(dialogue)), str(dialogue)
    if settings.llm_url is not None:
        if settings.llm_model is None:
            raise ConfigError("is missing; LLM_URL needs the name of a model", "LLM_MODEL")
        key = settings.llm_api_key.reveal() if settings.llm_api_key else ""
        return ChatBrain(settings.llm_url, settings.llm_model, key), f"{settings.llm_model} at {settings.llm_url}"
    agents = settings.agents if settings.agents.is_dir() else settings.agents.parent
    folders = [agents] if agents == PACKAGED_AGENTS else [agents, PACKAGED_AGENTS]
    dialogues = [entry for folder in folders for entry in load_dialogues(folder)]
    return DialogueBrain(dialogues), f"{len(dialogues)} dialogue files, chosen by a session's tools"
