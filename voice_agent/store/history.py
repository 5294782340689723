"""The call history: one row a call, or a part of one, in the store.

It must not know how a call is held or recorded, nor which database it is.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import Column, ColumnElement, delete, func, insert, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from voice_agent.call import trouble as troubles
from voice_agent.call.events import TranscriptionUsage, Usage
from voice_agent.call.setup import CallSetup
from voice_agent.call.summary import Line, Summary
from voice_agent.call.trouble import FAULT, TRANSFER_FAILED, Trouble
from voice_agent.errors import CommandError
from voice_agent.store.database import MOVE_IT, Database, whole
from voice_agent.store.tables import CALLS, REMARKS

NotTaken = Literal["refused", "closed", "unanswered"]
"""How a call ended that no agent took. `refused`: over a limit of the server. `closed`: outside the agent's hours.
`unanswered`: no agent could be given to it."""

Order = Literal["started", "length", "slowest"]
"""What is first: the latest call, the longest, or the one whose caller waited longest for an answer."""

Remark = Literal["message left", "transfer failed"]
MESSAGE_LEFT: Remark = "message left"
"""Goes into the reason of a call's end; the other one is trouble."""

_BEHIND: dict[str, tuple[str, ...]] = {MESSAGE_LEFT: ("model_failed", "refused"), TRANSFER_FAILED: ("transferred",)}
"""How a part of a call has ended behind which that can become known."""

WAITS_S = 30 * 24 * 3600
"""How long a remark waits for its call, whose row may lie in a file until a server is started again."""

NOT_TAKEN: frozenset[str] = frozenset(get_args(NotTaken))


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
    """`CallEnded.outcome`, one of `NOT_TAKEN`, or `unknown` when nobody saw the end."""
    reason: str
    duration_ms: int
    recording: str | None
    """The path of its file, or its address in an object store; `None`: not recorded."""
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
    interruption_ms: tuple[int, ...] = ()
    """How long the agent was still heard after each interrupting voice was noticed."""
    trouble: tuple[Trouble, ...] = ()
    """What went wrong."""

    @property
    def why_no_recording(self) -> str:
        """Say why there is none, where there is none."""
        return "no agent took it" if self.outcome in NOT_TAKEN else "its agent says `recording: off`"


_COLUMNS = tuple(CALLS.c[name] for name in PastCall.__struct_fields__)
_ORDERS: dict[Order, Column[Any]] = {
    "started": CALLS.c.started_at,
    "length": CALLS.c.duration_ms,
    "slowest": CALLS.c.slowest_ms,
}
_AT_ONCE = 500
"""Rows of one query: a database takes so many values at most."""

_AS_JSON = {
    "transcript": tuple[Line, ...],
    "response_ms": tuple[int, ...],
    "usage": Usage,
    "transcription": TranscriptionUsage,
    "interruption_ms": tuple[int, ...],
    "trouble": tuple[Trouble, ...],
}


def past_call(
    setup: CallSetup, summary: Summary, started_at: datetime, recording: Path | str | None, model: str | None = None
) -> PastCall:
    """Make the row of a call; `started_at` is in UTC, `recording` where it will be found.

    `model`: what served it, if that is known to be another one.
    """
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
        model=setup.model.model if model is None else model,
        transcription=summary.transcription,
        interruption_ms=tuple(summary.interruption_ms),
        trouble=tuple(summary.trouble),
    )


def call_not_taken(
    call_sid: str, outcome: NotTaken, reason: str, at: datetime, *, agent: str, caller: str, called: str
) -> PastCall:
    """Make the row of a call that no agent took; `at` is in UTC, `agent` empty where no agent is for that number."""
    moment = at.isoformat(timespec="milliseconds")
    return PastCall(
        call_sid=call_sid,
        agent=agent,
        caller=caller,
        called=called,
        started_at=moment,
        ended_at=moment,
        outcome=outcome,
        reason=reason,
        duration_ms=0,
        recording=None,
        transcript=(Line(0, "end", outcome, reason),),
        turns=0,
        interruptions=0,
        tool_calls=0,
        response_ms=(),
        usage=Usage(),
        trouble=() if outcome == "closed" else (Trouble(0, troubles.NOT_TAKEN, reason),),
    )


