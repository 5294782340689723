"""Agents as users write them: read a text, or get the lines that say what is wrong with it."""

from textwrap import dedent

from voice_agent.agent import Agent
from voice_agent.config.agent_file import read_agent
from voice_agent.errors import ConfigError

MINIMAL = "name: reception\ninstructions: You answer the phone.\n"
"""Two lines; what a test adds begins on line 3."""


def agent_of(added: str = "", folder: str = "") -> Agent:
    """Read the minimal agent with some lines added."""
    return read_agent(MINIMAL + dedent(added), "a.yaml", folder).agent


def faults_of(added: str, minimal: str = MINIMAL, folder: str = "") -> list[str]:
    """Read the minimal agent with some lines added, and return the lines that say what is wrong; none: it is right."""
    try:
        read_agent(minimal + dedent(added), "a.yaml", folder)
    except ConfigError as error:
        return str(error).split("\n")
    return []
