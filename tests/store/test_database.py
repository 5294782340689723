import asyncio
import os
import signal
import socket
import sqlite3
import stat
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from tests.support.postgres import PASSWORD, Postgres
from voice_agent.errors import CommandError
from voice_agent.store.database import _MIGRATION_LOCK, Database
from voice_agent.store.tables import METADATA, REVISIONS


def use(place: Path | str, work: Callable[[Database], Awaitable[None]] = Database.prepare, busy_s: float = 5.0) -> None:
    async def main() -> None:
        async with Database(place, busy_s) as database:
            await work(database)

    asyncio.run(main())


def test_the_migrations_lead_to_the_tables_that_the_program_knows(place: Path | str) -> None:
    found: list[object] = []

    async def compare(database: Database) -> None:
        from alembic.autogenerate import compare_metadata

        async with database.writing() as connection:
            found.extend(
                await connection.run_sync(lambda sync: compare_metadata(MigrationContext.configure(sync), METADATA))
            )

    use(place, compare)

    assert found == []


def test_every_migration_is_known_in_its_order() -> None:
    config = Config()
    config.set_main_option("script_location", "voice_agent.store:migrations")
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(walked)) == REVISIONS


def test_several_programs_may_start_at_once(place: Path | str) -> None:
    async def main() -> None:
        async with AsyncExitStack() as programs, asyncio.TaskGroup() as tasks:
            for _ in range(5):
                database = await programs.enter_async_context(Database(place))
                tasks.create_task(database.prepare())

    asyncio.run(main())
    use(place)


def test_who_gives_up_while_a_connection_is_opened_leaves_none_behind(tmp_path: Path) -> None:
    async def work(database: Database) -> None:
        await database.prepare()

    async def main() -> None:
        for turns in range(40):  # of the loop, in which it is opened step by step
            async with Database(tmp_path / "calls.sqlite") as database:
                asking = asyncio.ensure_future(work(database))
                for _ in range(turns):
                    await asyncio.sleep(0)
                asking.cancel()
                with suppress(asyncio.CancelledError):
                    await asking

    use(tmp_path / "calls.sqlite")
    before = set(threading.enumerate())
    asyncio.run(main())
    left = set(threading.enumerate()) - before  # each connection has a thread, which ends with it
    for thread in left:
        thread.join(5)

    assert not any(thread.is_alive() for thread in left)


def test_a_transaction_that_fails_changes_nothing(place: Path | str) -> None:
    async def work(database: Database) -> None:
        with suppress(ZeroDivisionError):
            async with database.writing() as connection:
                await connection.execute(
                    text("INSERT INTO transfers (id, caller_sid, setup, made_at) VALUES ('a', '', '', 0)")
                )
                raise ZeroDivisionError
        async with database.reading() as connection:
            assert (await connection.scalar(text("SELECT count(*) FROM transfers"))) == 0

    use(place, work)


def test_a_database_of_a_newer_program_is_left_alone(place: Path | str) -> None:
    async def work(database: Database) -> None:
        async with database.writing() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    use(place, work)

    with pytest.raises(CommandError, match=r"was written by a newer voice-agent: update, or name another") as raised:
        use(place)
    assert PASSWORD not in str(raised.value)


# --- SQLite ----------------------------------------------------------------------------------------------------------


def test_only_the_owner_can_read_the_file_and_what_stands_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "calls.sqlite"

    async def work(database: Database) -> None:
        await database.prepare()
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}

    use(path, work)

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_of_calls_without_revisions_that_counts_further_is_newer(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 4")

    with pytest.raises(CommandError, match="was written by a newer voice-agent"):
        use(path)


def test_a_former_program_takes_the_file_for_newer(tmp_path: Path) -> None:
    use(tmp_path / "calls.sqlite")

    with closing(sqlite3.connect(tmp_path / "calls.sqlite")) as other:
        assert other.execute("PRAGMA user_version").fetchone()[0] > 3


def test_the_former_file_of_transfers_which_were_of_a_day_is_gone(tmp_path: Path) -> None:
    (tmp_path / "transfers.sqlite").write_bytes(b"numbers of callers")
    use(tmp_path / "calls.sqlite")

    assert not (tmp_path / "transfers.sqlite").exists()


def test_a_locked_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    use(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommandError, match="is locked by another program"):
            use(path, busy_s=0.01)


@pytest.mark.parametrize("content", [b"this is no database at all, only text" * 10, b"SQLite format 3\0" + b"x" * 4096])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "calls.sqlite").write_bytes(content)

    with pytest.raises(CommandError, match=r"is damaged or no call history: move it away"):
        use(tmp_path / "calls.sqlite")


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match=r"cannot be made or read .*, or name another folder in DATA"):
        use(tmp_path / "file" / "calls.sqlite")
    with pytest.raises(CommandError, match="cannot be written: make it and its folder writable"):
        use(tmp_path)


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def problem(url: str, work: Callable[[Database], Awaitable[None]] = Database.prepare, busy_s: float = 5.0) -> str:
    with pytest.raises(CommandError) as raised:
        use(url, work, busy_s)
    assert PASSWORD not in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_server_that_is_not_there_is_one_line() -> None:
    assert "postgresql://127.0.0.1:1/calls cannot be reached" in problem(
        f"postgresql://me:{PASSWORD}@127.0.0.1:1/calls"
    )


