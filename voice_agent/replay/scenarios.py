"""Scenarios of an agent's file, held with synthesised callers: one voice at three pitches, on a line with noise.

The same call to a real session as a replay against a model is. It must not know how the results are shown.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

import msgspec

from voice_agent.agent import Agent
from voice_agent.config.scenario_keys import Scenario, Turn
from voice_agent.emulator.caller import Move, Part
from voice_agent.emulator.speech.callers import PITCHES, Voice, line_noise, synthesise, with_noise
from voice_agent.errors import ConfigError
from voice_agent.live.clock import utc_now
from voice_agent.recording.telling import transcript
from voice_agent.replay.against import Against, failures_of
from voice_agent.replay.talk import Talk

CALLER, CALLED = "+14255550123", "+14255550100"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a scenario at one pitch."""

    scenario: Scenario
    pitch: str
    failures: tuple[str, ...]
    """Why it failed, lines; empty: it passed."""
    held: Talk

    @property
    def lines(self) -> Iterator[str]:
        """The transcript."""
        return transcript(self.held.lines)


class Callers:
    """Speaks the callers' turns; each is made once."""

    def __init__(self, voice: Voice, recorded: Mapping[str, bytes] | None = None, *, noise: bool = True) -> None:
        """`recorded`: what need not be synthesised, by its text, at any pitch. `noise`: of the line."""
        self._voice = voice
        self._recorded = recorded or {}
        self._has_noise = noise
        self._said: dict[tuple[str, str], bytes] = {}

    @cached_property
    def _noise(self) -> bytes:
        return line_noise() if self._has_noise else b""

    def part(self, scenario: Scenario, pitch: str) -> Part:
        """Give the caller's part; some milliseconds of work a word. Raises `ConfigError` for what nobody can say."""
        moves = []
        after_silence = False
        for number, turn in enumerate(scenario.caller, 1):
            move = self._move(number, turn, pitch, after_silence=after_silence)
            if turn.says and not move.sound:
                raise ConfigError(f'the callers\' voice cannot say "{turn.says}": it speaks English', scenario.place)
            moves.append(move)
            after_silence = bool(turn.silent_ms)
        return Part(moves=tuple(moves), noise=self._noise)

    def _move(self, number: int, turn: Turn, pitch: str, *, after_silence: bool) -> Move:
        return Move(
            name=f"turn {number}",
            sound=self._sound(turn.says, pitch) if turn.says else b"",
            keys=turn.keys,
            silent_ms=turn.silent_ms,
            into_ms=turn.interrupt_ms,
            # What was waited for is a silence of the caller's, not an answer.
            after_ms=0 if after_silence and turn.interrupt_ms is None else None,
        )

    def _sound(self, text: str, pitch: str) -> bytes:
        said = self._said.get((text, pitch))
        if said is None:
            said = self._recorded.get(text) or synthesise(self._voice, text, PITCHES[pitch])
            if self._noise:
                said = with_noise(said, self._noise)
            self._said[text, pitch] = said
        return said


def clock_of(scenario: Scenario, agent: Agent) -> Callable[[], datetime]:
    """Give the clock by which the caller rings."""
    given = scenario.given.now
    if given is None:
        return utc_now
    moment = given.replace(tzinfo=UTC if agent.timezone is None else ZoneInfo(agent.timezone))
    return lambda: moment


async def hold(
    scenario: Scenario, pitch: str, part: Part, agent: Agent, model: Against, *, others: Iterable[Agent] = ()
) -> Result:
    """Hold one scenario, in real time. `others`: those whom the agent may leave the call to.

    Raises what `talk` raises.
    """
    called = agent.numbers[0] if agent.numbers else CALLED
    now = clock_of(scenario, agent)
    held = await model.talk(part, agent, caller=CALLER, called=called, others=others, now=now, given=scenario.given)
    failures, _ = failures_of(held, scenario.expect, "expected")
    if held.unplayed and not held.problem:
        failures.append(f"the agent ended the call before turn {len(scenario.caller) - held.unplayed + 1}")
    return Result(scenario=scenario, pitch=pitch, failures=tuple(failures), held=held)
