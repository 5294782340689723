import shutil
from pathlib import Path

import pytest

from voice_agent.errors import PeerError
from voice_agent.recording.spool import recording_path
from voice_agent.review.past_calls import UNKNOWN, recorded_call, unlisted, unlisted_files

CALLS = Path(__file__).parent.parent / "calls"


def test_a_recording_is_summed_up_as_the_history_would_have_it() -> None:
    call = recorded_call(CALLS / "tool-failed.call")

    assert call.outcome != UNKNOWN
    assert call.tool_calls == 1
    assert call.transcript


def test_one_whose_end_is_missing_says_why(tmp_path: Path) -> None:
    data = (CALLS / "tool-failed.call").read_bytes()
    (tmp_path / "half.call").write_bytes(data[: len(data) // 2])
    call = recorded_call(tmp_path / "half.call")

    assert (call.outcome, call.reason) == (UNKNOWN, "in progress, or its process died")


def test_what_is_no_recording_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.call").write_bytes(b"nothing")
    with pytest.raises(PeerError):
        recorded_call(tmp_path / "no.call")


def test_only_what_the_history_does_not_have_is_found(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        shutil.copy(CALLS / "tool-failed.call", tmp_path / f"{number}-CA{number}.call")
    (tmp_path / "4-CA4.call").write_bytes(b"nothing")

    assert len(unlisted(set(), tmp_path)) == 3
    assert len(unlisted({"1-CA1.call"}, tmp_path)) == 2
    assert unlisted(set(), tmp_path / "nowhere") == []


def test_the_recordings_of_one_call_are_found_by_their_names(tmp_path: Path) -> None:
    sid, other = f"CA{'1' * 32}", f"CA{'2' * 32}"
    began = "2026-11-27T10:00:00+00:00"
    made = [recording_path(tmp_path / "2026-11-27", began, *which) for which in ((sid, 1), (sid, 2), (other, 1))]
    made[0].parent.mkdir()
    for path in (*made, made[0].with_suffix(".tmp")):
        path.write_bytes(b"")

    assert sorted(unlisted_files(set(), tmp_path, sid)) == sorted(made[:2])
    assert unlisted_files({made[0].name}, tmp_path, sid) == [made[1]]
