"""The page of all calls: searched, measured day by day, and taken out as a table."""

import csv
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from io import StringIO
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from voice_agent.config.prices import Prices
from voice_agent.errors import CommandError
from voice_agent.review.findings import in_short
from voice_agent.server.console.answers import json_of
from voice_agent.store.history import Order, PastCall
from voice_agent.store.search import ANY, Part, Search, Wanted, percentiles

logger = logging.getLogger(__name__)

MOST = 100
"""Calls of one page."""

MOST_WORDS = 50
"""That are looked for: each is a condition, and a database takes so many only."""

MOST_FOUND = 200
"""Characters of a turn in which words were found."""

MOST_BEHIND = 1_000_000

COLUMNS = (
    *("started_at", "call_sid", "agent", "caller", "called", "duration_ms", "outcome", "reason"),
    *("turns", "interruptions", "tool_calls", "response_ms_p50", "response_ms_max"),
    *("input_tokens", "cached_tokens", "output_tokens", "model", "cost", "trouble"),
)
"""Of the table that is taken out."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def calls_routes(search: Search, prices: Prices) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/console/api/calls")
    async def page(request: Request) -> Response:
        wanted, limit, offset, order = _wanted(request)
        try:
            # One more tells whether there is more.
            found = await search.page(wanted, limit + 1, offset, order)
            parts = await search.parts(found)
        except CommandError as error:
            raise HTTPException(409, str(error)) from None
        return json_of(
            {"calls": [_row(call, prices, wanted.words, parts) for call in found[:limit]], "more": len(found) > limit}
        )

    @router.get("/console/api/history")
    async def history(request: Request) -> Response:
        wanted, *_ = _wanted(request)
        try:
            return json_of({"days": await search.days(wanted), "choices": await search.choices()})
        except CommandError as error:
            raise HTTPException(409, str(error)) from None

    @router.get("/console/api/counted")
    async def counted(request: Request) -> Response:
        wanted, *_ = _wanted(request)
        try:
            calls = await search.count(wanted)
            return json_of(
                {"calls": calls, "trouble": await search.count(msgspec.structs.replace(wanted, trouble=ANY))}
            )
        except CommandError as error:
            raise HTTPException(409, str(error)) from None

    @router.get("/console/api/calls.csv")
    async def table(request: Request) -> Response:
        wanted, _, _, order = _wanted(request)
        try:
            keys = await search.keys(wanted, order)
            first = await search.rows(keys[:MOST])
        except CommandError as error:
            raise HTTPException(409, str(error)) from None
        headers = {"Content-Disposition": 'attachment; filename="calls.csv"'}
        lines = _table(first, keys[MOST:], search.rows, prices)
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

    return router


def _wanted(request: Request) -> tuple[Wanted, int, int, Order]:
    """Read the query; raises `HTTPException`."""
    given = dict(request.query_params)
    try:
        limit = min(MOST, max(1, int(given.pop("limit", MOST))))
        offset = min(MOST_BEHIND, max(0, int(given.pop("offset", 0))))
        order: Order = msgspec.convert(given.pop("order", "started"), Order)
        wanted = msgspec.convert(given, Wanted)
    except (ValueError, msgspec.ValidationError) as error:
        raise HTTPException(422, str(error)) from None
    if len(wanted.words.split()) > MOST_WORDS:
        raise HTTPException(422, f"look for {MOST_WORDS} words at most")
    return wanted, limit, offset, order


def _row(call: PastCall, prices: Prices, words: str, parts: Mapping[tuple[str, str], Part]) -> dict[str, Any]:
    """Give what the list shows of a call: of its words only those that were looked for."""
    return {
        "call_sid": call.call_sid,
        "agent": call.agent,
        "caller": call.caller,
        "called": call.called,
        "started_at": call.started_at,
        "duration_ms": call.duration_ms,
        "outcome": call.outcome,
        "turns": call.turns,
        "interruptions": call.interruptions,
        "tool_calls": call.tool_calls,
        "response_ms": _median(call),
        "slowest_ms": max(call.response_ms, default=None),
        "cost": prices.short(call.model, call.usage),
        "trouble": in_short(call.trouble),
        "found": _found(call, words.lower().split()),
        "part": parts.get((call.call_sid, call.started_at)),
    }


def _found(call: PastCall, words: list[str]) -> dict[str, Any] | None:
    """Give the turn in which most of the words stand, the first one of these; `None`: nothing was looked for."""
    said = [line for line in call.transcript if line.who in {"caller", "agent"}] if call.recording and words else []
    line = max(said, key=lambda line: sum(word in line.text.lower() for word in words), default=None)
    if line is None:
        return None
    text = line.text
    first = min((at for word in words if (at := text.lower().find(word)) >= 0), default=0)
    begin = max(0, first - MOST_FOUND // 3)
    cut = f"{'…' if begin else ''}{text[begin : begin + MOST_FOUND]}{'…' if begin + MOST_FOUND < len(text) else ''}"
    return {"who": line.agent or line.who, "text": cut, "at_ms": line.at_ms}


def _median(call: PastCall) -> int | None:
    found = percentiles([*call.response_ms])
    return None if found is None else found.p50


async def _table(
    first: list[PastCall], others: list[int], rows: Callable[[list[int]], Awaitable[list[PastCall]]], prices: Prices
) -> AsyncIterator[bytes]:
    """Write the first calls, and the others by their keys."""
    yield _lines([COLUMNS, *(_cells(call, prices) for call in first)])
    for begin in range(0, len(others), MOST):
        try:
            calls = await rows(others[begin : begin + MOST])
        except CommandError as error:
            # The answer has begun: nobody must take what there is for all.
            logger.error("a table of calls is not whole: %s", error)  # noqa: TRY400 - the text says it all
            yield _lines([[f"the table ends here: {error}"]])
            return
        yield _lines(_cells(call, prices) for call in calls)


def _cells(call: PastCall, prices: Prices) -> Iterator[str]:
    times = sorted(call.response_ms)
    for value in (
        call.started_at,
        call.call_sid,
        call.agent,
        call.caller,
        call.called,
        call.duration_ms,
        call.outcome,
        call.reason,
        call.turns,
        call.interruptions,
        call.tool_calls,
        _median(call) or "",
        times[-1] if times else "",
        call.usage.input_tokens,
        call.usage.cached_tokens,
        call.usage.output_tokens,
        call.model,
        prices.short(call.model, call.usage),
        "; ".join(named.text for named in in_short(call.trouble)),
    ):
        yield _harmless(str(value))


def _harmless(cell: str) -> str:
    """Keep a spreadsheet from taking a text for a formula; numbers of telephones stay as they are.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{cell}" if cell.startswith(_FORMULA) and not cell[1:].isdigit() and cell != "-" else cell


def _lines(rows: Any) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
