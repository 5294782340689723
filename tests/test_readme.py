"""The README and the guides that it leads to are held to the truth: commands parse, names exist, examples run.

`make test` is what runs this, from `.ci/run`; the call of `make demo` is held in `tests/cli/test_demo.py`.
"""

import argparse
import ast
import asyncio
import importlib
import itertools
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.agent_files import agent_of, faults_of
from tests.support.fake_speech import fake_speech
from voice_agent.agent import Agent
from voice_agent.cli.main import COMMANDS
from voice_agent.cli.scenes import SCENES
from voice_agent.config.expectations import read_expectations
from voice_agent.config.settings import Settings, read_settings
from voice_agent.emulator.dialogue.brain import DialogueBrain
from voice_agent.emulator.dialogue.file import load_dialogue
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.replay.expectations import examine
from voice_agent.replay.held_call import HeldCall

ROOT = Path(__file__).resolve().parent.parent
GUIDES = (
    "config/AGENT.md",
    "twilio_api/DIALLING.md",
    "emulator/EMULATORS.md",
    "replay/REPLAYING.md",
    "server/CONSOLE.md",
    "server/RELIABILITY.md",
)
"""Within the package, each in the room that it tells of."""

PAGES = (ROOT / "README.md", *(ROOT / "voice_agent" / guide for guide in GUIDES))
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PROSE = FENCE.sub("", TEXT)
CODE = re.findall(r"`([^`\n]+)`", PROSE)
"""Inline code, without the fenced blocks."""

NOT_RUN_HERE = "# not run here"
"""Stands beside every command that is not ours and needs an account."""

