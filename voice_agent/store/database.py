"""The store's database: a SQLite file for one machine, PostgreSQL for several.

Calls of the database are never on the audio path, and each has a bound. Whoever comes first brings the tables up to
date, however many come at once. Every fault is a `CommandError` with one line: what cannot be used, and what to do. It
must not know what is kept.
"""

import asyncio
import hashlib
import importlib.util
import os
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar
from urllib.parse import urlsplit
from weakref import WeakSet

import msgspec
from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    Column,
    Connection,
    Table,
    Text,
    cast,
    column,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from voice_agent.errors import CommandError
from voice_agent.store.tables import REVISIONS

FILE_NAME = "calls.sqlite"
"""Within `DATA`."""

BUSY_S = 5.0
"""Longest wait for the database, for another writer included; each of ours takes milliseconds."""

UP_TO_DATE_S = 600.0
"""Longest wait for tables that are brought up to date, here or by another server: a long history takes its time."""

CONNECTIONS = 4
"""To a SQLite file; each has a thread."""

_WATCH = {"keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 10_000}
"""How libpq notices that the other host is gone: the system's own ways take hours, and every connection is lost so
long. In seconds; the last in ms. https://www.postgresql.org/docs/current/libpq-connect.html"""

_WATCHED = {
    "idle_in_transaction_session_timeout": "2s", "tcp_keepalives_idle": "10", "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3", "tcp_user_timeout": "10s",
}  # fmt: skip
"""How the server notices that our host is gone: a transaction left open holds its calls' rows, and whoever takes one of
them up waits for `BUSY_S` at most. https://www.postgresql.org/docs/current/runtime-config-client.html"""

_FORMER_LAST = 3
"""The last version of a file of calls from before there were `migrations`."""

_MIGRATION_LOCK = 0x766F696365
"""Any number of our own, the same in all programs: who holds it changes the tables."""

_WRITES = "voice_agent_writes"


_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Kept(Protocol):
    """What is kept in a database."""

    database: "Database"


_S = TypeVar("_S", bound=_Kept)


def whole(
    method: Callable[Concatenate[_S, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_S, _P], Coroutine[Any, Any, _T]]:
    """Do what writes to its end, though whoever wants it gives up.

    A statement that is given up in the middle lives on in SQLite's connection for as long as anybody knows its cursor,
    and locks everybody out (omnilib/aiosqlite#259 is about the like).
    """

    @wraps(method)
    async def shielded(kept: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.shield(kept.database.begin(method(kept, *args, **kwargs)))

    return shielded


class Database:
    """One database. Usage: `async with`, within one event loop; nothing is opened before it is needed."""

    def __init__(self, place: Path | str, busy_s: float = BUSY_S) -> None:
        """`place`: the SQLite file, made when something is written; or a `postgresql://` URL as libpq takes it."""
        self.path = place if isinstance(place, Path) else None
        self._url = "" if isinstance(place, Path) else place
        self._busy_s = busy_s
        self._engine: AsyncEngine | None = None
        self._ready = False
        self._tasks = asyncio.TaskGroup()
        """What is being done; nothing in it raises."""
        self._opened: WeakSet[Any] = WeakSet()
        """Connections of psycopg."""
        self._writers = asyncio.Lock()
        """SQLite lets one write at a time, and has the others try again and again in no order; so they queue here."""

    @property
    def shown(self) -> str:
        """Which one it is, without user and password."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened, behind what is being done, for as long as that may take."""
        timer = asyncio.get_running_loop().call_later(self._limit_s, self._shut_all)
        await self._tasks.__aexit__(None, None, None)
        engine, self._engine, self._ready = self._engine, None, False
        if engine is not None:
            await engine.dispose()
        timer.cancel()

    def begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Future[_T]:
        """Begin work that goes on whoever waits for it; the future tells what came of it."""
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._tasks.create_task(_tell(work, done))
        return done

    @property
    def is_there(self) -> bool:
        """`False`: nothing was ever written, so there is nothing to be read.

        Where nobody may look it is `True`, and opening it says why.
        """
        try:
            return self.path is None or self.path.exists()
        except OSError:
            return True

    async def prepare(self) -> None:
        """Make sure that it can be written, and bring its tables up to date."""
        async with self.writing():
            pass

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that reads; first see that `is_there`."""
        async with self._open(writes=False) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that writes: all of it, or on any fault nothing."""
        async with self._open(writes=True) as connection:
            yield connection

    async def one_at_a_time(self, connection: AsyncConnection, call_sid: str) -> None:
        """Be the only one until the end of a transaction that writes of a call; of SQLite everybody is."""
        if self.path is None:
            digest = hashlib.blake2b(call_sid.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            lock = int.from_bytes(digest, "big", signed=True)
            await connection.execute(select(func.pg_advisory_xact_lock(cast(literal(lock), BigInteger))))

    def insert_new(self, table: Table) -> sqlite_dialect.Insert | postgresql.Insert:
        """Begin an INSERT that leaves a row alone whose key is there already."""
        if self.path is not None:
            return sqlite_dialect.insert(table).on_conflict_do_nothing()
        return postgresql.insert(table).on_conflict_do_nothing()

    def given(self, columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]) -> CTE:
        """Give rows to a statement as one parameter: it is compiled once, and not anew for each number of rows.

        100 rows as VALUES take 9 ms of the event loop, as JSON 2 ms.
        """
        names = [each.name for each in columns]
        content = msgspec.json.encode([dict(zip(names, row, strict=True)) for row in rows]).decode()
        if self.path is not None:
            row = func.json_each(content).table_valued("value").c.value
            return select(*(func.json_extract(row, f"$.{name}").label(name) for name in names)).cte("given")
        typed = (column(each.name, each.type) for each in columns)
        records = func.json_to_recordset(cast(literal(content, Text), JSON)).table_valued(*typed)
        return select(records.render_derived(with_types=True)).cte("given")

    @asynccontextmanager
    async def _open(self, *, writes: bool) -> AsyncIterator[AsyncConnection]:
        try:
            self._make_file()
            if not self._ready:
                await self._bring_up()
                self._ready = True
            async with self._transaction(self._limit_s, writes=writes) as connection:
                yield connection
        except TimeoutError:
            raise CommandError(f"{self.shown} did not answer within {self._busy_s:g} s") from None
        except OSError as error:
            raise CommandError(self._unmade(error)) from None
        except DBAPIError as error:
            raise CommandError(self._explained(error.orig or error)) from None
        except SQLAlchemyError as error:
            raise CommandError(f"{self.shown}: {_first_line(error)}") from None

    @property
    def _limit_s(self) -> float:
        # A lock is waited for by SQLite itself, whose error then says so.
        return self._busy_s if self.path is None else self._busy_s + 1

    @asynccontextmanager
    async def _transaction(self, seconds: float, *, writes: bool) -> AsyncIterator[AsyncConnection]:
        """Open one that takes so long at most; raises `TimeoutError`, and what SQLAlchemy raises."""
        queue = self._writers if writes and self.path is not None else nullcontext()
        async with asyncio.timeout(seconds) as limit, queue:
            connection = await self._connected()
            try:
                await connection.execution_options(**{_WRITES: writes})
                async with self._cut_off(connection, limit), connection.begin():
                    yield connection
            finally:
                await asyncio.shield(self.begin(connection.close()))

    async def _connected(self) -> AsyncConnection:
        if self._engine is None:
            self._engine = self._make_engine()
        opening = self.begin(self._engine.connect().start())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # A connection that is given up while it is opened belongs to nobody, and is never closed.
            opening.add_done_callback(self._give_back)
            raise

    @asynccontextmanager
    async def _cut_off(self, connection: AsyncConnection, limit: asyncio.Timeout) -> AsyncIterator[None]:
        """At the limit close the socket of a PostgreSQL, for it may have stopped.

        A statement that is given up by itself has psycopg ask the server to end it, and wait for that for 10 s.
        """
        driver, ends_at = (await connection.get_raw_connection()).driver_connection, limit.when()
        if self.path is not None or ends_at is None:
            yield
            return
        limit.reschedule(ends_at + 1)
        timer = asyncio.get_running_loop().call_at(ends_at, _shut, driver)
        try:
            yield
        except DBAPIError:
            if timer.when() <= asyncio.get_running_loop().time():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

    def _give_back(self, opening: asyncio.Future[AsyncConnection]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self.begin(opening.result().close())

    def _make_engine(self) -> AsyncEngine:
        if self.path is not None:
            engine = create_async_engine(
                f"sqlite+aiosqlite:///{self.path}",
                connect_args={"timeout": self._busy_s},
                pool_size=CONNECTIONS,
                max_overflow=0,
            )
            event.listen(engine.sync_engine, "connect", _set_up_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
            return engine
        if importlib.util.find_spec("psycopg") is None:
            raise CommandError('DATABASE_URL needs the extra "postgres": pip install "voice-agent[postgres]"')
        return create_async_engine(
            "postgresql+psycopg://",
            # libpq reads the whole URL itself: several hosts, sslmode, a service, and what ~/.pgpass holds.
            async_creator=self._connect,
            pool_pre_ping=True,
            pool_timeout=self._busy_s,
        )

    async def _connect(self) -> Any:
        from psycopg import AsyncConnection as PostgresConnection  # noqa: PLC0415 - an extra
        from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415 - an extra

        ours: dict[str, Any] = {"connect_timeout": max(2, round(self._busy_s)), "application_name": "voice-agent"}
        opened = await PostgresConnection.connect(
            make_conninfo(self._url, **({**_WATCH, **conninfo_to_dict(self._url), **ours})), autocommit=True
        )
        self._opened.add(opened)
        settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _WATCHED.items())
        await opened.execute(f"SELECT {settings}".encode())
        await opened.set_autocommit(False)
        return opened

    def _shut_all(self) -> None:
        for each in self._opened:
            _shut(each)

    # --- tables ------------------------------------------------------------------------------------------------------

    async def _bring_up(self) -> None:
        async with self._transaction(self._limit_s, writes=False) as connection:
            if await connection.run_sync(self._is_current):
                return
        try:
            async with self._transaction(UP_TO_DATE_S, writes=True) as connection:
                if self.path is None:
                    await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                # Of several that come at once the second finds it done.
                if not await connection.run_sync(self._is_current):
                    await connection.run_sync(_migrate)
        except TimeoutError:
            raise CommandError(f"{self.shown} was not brought up to date within {UP_TO_DATE_S:g} s") from None
        self._forget_former()

    def _is_current(self, connection: Connection) -> bool:
        if not connection.dialect.has_table(connection, "alembic_version"):
            if self.path is not None and _user_version(connection) > _FORMER_LAST:
                raise CommandError(self._newer())
            return False
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if revision is not None and revision not in REVISIONS:
            raise CommandError(self._newer())
        return bool(revision == REVISIONS[-1])

    def _forget_former(self) -> None:
        """Delete the file in which former versions kept the transfers of a day."""
        if self.path is not None:
            for suffix in ("", "-wal", "-shm"):
                (self.path.parent / f"transfers.sqlite{suffix}").unlink(missing_ok=True)

    def _make_file(self) -> None:
        if self.path is not None and not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
        if self.path is not None and self._engine is None:
            # aiosqlite's thread stumbles over a file that cannot be opened, where the loop ends soon after.
            try:
                os.close(os.open(self.path, os.O_RDWR))
            except OSError:
                raise CommandError(self._unwritable()) from None

    # --- faults ------------------------------------------------------------------------------------------------------

    def _newer(self) -> str:
        elsewhere = "name another folder in DATA" if self.path is not None else "name another database in DATABASE_URL"
        return f"{self.shown} was written by a newer voice-agent: update, or {elsewhere}"

    def _unmade(self, error: OSError) -> str:
        if self.path is None:
            return f"{self.shown} cannot be reached ({error.strerror or _first_line(error)}): see DATABASE_URL"
        return (
            f"{self.path} cannot be made or read ({error.strerror}): be a user who may, or name another folder in DATA"
        )

    def _unwritable(self) -> str:
        return f"{self.path} cannot be written: make it and its folder writable, or name another folder in DATA"

    def _explained(self, error: BaseException) -> str:
        if self.path is None:
            return _explained_postgres(self.shown, error)
        code = getattr(error, "sqlite_errorname", "") if isinstance(error, sqlite3.Error) else ""
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return f"{self.path} is locked by another program: close that one and try again"
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            return f"{self.path} is damaged or no call history: {MOVE_IT}"
        if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return self._unwritable()
        return f"{self.path}: {_first_line(error)}"


MOVE_IT = "move it away, and a new one will be made"

_POSTGRES = {
    "28P01": "does not take this user with this password: see DATABASE_URL",
    "28000": "does not let this user in: see DATABASE_URL and the server's pg_hba.conf",
    "3D000": "is not there: create the database, or name another one in DATABASE_URL",
    "25006": "is read-only, as a standby is: name the primary in DATABASE_URL",
    "42501": "does not let this user do that: grant it the schema (CREATE, USAGE) and its tables",
    "53300": "has no connection left for us: raise max_connections, or put a pool before it",
    "no root": "cannot show who it is, for the authorities' certificates are missing: add to DATABASE_URL e.g. "
    "sslrootcert=/etc/ssl/certs/ca-certificates.crt",
}
"""By SQLSTATE, where there is one. https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_POSTGRES_WORDS = {
    "password authentication failed": "28P01",
    "no pg_hba.conf entry": "28000",
    "root certificate file": "no root",
    "does not exist": "3D000",
}
"""What says the same where libpq, while it connects, gives no SQLSTATE."""


def _explained_postgres(shown: str, error: BaseException) -> str:
    text = _first_line(error)
    state = getattr(error, "sqlstate", None) or ""
    if not state:
        state = next((state for words, state in _POSTGRES_WORDS.items() if words in str(error)), "")
        if not state and text.startswith("connection"):
            return f"{shown} cannot be reached ({text}): is the server running, and DATABASE_URL right?"
    return f"{shown} {_POSTGRES[state]}" if state in _POSTGRES else f"{shown}: {text}"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].strip() or type(error).__name__


def _shut(connection: Any) -> None:
    """End a connection of psycopg, whatever it waits for: who waits is told at once."""
    if connection.closed:
        return
    # Not to be closed: its descriptor could be another one's before psycopg looks.
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as socket_of_it:
        socket_of_it.shutdown(socket.SHUT_RDWR)


async def _tell(work: Coroutine[Any, Any, _T], done: asyncio.Future[_T]) -> None:
    try:
        result = await work
    except Exception as error:  # noqa: BLE001 - whoever waits must know, whatever it is
        done.set_exception(error)
    except asyncio.CancelledError:
        done.cancel()
        raise
    else:
        done.set_result(result)


def _set_up_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    del record
    # Python's own rules for transactions would begin one before some statements only.
    connection.isolation_level = None
    cursor = connection.cursor()
    # Readers do not wait for a writer, and a writer waits for the disk only now and then. The file keeps the mode; of
    # two who change it at once one is refused without a wait, and need not: the other does it.
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    # What is deleted is overwritten, not only forgotten.
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A reader that becomes a writer may find that somebody else was quicker; a writer says so from the start.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _user_version(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)


def _migrate(connection: Connection) -> None:
    """Run what is missing of `migrations`. Alembic takes a third of a second to import, and is seldom needed."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", "voice_agent.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
