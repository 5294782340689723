"""`voice-agent simulate` as its user meets it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.sim.made_up.test_holding import plain
from voice_agent.cli.main import main
from voice_agent.cli.simulate import _uninterrupted
from voice_agent.live.clips import load_clips
from voice_agent.recording.reader import read
from voice_agent.replay.strict import replay
from voice_agent.sim.network import Network

SIMULATE = [sys.executable, "-m", "voice_agent.cli.main", "simulate"]


def untimed(text: str) -> str:
    """Leave out what differs from run to run."""
    return re.sub(r" in \S+ s of a core: .*", "", text)


def test_calls_that_break_nothing_are_told_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--calls", "12", "--seed", "7", "--workers", "1"]) == 0

    told = capsys.readouterr().out
    assert told.startswith("12 calls (seeds 7 to 18), 1 of them through the wires\n")
    assert "call-seconds a core-second" in told
    assert "ENDING" in told
    assert told.endswith("\nno rule was broken\n")


def test_how_many_processes_do_the_work_makes_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for workers in ("1", "2"):
        assert main(["simulate", "--calls", "30", "--seed", "100", "--workers", workers]) == 0
        told.append(untimed(capsys.readouterr().out))

    assert told[0] == told[1]


def test_a_run_goes_on_where_it_has_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["simulate", "--seed", "7", "--workers", "1"]
    assert main([*command, "--calls", "10"]) == 0
    whole = untimed(capsys.readouterr().out)

    state = ["--resume", str(tmp_path / "soak" / "state.json")]
    assert main([*command, "--calls", "4", *state]) == 0
    assert capsys.readouterr().out.startswith("4 calls (seeds 7 to 10)")
    assert main([*command, "--calls", "10", *state]) == 0
    assert untimed(capsys.readouterr().out) == whole


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--calls", "0"], "--calls 0: give 1 or more"),
        (["--seed", "-1"], "--seed -1: give 0 or more"),
        (["--again", "nowhere.json"], "nowhere.json cannot be read (No such file or directory)"),
    ],
)
def test_a_wrong_option_gets_one_line(options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *options]) == 2
    assert capsys.readouterr().err == f"voice-agent: {complaint}\n"


def test_a_state_of_another_run_is_not_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, rubbish = tmp_path / "state.json", tmp_path / "rubbish.json"
    rubbish.write_text("{}", encoding="utf-8")
    assert main(["simulate", "--calls", "1", "--workers", "1", "--resume", str(state)]) == 0

    assert main(["simulate", "--calls", "1", "--seed", "2", "--resume", str(state)]) == 2
    assert "is of a run with --seed 1 --wires 10: give these, or name another file" in capsys.readouterr().err
    assert main(["simulate", "--calls", "1", "--resume", str(rubbish)]) == 2
    assert "cannot be resumed" in capsys.readouterr().err


def test_a_call_that_breaks_a_rule_is_made_smaller_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "long-way.json"
    file.write_bytes(msgspec.json.encode(plain(network=Network(phone_down_ms=2500), faults=("mute,deaf",))))

    assert main(["simulate", "--again", str(file), "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().out
    assert re.match(r"dead air, seed 1: \d+ ms: dead air: owed ", told)
    recording = read(tmp_path / "out" / "seed-1-dead-air.call")
    assert replay(recording, load_clips()).same
    remark = [step.received.text for step in recording.steps() if step.received and step.received.way == "remark"]
    assert remark[0].startswith("a made-up call that breaks a rule: dead air: ")

    kept = tmp_path / "out" / "seed-1-dead-air.json"
    assert b"deaf" not in kept.read_bytes()
    assert main(["simulate", "--again", str(kept), "--out", str(tmp_path / "out")]) == 1


def test_ctrl_c_while_a_process_is_born_is_heard_afterwards() -> None:
    born = []

    def bear() -> None:
        with _uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            born.append("process")

    with pytest.raises(KeyboardInterrupt):
        bear()
    assert born == ["process"]


@pytest.mark.parametrize(
    ("stop", "number"),
    [
        (os.killpg, signal.SIGINT),  # as a terminal does it: all of them
        (os.kill, signal.SIGTERM),
    ],
)
def test_a_run_that_is_stopped_ends_with_what_was_done_and_no_traceback(
    tmp_path: Path, stop: Callable[[int, int], None], number: signal.Signals
) -> None:
    state = tmp_path / "state.json"
    command = [*SIMULATE, "--calls", "100000", "--workers", "2", "--resume", str(state)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("25 of 100,000 calls, ")
        stop(process.pid, number)
        out, err = process.communicate(timeout=60)

    # Its processes hold the other ends of these pipes, too: they are gone when both have ended.
    assert process.returncode == 128 + number
    assert "Traceback" not in out + err
    assert "the same command goes on from here" in out