OTHER_NAMES = {"PYTHON", "YAML", "WAV", "NAME", "FILE", "POST", "URL"}
"""Words in capitals that are no settings; PYTHON is the Makefile's."""


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, without the indentation of the list that they stand in."""
    return [
        "".join(line.removeprefix(indent) for line in body.splitlines(keepends=True))
        for indent, found, body in FENCE.findall(TEXT)
        if found == language
    ]


def shell_lines() -> Iterator[str]:
    """Every command line of the fenced blocks, and every command of ours in the text."""
    for block in blocks("sh"):
        yield from block.splitlines()
    yield from (code for code in CODE if re.match(r"([A-Z_]+=\S+ )*(voice-agent|make) ", code))


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading or a row of headings."""
    lines = TEXT[TEXT.index(heading) :].splitlines()
    table: list[str] = []
    for line in lines:
        if line.startswith("|"):
            table.append(line)
        elif table:
            break
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse as `voice-agent` does; a wrong line exits."""
    name, *rest = arguments
    parser = argparse.ArgumentParser(prog=f"voice-agent {name}")
    importlib.import_module(f"voice_agent.cli.{name}").arguments(parser)
    return parser.parse_args(rest)


@pytest.mark.parametrize("line", sorted(set(shell_lines())))
def test_a_command_of_the_readme_exists(line: str) -> None:
    words = shlex.split(line, comments=True)
    program, *arguments = itertools.dropwhile(lambda word: re.match("[A-Z_]+=", word), words)

    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert {argument for argument in arguments if "=" not in argument} <= set(targets)
    elif program == "voice-agent":
        parse(arguments)
    elif program == "pytest":
        assert {argument.partition("=")[0] for argument in arguments} <= {"--calls", "--calls-update"}
    else:
        assert NOT_RUN_HERE in line


def test_a_wrong_command_would_be_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["serve", "--with-emulators"])

    assert "unrecognized arguments" in capsys.readouterr().err


def test_the_list_of_commands_is_that_of_the_program() -> None:
    assert {name.strip("`"): summary for name, summary in rows("| Command |")} == COMMANDS


def test_every_verb_of_the_makefile_is_told() -> None:
    told = {code.split()[1] for code in CODE if code.startswith("make ")} | {
        line.split()[1] for line in "".join(blocks("sh")).splitlines() if line.startswith("make ")
    }

    assert {"demo", "test", "check", "fix", "setup", "bench"} <= told


# --- settings --------------------------------------------------------------------------------------------------------


def test_every_variable_of_the_readme_is_a_setting() -> None:
    named = {code for code in CODE if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", code)}
    named |= set(re.findall(r"^([A-Z0-9_]+)=", "".join(blocks("ini") + blocks("sh")), re.MULTILINE))

    assert "PUBLIC_URL" in named
    assert {name.lower() for name in named - OTHER_NAMES} <= set(Settings.__struct_fields__)


def test_the_settings_of_a_real_call_are_whole(tmp_path: Path) -> None:
    openai, azure = blocks("ini")
    lines = openai.splitlines()
    assert lines[-1].startswith("OPENAI_")
    (tmp_path / "openai").write_text(openai, encoding="utf-8")
    (tmp_path / "azure").write_text("\n".join([*lines[:-1], azure]), encoding="utf-8")

    assert read_settings({}, tmp_path / "openai").realtime_provider == "openai"
    assert read_settings({}, tmp_path / "azure").realtime_provider == "azure"


def test_the_model_that_is_recommended_is_the_default() -> None:
    assert f"Recommended is {Settings().openai_realtime_model}, the default of `OPENAI_REALTIME_MODEL`" in TEXT


def test_every_test_that_the_readme_names_exists() -> None:
    named = [code.split("::") for code in CODE if code.startswith("tests/") and "::" in code]

    missing = [name for path, name in named if f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")]
    assert missing == []
    assert len(named) == len(rows("| Attack |"))


# --- agents ----------------------------------------------------------------------------------------------------------


def agent_keys() -> list[tuple[str, str]]:
    """Key and default of every row, a row without a key being another form of the one above."""
    found: list[tuple[str, str]] = []
    for key, default, _ in rows("| Key |"):
        found.append((key.strip("` |") or found[-1][0], default.strip("`")))
    return found


def test_the_table_of_keys_is_that_of_an_agent() -> None:
    # A wrong value is another fault than an unknown key. Scenarios are no part of an agent.
    fields = (*Agent.__struct_fields__, "scenarios")
    understood = {key for key in fields if not any("unknown key" in f for f in faults_of(f"{key}: []"))}

    assert {key for key, _ in agent_keys()} == understood


@pytest.mark.parametrize(("key", "default"), agent_keys())
def test_a_default_of_the_readme_is_the_default(key: str, default: str) -> None:
    if default == "required" or (default == "none" and key != "greeting"):
        assert f"`{key}`" in TEXT
        return
    said = agent_of(f"{key}: {default}\n")

    usual = agent_of("turn_detection: {type: semantic_vad}\n" if "semantic_vad" in default else "")
    assert said == usual


def test_the_keys_within_keys_are_all_told() -> None:
    said = {key.strip("`"): default + meaning for key, default, meaning in rows("| Key |") if key}
    structs = [(field.name, type(field.default)) for field in msgspec.structs.fields(Agent)]
    inner = [(key, names) for key, kind in structs if (names := getattr(kind, "__struct_fields__", ()))]

    # Written otherwise in the file: see `read_barge_in`.
    other = {"protect_greeting": "greeting"}
    missing = [(key, name) for key, names in inner for name in names if other.get(name, name) not in said[key]]
    assert missing == []
    assert len(inner) >= 4


def test_the_agent_of_the_readme_is_right(tmp_path: Path) -> None:
    (agent,) = (block for block in blocks("yaml") if "instructions" in block)
    (tool,) = (block for block in blocks("python") if "free_slots" in block)
    (tmp_path / "desk.yaml").write_text(agent, encoding="utf-8")
    (tmp_path / "desk_tools.py").write_text(tool, encoding="utf-8")

    # In a process of its own: tools' modules are imported for good.
    command = [sys.executable, "-m", "voice_agent.cli.main", "check", str(tmp_path / "desk.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path, env={})
    assert done.returncode == 0, done.stdout
    assert "OK: desk; answers +14255550100" in done.stdout
    assert "tools: free_slots, hang_up" in done.stdout


def test_the_scenarios_of_the_readme_are_right() -> None:
    (text,) = (block for block in blocks("yaml") if block.startswith("scenarios"))

    assert faults_of(text) == []


def test_the_mcp_server_of_the_readme_is_right() -> None:
    (block,) = (block for block in blocks("yaml") if "mcp:" in block)
    (server,) = agent_of(block).mcp

    assert (server.authorization, server.approve) == ("${CALENDAR_TOKEN}", ("free_slots",))


def test_the_expectations_of_the_readme_are_right(tmp_path: Path) -> None:
    (text,) = (block for block in blocks("yaml") if "heard:" in block and "scenarios" not in block)
    (tmp_path / "refund.expect.yaml").write_text(text, encoding="utf-8")
    expected = read_expectations(tmp_path / "refund.expect.yaml")

    assert expected.tools is not None
    assert [tool.name for tool in expected.tools] == ["find_order", "hang_up"]


# --- the local Realtime server ---------------------------------------------------------------------------------------


# The synchronous client of openai opens sockets in a way that websockets 17 calls deprecated.
@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
def test_the_client_of_the_readme_gets_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = (block for block in blocks("python") if "openai" in block)
    (line,) = (line for line in blocks("sh") if "emulate realtime" in line)
    stand_in = parse(shlex.split(line)[1:])
    promised = re.search(r"print\(event.transcript\)  # (.*?) \.\.\.", example)
    assert promised is not None

    async def hold() -> dict[str, object]:
        brain = DialogueBrain([], always=load_dialogue(ROOT / stand_in.dialogue))
        names: dict[str, object] = {}
        async with asyncio.timeout(60), serve_realtime("127.0.0.1", 0, fake_speech(), brain) as server:
            code = example.replace(f":{stand_in.port}/", f":{server.port}/")
            assert code != example
            await asyncio.to_thread(exec, code, names)
        return names

    names = asyncio.run(hold())
    assert promised[1] in capsys.readouterr().out
    assert names["speech"]


# --- names and pictures ----------------------------------------------------------------------------------------------


def test_every_file_that_is_named_exists() -> None:
    named = {
        part for code in CODE for part in code.split() if re.fullmatch(r"\.?[\w/]+(\.(py|yaml|wav|example)|/run)", part)
    }
    named |= {code.partition("::")[0] for code in CODE if code.startswith("tests/")}
    ours = named - {"desk.yaml", "desk_tools.py", "sorry.wav"}

    assert "call/turns.py" in ours
    assert [
        name for name in sorted(ours) if not ((ROOT / name).exists() or (ROOT / "voice_agent" / name).exists())
    ] == []


def test_every_python_block_is_python() -> None:
    for block in blocks("python"):
        ast.parse(block)


def test_the_picture_of_the_layers_is_the_contract_s() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [sorted(layer.split(" | ")) for layer in contracts[0]["layers"]]

    assert [sorted(re.findall(r"`(\w+)`", cell)) for cell, _ in rows("| Package |")] == layers


def test_the_packages_marked_pure_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    pure = {module.removeprefix("voice_agent.") for module in contracts[1]["source_modules"]}

    assert set(re.findall(r"`(\w+)` \(pure\)", "".join(cell for cell, _ in rows("| Package |")))) == pure


def test_what_the_demo_confirms_is_what_it_asks() -> None:
    _, scenario = SCENES[0].load()
    asked = [sentence for sentence, _ in examine(scenario.expect, HeldCall([], ""))]
    confirmed = re.findall(r"^  yes  (.*)$", TEXT, re.MULTILINE)

    assert len(confirmed) >= 3
    assert [sentence for sentence in confirmed if sentence not in asked] == []
