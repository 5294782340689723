"""Warm transfers in progress: which colleague's call belongs to which caller's, and what the colleague says.

One row a transfer, so that the two calls may be held by different processes. A row only goes forward: calling, asking,
accepted, joined, and from everywhere but the last to over.
"""

from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update

from voice_agent.call.setup import CallSetup
from voice_agent.errors import CommandError
from voice_agent.store.database import Database, whole
from voice_agent.store.tables import TRANSFERS

KEPT_S = 24 * 3600
"""What is older belongs to calls that are over."""

State = Literal["calling", "asking", "accepted", "joined", "over"]


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
    """The table. Every method raises `CommandError` with one line when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @whole
    async def add(self, link: Link, now_s: int) -> None:
        """Begin one, and forget those of yesterday. `now_s`: seconds since 1970."""
        setup = msgspec.json.encode(link.setup).decode()
        row = {"id": link.id, "caller_sid": link.caller_sid, "setup": setup, "made_at": now_s}
        async with self.database.writing() as connection:
            await connection.execute(delete(TRANSFERS).where(TRANSFERS.c.made_at < now_s - KEPT_S))
            await connection.execute(insert(TRANSFERS).values(row))

    async def find(self, link_id: str) -> Link | None:
        """Give one."""
        return await self._select(TRANSFERS.c.id == link_id)

    async def of_colleague(self, call_sid: str) -> Link | None:
        """Give the one that this call was placed for."""
        return await self._select(TRANSFERS.c.colleague_sid == call_sid)

    @whole
    async def placed(self, link_id: str, colleague_sid: str) -> None:
        """Keep the CallSid of the colleague's call."""
        async with self.database.writing() as connection:
            await connection.execute(
                update(TRANSFERS).where(TRANSFERS.c.id == link_id).values(colleague_sid=colleague_sid)
            )

    @whole
    async def move(self, link_id: str, state: State, *before: State, problem: str = "") -> bool:
        """Go on to a state from one of those before it; `False`: it is in none of them."""
        where = (TRANSFERS.c.id == link_id, TRANSFERS.c.state.in_(before))
        async with self.database.writing() as connection:
            moved = await connection.execute(update(TRANSFERS).where(*where).values(state=state, problem=problem))
        return moved.rowcount > 0

    async def close(self, link_id: str, problem: str) -> bool:
        """End one that has not led the two together; `False`: it has, or was over."""
        return await self.move(link_id, "over", "calling", "asking", "accepted", problem=problem)

    async def _select(self, where: ColumnElement[bool]) -> Link | None:
        columns = (TRANSFERS.c[name] for name in Link.__struct_fields__)
        async with self.database.reading() as connection:
            found = (await connection.execute(select(*columns).where(where))).first()
        if found is None:
            return None
        row: dict[str, Any] = dict(zip(Link.__struct_fields__, found, strict=True))
        try:
            return Link(**{**row, "setup": msgspec.json.decode(row["setup"], type=CallSetup)})
        except msgspec.DecodeError as error:
            raise CommandError(f"the store holds a transfer that cannot be read ({error})") from None
