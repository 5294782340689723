import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.recorded import header, write
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from voice_agent.call.events import TimerFired
from voice_agent.cli.main import main
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry, Step

SHORT = Path(__file__).resolve().parent.parent / "calls" / "hung-up-in-the-greeting.call"
GOOD = write(header_of(setup()), steps_of(simulated_call(), setup()))


def test_calls_that_are_the_same_make_a_table_and_exit_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b").mkdir()
    for name in ("a.call", "b/c.call"):
        (tmp_path / name).write_bytes(GOOD)
    status = main(["replay", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()

    assert status == 0
    assert lines[0].split() == ["LENGTH", "SPEED", "RESULT", "FILE"]
    assert [line.split()[-2:] for line in lines[1:]] == [
        ["same", str(tmp_path / "a.call")],
        ["same", str(tmp_path / "b/c.call")],
    ]


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = bytearray(GOOD)
    damaged[len(GOOD) // 2] ^= 1
    files = {
        "no.call": b"RIFF",
        "newer.call": GOOD[:7] + b"\x09" + GOOD[8:],
        "cut.call": GOOD[: len(GOOD) // 2],
        "damaged.call": bytes(damaged),
        "other.call": write(header(), [Step(0, None), Step(3, describe(TimerFired()), (Entry("phone", "{}"),))]),
        "good.call": GOOD,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    status = main(["replay", *(str(tmp_path / name) for name in files), str(tmp_path / "gone.call")])
    out = capsys.readouterr().out
    rows = out.split(f"{tmp_path}/")
    results = {
        row.splitlines()[0]: (before.splitlines()[-1].split(maxsplit=2)[2].strip(), row)
        for before, row in pairwise(rows)
    }

    assert status == 1
    assert {name: result for name, (result, _) in results.items()} == {
        "no.call": "not read",
        "newer.call": "not read",
        "cut.call": "cut short",
        "damaged.call": "damaged",
        "other.call": "differs",
        "good.call": "same",
        "gone.call": "not read",
    }
    for name, details in {
        "no.call": "not a recording: it does not begin",
        "newer.call": "recorded in format 9, this program reads up to 1: update voice-agent",
        "cut.call": "same up to 00:0",
        "damaged.call": "the recording is damaged at byte",
        "other.call": "differs at 00:00.000, step 0",
        "gone.call": "cannot be read: No such file",
    }.items():
        assert details in results[name][1]
    assert out.endswith("6 of 7 not the same\n")


def test_packaged_speech_that_changed_is_named_beside_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.call").write_bytes(write(header(), [Step(0, None, (Entry("phone", "{}"),))]))

    assert main(["replay", str(tmp_path / "other.call")]) == 1
    assert "(packaged speech that was another then: apology)" in capsys.readouterr().out


def test_a_folder_without_recordings_is_told_in_its_place_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty" / "folder.call").mkdir(parents=True)
    (tmp_path / "gone").mkdir()
    (tmp_path / "good.call").write_bytes(GOOD)
    long = tmp_path / ("x" * 300)  # as a folder that may not be entered: not even its kind can be asked
    files = [tmp_path / "empty", tmp_path / "gone" / "gone.call", long, tmp_path / "good.call"]

    assert main(["replay", *map(str, files)]) == 1
    out = capsys.readouterr().out
    assert re.search(r"not read +\S+/empty\n    a folder that holds no \.call file\n", out)
    assert re.search(r"not read +\S+/gone\.call\n    cannot be read: No such file", out)
    assert re.search(r"not read +\S+/x+\n    cannot be read: File name too long", out)
    assert re.search(r"same +\S+/good\.call\n3 of 4 not the same", out)


@pytest.mark.parametrize("way", ["strict", "resimulated"])
def test_a_recording_of_nothing_does_not_pass(way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nothing.call").write_bytes(write(header(), []))
    (tmp_path / "late.call").write_bytes(write(header(), [Step(5, Entry("fact", '{"type":"ModelOpened"}'), ())]))

    assert main(["replay", str(tmp_path), "--way", way]) == 1
    out = capsys.readouterr().out
    assert "the recording holds no call: it ends behind its header" in out
    assert "the recording does not begin, once, with the beginning of its call" in out
    assert "2 of 2" in out


def test_a_call_is_held_again_on_request_and_its_expectations_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good", "unmet", "wrong"):
        (tmp_path / f"{name}.call").write_bytes(GOOD)
    (tmp_path / "good.expect.yaml").write_text("interruptions: 1\nended: caller_hung_up\n", encoding="utf-8")
    (tmp_path / "unmet.expect.yaml").write_text("interruptions: 0\n", encoding="utf-8")
    (tmp_path / "wrong.expect.yaml").write_text("interruption: 0\n", encoding="utf-8")
    status = main(["replay", "--way", "resimulated", str(tmp_path)])
    out = capsys.readouterr().out

    assert status == 1
    results = {line.rsplit("/", 1)[1]: line.split()[2] for line in out.splitlines() if line.endswith(".call")}
    assert results == {"good.call": "same", "unmet.call": "unmet", "wrong.call": "not"}
    assert "at 00:08.640 1 interruptions, expected 0" in out
    assert 'wrong.expect.yaml:1:1: unknown key "interruption"; write "interruptions"' in out
    assert "2 of 3 not as they should be" in out


def test_an_agent_goes_with_a_model_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.call").write_bytes(GOOD)

    assert main(["replay", str(tmp_path), "--agent", "a.yaml"]) == 2
    assert "--agent goes with --against" in capsys.readouterr().err


def test_callers_are_spoken_to_a_model_and_make_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    (tmp_path / "a.call").write_bytes(SHORT.read_bytes())
    (tmp_path / "no.call").write_bytes(b"RIFF")
    status = main(["replay", "a.call", "no.call", "--against", "openai"])
    lines = capsys.readouterr().out.splitlines()

    assert status == 1
    assert "2 calls to ws://127.0.0.1:9/v1/realtime?model=gpt-realtime-2.1, 2 at once" in lines[0]
    assert lines[1].split() == ["LENGTH", "ANSWERS", "RESULT", "FILE"]
    assert lines[2].split()[1:] == ["-", "unmet", "a.call"]
    assert any("cannot reach" in line for line in lines)
    assert any(line.startswith("    recording: data/talks/recordings/") for line in lines)
    assert lines[-3].split() == ["-", "-", "not", "held", "no.call"]
    assert lines[-1] == "2 of 2 not as they should be"
