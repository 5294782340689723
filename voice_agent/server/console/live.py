"""The calls in progress: what a page is told of each, hanging up, and handing the caller over to a person.

All of it derives from what the core reports: counts and times from the call's own summary, who speaks from the same
reports. Pages are told twice a second what has changed, all of them the same text; while nobody looks, a report costs a
look at an empty list.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerBegan,
    CallerSaid,
    HandedOver,
    Report,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.live.lobby import HeldCall, Lobby
from voice_agent.server.console.answers import json_of, read
from voice_agent.server.console.events import Broadcast
from voice_agent.server.neighbours import Neighbours

logger = logging.getLogger(__name__)

LIVE = "live"
"""What workers ask each other."""

TICK_SECONDS = 0.5
"""Between two tellings."""

SHOWN_DIGITS = 4
"""Of a number, at its end."""

MOST_SHOWN = 200
"""Characters of why a tool failed."""


class LiveCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call, as a page takes it."""

    call_sid: str
    agent: str
    caller: str
    """Shortened."""
    started_ms: int
    """Unix time."""
    joined: bool
    """Its stream has come."""
    speaks: str
    """caller, agent, or empty."""
    tool: str
    """What runs; empty: nothing."""
    failed: str
    """The tool that failed last, and why; empty: none did."""
    response_ms: int | None
    """The last answer's."""
    slowest_ms: int | None
    turns: int
    interruptions: int
    faults: int
    cost: float | None
    """So far; `None`: unknown."""
    transfers: tuple[str, ...]
    """Names of those whom the caller may be handed over to."""


class _Doing(msgspec.Struct):
    """What a summary does not say, for it is over when it is said."""

    agent: str = ""
    speaks: str = ""
    tools: dict[str, str] = {}
    failed: str = ""


class Live:
    """One for a server."""

    def __init__(
        self, lobby: Lobby, currency: str, tasks: asyncio.TaskGroup, neighbours: Neighbours | None = None
    ) -> None:
        """`currency`: of the prices by which calls know their cost. `neighbours`: workers that have further calls."""
        self._lobby = lobby
        self._neighbours = neighbours
        self._elsewhere: dict[int, dict[str, LiveCall]] = {}
        """Calls of the other workers, as they were told last."""
        if neighbours is not None:
            neighbours.answers[LIVE] = lambda _: msgspec.msgpack.encode(list(self.now()))
        self._tasks = tasks
        self._broadcast = Broadcast()
        self._doing: dict[str, _Doing] = {}
        self._told: dict[str, LiveCall] = {}
        self._changed: set[str] = set()
        """Calls that have reported something since pages were told; nothing is collected while nobody looks."""
        self._ticking: asyncio.Task[None] | None = None
        self._currency = currency

    def observe(self, call_sid: str, now_ms: int, report: Report) -> None:
        """Take one report of one call."""
        del now_ms
        if self._ticking is not None:
            self._changed.add(call_sid)
        match report:
            case CallerBegan():
                self._of(call_sid).speaks = "caller"
            case AgentBegan():
                self._of(call_sid).speaks = "agent"
            case CallerSaid() | AgentSaid():
                doing = self._of(call_sid)
                if doing.speaks == ("caller" if isinstance(report, CallerSaid) else "agent"):
                    doing.speaks = ""
            case ToolStarted():
                doing = self._of(call_sid)
                doing.tools = doing.tools | {report.call_id: report.told}
            case ToolAnswered():
                doing = self._of(call_sid)
                if report.failed:
                    doing.failed = self._why(call_sid, doing.tools.get(report.call_id, report.call_id), report)
                doing.tools = {key: name for key, name in doing.tools.items() if key != report.call_id}
            case CallEnded():
                self._doing.pop(call_sid, None)
            case HandedOver():
                self._of(call_sid).agent = report.agent
            case _:
                pass

    def pages(self) -> Response:
        """Answer a page that wants to be told."""
        return self._broadcast.response(self._first)

    def _first(self) -> list[tuple[str, Any]]:
        """Give what a page is told first, and begin to look for changes unless that goes on already."""
        rows = [*self.now(), *self._of_others().values()]
        if self._ticking is None:
            self._told = {row.call_sid: row for row in rows}
            self._ticking = self._tasks.create_task(self._tick())
        return [("calls", {"all": rows, "currency": self._currency})]

    def now(self) -> Iterator[LiveCall]:
        """Give all calls in progress here."""
        for call_sid, held in self._lobby.calls.items():
            if held.session.ended is None:
                yield self._row(call_sid, held)

    def session(self, call_sid: str) -> HeldCall:
        """Give a call in progress; raises `HTTPException`."""
        held = self._lobby.calls.get(call_sid)
        if held is None or held.session.ended is not None:
            raise HTTPException(404, "that call is not going on any more")
        return held

    def agent_of(self, call_sid: str) -> str:
        """Name the agent that the call was handed over to; empty: to none."""
        return self._doing.get(call_sid, _NOTHING).agent

    def close(self) -> None:
        """Let all pages go, because the server stops."""
        self._broadcast.close()
        if self._ticking is not None:
            self._ticking.cancel()

    def _why(self, call_sid: str, name: str, report: ToolAnswered) -> str:
        session = self._lobby.sessions.get(call_sid)
        cause = "" if session is None else session.causes.get(report.call_id, "")
        told = f"{name}: {cause or report.output}"
        return told if len(told) <= MOST_SHOWN else f"{told[: MOST_SHOWN - 1]}…"

    def _of(self, call_sid: str) -> _Doing:
        return self._doing.setdefault(call_sid, _Doing())

    async def _tick(self) -> None:
        """Tell what has changed, for as long as somebody looks."""
        try:
            while True:
                await asyncio.sleep(TICK_SECONDS)
                if not len(self._broadcast):
                    return
                if self._neighbours is not None:
                    await self._ask(self._neighbours)
                self._tell()
        except Exception:
            # What fails for a page must not end the server, whose tasks it shares. Pages come again by themselves.
            logger.exception("the calls in progress cannot be told")
            self._broadcast.close()
        finally:
            self._ticking = None
            self._changed.clear()
            self._elsewhere.clear()

    async def _ask(self, neighbours: Neighbours) -> None:
        for number, told in (await neighbours.ask(LIVE)).items():
            if told:
                rows = msgspec.msgpack.decode(told, type=list[LiveCall])
                self._elsewhere[number] = {row.call_sid: row for row in rows}
        # Of one that is only late what it told last still stands.
        for number in [number for number in self._elsewhere if not neighbours.seat.is_up(number)]:
            del self._elsewhere[number]

    def _of_others(self) -> dict[str, LiveCall]:
        return {call_sid: row for rows in self._elsewhere.values() for call_sid, row in rows.items()}

    def _tell(self) -> None:
        calls = {sid: held for sid, held in self._lobby.calls.items() if held.session.ended is None}
        others = self._of_others()
        looked_at = (self._changed | (calls.keys() - self._told.keys())) & calls.keys()
        rows = [*(self._row(sid, calls[sid]) for sid in looked_at), *others.values()]
        changed = [row for row in rows if self._told.get(row.call_sid) != row]
        gone = list(self._told.keys() - calls.keys() - others.keys())
        if changed or gone:
            self._broadcast.publish("changes", {"changed": changed, "gone": gone})
        self._told |= {row.call_sid: row for row in changed}
        for call_sid in gone:
            del self._told[call_sid]
            self._doing.pop(call_sid, None)
        self._changed.clear()

    def _row(self, call_sid: str, held: HeldCall) -> LiveCall:
        setup, summary, doing = held.setup, held.summary, self._doing.get(call_sid, _NOTHING)
        times = summary.response_ms
        cost = held.cost()
        return LiveCall(
            call_sid=call_sid,
            agent=doing.agent or setup.agent.name,
            caller=shortened(setup.caller),
            started_ms=int(held.started_at.timestamp() * 1000),
            joined=held.session.joined,
            speaks=doing.speaks,
            tool=next(iter(doing.tools.values()), ""),
            failed=doing.failed,
            response_ms=times[-1] if times else None,
            slowest_ms=max(times, default=None),
            turns=summary.turns,
            interruptions=summary.interruptions,
            faults=summary.faults,
            cost=None if cost is None else round(cost, 4),
            transfers=transfers_of(held, doing.agent),
        )


