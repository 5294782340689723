from pathlib import Path

import pytest

from tests.support.recorded import header, write
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from voice_agent.call.events import TimerFired
from voice_agent.cli.main import main
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry, Step

GOOD = write(header_of(setup()), steps_of(simulated_call(), setup()))


def test_calls_that_are_the_same_make_a_table_and_exit_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b").mkdir()
    for name in ("a.call", "b/c.call"):
        (tmp_path / name).write_bytes(GOOD)
    status = main(["replay", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()

    assert status == 0
    assert lines[0].split() == ["FILE", "LENGTH", "SPEED", "RESULT"]
    assert [line.split()[0] for line in lines[1:]] == [str(tmp_path / "a.call"), str(tmp_path / "b/c.call")]
    assert all(line.endswith("x  same") for line in lines[1:])


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
    results = dict(line.removeprefix(f"{tmp_path}/").split(maxsplit=1) for line in out.splitlines() if "/" in line)

    assert status == 1
    assert "not a recording" in results["no.call"]
    assert "recorded in format 9" in results["newer.call"]
    assert "same up to the end, 00:0" in results["cut.call"]
    assert "cut short at byte" in results["cut.call"]
    assert "the recording is damaged at byte" in results["damaged.call"]
    assert "differs at 00:00.000, step 0" in results["other.call"]
    assert results["good.call"].endswith("same")
    assert "cannot be read: No such file" in results["gone.call"]
    assert "  would be now:  " in out
    assert out.endswith("6 of 7 not the same\n")


def test_packaged_speech_that_changed_is_named_beside_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.call").write_bytes(write(header(), [Step(0, None, (Entry("phone", "{}"),))]))

    assert main(["replay", str(tmp_path / "other.call")]) == 1
    assert "(packaged speech that was another then: apology)" in capsys.readouterr().out


def test_a_folder_without_recordings_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"voice-agent: {tmp_path} holds no .call file\n"
