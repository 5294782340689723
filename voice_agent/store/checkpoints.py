"""What calls in progress need to go on, should their stream or their server die: one row a call.

A row's `number` says which stream of the call it is about. Whoever takes a call up counts it on, and from then on
nothing is taken any more from whoever had the call before. It must not know how a call is held, nor why it goes on.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, delete, func, select, update

from voice_agent.call.commands import CallEnded
from voice_agent.call.conversation import Resumption
from voice_agent.call.setup import CallSetup
from voice_agent.errors import CommandError
from voice_agent.store.database import Database, whole
from voice_agent.store.history import PastCall
from voice_agent.store.tables import CHECKPOINTS

logger = logging.getLogger(__name__)

KEPT_S = 24 * 3600
"""What is older belongs to calls that are over: Twilio's longest `<Dial>` lasts 4 hours by default."""

State = Literal["expected", "going", "leaving", "lost", "over"]
"""`expected`: a stream has been ordered. `going`: it is there. `leaving`: it is being closed on purpose, and how the
call ends is about to be known. `lost`: it ended, and nobody wanted that. `over`: it ended on purpose."""

_WRITTEN = tuple(CHECKPOINTS.c[name] for name in ("call_sid", "number", "state", "content", "written_at"))

_COLUMNS = (CHECKPOINTS.c.state, CHECKPOINTS.c.number, CHECKPOINTS.c.content, CHECKPOINTS.c.written_at)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call."""

    setup: CallSetup
    """Of its latest stream; what it goes on from now stands in `resumption`."""
    webhook: dict[str, str]
    """The fields that its stream was ordered with, without credentials."""
    resumption: Resumption | None = None
    """`None`: nothing was said yet, or nobody will go on with it."""
    had_by: str = ""
    """Of a call that is over: which agent had it at last; empty: the first one."""
    taken_up: int = 0
    """How often a stream was lost and the call went on."""
    stream_sid: str = ""
    """Of the stream that is or was there last."""
    ended: CallEnded | None = None
    row: PastCall | None = None
    """What the history would get if the call ended now; `None`: nothing, or it has it."""


class _Writing(msgspec.Struct, eq=False):
    """One row that waits to be written."""

    row: tuple[Any, ...]
    """As `_WRITTEN`."""
    kept: bool | str | None = None
    """`False`: somebody else has the call; a text: why the store could not be used; `None`: not known yet."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    call_sid: str
    state: State
    number: int
    checkpoint: Checkpoint
    written_at: int
    """Seconds since 1970."""

    @property
    def handed_over(self) -> bool:
        """Whether its stream ended for its server stopped."""
        ended = self.checkpoint.ended
        return self.state == "lost" and (ended is None or ended.outcome == "stopped")


