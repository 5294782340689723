import asyncio
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.web import http_server
from voice_agent.cli.doctor_machine import (
    judge_clock,
    look_at_clock,
    look_at_data,
    look_at_database,
    look_at_files,
    look_at_port,
    look_at_recordings,
)
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path: Path) -> None:
    finding = look_at_data(tmp_path / "data")

    assert finding.what == "DATA"
    assert list((tmp_path / "data").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    assert look_at_data(tmp_path / "data").verdict == "wrong"


def test_a_disk_that_takes_nothing_is_not_taken_for_a_folder_of_somebody_else() -> None:
    finding = look_at_data(Path("/proc/self"))

    assert finding == (
        "wrong",
        "DATA",
        "/proc/self cannot be written (No such file or directory); mend that, or name another folder",
    )


def test_a_store_is_brought_up_to_date(tmp_path: Path) -> None:
    finding = asyncio.run(look_at_database(Settings(data=tmp_path)))

    assert (finding.verdict, finding.what) == ("ok", "the store")
    assert finding.remark.endswith("its tables are up to date")


def test_a_database_that_nobody_serves_is_told_in_one_line(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, database_url=Secret("postgresql://voice:hidden@127.0.0.1:1/calls"))
    finding = asyncio.run(look_at_database(settings))

    assert (finding.verdict, finding.what) == ("wrong", "DATABASE_URL")
    assert "hidden" not in finding.remark


def test_a_port_is_free_ours_or_another_server_s() -> None:
    async def main() -> list[str]:
        async with http_server(200, "ok\n") as ours, http_server(200, "<html>") as other:
            with socket.socket() as silent:
                silent.bind(("127.0.0.1", 0))
                taken = silent.getsockname()[1]
                ports = [0, *(int(url.rpartition(":")[2]) for url in (ours, other)), taken]
                return [str(await look_at_port(Settings(port=port))) for port in ports]

    free, runs, another, silent = asyncio.run(main())

    assert free.startswith("ok ")
    assert "voice-agent serve runs at" in runs
    assert "another server answers at" in another
    assert silent.startswith("wrong ")


@pytest.mark.parametrize(("calls", "verdict"), [(1, "ok"), (10_000_000, "wrong")])
def test_open_files_must_do_for_the_calls(calls: int, verdict: str) -> None:
    finding = look_at_files(Settings(max_calls=calls))

    assert (finding.verdict, finding.what) == (verdict, "open files")


@pytest.mark.parametrize(
    ("date", "verdict", "remark"),
    [
        ("Fri, 27 Nov 2026 12:00:02 GMT", "ok", "differs by 2 s"),
        ("Fri, 27 Nov 2026 12:01:00 GMT", "wrong", "is 60 s slow"),
        ("Fri, 27 Nov 2026 11:00:00 GMT", "wrong", "is 3600 s fast"),
        ("", "not tried", "tells no time"),
        ("yesterday", "not tried", "tells no time"),
    ],
)
def test_the_clock_is_compared_with_an_answer_s(date: str, verdict: str, remark: str) -> None:
    finding = judge_clock(date, NOW, "https://api.twilio.com")

    assert (finding.verdict, finding.what) == (verdict, "clock")
    assert remark in finding.remark


def test_a_clock_without_anybody_to_ask_is_not_judged() -> None:
    async def main() -> str:
        async with http_server(404, header="Date: Fri, 27 Nov 2020 12:00:00 GMT") as url:
            return (await look_at_clock(url)).verdict

    assert asyncio.run(main()) == "wrong"
    assert asyncio.run(look_at_clock("http://127.0.0.1:1")).verdict == "not tried"


def test_where_recordings_go_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    finding = asyncio.run(look_at_recordings(Settings(recordings_url=f"file://{tmp_path}/store")))
    (tmp_path / "file").write_text("")
    wrong = asyncio.run(look_at_recordings(Settings(recordings_url=f"file://{tmp_path}/file")))

    assert (finding.verdict, finding.what) == ("ok", "RECORDINGS_URL")
    assert list((tmp_path / "store").iterdir()) == []
    assert (wrong.verdict, wrong.what) == ("wrong", "RECORDINGS_URL")
