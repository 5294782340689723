"""The call history: one row a call, in a SQLite file.

Every operation opens the file, does its work and closes it again, so that the server, its threads and the command line
may use it at once; it blocks, so the server calls it off the audio path (`asyncio.to_thread`). Plain `sqlite3`, because
one table needs no more. It must not know how a call is held or recorded.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from voice_agent.call.events import TranscriptionUsage, Usage
from voice_agent.call.setup import CallSetup
from voice_agent.call.summary import Line, Summary
from voice_agent.errors import CommandError

FILE_NAME = "calls.sqlite"

SCHEMA_VERSION = 3

BUSY_S = 5.0
"""Longest wait for another writer; each of ours takes milliseconds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY,
    call_sid TEXT NOT NULL,
    agent TEXT NOT NULL,
    caller TEXT NOT NULL,
    called TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    recording TEXT,
    transcript TEXT NOT NULL,
    turns INTEGER NOT NULL,
    interruptions INTEGER NOT NULL,
    tool_calls INTEGER NOT NULL,
    response_ms TEXT NOT NULL,
    usage TEXT NOT NULL,
    model TEXT NOT NULL DEFAULT '',
    transcription TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS calls_by_sid ON calls (call_sid);
CREATE INDEX IF NOT EXISTS calls_by_start ON calls (started_at);
"""

_ADDED = {
    2: "ALTER TABLE calls ADD COLUMN model TEXT NOT NULL DEFAULT ''",
    3: "ALTER TABLE calls ADD COLUMN transcription TEXT NOT NULL DEFAULT '{}'",
}
"""What each version added: calls before the second cannot be priced."""

_T = TypeVar("_T")


class PastCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call that has ended."""

    call_sid: str
    """One that came back, e.g. after a transfer, has several rows."""
    agent: str
    caller: str
    called: str
    started_at: str
    """ISO 8601 in UTC, so that text sorts as time."""
    ended_at: str
    outcome: str
    """`CallEnded.outcome`, or `unknown` when nobody saw the end."""
    reason: str
    duration_ms: int
    recording: str | None
    """The path of its file; `None`: not recorded."""
    transcript: tuple[Line, ...]
    turns: int
    interruptions: int
    tool_calls: int
    response_ms: tuple[int, ...]
    """How long the caller waited for each answer."""
    usage: Usage
    model: str = ""
    """What used the tokens; empty: the local Realtime server, or a call of before this was kept."""
    transcription: TranscriptionUsage = TranscriptionUsage()


_COLUMNS = PastCall.__struct_fields__
_AS_JSON = {
    "transcript": tuple[Line, ...],
    "response_ms": tuple[int, ...],
    "usage": Usage,
    "transcription": TranscriptionUsage,
}


def past_call(setup: CallSetup, summary: Summary, started_at: datetime, recording: Path | None) -> PastCall:
    """Make the row of a call; `started_at` is in UTC."""
    ended = summary.ended
    lines = tuple(summary.lines)
    duration_ms = ended.duration_ms if ended else summary.until_ms
    return PastCall(
        call_sid=setup.call_sid,
        agent=setup.agent.name,
        caller=setup.caller,
        called=setup.called,
        started_at=started_at.isoformat(timespec="milliseconds"),
        ended_at=(started_at + timedelta(milliseconds=duration_ms)).isoformat(timespec="milliseconds"),
        outcome=ended.outcome if ended else "unknown",
        reason=ended.reason if ended else "",
        duration_ms=duration_ms,
        recording=None if recording is None else str(recording),
        transcript=lines,
        turns=summary.turns,
        interruptions=summary.interruptions,
        tool_calls=summary.tool_calls,
        response_ms=tuple(summary.response_ms),
        usage=summary.usage,
        model=setup.model.model,
        transcription=summary.transcription,
    )


