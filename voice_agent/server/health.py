"""What operators and their machines ask: is it alive, does it take calls, what has it counted.

It must not know how calls work.
"""

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from voice_agent.config.secret import Secret
from voice_agent.server.insiders import bears, is_of_this_machine
from voice_agent.server.metrics_page import metrics_page, rests
from voice_agent.server.reception import Reception


def health(reception: Reception, *tokens: Secret | None) -> APIRouter:
    """Make the routes. Counts are for this machine, and for whoever bears one of `tokens`: strangers get none."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @router.get("/readyz")
    async def readyz() -> Response:
        if reception.closing:
            return PlainTextResponse("stopping\n", status_code=503)
        return PlainTextResponse("".join(["ready\n", *map(_told, rests(reception.terms))]))

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        if not is_of_this_machine(request) and not any(bears(request, token) for token in tokens):
            raise HTTPException(403, "for this machine only, or with Authorization: Bearer and METRICS_TOKEN")
        page = metrics_page(reception, await reception.calls_in_store())
        return Response(page, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    return router


def _told(endpoint: tuple[str, int]) -> str:
    name, rests_s = endpoint
    return f"{name}: {f'left alone for {rests_s} s' if rests_s else 'asked'}\n"
