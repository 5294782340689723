import shutil
from pathlib import Path

import pytest

from voice_agent.errors import PeerError
from voice_agent.review.past_calls import UNKNOWN, recorded_call, unlisted

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


def test_only_what_the_history_does_not_have_is_found_and_only_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "2026-11-27").mkdir()
    for name in ("1-CAone", "2-CAtwo", "3-CAthree"):
        shutil.copy(CALLS / "tool-failed.call", tmp_path / "2026-11-27" / f"{name}.call")
    (tmp_path / "4-CAfour.call").write_bytes(b"nothing")

    assert len(unlisted(set(), tmp_path)) == 3
    assert len(unlisted({"1-CAone.call"}, tmp_path)) == 2
    (found,) = unlisted({"1-CAone.call"}, tmp_path, "CAtwo")
    assert found.recording is not None
    assert found.recording.endswith("2-CAtwo.call")
    assert unlisted(set(), tmp_path / "nowhere") == []
