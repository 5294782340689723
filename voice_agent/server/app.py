"""The server's application: webhooks, health and console by FastAPI, the media streams beside it in plain ASGI.

It must not know how it is served.
"""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from voice_agent.config.secret import Secret
from voice_agent.live.phone_leg import Message, Receive, Send
from voice_agent.server.health import health
from voice_agent.server.media import START_SECONDS, Browsers, MediaStreams, Scope
from voice_agent.server.neighbours import Neighbours
from voice_agent.server.reception import Reception
from voice_agent.server.terms import STREAM_PATH
from voice_agent.server.twilio import webhooks

CONSOLE = "/console"


class Application:
    """One ASGI application. Streams go past FastAPI: its layers would cost each of their 100 messages a second."""

    def __init__(
        self,
        reception: Reception,
        *more: APIRouter,
        start_seconds: float = START_SECONDS,
        metrics_tokens: Sequence[Secret | None] = (),
        console: ASGIApp | None = None,
        browsers: Browsers | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        """`more`: routes that place calls. `metrics_tokens`: see `health`. `console`: all that is below its path.

        `browsers`: those of it that bring streams. `neighbours`: see `health`.
        """
        # The interactive documentation would tell strangers what there is to try; a redirect would repeat their `Host`.
        self._pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
        self._pages.include_router(webhooks(reception))
        self._pages.include_router(health(reception, *metrics_tokens, neighbours=neighbours))
        for routes in more:
            self._pages.include_router(routes)
        self._streams = MediaStreams(reception, start_seconds, browsers)
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket" and _is_stream(scope["path"]):
            await self._streams(scope, receive, send)
        elif self._console is not None and (scope["path"] == CONSOLE or scope["path"].startswith(f"{CONSOLE}/")):
            await self._console(scope, receive, send)
        elif scope["type"] == "http":
            await self._pages(scope, receive, _last(send))
        else:
            await self._pages(scope, receive, send)


def _is_stream(path: str) -> bool:
    """Tell whether a path is that of streams, or of one call's."""
    return path.rstrip("/") == STREAM_PATH or path.startswith(f"{STREAM_PATH}/")


def _last(send: Send) -> Send:
    """Say that the connection ends with its answer.

    Idle ones are closed after seconds. A proxy that kept one could ask on it in that very moment, and would tell Twilio
    of a bad gateway: the caller of that webhook would be lost.
    """

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return told
