from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.emulator.speech.test_callers import Hummer
from voice_agent.agent import Agent
from voice_agent.config.expectations import Expectations
from voice_agent.config.scenario_keys import Given, Scenario, Turn
from voice_agent.errors import ConfigError
from voice_agent.replay.scenarios import Callers, clock_of


def scenario(*turns: Turn) -> Scenario:
    return Scenario(name="a", place="a.yaml:3:1", caller=turns, expect=Expectations())


def test_a_scenario_becomes_a_part_on_a_noisy_line() -> None:
    part = Callers(Hummer()).part(
        scenario(Turn(says="Hello."), Turn(says="Stop.", interrupt_ms=1500), Turn(keys="12#", interrupt_ms=0)),
        "low",
    )
    said, cut, keys = part.moves

    assert (said.name, said.into_ms, said.after_ms, len(said.sound) > 8000) == ("turn 1", None, None, True)
    assert (cut.into_ms, cut.after_ms) == (1500, None)
    assert (keys.keys, keys.sound, keys.into_ms) == ("12#", b"", 0)
    assert part.noise


def test_what_follows_a_silence_waits_for_nothing_more() -> None:
    part = Callers(Hummer()).part(
        scenario(Turn(says="Hello."), Turn(silent_ms=5000), Turn(says="Hello?"), Turn(says="Hello!")), "low"
    )

    assert [move.after_ms for move in part.moves] == [None, None, 0, None]
    assert part.moves[1].silent_ms == 5000


def test_a_text_is_spoken_once_for_each_pitch() -> None:
    callers = Callers(Hummer())
    one, other = callers.part(scenario(Turn(says="Hello."), Turn(says="Hello.")), "high").moves

    assert one.sound is other.sound
    assert callers.part(scenario(Turn(says="Hello.")), "low").moves[0].sound != one.sound


class Mute:
    """A voice that knows no word of it."""

    def synthesise(self, text: str, speed: float = 1.0) -> Iterator[NDArray[np.float32]]:
        del text, speed
        yield from ()


def test_what_the_voice_cannot_say_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r'^a\.yaml:3:1: the callers\' voice cannot say "日本語": it speaks English'):
        Callers(Mute()).part(scenario(Turn(says="日本語")), "low")


def test_a_scenario_s_clock_stands_on_the_wall_of_the_agent() -> None:
    agent = Agent(name="a", instructions="x", timezone="America/Los_Angeles")
    given = Given(now=datetime(2026, 11, 29, 10, 0))  # noqa: DTZ001 - the zone is the agent's
    clock = clock_of(msgspec.structs.replace(scenario(Turn(says="Hello.")), given=given), agent)

    assert clock() == datetime(2026, 11, 29, 18, 0, tzinfo=UTC)