class History:
    """The file. Every method raises `CommandError` with one line when it cannot be used."""

    def __init__(self, path: Path, busy_s: float = BUSY_S) -> None:
        """Nothing is opened yet; the file is made by the first `prepare` or `add`."""
        self.path = path
        self._busy_s = busy_s

    def prepare(self) -> None:
        """Make sure that calls can be added, e.g. before a server starts."""
        self._use(lambda connection: connection.execute("BEGIN IMMEDIATE"), create=True)

    def add(self, call: PastCall) -> None:
        """Add one call."""
        places = ", ".join(f":{column}" for column in _COLUMNS)
        statement = f"INSERT INTO calls ({', '.join(_COLUMNS)}) VALUES ({places})"  # noqa: S608 - our own field names
        row = {column: getattr(call, column) for column in _COLUMNS}
        row |= {column: msgspec.json.encode(row[column]).decode() for column in _AS_JSON}
        self._use(lambda connection: connection.execute(statement, row), create=True)

    def latest(self, limit: int) -> list[PastCall]:
        """Give the latest calls, the latest first."""
        return self._select("ORDER BY started_at DESC, id DESC LIMIT ?", (limit,))

    def find(self, call_sid: str) -> list[PastCall]:
        """Give the calls whose sid begins so, in any case of letters, the latest first; at most 20."""
        return self._select(
            "WHERE substr(lower(call_sid), 1, ?) = ? ORDER BY started_at DESC, id DESC LIMIT 20",
            (len(call_sid), call_sid.lower()),
        )

    def recordings(self) -> set[str]:
        """Give the names of all files that belong to calls of the history."""
        if not self.path.exists():
            return set()
        statement = "SELECT recording FROM calls WHERE recording IS NOT NULL"
        rows = self._use(lambda connection: connection.execute(statement).fetchall(), create=False)
        return {Path(recording).name for (recording,) in rows}

    def _select(self, clause: str, values: tuple[str | int, ...]) -> list[PastCall]:
        if not self.path.exists():
            return []
        statement = f"SELECT {', '.join(_COLUMNS)} FROM calls {clause}"  # noqa: S608 - our own clauses
        rows = self._use(lambda connection: connection.execute(statement, values).fetchall(), create=False)
        return [self._past_call(dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    def _past_call(self, row: dict[str, object]) -> PastCall:
        try:
            for column, kind in _AS_JSON.items():
                row[column] = msgspec.json.decode(str(row[column]), type=kind)
            return msgspec.convert(row, PastCall)
        except msgspec.DecodeError as error:
            raise CommandError(f"{self.path} holds a call that cannot be read ({error}): {_MOVE_IT}") from None

    def _use(self, work: Callable[[sqlite3.Connection], _T], *, create: bool) -> _T:
        try:
            if create and not self.path.exists():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.path.touch(mode=0o600)
            with closing(sqlite3.connect(self.path, timeout=self._busy_s)) as connection:
                self._examine(connection)
                with connection:
                    return work(connection)
        except OSError as error:
            raise CommandError(f"{self.path} cannot be made ({error.strerror}): name another folder in DATA") from None
        except sqlite3.Error as error:
            raise CommandError(self._explained(error)) from None

    def _examine(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise CommandError(
                f"{self.path} was written by a newer voice-agent: update, or name another folder in DATA"
            )
        if version == 0:
            # WAL: readers do not wait for a writer, and a writer does not wait for the disk twice.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version < SCHEMA_VERSION:
            self._bring_up(connection)

    def _bring_up(self, connection: sqlite3.Connection) -> None:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            # Of two that come at once the second finds it done.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for added in range(version + 1, SCHEMA_VERSION + 1):
                connection.execute(_ADDED[added])
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _explained(self, error: sqlite3.Error) -> str:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return f"{self.path} is locked by another program: close that one and try again"
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            return f"{self.path} is damaged or no call history: {_MOVE_IT}"
        if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return f"{self.path} cannot be written: make it and its folder writable, or name another folder in DATA"
        return f"{self.path}: {error}"


_MOVE_IT = "move it away, and a new one will be made"