def test_a_server_whose_certificate_cannot_be_checked_is_told_with_what_it_is_checked_by() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def agree_to_tls() -> None:
            asked, _ = listening.accept()
            with asked:
                asked.recv(8)
                asked.send(b"S")
                asked.recv(1)

        server = threading.Thread(target=agree_to_tls)
        server.start()
        told = problem(
            f"postgresql://me:{PASSWORD}@127.0.0.1:{listening.getsockname()[1]}/calls"
            "?sslmode=verify-full&sslrootcert=/nowhere/root.crt"
        )
        server.join()

    assert "sslrootcert=/etc/ssl/certs/ca-certificates.crt" in told
    assert "create the database" not in told


def test_a_wrong_password_and_a_missing_database_are_told_apart(server: Postgres) -> None:
    assert "does not take this user with this password" in problem(server.url(password="wrong"))
    assert "is not there: create the database" in problem(server.url("missing"))


def test_what_a_user_may_not_do_is_told_with_the_remedy(server: Postgres) -> None:
    with server.database() as url:
        server.run(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
        name = url.rpartition("/")[2]
        assert "grant it the schema" in problem(server.url(name, "guest"))
        use(url)
        server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

        async def work(database: Database) -> None:
            async with database.writing() as connection:
                await connection.execute(text("DELETE FROM calls"))

        assert "is read-only" in problem(url, work)


def test_connections_that_the_server_has_closed_are_made_anew(server: Postgres) -> None:
    async def work(database: Database) -> None:
        await database.prepare()
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'voice-agent'")
        await database.prepare()

    with server.database() as url:
        use(url, work)


def backend_stopped(process_id: object) -> ExitStack:
    """Stop the server's process of one connection until the block is left."""
    assert isinstance(process_id, int)
    os.kill(process_id, signal.SIGSTOP)
    stack = ExitStack()
    stack.callback(os.kill, process_id, signal.SIGCONT)
    return stack


WHO = text("SELECT pg_backend_pid()")
WHO_WAITS = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


def test_a_server_that_stops_in_the_middle_is_given_up_in_time(server: Postgres) -> None:
    async def work(database: Database) -> None:
        async with asyncio.timeout(8):  # psycopg by itself would wait for 10 s
            async with database.reading() as connection:
                with backend_stopped(await connection.scalar(WHO)):
                    await connection.execute(text("SELECT 1"))

    with server.database() as url:
        use(url)
        assert "did not answer within 0.5 s" in problem(url, work, busy_s=0.5)


def test_a_server_that_has_stopped_keeps_nobody_from_ending(server: Postgres) -> None:
    async def main(url: str) -> None:
        async with asyncio.timeout(8):
            with ExitStack() as stopped:
                async with Database(url, 0.5) as database:
                    async with database.reading() as connection:
                        process_id = await connection.scalar(WHO)
                    stopped.enter_context(backend_stopped(process_id))
                    with pytest.raises(CommandError, match="did not answer"):
                        await database.prepare()

    with server.database() as url:
        use(url)
        asyncio.run(main(url))


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone has it")
def test_a_host_that_is_gone_is_noticed_within_seconds_unless_the_url_says_otherwise(server: Postgres) -> None:
    found: list[int] = []

    async def work(database: Database) -> None:
        async with database.reading() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            with socket.socket(fileno=os.dup(driver.fileno())) as opened:
                found.append(opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))

    with server.database() as url:
        use(url, work)
        use(f"{url}?tcp_user_timeout=3000", work)

    assert found == [10_000, 3000]


def test_a_host_that_is_gone_in_a_transaction_holds_no_call_for_longer_than_another_waits(server: Postgres) -> None:
    has_it: list[str] = []

    async def main(url: str) -> None:
        async with Database(url, 60) as gone, Database(url) as other:
            with suppress(CommandError):
                async with gone.writing() as connection:
                    await gone.one_at_a_time(connection, "CA1")
                    # And nothing more is heard of it.
                    async with other.writing() as waits:
                        await other.one_at_a_time(waits, "CA1")
                        has_it.append("the other")

    with server.database() as url:
        use(url)
        asyncio.run(main(url))

    assert has_it == ["the other"]


def test_the_server_notices_within_seconds_that_our_host_is_gone(server: Postgres) -> None:
    names = ("keepalives_idle", "keepalives_interval", "keepalives_count", "user_timeout")
    found: list[object] = []

    async def work(database: Database) -> None:
        async with database.reading() as connection:
            found.extend([await connection.scalar(text(f"SELECT current_setting('tcp_{name}')")) for name in names])

    with server.database() as url:
        use(url, work)

    assert found == ["10", "3", "3", "10000"]


def test_tables_that_another_server_brings_up_to_date_are_waited_for(server: Postgres) -> None:
    async def waits(url: str) -> None:
        async with Database(url, 1.0) as database:
            async with asyncio.TaskGroup() as tasks:
                lock = await psycopg.AsyncConnection.connect(url)
                async with lock:
                    await lock.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
                    preparing = tasks.create_task(database.prepare())
                    while not await waiting(lock):
                        assert not preparing.done()
                    await lock.execute("SELECT pg_sleep(1.1)")  # longer than any request may take
            assert await count(database) == 0

    async def waiting(lock: psycopg.AsyncConnection[Any]) -> object:
        row = await (await lock.execute(str(WHO_WAITS).encode())).fetchone()
        return row and row[0]

    async def count(database: Database) -> object:
        async with database.reading() as connection:
            return await connection.scalar(text("SELECT count(*) FROM calls"))

    with server.database() as url:
        asyncio.run(waits(url))
