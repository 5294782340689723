"""An agent's file that is not saved yet, from somebody at a web page: judged as one on the disk is, and kept small.

Whoever may edit agents may change what they say, whom they transfer to and which of the known tools they have. They are
not at the machine, though, so a draft brings nothing to it that the agents in force do not have there already:

- no code: a `python:` tool must be one of theirs, and is described as it was for them. No module is imported;
- no secret elsewhere: `${NAME}` may be sent only to where one of theirs sends it;
- no way into the inner network: `allow_private: true` only for addresses for which one of theirs has it;
- no file: a clip must be one of theirs;
- no long work: a text that is not one of theirs has no loops, calls or powers, which would stop all calls meanwhile.

What is to be more is written into the file on the machine itself. It must not know what a draft is wanted for.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from voice_agent.agent import Agent, HttpRequest, Tool
from voice_agent.config.agent_file import AgentFile, mcp_key, read_agent, tool_key
from voice_agent.config.agents import (
    AgentFolder,
    Agents,
    agent_paths,
    disagreements,
    folder_of,
    judged,
    load_agent_file,
)
from voice_agent.config.faults import raise_all
from voice_agent.config.references import names_in
from voice_agent.config.render import texts_of
from voice_agent.errors import ConfigError


class _Use(NamedTuple):
    """Something of the machine that an agent uses, and how."""

    key: str
    """The key of `AgentFile.key_at` where it stands."""
    what: tuple[str | bytes, ...]
    """The same for the same use."""
    refusal: str


class Drafts:
    """Reads drafts of the files of a folder."""

    def __init__(self, agents: AgentFolder) -> None:
        self._agents = agents

    def paths(self) -> list[Path]:
        """List the files of which there can be drafts; raises `ConfigError`."""
        return agent_paths(self._agents.path)

    def path(self, name: str) -> Path | None:
        """Find such a file by its name alone; `None`: there is none."""
        return next((path for path in self.paths() if path.name == name), None)

    def read(self, path: Path, text: str, in_force: Agents) -> AgentFile:
        """Judge a draft, alone and among the other files, which takes a while; raises `ConfigError` with its faults."""
        known = list(_all(in_force))
        folder = folder_of(path)

        def python(target: str, folder: str) -> Tool:
            for agent in known:
                for tool in agent.tools:
                    if tool.kind == "python" and tool.target == target and agent.folder == folder:
                        return tool
            raise ConfigError(
                f'"{target}" is no tool of an agent in force; new Python is written into the file on the machine itself'
            )

        laborious = {text for agent in known for _, text in texts_of(agent)}
        file = judged(read_agent(text, str(path), folder, python, laborious), self._agents.demands)
        used = {use.what for agent in known for use in _uses(agent)}
        foreign = (use for use in _uses(file.agent) if use.what not in used)
        raise_all(ConfigError(use.refusal, file.key_at.get(use.key, file.name_at)) for use in foreign)
        files = [*self._others(path), file]
        raise_all(error for error in disagreements(files) if error.where.startswith(f"{path}:"))
        return file

    def among(self, file: AgentFile, path: Path, in_force: Agents) -> Agents:
        """Give the agents in force with a draft in the place of what its file holds."""
        replaced = {file.agent.name}
        with suppress(ConfigError):
            replaced.add(load_agent_file(path, self._agents.demands).agent.name)
        others = [agent for agent in in_force.all if agent.name not in replaced]
        beside = [agent for agent in in_force.beside if agent.name not in replaced]
        return Agents([file.agent, *others], beside=beside)

    def _others(self, path: Path) -> Iterator[AgentFile]:
        # Where the agents are one file, the others of its folder are there for it, too.
        folder = self._agents.path if self._agents.path.is_dir() else self._agents.path.parent
        for other in agent_paths(folder):
            if other.name != path.name:
                with suppress(ConfigError):
                    yield load_agent_file(other, self._agents.demands)


def _all(agents: Agents) -> Iterator[Agent]:
    yield from agents.all
    yield from agents.beside


def _uses(agent: Agent) -> Iterator[_Use]:
    """List what an agent uses of the machine, beside Python."""
    for tool in agent.tools:
        if tool.http is not None:
            yield from _of_request(tool_key(tool.name), tool.http)
    if agent.lookup is not None:
        yield from _of_request("lookup", agent.lookup.request)
    for server in agent.mcp:
        for name in names_in(server.referring):
            # A reference may be the address itself, so all of it counts.
            yield _secret(mcp_key(server.server_label), name, server.server_url)
    if agent.last_resort is not None and agent.last_resort.clip:
        refusal = "no agent in force has this clip; a new one is written into the file on the machine itself"
        yield _Use("last_resort.clip", ("clip", agent.last_resort.clip), refusal)


def _of_request(key: str, request: HttpRequest) -> Iterator[_Use]:
    parts = urlsplit(request.url)
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    for name in names_in(request.headers.values()):
        yield _secret(key, name, origin)
    if request.allow_private:
        refusal = (
            f'no agent in force has "allow_private: true" for {origin}; that is written into the file on the machine '
            "itself"
        )
        yield _Use(key, ("private", origin), refusal)


def _secret(key: str, name: str, where: str) -> _Use:
    refusal = (
        f"no agent in force sends ${{{name}}} to {where}; where a secret goes is written into the file on the machine "
        "itself"
    )
    return _Use(key, ("secret", name, where), refusal)
