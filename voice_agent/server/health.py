"""What operators and their machines ask: is it alive, does it take calls, what has it counted.

It must not know how calls work.
"""

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from voice_agent.config.secret import Secret
from voice_agent.server.insiders import bears, is_of_this_machine
from voice_agent.server.metrics_page import metrics_page, rests, told_to_others
from voice_agent.server.neighbours import Neighbours
from voice_agent.server.reception import Reception

METRICS, RESTS = "metrics", "rests"
"""What workers ask each other."""

SOON_S = 0.3
"""A proxy asks every second or so whether a server is ready, and does not wait long for a worker that is late."""


def health(reception: Reception, *tokens: Secret | None, neighbours: Neighbours | None = None) -> APIRouter:
    """Make the routes. Counts are for this machine, and for whoever bears one of `tokens`: strangers get none.

    `neighbours`: other workers, of whom each answer tells, too; `None`: there are none.
    """
    router = APIRouter()
    if neighbours is not None:
        neighbours.answers[METRICS] = lambda _: told_to_others(reception)
        neighbours.answers[RESTS] = lambda _: msgspec.json.encode(dict(rests(reception.terms)))

    @router.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @router.get("/readyz")
    async def readyz() -> Response:
        if reception.stopping.closing and not (neighbours is not None and neighbours.seat.others_take):
            return PlainTextResponse("stopping\n", status_code=503)
        resting = dict(rests(reception.terms))
        if resting and neighbours is not None:
            for told in (await neighbours.ask(RESTS, seconds=SOON_S)).values():
                theirs = msgspec.json.decode(told, type=dict[str, int])
                resting |= {name: max(rest_s, resting.get(name, 0)) for name, rest_s in theirs.items()}
        return PlainTextResponse("".join(["ready\n", *map(_told, resting.items())]))

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        if not is_of_this_machine(request) and not any(bears(request, token) for token in tokens):
            raise HTTPException(403, "for this machine only, or with Authorization: Bearer and METRICS_TOKEN")
        others = None if neighbours is None else await neighbours.ask(METRICS)
        page = metrics_page(reception, await reception.calls_in_store(), others)
        return Response(page, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    return router


def _told(endpoint: tuple[str, int]) -> str:
    name, rests_s = endpoint
    return f"{name}: {f'left alone for {rests_s} s' if rests_s else 'asked'}\n"
