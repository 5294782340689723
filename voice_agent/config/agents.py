"""The agents of one file or folder: which of them answers a called number, and what a changed file does.

`*.dialogue.yaml` and `*.expect.yaml` beside an agent belong to the local Realtime server and are not agents. The
Python modules of tools are imported once a process: a change in one needs a restart.
"""

import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from voice_agent.agent import Agent
from voice_agent.config.agent_file import AgentFile, mcp_key, read_agent, tool_key
from voice_agent.config.faults import raise_all
from voice_agent.config.handoff_tools import reachable, wrong_handoffs
from voice_agent.config.hours import is_open, missing_agents
from voice_agent.config.models import preview_refusals, refusals
from voice_agent.config.references import NOTHING, References, names_in
from voice_agent.config.variables import is_loopback, split_url
from voice_agent.errors import ConfigError, ConfigErrors

_NOT_AGENTS = (".dialogue.yaml", ".dialogue.yml", ".expect.yaml", ".expect.yml")

Stamp = dict[Path, tuple[int, int]]
"""When each agent file and clip beside one was last written (ns), and its size: what has to change for a reload."""


class Demands(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings let an agent ask for; what is not given here is not looked at."""

    model: str = ""
    """What an agent asks of it must be what it can do; empty: any."""
    preview: bool = False
    """The endpoint speaks the preview dialect."""
    references: References | None = None
    """The variables that an agent may name; `None`: any."""
    fallbacks: tuple[tuple[str, "Demands"], ...] = ()
    """What further endpoints let it ask for, by their names: a call may get there at any time."""


ANY = Demands()


class Agents:
    """All agents of a server, told apart by the numbers that they answer."""

    def __init__(self, agents: Iterable[Agent], default: Agent | None = None, beside: Iterable[Agent] = ()) -> None:
        """`default`: takes all calls, whatever the agents say of numbers. `beside`: are there by their names only."""
        self.all = tuple(agents)
        self.beside = tuple(beside)
        self._by_number = {number: agent for agent in self.all for number in agent.numbers} if default is None else {}
        only = self.all[0] if len(self.all) == 1 else None
        self._default = default or next((agent for agent in self.all if agent.default), only)

    def for_number(self, called: str) -> Agent | None:
        """Find the agent that names the number (E.164), else the default one, else the only one, else `None`."""
        return self._by_number.get(called, self._default)

    def named(self, name: str) -> Agent | None:
        """Find an agent by its name."""
        return next((agent for agent in (*self.all, *self.beside) if agent.name == name), None)

    def reachable(self, agent: Agent) -> tuple[Agent, ...]:
        """Give all that a call to an agent can be handed over to, by it or by one of them."""
        return reachable(agent, {each.name: each for each in (*self.all, *self.beside)})

    def on_duty(self, agent: Agent, now: datetime) -> Agent | None:
        """Find who takes a call to an agent now, by its hours; `None`: nobody. `now` must know its offset."""
        if agent.hours is None or is_open(agent, now):
            return agent
        return self.named(agent.hours.agent)


def load_agent(path: Path, demands: Demands = ANY) -> Agent:
    """Read one agent's file; raises `ConfigError` with every fault in it. Imports the modules of its tools."""
    return load_agent_file(path, demands).agent


def load_agents(path: Path, demands: Demands = ANY) -> Agents:
    """Read an agent file, or all agents of a folder (not of folders in it), in the order of their file names.

    Raises `ConfigError` with every fault in every file, also where two agents claim the same number, name or default.
    """
    files: list[AgentFile] = []
    errors: list[ConfigError] = []
    for file in agent_paths(path):
        try:
            files.append(load_agent_file(file, demands))
        except ConfigErrors as several:
            errors += several.errors
        except ConfigError as error:
            errors.append(error)
    beside = [other for file in files for other in _others(file.agent, path.parent, demands)] if path.is_file() else []
    if not errors:  # else an agent that is missed may be one that cannot be read
        errors += _missing([*files, *beside])
    raise_all([*errors, *_clashes(files)])
    return Agents((file.agent for file in files), beside=(file.agent for file in beside))


def disagreements(files: list[AgentFile]) -> list[ConfigError]:
    """List what is wrong with agents' files together: whom one names and nobody is, and what two of them claim."""
    return [*_missing(files), *_clashes(files)]


def others_of(agent: Agent, path: Path, demands: Demands = ANY) -> list[Agent]:
    """Find whom an agent may leave a call to, itself or by another one, in a folder or beside a file.

    Who is not there, or cannot be read, is left out.
    """
    return [file.agent for file in _others(agent, path if path.is_dir() else path.parent, demands)]


def _others(agent: Agent, folder: Path, demands: Demands) -> list[AgentFile]:
    """Find them; files that nobody names need not be good, and are not read where nobody is named."""
    found: list[AgentFile] = []
    known = {agent.name}
    waiting = [agent]
    good: list[AgentFile] | None = None
    while waiting:
        for name in _named_by(waiting.pop()):
            if good is None:
                good = [*_good(folder, demands)]
            file = next((file for file in good if file.agent.name == name), None)
            if file is not None and name not in known:
                found.append(file)
                known.add(name)
                waiting.append(file.agent)
    return found


def _named_by(agent: Agent) -> Iterator[str]:
    if agent.hours is not None:
        yield agent.hours.agent
    for tool in agent.tools:
        yield from () if tool.handoff is None else tool.handoff.to


def _good(folder: Path, demands: Demands) -> Iterator[AgentFile]:
    with suppress(OSError):
        for path in sorted(_agent_files(folder)):
            with suppress(ConfigError):
                yield load_agent_file(path, demands)


def agent_named(path: Path, name: str, demands: Demands = ANY) -> Agent:
    """Find an agent by its name in a file or folder.

    Raises `ConfigError` that says where it was looked for, with the faults of files that may have been its own.
    """
    errors: list[ConfigError] = []
    names: list[str] = []
    for file in agent_paths(path):
        try:
            agent = load_agent(file, demands)
        except ConfigErrors as several:
            errors += several.errors
        except ConfigError as error:
            errors.append(error)
        else:
            if agent.name == name:
                return agent
            names.append(agent.name)
    there = f"there are {', '.join(names)}" if names else "there is none"
    errors.append(ConfigError(f'no agent is named "{name}" here; {there}', str(path)))
    raise_all(errors)
    raise AssertionError("raise_all has raised")


def agent_paths(path: Path) -> list[Path]:
    """List the agent files that a path stands for, sorted; raises `ConfigError` when there is none."""
    try:
        if path.is_file():
            return [path]
        found = sorted(_agent_files(path))
    except OSError as error:
        raise ConfigError(
            f"cannot be read ({error.strerror}); AGENTS is a file or folder of agents", str(path)
        ) from None
    if not found:
        raise ConfigError("no agent here; put a file such as reception.yaml into it", str(path))
    return found


def _agent_files(folder: Path) -> Iterable[Path]:
    for entry in folder.iterdir():
        # Editors and file managers keep hidden files of such names beside the one that is worked on.
        if (
            entry.suffix in (".yaml", ".yml")
            and not entry.name.startswith(".")
            and not entry.name.endswith(_NOT_AGENTS)
        ):
            yield entry


def load_agent_file(path: Path, demands: Demands = ANY) -> AgentFile:
    """Read one agent's file with its scenarios and the places of its keys; as `load_agent`."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", str(path)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("not UTF-8 text; save the file as UTF-8", f"{path}:{line}") from None
    return judged(read_agent(text, str(path), folder_of(path)), demands)


def folder_of(path: Path) -> str:
    """Say where an agent's tools stand: beside its file, or beside what a link leads to.

    A folder of Kubernetes' has links to one below it, which is another one after each change; the links stay.
    """
    named, real = path.parent.resolve(), path.resolve().parent
    return str(named if real.is_relative_to(named) else real)


def judged(file: AgentFile, demands: Demands) -> AgentFile:
    """Give an agent's file that may ask for all that it asks for; raises `ConfigError` for another one."""
    # A default that is refused has no place of its own.
    raise_all(ConfigError(what, file.key_at.get(key, file.name_at)) for key, what in _refused(file.agent, demands))
    return file


def _refused(agent: Agent, demands: Demands) -> Iterator[tuple[str, str]]:
    """Give the keys that these settings refuse, with the remedy."""
    refused = list(_refused_by_model(agent, demands))
    yield from refused
    for name, other in demands.fallbacks:
        for key, what in _refused_by_model(agent, other):
            if (key, what) not in refused:
                yield key, f"{what}; calls may get there: REALTIME_FALLBACKS names {name}"
    if demands.references is not None:
        yield from _unset(agent, demands.references)


def _refused_by_model(agent: Agent, demands: Demands) -> Iterator[tuple[str, str]]:
    yield from refusals(agent, demands.model)
    if demands.preview:
        yield from preview_refusals(agent)


def _unset(agent: Agent, references: References) -> Iterator[tuple[str, str]]:
    """Give the tools and servers whose references cannot be filled in, or are filled in wrongly."""
    requests = [(tool_key(tool.name), tool.http) for tool in agent.tools if tool.http is not None]
    if agent.lookup is not None:
        requests.append(("lookup", agent.lookup.request))
    for key, request in requests:
        for name in names_in(request.headers.values()):
            if problem := references.problem(name):
                yield key, problem
    for server in agent.mcp:
        problems = list(filter(None, map(references.problem, names_in(server.referring))))
        if not problems and not _may_hold_secrets(references.filled(server.server_url)):
            problems = ['"server_url" must begin with https:// when it is filled in, or lead to this machine']
        yield from ((mcp_key(server.server_label), problem) for problem in problems)


def _may_hold_secrets(url: str) -> bool:
    parts = split_url(url)
    return parts is not None and bool(parts.hostname) and (parts.scheme == "https" or is_loopback(url))


def _missing(files: list[AgentFile]) -> Iterable[ConfigError]:
    """Find agents that another one names and that are not there."""
    places = {file.agent.name: file.key_at.get("hours.closed", file.name_at) for file in files}
    for name, what in missing_agents({file.agent.name: file.agent for file in files}):
        yield ConfigError(what, places[name])
    tools = {file.agent.name: file.key_at for file in files}
    for wrong in wrong_handoffs({file.agent.name: file.agent for file in files}):
        yield ConfigError(wrong.what, tools[wrong.agent][tool_key(wrong.tool)])


def _clashes(files: list[AgentFile]) -> Iterable[ConfigError]:
    names: dict[str, str] = {}
    numbers: dict[str, str] = {}
    default = ""
    for file in files:
        name = file.agent.name
        if name in names:
            yield ConfigError(f'"{name}" is the name of another agent too ({names[name]})', file.name_at)
        names[name] = file.name_at
        for number, place in file.number_at.items():
            if number in numbers:
                yield ConfigError(f'"{number}" reaches another agent too ({numbers[number]}); keep one', place)
            numbers[number] = place
        if file.agent.default:
            if default:
                yield ConfigError(f'only one agent can be "default: true" ({default} is too)', file.default_at)
            default = file.default_at


class AgentSource(Protocol):
    """Where a server takes its agents from, anew for each call."""

    @property
    def references(self) -> References:
        """The variables that the agents may name, with their values."""

    def current(self) -> tuple[Agents, str]:
        """Give the agents for a call that begins now, and a problem that nobody was told of yet, or nothing."""

    def latest(self) -> Agents:
        """Give the agents alone; a problem is kept for whoever tells it."""

    def broken(self) -> bool:
        """Tell whether a change is wrong now, so that what served before does, and a server would not start."""


class OneAgent:
    """An agent that takes every call and never changes."""

    def __init__(self, agent: Agent, references: References = NOTHING, others: Iterable[Agent] = ()) -> None:
        """`others`: those whom it may leave a call to, by their names."""
        self._agents = Agents([agent, *(other for other in others if other.name != agent.name)], default=agent)
        self.references = references

    def current(self) -> tuple[Agents, str]:
        """See `AgentSource`."""
        return self._agents, ""

    def latest(self) -> Agents:
        """See `AgentSource`."""
        return self._agents

    def broken(self) -> bool:
        """See `AgentSource`."""
        return False


class AgentFolder:
    """Agents that follow their files: what changed on disk serves the next call, unless it is broken."""

    def __init__(self, path: Path, demands: Demands = ANY) -> None:
        """Load for the first time; raises `ConfigError`, for a server does not start with a broken agent."""
        self._path = path
        self._demands = demands
        self._stamp = _stamp(path)  # before: what changes while the agents are read is a change
        self._agents = load_agents(path, demands)
        self._untold = ""
        self._broken = False

    @property
    def path(self) -> Path:
        """The file, or the folder."""
        return self._path

    @property
    def demands(self) -> Demands:
        """What the agents may ask for."""
        return self._demands

    @property
    def references(self) -> References:
        """See `AgentSource`."""
        return self._demands.references or NOTHING

    def current(self) -> tuple[Agents, str]:
        """Return the agents for a call that begins now, and what is wrong with a change; that is told once."""
        agents = self.latest()
        problem, self._untold = self._untold, ""
        return agents, problem

    def latest(self) -> Agents:
        """Return the agents as their files are now; those of a good change before if one is wrong.

        Only the files' times are looked at, unless one changed; then all are read again.
        """
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._agents, self._untold = load_agents(self._path, self._demands), ""
                self._broken = False
            except ConfigError as error:
                self._untold = f"agents not reloaded, the last good ones stay:\n{error}"
                self._broken = True
        return self._agents

    def broken(self) -> bool:
        """See `AgentSource`."""
        self.latest()
        return self._broken


def _stamp(path: Path) -> Stamp:
    """Files that vanish while we look are left out: their going is a change like any other."""
    stamp: Stamp = {}
    # What one file's agent names may stand in any of the files beside it, also in one that is not there yet.
    try:
        folder = path.parent if path.is_file() else path
        files = {path, *_agent_files(folder), *folder.glob("*.wav")}
    except OSError:
        return stamp
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            stamp[file] = (status.st_mtime_ns, status.st_size)
    return stamp