def words_of(call: PastCall) -> str:
    """Give what the words of a call are searched in; nothing of one that was not to be recorded."""
    if call.recording is None:
        return ""
    return "\n".join(line.text for line in call.transcript if line.who in {"caller", "agent"}).lower()


def trouble_kinds(trouble: Iterable[Trouble]) -> str:
    """Give what trouble is searched in: each kind in a line of its own, and each fault's sentence."""
    kinds = {each.kind for each in trouble} | {each.what for each in trouble if each.kind == FAULT}
    return "".join(f"{kind}\n" for kind in sorted(kinds))


def _with(call: PastCall, kind: str, what: str) -> PastCall:
    if kind == MESSAGE_LEFT:
        return msgspec.structs.replace(call, reason=f"{call.reason}; {what}" if call.reason else what)
    return msgspec.structs.replace(call, trouble=(*call.trouble, Trouble(call.duration_ms, kind, what)))


INTERRUPTED = f"{troubles.UNHEARD}\n"
"""What `trouble_kinds` gives of a call that was interrupted, and no more."""


class History:
    """The table. Every method raises `CommandError` with one line when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @whole
    async def add(self, call: PastCall) -> None:
        """Add one call, or one part of it, with the remarks that waited for it.

        What is there already of the same part stays, unless this tells more of it: a server that has lost a call, and
        the one that goes on with it, may both see to its row.
        """
        same = (CALLS.c.call_sid == call.call_sid, CALLS.c.started_at == call.started_at)
        async with self.database.writing() as connection:
            await self.database.one_at_a_time(connection, call.call_sid)
            known_ms = (await connection.execute(select(CALLS.c.duration_ms).where(*same))).scalar()
            if known_ms is not None:
                if known_ms >= call.duration_ms:
                    return
                await connection.execute(delete(CALLS).where(*same))
            waiting = select(REMARKS.c.id, REMARKS.c.kind, REMARKS.c.what).where(REMARKS.c.call_sid == call.call_sid)
            taken: dict[str, int] = {}
            for key, kind, what in await connection.execute(waiting.order_by(REMARKS.c.id)):
                if kind not in taken and call.outcome in _BEHIND[kind]:
                    call, taken[kind] = _with(call, kind, what), key
            if taken:
                await connection.execute(delete(REMARKS).where(REMARKS.c.id.in_(taken.values())))
            row: dict[str, Any] = msgspec.structs.asdict(call)
            row |= {column: msgspec.json.encode(row[column]).decode() for column in _AS_JSON}
            row |= {"words": words_of(call), "slowest_ms": max(call.response_ms, default=-1)}
            row["faults"] = trouble_kinds(call.trouble)
            await connection.execute(insert(CALLS).values({name: _storable(value) for name, value in row.items()}))

    @whole
    async def remark(self, call_sid: str, kind: Remark, what: str, now_s: int) -> None:
        """Add to a call what became known behind its end. `now_s`: seconds since 1970.

        It belongs to a part that ended so that it can follow, and waits for that one if it is not here yet.
        """
        wanted = select(CALLS.c.id, *_COLUMNS).where(CALLS.c.call_sid == call_sid, CALLS.c.outcome.in_(_BEHIND[kind]))
        if kind == TRANSFER_FAILED:
            # Behind one that did not fail there is no other part.
            wanted = wanted.where(not_(CALLS.c.faults.contains(f"{kind}\n"))).order_by(CALLS.c.started_at)
        else:
            wanted = wanted.order_by(CALLS.c.started_at.desc())
        async with self.database.writing() as connection:
            await self.database.one_at_a_time(connection, call_sid)
            found = (await connection.execute(wanted.limit(1))).first()
            if found is None:
                await connection.execute(delete(REMARKS).where(REMARKS.c.told_at < now_s - WAITS_S))
                row = {"call_sid": call_sid, "kind": kind, "what": what, "told_at": now_s}
                await connection.execute(insert(REMARKS).values(row))
                return
            key, *columns = found
            call = self._past_call(dict(zip(PastCall.__struct_fields__, columns, strict=True)))
            call = _with(call, kind, what)
            change = {
                "reason": call.reason,
                "trouble": msgspec.json.encode(call.trouble).decode(),
                "faults": trouble_kinds(call.trouble),
            }
            await connection.execute(update(CALLS).where(CALLS.c.id == key).values(change))

    async def latest(self, limit: int) -> list[PastCall]:
        """Give the latest calls, the latest first."""
        return await self.select(limit)

    async def find(self, call_sid: str, most: int = 20) -> list[PastCall]:
        """Give the calls whose sid begins so, in any case of letters, the latest first; `most` at most."""
        return await self.select(most, func.substr(func.lower(CALLS.c.call_sid), 1, len(call_sid)) == call_sid.lower())

    async def recordings(self) -> set[str]:
        """Give the names of all files that belong to calls of the history."""
        if not self.database.is_there:
            return set()
        async with self.database.reading() as connection:
            found = await connection.scalars(select(CALLS.c.recording).where(CALLS.c.recording.is_not(None)))
            return {Path(recording).name for recording in found}

    async def used_since(self, moment: datetime) -> list[tuple[str, Usage]]:
        """Give model and tokens of every call that began at that moment or later."""
        since = CALLS.c.started_at >= _in_utc(moment)
        return [(call.model, call.usage) for call in await self.select(None, since)]

    async def recordings_before(self, moment: datetime) -> list[str]:
        """Give the paths of the recordings of calls that began before that moment."""
        if not self.database.is_there:
            return []
        old = CALLS.c.started_at < _in_utc(moment)
        async with self.database.reading() as connection:
            return [path for path in await connection.scalars(select(CALLS.c.recording).where(old)) if path]

    @whole
    async def forget_before(self, moment: datetime) -> int:
        """Delete the calls that began before that moment; says how many."""
        if not self.database.is_there:
            return 0
        async with self.database.writing() as connection:
            await connection.execute(delete(REMARKS).where(REMARKS.c.told_at < moment.timestamp()))
            return (await connection.execute(delete(CALLS).where(CALLS.c.started_at < _in_utc(moment)))).rowcount

    async def select(
        self, limit: int | None, *where: ColumnElement[bool], offset: int = 0, order: Order = "started"
    ) -> list[PastCall]:
        """Give calls, the latest, the longest or the slowest first."""
        if not self.database.is_there:
            return []
        # First which they are, by an index alone, then what they hold: no whole transcripts are put in order.
        wanted = select(CALLS.c.id).where(*where).order_by(*in_order(order)).limit(limit).offset(offset)
        async with self.database.reading() as connection:
            return await self._rows(connection, [*(await connection.scalars(wanted))])

    async def rows(self, keys: Sequence[int]) -> list[PastCall]:
        """Give the calls with these keys, in their order; those that were deleted meanwhile are left out."""
        if not keys:
            return []
        async with self.database.reading() as connection:
            return await self._rows(connection, keys)

    async def _rows(self, connection: AsyncConnection, keys: Sequence[int]) -> list[PastCall]:
        rows: dict[int, Sequence[Any]] = {}
        for begin in range(0, len(keys), _AT_ONCE):
            some = CALLS.c.id.in_(keys[begin : begin + _AT_ONCE])
            found = await connection.execute(select(CALLS.c.id, *_COLUMNS).where(some))
            rows |= {row[0]: row[1:] for row in found}
        return [
            self._past_call(dict(zip(PastCall.__struct_fields__, row, strict=True)))
            for row in map(rows.get, keys)
            if row
        ]

    def _past_call(self, row: dict[str, Any]) -> PastCall:
        try:
            for column, kind in _AS_JSON.items():
                row[column] = msgspec.json.decode(str(row[column]), type=kind)
            return msgspec.convert(row, PastCall)
        except msgspec.DecodeError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: msgspec.DecodeError) -> CommandError:
        return CommandError(f"{self.database.shown} holds a call that cannot be read ({error}): {MOVE_IT}")


def in_order(order: Order) -> tuple[ColumnElement[Any], ...]:
    """Give what calls are put in order by."""
    return _ORDERS[order].desc(), CALLS.c.id.desc()


def _storable(value: Any) -> Any:
    """Write what a column may hold: PostgreSQL takes no U+0000, which models write, and others send, now and then."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _in_utc(moment: datetime) -> str:
    """Write a moment as `started_at` is written."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
