"""`voice-agent check --talk`: holds the scenarios of agents with synthesised callers, and shows a table.

Every scenario is held at three pitches of one voice, some calls at once, in real time.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from voice_agent.agent import RUN_HERE, Agent
from voice_agent.config.agent_file import AgentFile
from voice_agent.config.agents import agent_paths, load_agent_file, load_agents
from voice_agent.config.faults import instead, raise_all
from voice_agent.config.references import read_references
from voice_agent.config.scenario_keys import Scenario
from voice_agent.config.settings import Provider
from voice_agent.emulator.speech.callers import PITCHES
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import INSTALL, Loaders, load_speech
from voice_agent.emulator.speech.models import ModelMissingError
from voice_agent.emulator.speech.recorded import RecordedHearing
from voice_agent.emulator.speech.speaking import HibariSpeaking
from voice_agent.errors import CommandError, ConfigError, VoiceAgentError
from voice_agent.live.clips import load_clips
from voice_agent.live.endpoints import demands_of
from voice_agent.replay.against import AT_ONCE, against, settings_against
from voice_agent.replay.scenarios import Callers, Result, hold

Tell = Callable[[str], None]


class _Call(msgspec.Struct, frozen=True):
    """One line of the table."""

    agent: Agent
    scenario: Scenario
    pitch: str


async def talk(
    path: Path,
    provider: Provider,
    environ: Mapping[str, str],
    env_file: Path | None,
    tell: Tell,
    *,
    load_voice: Callable[[], HibariSpeaking] = HibariSpeaking,
) -> bool:
    """Hold all scenarios of a file or folder of good agents; whether all passed. `tell` gets the lines.

    Raises `CommandError` when there is nothing to hold or no voice for it, `ConfigError` for settings and dialogues.
    """
    settings = settings_against(provider, environ, env_file)
    references = read_references(environ, env_file)
    demands = demands_of(settings, references)
    files = [load_agent_file(one, demands) for one in agent_paths(path)]
    known = load_agents(path, demands)
    agents = [*known.all, *known.beside]
    calls = [_Call(file.agent, scenario, pitch) for file in files for scenario in file.scenarios for pitch in PITCHES]
    if not calls:
        raise CommandError(f'{path}: no agent has scenarios; write some under "scenarios" in its file')
    raise_all(_unknown_tools(files, agents))
    voice = await asyncio.to_thread(_voice, load_voice)
    speech = await asyncio.to_thread(_speech, voice, tell) if provider == "emulator" else None
    callers = Callers(voice)
    parts = [await asyncio.to_thread(callers.part, call.scenario, call.pitch) for call in calls]
    at_once = asyncio.Semaphore(AT_ONCE[provider])
    own = msgspec.structs.replace(settings, agents=path)
    async with against(provider, own, load_clips(), tell=tell, speech=speech, references=references) as model:

        async def held(number: int) -> Result | VoiceAgentError:
            call = calls[number]
            async with at_once:
                try:
                    return await hold(call.scenario, call.pitch, parts[number], call.agent, model, others=agents)
                except VoiceAgentError as error:
                    return error

        tell(f"talk: {len(calls)} calls to {model.shown}, {AT_ONCE[provider]} at once, in real time")
        async with asyncio.TaskGroup() as tasks:
            results = [tasks.create_task(held(number)) for number in range(len(calls))]
            return await _show(calls, results, tell)


def _unknown_tools(files: Sequence[AgentFile], agents: Sequence[Agent]) -> Iterator[ConfigError]:
    """Find answers that are given for tools that nobody has."""
    known = [tool.name for agent in agents for tool in agent.tools if tool.kind in RUN_HERE]
    for scenario in (scenario for file in files for scenario in file.scenarios):
        for name in scenario.given.tools:
            if name not in known:
                what = f'"given" has an answer for "{name}", which no agent here runs; {instead(name, known)}'
                yield ConfigError(what, scenario.place)


async def _show(calls: Sequence[_Call], results: Sequence[asyncio.Task[Result | VoiceAgentError]], tell: Tell) -> bool:
    """Tell each as soon as all before it are told, then what failed."""
    width = max(len(_title(call)) for call in calls)
    tell(f"{'SCENARIO':<{width}}  {'PITCH':<6}  {'RESULT':<8}  ANSWERS AFTER")
    failed: list[list[str]] = []
    for call, task in zip(calls, results, strict=True):
        result = await task
        good = isinstance(result, Result) and not result.failures
        times = ", ".join(map(str, result.held.call.responses)) if isinstance(result, Result) else ""
        tell(
            f"{_title(call):<{width}}  {call.pitch:<6}  {'passed' if good else 'FAILED':<8}  {times and f'{times} ms'}"
        )
        if not good:
            failed.append([f"{call.scenario.place}: {_title(call)}, {call.pitch} pitch", *_why(result)])
    for lines in failed:
        tell("")
        tell(lines[0])
        for line in lines[1:]:
            tell(f"    {line}")
    tell(f"\ntalk: {len(failed)} of {len(calls)} failed" if failed else "talk: all passed")
    return not failed


def _why(result: Result | VoiceAgentError) -> list[str]:
    if isinstance(result, VoiceAgentError):
        return str(result).splitlines()
    return [*result.failures, *result.held.remarks, *result.lines, f"recording: {result.held.recording}"]


def _title(call: _Call) -> str:
    return f"{call.agent.name}: {call.scenario.name}"


def _voice(load: Callable[[], HibariSpeaking]) -> HibariSpeaking:
    try:
        return load()
    except ModelMissingError as missing:
        raise CommandError(f"--talk needs a voice for its callers: {missing} is not installed ({INSTALL})") from None


def _speech(voice: HibariSpeaking, tell: Tell) -> Speech:
    """Load what the local Realtime server hears with; it speaks with the callers' voice."""
    speech = load_speech(tell, Loaders(speaking=lambda: voice))
    if isinstance(speech.hearing, RecordedHearing):
        raise CommandError("--talk needs a recogniser for the local Realtime server, see above")
    return speech
