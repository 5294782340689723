"""`voice-agent load` as a user runs it: once with a server of its own, on real sockets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from voice_agent.cli.main import main


def test_a_few_calls_are_carried_or_too_much_and_the_figures_say_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, picture = tmp_path / "load.json", tmp_path / "load.svg"

    status = main(
        ["load", "--calls", "2", "--seconds", "4", "--interrupt", "1", "--out", str(out), "--picture", str(picture)]
    )

    (level,) = json.loads(out.read_text())["levels"]
    # How late a frame is says much about a machine that others use, too; what becomes of it says nothing of it.
    assert (level["calls"], level["lost"], level["repeated"], level["broken"]) == (2, 0, 0, [])
    assert level["frames"] > 250
    assert level["down"]["count"] >= 2
    assert level["truncation"]["count"] >= 1
    assert abs(level["truncation"]["p50"]) < 100
    assert ("2 calls: carried" in capsys.readouterr().out) == (status == 0)
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "https://example.com/twilio/voice"], "not on this machine"),
        (["--to", "127.0.0.1:8080/twilio/voice"], "is not an http(s) or ws(s) address, e.g. http://127.0.0.1:8080/"),
        (["--to", "ftp://127.0.0.1/"], "is not an http(s) or ws(s) address"),
        (["--calls", "0"], "from 1 to 1024"),
        (["--most", "2000"], "from 1 to 1024"),
        (["--seconds", "3.9"], "--seconds: from 4, in which every call is answered once, to 600"),
        (["--workers", "0"], "--workers"),
        (["--interrupt", "-1"], "--interrupt: 0 or more"),
        (["--out", "nowhere/load.json"], "nowhere/load.json: cannot be written: No such file or directory"),
        (["--picture", "."], ".: cannot be written: Is a directory"),
        (["--to", "http://127.0.0.1:1/twilio/voice", "--auth-token", "x", "--pid", "4194305"], "no such process"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", *arguments]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_two_workers_share_the_calls(tmp_path: Path) -> None:
    out = tmp_path / "load.json"
    main(["load", "--workers", "2", "--calls", "2", "--seconds", "4", "--out", str(out)])
    report = json.loads(out.read_text())

    assert report["to"] == "voice-agent serve --workers 2"
    assert report["levels"][0]["broken"] == []


def test_a_server_that_is_not_there_breaks_every_call(capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--to", "http://127.0.0.1:1/twilio/voice", "--auth-token", "x", "--model-port", "0"]

    assert main(["load", *where, "--calls", "1", "--seconds", "4"]) == 1

    assert "1 calls broke: http://127.0.0.1:1 cannot be reached" in capsys.readouterr().out


def test_a_load_that_is_terminated_leaves_no_server_behind() -> None:
    command = [sys.executable, "-m", "voice_agent.cli.main", "load", "--calls", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"calls ")  # its server has been started
        process.terminate()

        # The server has the same stderr, which is open for as long as it lives.
        _, told = process.communicate(timeout=60)

    assert (process.returncode, told) == (143, b"")
