import csv
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voice_agent.errors import CommandError
from voice_agent.store.dialled import COLUMNS, PLACED, PLACING, Step, journal_path, open_journal

ANA = "+14255550123"


def step(state: str, number: str = ANA, **more: str) -> Step:
    return Step(at="2026-11-27T05:00:00+00:00", number=number, state=state, **more)


def test_the_last_step_of_a_number_counts_also_the_next_time(tmp_path: Path) -> None:
    path = journal_path(tmp_path / "people.csv")
    with open_journal(path) as journal:
        assert journal.last(ANA) is None
        for one in (step(PLACING), step(PLACED, sid="CA1"), step("busy", sid="CA1", seconds="0")):
            journal.add(one)
            assert journal.last(ANA) == one

    with open_journal(path) as journal:
        last = journal.last(ANA)
        assert last == step("busy", sid="CA1", seconds="0")
        assert last.over
    assert path.name == "people.dialled.csv"
    assert next(csv.reader(path.read_text().splitlines())) == list(COLUMNS)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("state", [PLACING, PLACED])
def test_a_call_that_is_being_placed_or_goes_on_is_not_over(state: str) -> None:
    assert not step(state).over


def test_a_journal_that_was_cut_short_within_a_character_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "people.dialled.csv"
    with open_journal(path) as journal:
        journal.add(step(PLACED, remark="Zoë"))
    path.write_bytes(path.read_bytes().rstrip()[:-1])

    with open_journal(path) as journal:
        last = journal.last(ANA)
        assert last is not None
        assert not last.over


@given(st.integers(0, 400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_journal_that_was_cut_short_never_forgets_that_a_number_may_have_been_called(
    tmp_path: Path, kept: int
) -> None:
    path = tmp_path / f"{kept}.csv"
    path.unlink(missing_ok=True)
    with open_journal(path) as journal:
        journal.add(step(PLACING, remark='a "remark", with all that needs care'))
        journal.add(step("busy"))
    whole = path.read_bytes()
    head = len(whole.split(b"\n")[0]) + 1
    path.write_bytes(whole[: head + kept])

    with open_journal(path) as journal:
        last = journal.last(ANA)
        journal.add(step(PLACING, "+14255550124"))
    number_is_there = ANA.encode() + b"," in whole[: head + kept]
    assert last is not None or not number_is_there
    assert last is None or not last.over or kept >= len(whole) - head - 2
    with open_journal(path) as journal:
        assert journal.last("+14255550124") is not None


def _hold(path: Path, ready: "multiprocessing.synchronize.Event", done: "multiprocessing.synchronize.Event") -> None:
    with open_journal(path):
        ready.set()
        done.wait(5)


def test_two_programs_do_not_work_on_one_list(tmp_path: Path) -> None:
    path = tmp_path / "people.dialled.csv"
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(path, ready, done))
    other.start()
    try:
        assert ready.wait(5)
        with pytest.raises(CommandError, match="another voice-agent dial works on this list"), open_journal(path):
            pass
    finally:
        done.set()
        other.join(5)


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "people.dialled.csv"
    path.write_text("name,number\nAna,1\n")

    with pytest.raises(CommandError, match="is no journal of a list; move it away"), open_journal(path):
        pass
    assert path.read_text() == "name,number\nAna,1\n"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"), open_journal(tmp_path / "none" / "x.csv"):
        pass
    assert not (tmp_path / "none").exists()
