import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from voice_agent.agent import Agent
from voice_agent.call.commands import AgentBegan, AgentSaid, CallEnded, CallerSaid, ResponseUsed
from voice_agent.call.events import TranscriptionUsage, Usage
from voice_agent.call.setup import CallSetup
from voice_agent.call.summary import Line, Summary
from voice_agent.errors import CommandError
from voice_agent.store.history import SCHEMA_VERSION, History, PastCall, past_call

SETUP = CallSetup(
    call_sid="CA0123", agent=Agent(name="reception", instructions=""), caller="+14255550123", called="+14255550100"
)
STARTED_AT = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)


def a_call(call_sid: str = "CA0123", started_at: str = "2026-11-22T10:00:00.250+00:00") -> PastCall:
    summary = Summary()
    summary.take(900, CallerSaid("item_u", "Two people, please."))
    summary.take(1000, AgentBegan("item_1", 640))
    summary.take(2000, AgentSaid("item_1", "At eight?", 1000, 1000, False))
    summary.take(2001, ResponseUsed(Usage(input_tokens=7)))
    summary.take(4500, CallEnded("completed", "goodbye", 4500))
    call = past_call(SETUP, summary, STARTED_AT, Path("data/recordings/one.call"))
    return msgspec.structs.replace(call, call_sid=call_sid, started_at=started_at)


def test_a_call_is_told_by_its_setup_and_its_summary() -> None:
    assert a_call() == PastCall(
        call_sid="CA0123",
        agent="reception",
        caller="+14255550123",
        called="+14255550100",
        started_at="2026-11-22T10:00:00.250+00:00",
        ended_at="2026-11-22T10:00:04.750+00:00",
        outcome="completed",
        reason="goodbye",
        duration_ms=4500,
        recording="data/recordings/one.call",
        transcript=(
            Line(900, "caller", "Two people, please."),
            Line(1000, "agent", "At eight?"),
            Line(4500, "end", "completed", "goodbye"),
        ),
        turns=1,
        interruptions=0,
        tool_calls=0,
        response_ms=(640,),
        usage=Usage(input_tokens=7),
    )


def test_a_call_whose_end_nobody_saw_ends_with_its_last_line() -> None:
    summary = Summary()
    empty = past_call(SETUP, summary, STARTED_AT, None)
    summary.take(900, CallerSaid("item_u", "Hello?"))
    cut = past_call(SETUP, summary, STARTED_AT, None)

    assert (empty.outcome, empty.duration_ms, empty.recording) == ("unknown", 0, None)
    assert (cut.duration_ms, cut.ended_at) == (900, "2026-11-22T10:00:01.150+00:00")


def test_calls_come_back_whole_and_the_latest_first(tmp_path: Path) -> None:
    history = History(tmp_path / "data" / "calls.sqlite")
    calls = [a_call(f"CA{n}", f"2026-11-2{n}T10:00:00.000+00:00") for n in (2, 1, 3)]
    for call in calls:
        history.add(call)

    assert history.latest(10) == [calls[2], calls[0], calls[1]]
    assert history.latest(1) == [calls[2]]


def test_a_call_is_found_by_the_beginning_of_its_sid(tmp_path: Path) -> None:
    history = History(tmp_path / "calls.sqlite")
    for sid in ("CAab12", "CAab34", "CAcd_%", "CAab12"):
        history.add(a_call(sid))

    assert [call.call_sid for call in history.find("CAab")] == ["CAab12", "CAab34", "CAab12"]
    assert [call.call_sid for call in history.find("caAB34")] == ["CAab34"]
    assert [call.call_sid for call in history.find("CA%")] == []
    assert [call.call_sid for call in history.find("CAcd_%")] == ["CAcd_%"]


def test_the_recordings_of_all_calls_are_known_by_their_names(tmp_path: Path) -> None:
    history = History(tmp_path / "calls.sqlite")
    assert history.recordings() == set()
    history.add(a_call())
    history.add(msgspec.structs.replace(a_call(), recording=None))

    assert history.recordings() == {"one.call"}


def test_without_a_file_there_are_no_calls_and_none_is_made(tmp_path: Path) -> None:
    history = History(tmp_path / "calls.sqlite")

    assert history.latest(10) == []
    assert history.find("CA") == []
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "calls.sqlite"
    History(path).prepare()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_threads_may_add_at_once(tmp_path: Path) -> None:
    history = History(tmp_path / "calls.sqlite")
    threads = [threading.Thread(target=history.add, args=(a_call(f"CA{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {call.call_sid for call in history.latest(100)} == {f"CA{n}" for n in range(8)}


def test_a_locked_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    history = History(tmp_path / "calls.sqlite", busy_s=0.01)
    history.prepare()
    with closing(sqlite3.connect(history.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommandError, match="is locked by another program"):
            history.add(a_call())


@pytest.mark.parametrize("content", [b"this is no database at all, only text" * 10, b"SQLite format 3\0" + b"x" * 4096])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    history = History(tmp_path / "calls.sqlite")
    history.path.write_bytes(content)

    with pytest.raises(CommandError, match=r"is damaged or no call history: move it away"):
        history.latest(1)
    with pytest.raises(CommandError, match=r"is damaged or no call history: move it away"):
        history.add(a_call())


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    history = History(tmp_path / "calls.sqlite")
    history.prepare()
    with closing(sqlite3.connect(history.path)) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    with pytest.raises(CommandError, match="written by a newer voice-agent: update"):
        history.latest(1)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match=r"cannot be made .*: name another folder in DATA"):
        History(tmp_path / "file" / "calls.sqlite").prepare()
    with pytest.raises(CommandError, match="cannot be written: make it and its folder writable"):
        History(tmp_path).latest(1)


def test_another_table_in_its_place_is_told_as_sqlite_tells_it(tmp_path: Path) -> None:
    history = History(tmp_path / "calls.sqlite")
    history.prepare()
    with closing(sqlite3.connect(history.path)) as other, other:
        other.execute("DROP TABLE calls")

    with pytest.raises(CommandError, match="no such table: calls"):
        history.latest(1)


def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    history = History(tmp_path / "calls.sqlite")
    history.add(a_call())
    with closing(sqlite3.connect(history.path)) as other, other:
        other.execute("UPDATE calls SET transcript = 'gone'")

    with pytest.raises(CommandError, match="holds a call that cannot be read"):
        history.latest(1)


def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    history = History(tmp_path / "calls.sqlite")
    history.add(a_call())
    with closing(sqlite3.connect(history.path)) as connection:
        connection.executescript(
            "ALTER TABLE calls DROP COLUMN model; ALTER TABLE calls DROP COLUMN transcription; PRAGMA user_version = 1;"
        )
    history.add(msgspec.structs.replace(a_call(), model="gpt-realtime-2.1"))

    assert [call.model for call in history.latest(10)] == ["gpt-realtime-2.1", ""]
    assert [call.transcription for call in history.latest(10)] == [TranscriptionUsage(), TranscriptionUsage()]
    assert History(history.path).latest(1)[0].model == "gpt-realtime-2.1"
