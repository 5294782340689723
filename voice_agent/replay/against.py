"""Replay against a model: a recorded caller speaks to a real session with today's agent.

What was said, pressed and interrupted is as recorded (`recorded_caller`), each when the agent of today has got so far.
The expectations beside the recording decide. It takes as long as the calls do, and what today's agent does is done:
its tools run.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.conversation import Resumption
from voice_agent.config.agents import agent_named, load_agent, others_of
from voice_agent.config.expectations import Expectations
from voice_agent.config.references import NOTHING, References
from voice_agent.config.scenario_keys import Given
from voice_agent.config.settings import Provider, Settings, read_settings
from voice_agent.emulator.caller import Part
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.errors import ConfigError
from voice_agent.live.clock import utc_now
from voice_agent.live.endpoints import demands_of, endpoint_of
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.telling import clock, transcript
from voice_agent.replay.expectations import expected_of, path_beside, unmet
from voice_agent.replay.judging import Verdict, told
from voice_agent.replay.recorded_caller import recorded_caller
from voice_agent.replay.talk import Talk, prepare, talk
from voice_agent.server.local_model import local_realtime

MODELS: tuple[Provider, ...] = ("emulator", "azure", "openai")

AT_ONCE: Mapping[Provider, int] = {"emulator": 6, "azure": 2, "openai": 2}
"""Calls held at the same time: what two cores can speak and hear, and what new accounts allow."""

_REMEDY = "set AGENTS to where its file is, or name another by --agent, in a test in Python by agent="

GOOD_ENDS = ("completed", "caller_hung_up")
"""Outcomes of a call that took place, for whoever expects nothing else."""


def settings_against(provider: Provider, environ: Mapping[str, str], env_file: Path | None = None) -> Settings:
    """Read the settings for one model, whichever answers the phone. Raises `ConfigError` like `read_settings`.

    `REALTIME_URL` holds for the two services, and never for the emulator, which is this process's own.
    """
    settings = read_settings({**environ, "REALTIME_PROVIDER": provider}, env_file)
    return msgspec.structs.replace(settings, realtime_url=None) if provider == "emulator" else settings


class Against:
    """Speaks recorded calls to one model; given by `against`."""

    def __init__(
        self,
        settings: Settings,
        agent: Path | None,
        emulator_url: str,
        clips: Mapping[str, bytes],
        *,
        references: References,
    ) -> None:
        self._settings = settings
        self._agent = agent
        self._emulator_url = emulator_url
        self._clips = clips
        self._references = references

    @property
    def shown(self) -> str:
        """Where the model is, as it may be shown."""
        return endpoint_of(self._settings, self._emulator_url).shown

    async def judge_file(self, path: Path, agent: Path | None = None) -> Verdict:
        """Hold one call and hold it against the expectations beside it. `agent`: this file's, before all others.

        Raises `PeerError` for what is no recording of a call, `ConfigError` for expectations or an agent that cannot
        be read, `CommandError` where there is no sound or no call.
        """
        expected = expected_of(path)
        return await self.judge(read(path), agent, expected, path_beside(path).name)

    async def judge(
        self,
        recording: Recording,
        agent: Path | None = None,
        expected: Expectations | None = None,
        beside: str = "",
    ) -> Verdict:
        """Hold one call; what was `expected` stands in the file `beside`."""
        who = recorded_caller(recording, self._clips)
        file = agent or self._agent
        today = self._agent_for(recording.header.setup.agent.name, file)
        held = await self.talk(
            who.part,
            today,
            caller=who.caller,
            called=who.called,
            others=self._others(today, file),
            resumed=recording.header.setup.resumed,
        )
        failures, at_ms = failures_of(held, expected, beside)
        notes = [f"recording: {held.recording}", *who.remarks, *held.remarks]
        if held.unplayed:
            notes.append(f"the agent ended the call before {held.unplayed} of the caller's moves")
        return Verdict(
            result="unmet" if failures else "held",
            failures=tuple([*failures, *transcript(held.lines)] if failures else ()),
            notes=tuple(notes),
            at_ms=at_ms,
            duration_ms=held.call.ended_ms,
            call=held.call,
            recording=read(held.recording),
        )

    async def talk(
        self,
        part: Part,
        agent: Agent,
        *,
        caller: str,
        called: str,
        others: Iterable[Agent] = (),
        now: Callable[[], datetime] = utc_now,
        given: Given | None = None,
        resumed: Resumption | None = None,
    ) -> Talk:
        """Hold a call of any part with any agent; see `talk.talk`."""
        return await talk(
            part,
            agent,
            self._settings,
            caller=caller,
            called=called,
            emulator_url=self._emulator_url,
            references=self._references,
            others=others,
            now=now,
            given=given,
            resumed=resumed,
        )

    def _others(self, today: Agent, file: Path | None) -> list[Agent]:
        """Those whom today's agent may leave a call to: beside its file before those of `AGENTS`."""
        places = (self._settings.agents,) if file is None else (file, self._settings.agents)
        demands = demands_of(self._settings, self._references)
        return [other for place in places for other in others_of(today, place, demands)]

    def _agent_for(self, name: str, file: Path | None) -> Agent:
        demands = demands_of(self._settings, self._references)
        if file is not None:
            return load_agent(file, demands)
        try:
            return agent_named(self._settings.agents, name, demands)
        except ConfigError as error:
            raise ConfigError(f"{error}; {_REMEDY}") from None


def failures_of(held: Talk, expected: Expectations | None, where: str) -> tuple[list[str], int]:
    """Say why a call is not as it should be, in lines, and when in the call; `where`: what holds the expectations."""
    call = held.call
    found: list[tuple[int, str]] = []
    if expected is None or expected.ended is None:
        found += held.errors
        if call.ended not in GOOD_ENDS and not found:
            found.append((call.ended_ms, f"the call ended as {call.ended or 'nothing'}"))
    if held.problem:
        found.append((call.ended_ms, held.problem))
    failures = [f"at {clock(at_ms)} {what}" for at_ms, what in found]
    times = [at_ms for at_ms, _ in found]
    missed = [] if expected is None else unmet(expected, call)
    if missed:
        failures += told(missed, where)
        times += [one.at_ms for one in missed]
    return failures, min(times, default=0)


@asynccontextmanager
async def against(
    provider: Provider,
    settings: Settings,
    clips: Mapping[str, bytes],
    *,
    agent: Path | None = None,
    tell: Callable[[str], None],
    speech: Speech | None = None,
    references: References = NOTHING,
) -> AsyncIterator[Against]:
    """Make ready; the local Realtime server runs as long as the block. `settings` as `settings_against` gives them.

    `agent`: this file's, instead of the one of the recorded name. `tell` and `speech` as for `local_realtime`, which
    also says what is raised. `references`: what agents may name, with the values.
    """
    async with AsyncExitStack() as stack:
        emulator_url = ""
        if provider == "emulator":
            brains = settings if agent is None else msgspec.structs.replace(settings, agents=agent)
            emulator_url = await stack.enter_async_context(local_realtime(brains, tell, speech))
        await prepare(settings)
        yield Against(settings, agent, emulator_url, clips, references=references)
