import argparse
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from voice_agent.cli.main import COMMANDS, main
from voice_agent.errors import CommandError, ConfigError, ConfigErrors, VoiceAgentError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], int]], None]:
    """Add a command `try [--times N]` that does what it is given."""

    def add(run: Callable[[int], int]) -> None:
        def arguments(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("--times", type=int, default=1)

        module = types.ModuleType("voice_agent.cli.try")
        vars(module).update(arguments=arguments, run=run)
        monkeypatch.setitem(COMMANDS, "try", "for a test")
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return add


Add = Callable[[Callable[[int], int]], None]


def failing(error: BaseException) -> Callable[[int], int]:
    def run(times: int) -> int:
        raise error

    return run


def test_a_command_gets_its_arguments_and_gives_the_status(command: Add) -> None:
    command(lambda times: times)

    assert main(["try", "--times", "7"]) == 7


@pytest.mark.parametrize("error", [CommandError("the port is taken"), ConfigError("the port is taken")])
def test_a_known_error_is_one_line_and_status_2(
    command: Add, error: VoiceAgentError, capsys: pytest.CaptureFixture[str]
) -> None:
    command(failing(error))

    assert main(["try"]) == 2
    assert capsys.readouterr().err == "voice-agent: the port is taken\n"


def test_several_errors_are_a_line_each(command: Add, capsys: pytest.CaptureFixture[str]) -> None:
    command(failing(ConfigErrors([ConfigError("is missing", "PORT"), ConfigError("is missing", "HOST")])))

    assert main(["try"]) == 2
    assert capsys.readouterr().err == "voice-agent: PORT: is missing\nHOST: is missing\n"


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 0)])
def test_whoever_stops_listening_gets_no_traceback(
    command: Add, error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    command(failing(error))

    assert main(["try"]) == status
    assert capsys.readouterr().err == ""


def test_whoever_stops_a_command_while_it_is_loaded_gets_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt\n")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}

    ended = subprocess.run(
        [sys.executable, "-m", "voice_agent.cli.main", "check"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_fault_of_ours_is_not_hidden(command: Add) -> None:
    command(failing(AssertionError("cannot happen")))

    with pytest.raises(AssertionError, match="cannot happen"):
        main(["try"])


@pytest.mark.parametrize("arguments", [[], ["serv"], ["try", "--time", "x"]])
def test_wrong_usage_is_status_2(command: Add, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command(lambda times: times)

    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: voice-agent" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])

    assert left.value.code == 0
    assert f"usage: voice-agent {name}" in capsys.readouterr().out
