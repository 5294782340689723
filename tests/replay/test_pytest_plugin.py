"""A user's project: a folder with nothing of this repository in it, the installed package, and pytest."""

import os
import re
import shutil
import subprocess
import sys
import wave
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from voice_agent.errors import CommandError
from voice_agent.live.clips import load_clips
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry
from voice_agent.recording.reader import read
from voice_agent.recording.telling import clock
from voice_agent.recording.writer import RecordingWriter
from voice_agent.replay import pytest_calls
from voice_agent.replay.judging import judge_file
from voice_agent.replay.talks import Talks
from voice_agent.review.feeding import refeed

CALL = Path(__file__).resolve().parent.parent / "calls" / "preview-interrupted-greeting.call"
EXPECT = CALL.with_name("preview-interrupted-greeting.expect.yaml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    shutil.copy(CALL, tmp_path / "calls" / "hours.call")
    shutil.copy(EXPECT, tmp_path / "calls" / "hours.expect.yaml")
    return tmp_path


def run(project: Path, *options: str, **settings: str) -> tuple[int, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))} | settings
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", "--basetemp", str(project / "tmp"), *options],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def move_the_cut(path: Path) -> None:
    """Plant one millisecond: as if the bridge had cut there when the call was recorded."""
    recording = read(path)
    writer = RecordingWriter(recording.header)
    for step, outputs in refeed(recording, load_clips()):
        writer.feed(step.now_ms, step.received, [moved(describe(output)) for output in outputs])
    path.write_bytes(writer.end())


def moved(entry: Entry) -> Entry:
    if "conversation.item.truncate" not in entry.text:
        return entry
    message = msgspec.json.decode(entry.text)
    message["audio_end_ms"] += 1
    return Entry("model", msgspec.json.encode(message).decode())


@pytest.mark.parametrize("options", [[], ["--calls=strict"]])
def test_a_call_in_a_users_project_is_collected_and_passes(project: Path, options: list[str]) -> None:
    status, out = run(project, "-v", *options)

    assert status == 0, out
    assert re.search(r"calls/hours\.call::(strict|resimulated) PASSED", out)
    assert "1 passed" in out


def test_a_millisecond_of_a_cut_fails_strictly_so_that_the_cause_can_be_told(project: Path) -> None:
    move_the_cut(project / "calls" / "hours.call")
    status, out = run(project, "--calls=strict")

    assert status == 1
    assert re.search(
        r"^hours\.call: differs at 00:0\d\.\d{3}, step \d+: conversation\.item\.truncate ", out, re.MULTILINE
    )
    assert re.search(r"^FAILED calls/hours\.call::strict - hours\.call: differs at 00:0\d\.", out, re.MULTILINE)
    assert re.search(r"that is: +audio_end_ms: (\d+) -> \d+", out)
    assert "Traceback" not in out
    text, wav, svg = (re.search(rf"(\S+\.{kind})\b", out) for kind in ("txt", "wav", "svg"))
    assert text is not None
    assert wav is not None
    assert svg is not None
    assert "> phone" in Path(text[1]).read_text(encoding="utf-8")
    with wave.open(wav[1]) as sound:
        assert sound.getnchannels() == 2
        assert sound.getnframes() > 8000 * 5
    marks = [element.text or "" for element in ET.parse(svg[1]).iter("{http://www.w3.org/2000/svg}text")]
    assert {"caller", "agent", "0:01"} < set(marks)
    assert any(mark.startswith("differs at") for mark in marks)


def test_the_same_millisecond_is_no_failure_of_a_resimulated_call(project: Path) -> None:
    move_the_cut(project / "calls" / "hours.call")

    assert pytest_calls.run(project / "calls" / "hours.call", "resimulated", update=False, folder=lambda: project) == []


def test_an_accepted_change_is_written_and_passes_from_then_on(project: Path) -> None:
    call = project / "calls" / "hours.call"
    move_the_cut(call)
    told = pytest_calls.run(call, "strict", update=True, folder=lambda: project)

    assert told == ["accepted: the recording is that of today's code"]
    assert pytest_calls.run(call, "strict", update=True, folder=lambda: project) == []
    assert sorted(path.name for path in call.parent.iterdir()) == ["hours.call", "hours.expect.yaml"]


