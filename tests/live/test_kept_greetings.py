"""Greetings that are kept: when one is worth it, and where it is found again."""

import os
from pathlib import Path

import msgspec
import pytest

from tests.support.script import an_agent
from voice_agent.agent import Agent, ModelOptions
from voice_agent.call.commands import AgentSaid, PlayAudio
from voice_agent.call.greeting import LONGEST_KEPT_MS
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.live.kept_greetings import MOST_KEPT, GreetingListener, KeptGreetings

AGENT = an_agent(greeting="Hello there, who is it?")
SETUP = CallSetup(call_sid="CA1", agent=AGENT)
SOUND = bytes(range(128, 255)) * 100
"""1.6 s of mu-law."""
MS = len(SOUND) // 8


def heard(*commands: AgentSaid | PlayAudio) -> bytes:
    listener = GreetingListener("Hello there, who is it?")
    for command in commands:
        listener.take(command)
    return listener.greeting


def said(text: str = "Hello there, who is it?", ms: int = MS, *, cut: bool = False) -> AgentSaid:
    return AgentSaid("item_1", text, ms, ms, cut)


def test_a_greeting_that_was_said_word_for_word_and_heard_whole_is_worth_keeping() -> None:
    half = len(SOUND) // 2

    assert heard(PlayAudio(SOUND[:half]), PlayAudio(SOUND[half:]), said()) == SOUND
    assert heard(PlayAudio(SOUND), said("hello there; Who is it")) == SOUND


@pytest.mark.parametrize(
    "commands",
    [
        (PlayAudio(SOUND), said(cut=True)),
        (PlayAudio(SOUND), said("Hello, who is there?")),
        (PlayAudio(SOUND), said("")),
        (PlayAudio(SOUND), PlayAudio(SOUND), said()),  # something else was played, too
        (PlayAudio(SOUND), said("I am sorry."), PlayAudio(SOUND), said()),  # it was not the first words
        (PlayAudio(SOUND * 3), said(ms=3 * MS)),  # too long to be played before anybody hears the caller
        (PlayAudio(SOUND * 6), said(ms=6 * MS)),
    ],
)
def test_any_other_is_not(commands: tuple[AgentSaid | PlayAudio, ...]) -> None:
    assert 3 * MS > LONGEST_KEPT_MS
    assert heard(*commands) == b""


def test_what_was_kept_is_found_also_by_another_process(tmp_path: Path) -> None:
    first = KeptGreetings(tmp_path / "greetings")
    before = first.find(AGENT, SETUP.model)
    first.keep(SETUP, SOUND)

    assert before is None
    assert first.find(AGENT, SETUP.model) == KeptGreetings(tmp_path / "greetings").find(AGENT, SETUP.model) == SOUND
    assert [path.name[:5] for path in (tmp_path / "greetings").iterdir()] == ["test-"]


@pytest.mark.parametrize(
    ("agent", "model"),
    [
        (msgspec.structs.replace(AGENT, voice="ash"), SETUP.model),
        (msgspec.structs.replace(AGENT, greeting="Hello there."), SETUP.model),
        (msgspec.structs.replace(AGENT, language="es"), SETUP.model),
        (msgspec.structs.replace(AGENT, model=ModelOptions(speed=1.2)), SETUP.model),
        (AGENT, ModelSetup(provider="openai", model="gpt-realtime-2.1")),
    ],
)
def test_another_voice_text_language_or_model_is_another_greeting(
    tmp_path: Path, agent: Agent, model: ModelSetup
) -> None:
    greetings = KeptGreetings(tmp_path)
    greetings.keep(SETUP, SOUND)

    assert greetings.find(agent, model) is None


def test_one_is_wanted_of_a_call_for_which_none_was_found_and_of_no_other(tmp_path: Path) -> None:
    greetings = KeptGreetings(tmp_path)
    unknown = greetings.wanted(SETUP)
    greetings.find(AGENT, SETUP.model)
    looked_for = greetings.wanted(SETUP)
    greetings.keep(SETUP, SOUND)

    assert (unknown, looked_for, greetings.wanted(SETUP)) == (False, True, False)


def test_who_deletes_one_gets_a_new_one(tmp_path: Path) -> None:
    greetings = KeptGreetings(tmp_path)
    greetings.keep(SETUP, SOUND)
    next(tmp_path.iterdir()).unlink()

    assert greetings.find(AGENT, SETUP.model) is None
    assert greetings.wanted(SETUP)


def test_only_the_newest_are_kept_and_those_that_are_in_use(tmp_path: Path) -> None:
    setups = [
        CallSetup(call_sid="CA1", agent=msgspec.structs.replace(AGENT, greeting=f"Hello {number}."))
        for number in range(MOST_KEPT + 2)
    ]
    (tmp_path / ".test-1.wav.CA9").write_bytes(b"left behind")
    os.utime(tmp_path / ".test-1.wav.CA9", (1, 1))
    for at, setup in enumerate(setups[:-2], 2):
        KeptGreetings(tmp_path).keep(setup, SOUND)
        newest = max(tmp_path.glob("test-*.wav"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (at, at))
    assert KeptGreetings(tmp_path).find(setups[0].agent, SETUP.model) == SOUND
    for setup in setups[-2:]:
        KeptGreetings(tmp_path).keep(setup, SOUND)

    found = [KeptGreetings(tmp_path).find(setup.agent, SETUP.model) is not None for setup in setups]
    assert found == [True, False, False, *[True] * (MOST_KEPT - 1)]
    assert len(list(tmp_path.iterdir())) == MOST_KEPT


def test_a_broken_or_overlong_file_and_a_full_disk_change_nothing_else(tmp_path: Path) -> None:
    greetings = KeptGreetings(tmp_path)
    greetings.keep(SETUP, SOUND)
    path = next(tmp_path.iterdir())
    path.write_bytes(b"RIFF")
    (tmp_path / "file").write_text("")

    assert KeptGreetings(tmp_path).find(AGENT, SETUP.model) is None
    KeptGreetings(tmp_path / "file").keep(SETUP, SOUND)
    greetings.keep(SETUP, SOUND * 4)
    assert KeptGreetings(tmp_path).find(AGENT, SETUP.model) is None