_NOTHING = _Doing()


def transfers_of(held: HeldCall, agent: str) -> tuple[str, ...]:
    """Name whom the agent that has the call may connect the caller with; empty: it is still whoever took it."""
    agents = {other.name: other for other in held.setup.others}
    has_it = agents.get(agent, held.setup.agent)
    return tuple(name for tool in has_it.tools if tool.transfer is not None for name in tool.transfer.to)


def shortened(number: str) -> str:
    """Give so much of a number that one knows it again; what is no number stays as it is."""
    user = number.partition("@")[0]  # of a SIP address
    digits = sum(character.isdigit() for character in user)
    return f"…{user[-SHOWN_DIGITS:]}" if digits > SHOWN_DIGITS else number


# --- HTTP ------------------------------------------------------------------------------------------------------------


class _HandOver(msgspec.Struct, forbid_unknown_fields=True):
    to: str


def live_routes(live: Live) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/console/api/live")
    async def pages() -> Response:
        return live.pages()

    @router.post("/console/api/live/{call_sid}/hang-up")
    async def hang_up(call_sid: str) -> Response:
        _joined(live.session(call_sid)).session.end("somebody hung up in the console")
        return Response(status_code=204)

    @router.post("/console/api/live/{call_sid}/hand-over")
    async def hand_over(request: Request, call_sid: str) -> Response:
        to = (await read(request, _HandOver)).to
        held = live.session(call_sid)
        names = transfers_of(held, live.agent_of(call_sid))
        if to not in names:
            known = ", ".join(names) or "nobody: its agent has no transfer tool"
            raise HTTPException(422, f"the caller can be handed over to: {known}")
        _joined(held).session.end("somebody handed the caller over in the console", to=to)
        return json_of({"to": to})

    return router


def _joined(held: HeldCall) -> HeldCall:
    """Look whether its stream is there: one that is still to come would begin the call anew."""
    if not held.session.joined:
        raise HTTPException(409, "the call has not begun yet: its stream is still to come")
    return held