def test_an_accepted_call_that_is_cut_in_the_middle_replays_up_to_the_cut(project: Path) -> None:
    call = project / "calls" / "hours.call"
    length_ms = judge_file(call, "strict", load_clips()).duration_ms
    move_the_cut(call)
    pytest_calls.run(call, "strict", update=True, folder=lambda: project)
    whole = call.read_bytes()
    call.write_bytes(whole[: len(whole) // 2])
    verdict = judge_file(call, "strict", load_clips())

    assert verdict.result == "cut short"
    assert verdict.duration_ms > length_ms // 4
    assert verdict.failures[0].startswith(f"same up to {clock(verdict.duration_ms)}, where the file ends: byte ")


def test_an_expectation_that_is_missed_is_told_with_the_second(project: Path) -> None:
    expect = project / "calls" / "hours.expect.yaml"
    expect.write_text("said: [On Sunday]\ntools: [opening_hours: {day: sunday}]\n", encoding="utf-8")
    with pytest.raises(pytest_calls.CallFailed) as failed:
        pytest_calls.run(project / "calls" / "hours.call", "resimulated", update=False, folder=lambda: project)
    out = str(failed.value)

    assert re.search(r"hours\.expect\.yaml:\n +at 00:\d\d\.\d{3} the caller did not hear \"On Sunday\"", out)
    assert 'tool 1 was opening_hours {"day":"Saturday"}, expected opening_hours {"day":"sunday"}' in out


def test_files_that_are_no_good_are_told_and_the_rest_goes_on(project: Path) -> None:
    calls, good = project / "calls", CALL.read_bytes()
    (calls / "cut.call").write_bytes(good[: len(good) // 2])
    (calls / "cut.expect.yaml").write_text("said: [On Sunday]\nended: completed\n", encoding="utf-8")
    (calls / "newer.call").write_bytes(good[:7] + b"\x09" + good[8:])
    (calls / "no.call").write_bytes(b"RIFF")
    shutil.copy(CALL, calls / "wrong.call")
    (calls / "wrong.expect.yaml").write_text("sayd: [a]\n", encoding="utf-8")
    (calls / "renamed.expect.yaml").write_text("ended: completed\n", encoding="utf-8")
    status, out = run(project)

    assert status == 1
    assert "4 failed, 1 passed" in out
    assert re.search(r"held up to 00:\d\d\.\d{3}, where the file ends: byte [\d,]+", out)
    assert "recorded in format 9, this program reads up to 1" in out
    assert "not a recording" in out
    assert 'wrong.expect.yaml:1:1: unknown key "sayd"; write "said"' in out
    assert re.search(r"renamed\.expect\.yaml is not read: there is no renamed\.call beside it", out)
    assert "cut.expect.yaml" not in out  # nobody knows what would have become of it
    assert "Traceback" not in out


def test_the_fixture_gives_what_a_test_asks_for(project: Path) -> None:
    (project / "agents").mkdir()
    (project / "agents" / "curt.yaml").write_text(
        "name: curt\ninstructions: Be curt.\nbarge_in: {after_ms: 500}\nrecording: audio\n", encoding="utf-8"
    )
    (project / "calls" / "test_hours.py").write_text(
        """
import pytest

def test_hours(replay):
    call = replay("hours.call")
    assert "Saturday" in call.heard[0] and call.heard[0].at_ms > 1000
    assert "9 in the morning" in call.said[-1]
    assert [(use.name, use.arguments) for use in call.tools] == [("opening_hours", {"day": "Saturday"})]
    assert call.interruptions[0].heard_ms > 0
    assert max(call.responses) < 2000
    assert call.ended == "caller_hung_up"
    assert call.diverged == []

def test_hours_strictly(replay):
    assert replay("hours.call", way="strict").heard

def test_another_agent(replay):
    call = replay("calls/hours.call", agent="agents/curt.yaml")
    assert call.heard and call.ended

def test_no_agent(replay):
    with pytest.raises(AssertionError, match="no agent agents/kurt.yaml: looked for .*calls/agents/kurt"):
        replay("hours.call", agent="agents/kurt.yaml")

@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"way": "strickt"}, 'way="strickt": write strict or resimulated, or against= and emulator, azure, openai'),
        ({"way": "emulator"}, 'way="emulator": write strict or'),
        ({"against": "emulater"}, 'against="emulater": write emulator, azure, openai'),
        ({"way": "strict", "against": "emulator"}, "are two ways to replay: leave one out"),
        ({"way": "strict", "agent": "agents/curt.yaml"}, "leave out the way, or the agent"),
    ],
)
def test_what_cannot_be_done_is_not_done_in_another_way(replay, asked, told):
    with pytest.raises(AssertionError) as failed:
        replay("hours.call", **asked)
    assert told in str(failed.value)

def test_no_call(replay):
    with pytest.raises(AssertionError, match="no recording gone.call: looked for"):
        replay("gone.call")
""",
        encoding="utf-8",
    )
    status, out = run(project, "calls/test_hours.py")

    assert status == 0, out
    assert "10 passed" in out


def test_a_call_that_fails_a_test_in_python_leaves_its_sound_and_picture(project: Path) -> None:
    move_the_cut(project / "calls" / "hours.call")
    (project / "test_hours.py").write_text("def test_it(replay): replay('calls/hours.call', way='strict')", "utf-8")
    status, out = run(project, "test_hours.py")
    kept = [re.search(rf"{what}: +(\S+)", out) for what in ("timeline", "sound", "picture")]

    assert status == 1
    assert [found is not None and Path(found[1]).stat().st_size > 1000 for found in kept] == [True] * 3


def test_calls_are_held_against_the_local_model_by_one_word(project: Path) -> None:
    calls = project / "calls"
    for suffix in (".call", ".expect.yaml"):
        (calls / f"hours{suffix}").unlink()
        shutil.copy(CALL.with_name(f"hung-up-in-the-greeting{suffix}"), calls)
    (calls / "no.call").write_bytes(b"RIFF")
    (calls / "test_nobody.py").write_text(
        """
import pytest

def test_nobody(replay):
    with pytest.raises(AssertionError, match="the model is gone .*check OPENAI_BASE_URL"):
        replay("hung-up-in-the-greeting.call", against="openai")
""",
        encoding="utf-8",
    )
    # What would answer the phone does not matter.
    status, out = run(
        project,
        "-v",
        "--calls=emulator",
        REALTIME_PROVIDER="openai",
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL="http://127.0.0.1:9/v1",
    )

    assert status == 1
    assert "hung-up-in-the-greeting.call::emulator PASSED" in out, out
    assert "test_nobody.py::test_nobody PASSED" in out, out
    assert "1 failed, 2 passed" in out
    assert "not a recording" in out
    assert "Traceback" not in out
    recording = re.search(r"recording: (\S+\.call)", out)
    assert recording is not None
    assert read(Path(recording[1])).header.setup.agent.name == "reception"


def test_a_model_that_is_not_set_up_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "")
    talks = Talks("azure", project)
    call = project / "calls" / "hours.call"
    with pytest.raises(pytest_calls.CallFailed, match="AZURE_OPENAI_ENDPOINT: is missing; REALTIME_PROVIDER is azure"):
        pytest_calls.run_against(call, talks, [call], folder=lambda: project)
    talks.close()


def test_a_word_for_the_way_that_there_is_not_is_told(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\ncalls = strickt\n", encoding="utf-8")
    status, out = run(project)

    assert status != 0
    assert "calls = strickt: write strict, resimulated, or against a model: emulator, azure, openai" in out


def test_what_is_held_against_a_model_cannot_be_accepted(project: Path) -> None:
    status, out = run(project, "--calls=emulator", "--calls-update")

    assert status != 0
    assert "--calls-update accepts replays; against emulator no two calls are the same" in out


def test_calls_that_are_held_when_a_run_ends_are_broken_off(tmp_path: Path) -> None:
    for number in range(4):  # two at once
        (tmp_path / f"{number}.call").write_bytes(CALL.read_bytes())
    paths = sorted(tmp_path.glob("*.call"))
    settings = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        talks = Talks("openai", tmp_path)
        talks.begin(paths)
    talks.close()

    for path in paths:
        with pytest.raises(CommandError, match="broken off"):
            talks.verdict(path)
