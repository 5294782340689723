"""Warm transfers in progress: which colleague's call belongs to which caller's, and what the colleague says.

One row a transfer, in a SQLite file of its own, so that the two calls may be held by different processes. A row only
goes forward: calling, asking, accepted, joined, and from everywhere but the last to over. Every operation opens the
file and blocks for milliseconds, so the server calls it off the audio path (`asyncio.to_thread`).
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from voice_agent.call.setup import CallSetup
from voice_agent.errors import CommandError

FILE_NAME = "transfers.sqlite"

BUSY_S = 5.0
"""Longest wait for another writer."""

KEPT_S = 24 * 3600
"""What is older belongs to calls that are over."""

State = Literal["calling", "asking", "accepted", "joined", "over"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS transfers (
    id TEXT PRIMARY KEY,
    caller_sid TEXT NOT NULL,
    colleague_sid TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'calling',
    problem TEXT NOT NULL DEFAULT '',
    setup TEXT NOT NULL,
    made_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS transfers_by_colleague ON transfers (colleague_sid);
"""

_T = TypeVar("_T")


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer."""

    id: str
    caller_sid: str
    setup: CallSetup
    """Of the colleague's call, whose CallSid is not known before it is placed."""
    colleague_sid: str = ""
    state: State = "calling"
    problem: str = ""
    """Why it is over, in words for the model."""


class Transfers:
    """The file. Every method raises `CommandError` with one line when it cannot be used."""

    def __init__(self, path: Path, busy_s: float = BUSY_S) -> None:
        """Nothing is opened yet; the file is made by the first `add`."""
        self.path = path
        self._busy_s = busy_s

    def add(self, link: Link, now_s: int) -> None:
        """Begin one, and forget those of yesterday. `now_s`: seconds since 1970."""
        row = (link.id, link.caller_sid, msgspec.json.encode(link.setup).decode(), now_s)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM transfers WHERE made_at < ?", (now_s - KEPT_S,))
            connection.execute("INSERT INTO transfers (id, caller_sid, setup, made_at) VALUES (?, ?, ?, ?)", row)

        self._use(work)

    def find(self, link_id: str) -> Link | None:
        """Give one."""
        return self._select("id", link_id)

    def of_colleague(self, call_sid: str) -> Link | None:
        """Give the one that this call was placed for."""
        return self._select("colleague_sid", call_sid)

    def placed(self, link_id: str, colleague_sid: str) -> None:
        """Keep the CallSid of the colleague's call."""
        statement = "UPDATE transfers SET colleague_sid = ? WHERE id = ?"
        self._use(lambda connection: connection.execute(statement, (colleague_sid, link_id)))

    def move(self, link_id: str, state: State, *before: State, problem: str = "") -> bool:
        """Go on to a state from one of those before it; `False`: it is in none of them."""
        marks = ", ".join("?" * len(before))
        statement = f"UPDATE transfers SET state = ?, problem = ? WHERE id = ? AND state IN ({marks})"  # noqa: S608 - marks
        values = (state, problem, link_id, *before)
        return self._use(lambda connection: connection.execute(statement, values).rowcount) > 0

    def close(self, link_id: str, problem: str) -> bool:
        """End one that has not led the two together; `False`: it has, or was over."""
        return self.move(link_id, "over", "calling", "asking", "accepted", problem=problem)

    def _select(self, column: str, value: str) -> Link | None:
        statement = f"SELECT id, caller_sid, colleague_sid, state, problem, setup FROM transfers WHERE {column} = ?"  # noqa: S608 - our own columns
        row = self._use(lambda connection: connection.execute(statement, (value,)).fetchone())
        if row is None:
            return None
        link_id, caller_sid, colleague_sid, state, problem, setup = row
        return Link(
            id=link_id,
            caller_sid=caller_sid,
            colleague_sid=colleague_sid,
            state=state,
            problem=problem,
            setup=msgspec.json.decode(setup, type=CallSetup),
        )

    def _use(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            if not self.path.exists():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.path.touch(mode=0o600)
            with closing(sqlite3.connect(self.path, timeout=self._busy_s)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
                with connection:
                    return work(connection)
        except OSError as error:
            raise CommandError(f"{self.path} cannot be made ({error.strerror}): name another folder in DATA") from None
        except sqlite3.Error as error:
            raise CommandError(f"{self.path} cannot be used ({error}): move it away, and a new one is made") from None