class Checkpoints:
    """The table. Every method raises `CommandError` with one line when the database cannot be used.

    `now_s`: seconds since 1970.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._waiting: list[_Writing] = []
        """In the order of asking."""
        self._writing = asyncio.Lock()

    @whole
    async def add(self, call_sid: str, checkpoint: Checkpoint, now_s: int) -> bool:
        """Expect the first stream of a call; `False`: the call is known already, and nothing changes."""
        row = {"call_sid": call_sid, "state": "expected", "number": 0, **_content(checkpoint, now_s)}
        async with self.database.writing() as connection:
            adding = self.database.insert_new(CHECKPOINTS).values(row).returning(CHECKPOINTS.c.call_sid)
            return (await connection.execute(adding)).first() is not None

    async def find(self, call_sid: str) -> Stored | None:
        """Give what is known of a call."""
        async with self.database.reading() as connection:
            found = (await connection.execute(select(*_COLUMNS).where(CHECKPOINTS.c.call_sid == call_sid))).first()
        return None if found is None else _stored(call_sid, *found)

    @whole
    async def admit(self, call_sid: str, number: int) -> bool:
        """Let the expected stream in; `False`: there is none, or it is there already."""
        return await self._update(call_sid, number, {"state": "going"}, CHECKPOINTS.c.state == "expected")

    @whole
    async def write(self, call_sid: str, number: int, state: State, checkpoint: Checkpoint, now_s: int) -> bool:
        """Keep how a call stands; `False`: somebody else has it now.

        What waits together is written by one statement: where a hundred calls share a loop, each answer of the database
        is waited for with the frames of all of them.
        """
        mine = _Writing((call_sid, number, state, *_content(checkpoint, now_s).values()))
        self._waiting.append(mine)
        async with self._writing:
            if mine.kept is None:
                await self._write_waiting()
        if isinstance(mine.kept, str):
            raise CommandError(mine.kept)
        return bool(mine.kept)

    @whole
    async def take_up(self, call_sid: str, number: int, checkpoint: Checkpoint, now_s: int) -> bool:
        """Expect the stream after that of this `number`; `False`: somebody else does already."""
        return await self._update(
            call_sid, number, {"state": "expected", "number": number + 1, **_content(checkpoint, now_s)}
        )

    @whole
    async def forget(self, call_sid: str) -> None:
        """Drop what is known of a call."""
        async with self.database.writing() as connection:
            await connection.execute(delete(CHECKPOINTS).where(CHECKPOINTS.c.call_sid == call_sid))

    async def in_progress(self) -> int:
        """Tell how many calls are not over, of all servers."""
        counting = select(func.count()).select_from(CHECKPOINTS).where(CHECKPOINTS.c.state != "over")
        async with self.database.reading() as connection:
            return int((await connection.execute(counting)).scalar_one())

    async def old(self, before_s: int, states: Iterable[State]) -> list[Stored]:
        """Give what has been in one of these states since before a time; what is unreadable is told only."""
        columns = (CHECKPOINTS.c.call_sid, *_COLUMNS)
        async with self.database.reading() as connection:
            return [*_readable(await connection.execute(select(*columns).where(*_old(before_s, states))))]

    @whole
    async def drop_old(self, before_s: int, states: Iterable[State]) -> None:
        """Drop what `old` gives, and what is unreadable of it."""
        async with self.database.writing() as connection:
            await connection.execute(delete(CHECKPOINTS).where(*_old(before_s, states)))

    async def _write_waiting(self) -> None:
        taken, self._waiting = self._waiting, []
        try:
            kept = await self._write_rows(list({each.row[:2]: each.row for each in taken}.values()))
        except CommandError as error:
            for each in taken:
                each.kept = str(error)
        except BaseException:
            # Nobody else has these calls for that: who waits must not be told so.
            for each in taken:
                each.kept = "the call was not written by a fault of this program"
            raise
        else:
            for each in taken:
                each.kept = each.row[:2] in kept

    async def _write_rows(self, rows: Sequence[tuple[Any, ...]]) -> set[tuple[str, int]]:
        new = self.database.given(_WRITTEN, rows)
        writing = (
            update(CHECKPOINTS)
            .where(CHECKPOINTS.c.call_sid == new.c.call_sid, CHECKPOINTS.c.number == new.c.number)
            .values({name: new.c[name] for name in ("state", "content", "written_at")})
            .returning(CHECKPOINTS.c.call_sid, CHECKPOINTS.c.number)
        )
        async with self.database.writing() as connection:
            return {(call_sid, number) for call_sid, number in await connection.execute(writing)}

    async def _update(
        self, call_sid: str, number: int, values: dict[str, str | int], *where: ColumnElement[bool]
    ) -> bool:
        of_call = (CHECKPOINTS.c.call_sid == call_sid, CHECKPOINTS.c.number == number)
        async with self.database.writing() as connection:
            updated = await connection.execute(update(CHECKPOINTS).where(*of_call, *where).values(values))
        return updated.rowcount > 0


def _old(before_s: int, states: Iterable[State]) -> tuple[ColumnElement[bool], ...]:
    return CHECKPOINTS.c.written_at < before_s, CHECKPOINTS.c.state.in_(states)


def _content(checkpoint: Checkpoint, now_s: int) -> dict[str, str | int]:
    return {"content": msgspec.json.encode(checkpoint).decode(), "written_at": now_s}


def _readable(rows: Iterable[Any]) -> Iterator[Stored]:
    for row in rows:
        try:
            yield _stored(*row)
        except CommandError as error:
            logger.error("%s; it is dropped", error)  # noqa: TRY400 - the text says it all


def _stored(call_sid: str, state: State, number: int, content: str, written_at: int) -> Stored:
    try:
        checkpoint = msgspec.json.decode(content, type=Checkpoint)
    except msgspec.DecodeError as error:
        raise CommandError(f"the store holds a call that cannot be read: {call_sid} ({error})") from None
    return Stored(call_sid=call_sid, state=state, number=number, checkpoint=checkpoint, written_at=written_at)
