import argparse
import asyncio
import io
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any, Self

import pytest

from tests.support.tiny_twilio import TOKEN, request
from voice_agent.agent import Agent
from voice_agent.cli import main, serve
from voice_agent.config.agents import Agents
from voice_agent.config.password import Password
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings, read_settings

AGENT = "name: reception\ndefault: true\ninstructions: Be brief.\nrecording: off\n"

TODAY = date(2026, 11, 22)


def environment(folder: Path, **variables: str) -> dict[str, str]:
    (folder / "reception.yaml").write_text(AGENT)
    return {
        "PATH": os.environ["PATH"],
        "PORT": "0",
        "DATA": str(folder / "data"),
        "AGENTS": str(folder / "reception.yaml"),
        "REALTIME_PROVIDER": "emulator",
        "REALTIME_URL": "ws://127.0.0.1:1/v1/realtime",
        **variables,
    }


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the process's environment and folder those of a user with these settings."""

    def surround(**variables: str) -> None:
        monkeypatch.chdir(tmp_path)
        for name in list(os.environ):
            if name not in {"PATH", "HOME"}:
                monkeypatch.delenv(name)
        for name, value in environment(tmp_path, **variables).items():
            monkeypatch.setenv(name, value)

    return surround


class Served:
    """`voice-agent serve` in a process of its own, from its first line to its end."""

    def __init__(self, folder: Path, *arguments: str, inherited: socket.socket | None = None, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "voice_agent.cli.main", "serve", *arguments],
            env=environment(folder, **variables),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=() if inherited is None else (inherited.fileno(),),
        )

    def __enter__(self) -> Self:
        self.url = self.listening()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def listening(self) -> str:
        """Wait until it listens; gives where."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("Listening on "):
                return line.split()[2].rstrip(";")
        raise AssertionError(self.process.stderr.read() if self.process.stderr else "")

    def asks(self, path: str) -> tuple[int, str]:
        return asyncio.run(request(f"{self.url}{path}"))

    @property
    def worker(self) -> int:
        """The process that serves, which its parent starts again."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def stopped(self, signum: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal; gives exit status and what was still told."""
        self.process.send_signal(signum)
        out, errors = self.process.communicate(timeout=60)
        return self.process.returncode, out, errors


