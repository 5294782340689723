"""Scenarios held by the command: real speech, six calls at once."""

import asyncio
import re
from pathlib import Path

import pytest

from voice_agent.cli.check import run
from voice_agent.cli.check_talk import talk
from voice_agent.config.agents import agent_paths, load_agent_file
from voice_agent.config.settings import PACKAGED_AGENTS
from voice_agent.emulator.speech.models import ModelMissingError
from voice_agent.emulator.speech.speaking import HibariSpeaking
from voice_agent.errors import CommandError, ConfigError

AGENT = """
name: {name}
instructions: You answer the phone of an inn.
greeting: Hello.
tools: [{tools}]
scenarios:
  - name: the way to the inn
    caller: ["What is your address?"]
    expect: {{heard: [address], said: [Hello, Harbor Road], ended: caller_hung_up}}
"""
DIALOGUE = """
tools: [{tools}]
greeting: Hello.
intents:
  - examples: ["What is your address?"]
    say: {answer}
"""


@pytest.fixture
def inn(tmp_path: Path) -> Path:
    """Two agents with one scenario; the dialogue of the second was broken by a change."""
    for name, tools, answer in (("good", "", "At 5 Harbor Road."), ("broken", "hang_up", "In the old town.")):
        (tmp_path / f"{name}.yaml").write_text(AGENT.format(name=name, tools=tools), encoding="utf-8")
        (tmp_path / f"{name}.dialogue.yaml").write_text(DIALOGUE.format(tools=tools, answer=answer), encoding="utf-8")
    return tmp_path


def test_scenarios_are_held_at_three_pitches_and_what_fails_can_be_read(
    inn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inn)
    status = run(path=".", talk=True)
    out = capsys.readouterr().out

    assert status == 1
    rows = re.findall(r"^(good|broken): the way to the inn +(\w+) +(passed|FAILED) +(\S.*)$", out, re.MULTILINE)
    assert [row[:3] for row in rows] == [
        *(("broken", pitch, "FAILED") for pitch in ("low", "middle", "high")),
        *(("good", pitch, "passed") for pitch in ("low", "middle", "high")),
    ], out
    failed = out[out.index("broken.yaml:7:5: broken: the way to the inn, high pitch") :]
    assert re.search(
        r"    expected:\n +at 00:\d\d\.\d{3} the caller did not hear \"Harbor Road\", "
        r"from there on but \"Hello\.\"; \"In the old town\.\"\n",
        failed,
    )
    assert re.search(r"^ +00:\d\d\.\d{3}  Caller  .*address", failed, re.MULTILINE)
    recording = re.search(r"recording: (\S+\.call)", failed)
    assert recording is not None
    assert Path(recording[1]).is_file()
    assert failed.endswith("talk: 3 of 6 failed\n")


def test_agents_without_scenarios_cannot_be_talked_to(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\ninstructions: You answer.\n", encoding="utf-8")

    with pytest.raises(CommandError, match='no agent has scenarios; write some under "scenarios" in its file'):
        asyncio.run(talk(tmp_path, "emulator", {}, None, lambda _: None))


def test_an_answer_that_is_given_for_a_tool_that_nobody_has_is_told(inn: Path) -> None:
    path = inn / "good.yaml"
    given = "    given: {tools: {hang_up: {}}}\n    caller:"
    path.write_text(path.read_text(encoding="utf-8").replace("    caller:", given), encoding="utf-8")

    with pytest.raises(
        ConfigError, match=r'good.yaml:7:5: "given" has an answer for "hang_up", which no agent here runs'
    ):
        asyncio.run(talk(inn, "emulator", {}, None, lambda _: None))


def test_whoever_takes_over_from_the_agent_of_one_file_is_known() -> None:
    def load() -> HibariSpeaking:
        raise ModelMissingError("a voice")

    path, environ = PACKAGED_AGENTS / "dental" / "dental.yaml", {"CALENDAR_KEY": "calendar-key"}
    with pytest.raises(CommandError, match="a voice is not installed"):  # and not for a tool of night's
        asyncio.run(talk(path, "emulator", environ, None, lambda _: None, load_voice=load))


def test_a_missing_voice_is_told_in_one_line(inn: Path) -> None:
    def load() -> HibariSpeaking:
        raise ModelMissingError("hibari-tts")

    with pytest.raises(CommandError) as raised:
        asyncio.run(talk(inn, "emulator", {}, None, lambda _: None, load_voice=load))
    assert str(raised.value) == (
        "--talk needs a voice for its callers: hibari-tts is not installed (pip install 'voice-agent[emulator]')"
    )


def test_nothing_is_held_with_agents_that_are_wrong(inn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = inn / "good.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("said: [Hello", "sayd: [Hello"), encoding="utf-8")

    assert run(path=str(path), talk=True) == 1
    out = capsys.readouterr().out
    assert f'{path}:9:32: unknown key "sayd"; write "said"' in out
    assert out.endswith("talk: nothing held; correct the above first\n")


def test_the_packaged_agents_have_scenarios() -> None:
    assert all(load_agent_file(path).scenarios for path in agent_paths(PACKAGED_AGENTS))
