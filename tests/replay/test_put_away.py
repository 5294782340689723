import logging
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.spoken_calls import Turn, spoken_file
from voice_agent.errors import PeerError
from voice_agent.live.opened_call import FinishedCall
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.redact import Wanted
from voice_agent.recording.telling import summarise
from voice_agent.replay import strict
from voice_agent.replay.put_away import Redaction, redact_file
from voice_agent.store.recordings import UNREDACTED

WANTED = Wanted(("Anna Jones",))


def finished(folder: Path, *, cut: int = 0, recorded: bool = True) -> FinishedCall:
    data = spoken_file(Turn("I am Anna Jones"), Turn("thank you"), Turn(keys="42"))
    path = folder / "one.call"
    path.write_bytes(data[: len(data) - cut])
    recording = Recording(data)
    return FinishedCall(
        setup=recording.header.setup,
        started_at=datetime(2026, 11, 22, tzinfo=UTC),
        summary=summarise(recording),
        recording=path if recorded else None,
    )


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def said_in(call: FinishedCall) -> list[str]:
    return [line.text for line in call.summary.lines if line.who in {"caller", "keys"}]


def test_a_finished_call_is_redacted_in_its_place_by_another_process(tmp_path: Path) -> None:
    call = finished(tmp_path)
    kept = Redaction(WANTED)(call)

    assert said_in(call) == ["I am Anna Jones", "thank you", "42"]
    assert said_in(kept) == ["[redacted]", "thank you", "00"]
    assert kept.setup.caller == "+00000000000"
    assert (kept.started_at, kept.recording) == (call.started_at, call.recording)
    assert names(tmp_path) == ["one.call"]
    assert stat.S_IMODE((tmp_path / "one.call").stat().st_mode) == 0o600
    assert strict.replay(read(tmp_path / "one.call"), {}).same


def test_a_recording_is_where_it_is_looked_for_when_it_is_redacted(tmp_path: Path) -> None:
    call = finished(tmp_path)
    unredacted = (tmp_path / "one.call").rename(tmp_path / f"one{UNREDACTED}")
    kept = Redaction(WANTED)(replace(call, recording=unredacted))

    assert kept.recording == tmp_path / "one.call"
    assert names(tmp_path) == ["one.call"]


def test_the_unredacted_recording_stays_for_the_next_server_until_this_one_knows_the_other(tmp_path: Path) -> None:
    finished(tmp_path)
    (tmp_path / "one.call").rename(tmp_path / f"one{UNREDACTED}")
    redact_file(tmp_path / f"one{UNREDACTED}", WANTED)

    assert sorted(names(tmp_path)) == ["one.call", f"one{UNREDACTED}"]
    assert read(tmp_path / "one.call").header.redacted


def test_of_a_recording_that_was_cut_short_the_rest_is_kept(tmp_path: Path) -> None:
    kept = Redaction(WANTED)(finished(tmp_path, cut=500))

    assert kept.recording is not None
    assert said_in(kept)[0] == "[redacted]"


def test_what_cannot_be_redacted_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    call = finished(tmp_path)
    (tmp_path / "one.call").write_bytes(b"nothing")
    (tmp_path / "one.redacted").write_bytes(b"as far as there was room")
    with caplog.at_level(logging.ERROR):
        kept = Redaction(WANTED)(call)

    assert names(tmp_path) == []
    assert (kept.recording, kept.summary.lines) == (None, [])
    assert kept.summary.ended is not None
    assert (
        f"not kept: the recording {tmp_path / 'one.call'} is deleted, for it cannot be redacted: not a rec"
        in caplog.text
    )


def test_of_a_call_without_a_recording_no_words_are_left(tmp_path: Path) -> None:
    kept = Redaction(WANTED)(finished(tmp_path, recorded=False))

    assert (kept.setup.caller, kept.setup.called) == ("+00000000000", "+00000000000")
    assert kept.summary.lines == []
    assert kept.summary.turns == 2


def test_a_file_that_cannot_be_redacted_stays_for_who_asked(tmp_path: Path) -> None:
    (tmp_path / "one.call").write_bytes(b"nothing")
    with pytest.raises(PeerError):
        redact_file(tmp_path / "one.call", WANTED)

    assert names(tmp_path) == ["one.call"]