def test_a_server_says_where_it_listens_and_ends_within_seconds_of_a_signal(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        assert served.asks("/healthz") == (200, "ok\n")
        assert served.stopped() == (0, "stopping\n", "")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for the worker where Linux tells of it")
def test_a_server_that_dies_is_there_again_and_what_asks_meanwhile_waits(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        worker = served.worker
        dies = os.pidfd_open(worker)
        os.kill(worker, signal.SIGKILL)
        assert select.select([dies], [], [], 20)[0]
        os.close(dies)
        began = time.monotonic()
        assert served.asks("/healthz") == (200, "ok\n")
        assert time.monotonic() - began < 3
        assert served.listening() == served.url
        status, out, errors = served.stopped(signal.SIGINT)

    assert (status, out) == (0, "stopping\n")
    assert errors.endswith("the server died of signal 9: it is started again\n")
    assert errors.count("\n") == 1


def test_a_server_whose_parent_is_killed_stops(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        served.process.kill()
        # It holds the other end of this pipe until it ends.
        out, _ = served.process.communicate(timeout=60)

    assert out == "the parent process is gone; stopping\n"


def test_a_socket_that_somebody_else_has_opened_is_served(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = str(listening.fileno())
        with Served(tmp_path, "--fd", fd, inherited=listening) as served:
            assert served.url == f"http://127.0.0.1:{listening.getsockname()[1]}"
            assert served.asks("/healthz") == (200, "ok\n")
            assert served.stopped()[0] == 0


def test_a_descriptor_that_is_no_listening_socket_is_one_line(
    surroundings: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    surroundings()
    with socket.socket() as silent:
        assert main.main(["serve", "--fd", str(silent.fileno())]) == 2
        silent.detach()
    assert main.main(["serve", "--fd", "987"]) == 2
    assert main.main(["serve", "--fd=-1"]) == 2
    assert main.main(["serve", "--fd", "9" * 12]) == 2
    silent_line, none_line, *odd_lines = capfd.readouterr().err.splitlines()
    assert "does not listen" in silent_line
    assert "--fd 987 is no socket" in none_line
    assert [line.partition(" (")[0] for line in odd_lines] == [
        "voice-agent: --fd -1 is no socket",
        "voice-agent: --fd 999999999999 is no socket",
    ]


def test_faults_are_lines_and_exit_status_2(
    tmp_path: Path, surroundings: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    surroundings(PORT="x", LOG_LEVEL="loud")

    assert main.main(["serve"]) == 2
    faults = capfd.readouterr().err.splitlines()
    assert len(faults) == 2
    assert "PORT" in faults[0] + faults[1]
    assert "LOG_LEVEL" in faults[0] + faults[1]


def test_a_broken_agent_does_not_start(tmp_path: Path, surroundings: Any, capfd: pytest.CaptureFixture[str]) -> None:
    surroundings()
    (tmp_path / "reception.yaml").write_text(AGENT + "voize: marin\n")

    assert main.main(["serve"]) == 2
    (fault,) = capfd.readouterr().err.splitlines()
    assert "reception.yaml:5:1" in fault
    assert "voice" in fault


def test_a_port_that_is_taken_is_one_line(surroundings: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        surroundings(PORT=str(port))

        assert main.main(["serve"]) == 2
    (fault,) = capfd.readouterr().err.splitlines()
    assert f"cannot listen on 127.0.0.1:{port}" in fault


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, surroundings: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    surroundings(DATA=str(tmp_path / "file"))

    assert main.main(["serve"]) == 2
    (fault,) = capfd.readouterr().err.splitlines()
    assert "DATA" in fault


@pytest.mark.parametrize(
    ("words", "problem"), [("re: (", "words.txt:1: '(' is no regular"), (None, "REDACT_WORDS: words.txt cannot")]
)
def test_a_list_of_words_that_cannot_be_used_is_one_line(
    tmp_path: Path, surroundings: Any, capfd: pytest.CaptureFixture[str], words: str | None, problem: str
) -> None:
    surroundings(REDACT="on", REDACT_WORDS="words.txt")
    if words is not None:
        (tmp_path / "words.txt").write_text(words)

    assert main.main(["serve"]) == 2
    (fault,) = capfd.readouterr().err.splitlines()
    assert problem in fault


def test_doubtful_names_are_warned_about(surroundings: Any, capfd: pytest.CaptureFixture[str]) -> None:
    surroundings(REALTIME_AUDO="g711", DATA="/dev/null")

    assert main.main(["serve"]) == 2
    assert 'warning: REALTIME_AUDO: unknown; is it meant to be "REALTIME_AUDIO"?' in capfd.readouterr().err


def shown(settings: Settings) -> list[str]:
    agents = Agents(
        [
            Agent(name="desk", instructions="", numbers=("+14255550100",)),
            Agent(name="rest", instructions="", default=True),
        ]
    )
    return list(serve.screen(settings, agents, "http://127.0.0.1:8080", "", TODAY))


def test_the_screen_names_the_provider_the_agents_and_what_to_paste_at_twilio() -> None:
    lines = shown(
        Settings(
            public_url="https://phone.example",
            realtime_provider="openai",
            openai_api_key=Secret("sk-1234"),
            twilio_auth_token=Secret(TOKEN),
        )
    )
    text = "\n".join(lines)

    assert lines[0].startswith("model    OpenAI: wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1")
    assert lines[1] == "agent    desk: +14255550100"
    assert lines[2] == "agent    rest: no number, and any other number"
    assert "https://phone.example/twilio/voice" in text
    assert "https://phone.example/twilio/status" in text
    assert "TWILIO_ACCOUNT_SID" in text
    assert "sk-1234" not in text
    assert TOKEN not in text
    assert len(lines) < 24


def test_the_screen_says_that_recordings_are_redacted() -> None:
    assert shown(Settings(redact=True))[3].endswith("/data (recordings redacted at their end)")
    assert shown(Settings(keep_days=30))[3].endswith("/data, kept for 30 days")


def test_the_screen_says_where_the_console_is_and_for_whom() -> None:
    assert "console  http://127.0.0.1:8080/console (for this machine only)" in shown(Settings())
    opened = Settings(
        public_url="https://phone.example",
        twilio_auth_token=Secret(TOKEN),
        console_password=Secret("long"),
        console_edit=True,
    )
    assert "console  https://phone.example/console (with CONSOLE_PASSWORD; agents can be changed there)" in shown(
        opened
    )


def test_the_screen_says_how_much_is_taken_on() -> None:
    assert "calls    7 at once, 0.5 a call for the model's tokens, 20 a day for the model's tokens" in shown(
        Settings(max_calls=7, spend_per_call=0.5, spend_per_day=20.0)
    )
    assert shown(Settings())[3].endswith("/data")


def test_a_server_for_this_machine_only_says_how_to_call_it() -> None:
    text = "\n".join(shown(Settings()))

    assert "speak at http://127.0.0.1:8080/console/phone" in text
    (line,) = (line for line in text.splitlines() if "voice-agent emulate call" in line)
    *command, said = shlex.split(line)
    assert command == ["voice-agent", "emulate", "call", "--to", "http://127.0.0.1:8080/twilio/voice", "--say"]
    assert Path(said).is_file()
    assert "warning" not in text


def test_what_may_surprise_is_a_warning() -> None:
    settings = Settings(public_url="https://phone.example", host="0.0.0.0", twilio_auth_token=Secret(TOKEN))

    assert len(list(serve.warnings(settings, TODAY))) == 3


def test_the_emulator_can_be_asked_for_by_an_argument() -> None:
    parser = argparse.ArgumentParser()
    serve.arguments(parser)

    assert vars(parser.parse_args(["--with-emulator"])) == {
        "with_emulator": True,
        "hash_password": False,
        "fd": None,
        "workers": 1,
    }


@pytest.mark.parametrize("given", ["0", "65", "-1", "two", "1.5", ""])
def test_a_number_of_workers_that_cannot_be_is_named(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    serve.arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--workers={given}"])

    assert "is no number from 1 to 64" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("calls", "patience_s", "hands_over", "told"),
    [
        (0, 240, True, "stopping"),
        (1, 240, False, "stopping: 1 call is waited for (at most 240 s; once more to end at once)"),
        (2, 40, True, "stopping: 2 calls are waited for (at most 40 s, then handed over; once more for that at once)"),
        (1, 0, True, "stopping: 1 call goes on elsewhere"),
        (2, 0, True, "stopping: 2 calls go on elsewhere"),
        (2, 0, False, "stopping: 2 calls are ended"),
    ],
)
def test_a_stop_says_what_becomes_of_the_calls(calls: int, patience_s: int, hands_over: bool, told: str) -> None:
    assert serve.farewell("stopping", calls, patience_s, hands_over=hands_over) == told


def test_a_password_on_standard_input_becomes_a_setting_that_opens_with_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert serve.print_hash(io.StringIO("\n")) == 2
    assert capsys.readouterr().out == ""
    assert serve.print_hash(io.StringIO("correct horse\n")) == 0

    (tmp_path / ".env").write_text(capsys.readouterr().out)
    password = read_settings({}, tmp_path / ".env").console_password
    assert password is not None
    assert Password(password.reveal()).is_("correct horse")


def test_a_model_that_ends_soon_is_a_warning() -> None:
    settings = Settings(realtime_provider="azure", azure_openai_deployment="gpt-realtime-mini")

    assert list(serve.warnings(settings, TODAY)) == [
        "Azure retires gpt-realtime-mini on 2026-12-15, in 23 days; use gpt-realtime-2.1-mini"
    ]
