from pathlib import Path

import pytest

from voice_agent.agent import Agent
from voice_agent.call.setup import CallSetup
from voice_agent.errors import CommandError
from voice_agent.store.transfers import KEPT_S, Link, Transfers

SETUP = CallSetup(call_sid="", agent=Agent(name="desk", instructions="Ask."), caller="+14255550101")
LINK = Link(id="a1", caller_sid="CA1", setup=SETUP)


def with_link(folder: Path) -> Transfers:
    transfers = Transfers(folder / "data" / "transfers.sqlite")
    transfers.add(LINK, 1000)
    return transfers


def test_what_one_process_writes_another_reads(tmp_path: Path) -> None:
    with_link(tmp_path).placed("a1", "CA2")
    other = Transfers(tmp_path / "data" / "transfers.sqlite")

    assert other.find("a1") == other.of_colleague("CA2")
    assert other.find("a1") == Link(id="a1", caller_sid="CA1", colleague_sid="CA2", setup=SETUP)
    assert other.find("b2") is other.of_colleague("CA9") is None


def test_a_transfer_only_goes_forward(tmp_path: Path) -> None:
    transfers = with_link(tmp_path)

    assert not transfers.move("a1", "accepted", "asking")
    assert transfers.move("a1", "asking", "calling")
    assert not transfers.move("a1", "asking", "calling")
    assert transfers.move("a1", "accepted", "asking")
    assert transfers.move("a1", "joined", "accepted")
    assert not transfers.close("a1", "too late")
    found = transfers.find("a1")
    assert found is not None
    assert (found.state, found.problem) == ("joined", "")


def test_one_that_is_over_says_why_and_stays_so(tmp_path: Path) -> None:
    transfers = with_link(tmp_path)

    assert transfers.close("a1", "nobody answered")
    assert not transfers.close("a1", "the line is busy")
    assert not transfers.move("a1", "asking", "calling")
    found = transfers.find("a1")
    assert found is not None
    assert (found.state, found.problem) == ("over", "nobody answered")


def test_those_of_yesterday_are_forgotten(tmp_path: Path) -> None:
    transfers = with_link(tmp_path)
    transfers.add(Link(id="b2", caller_sid="CA3", setup=SETUP), 1000 + KEPT_S + 1)

    assert transfers.find("a1") is None
    assert transfers.find("b2") is not None


def test_it_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = with_link(tmp_path).path

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("no folder")
    (tmp_path / "b").write_text("no database, but long enough to look like one" * 10)

    with pytest.raises(CommandError, match="cannot be made"):
        Transfers(tmp_path / "a" / "transfers.sqlite").find("a1")
    with pytest.raises(CommandError, match="cannot be used"):
        Transfers(tmp_path / "b").find("a1")
