"""Stands before the whole console: lets in whom `access` lets in, and says in each answer what a page of it may do.

Plain ASGI, so that no route below can be forgotten. It must not know what is below.
"""

import logging
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_agent.server.console.access import Access, Verdict
from voice_agent.server.insiders import split
from voice_agent.server.stream_socket import EXTENSION

logger = logging.getLogger(__name__)

SIGN_IN = "/console/login"
STATIC = "/console/static/"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'{more}; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Content-Security-Policy"""

_REFUSED: dict[Verdict, tuple[int, str]] = {
    "sign in": (401, "sign in first"),
    "this machine only": (403, "the console is for this machine only; set CONSOLE_PASSWORD to open it to others"),
    "another origin": (403, "a page of another origin may not use the console"),
    "no token": (403, "the request does not show its session's token; load the page anew"),
}


class Guard:
    """The ASGI application around the console's."""

    def __init__(self, inner: ASGIApp, access: Access, connect: str = "") -> None:
        """`connect`: an address elsewhere that pages may speak to: the model's."""
        elsewhere = split(connect)
        self._inner = inner
        self._access = access
        self._headers = {
            "content-security-policy": POLICY.format(
                more=f" {elsewhere.scheme}://{elsewhere.netloc}" if elsewhere.netloc else ""
            ),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "microphone=(self), camera=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket, or refuse it."""
        request = HTTPConnection(scope)
        path = scope["path"]
        open_ = path == SIGN_IN or path.startswith(STATIC)
        verdict = self._access.may_knock(request) if open_ else self._access.judge(request)
        if scope["type"] == "websocket":
            if verdict != "in":
                # As for requests that are refused: anybody can send any number of them.
                logger.debug("a WebSocket of the console is refused: %s", _REFUSED[verdict][1])
                await receive()
                await send({"type": "websocket.close"})  # before accept: HTTP 403
                return
            _let_in(scope)
            await self._inner(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                # What is told here is about people: no cache keeps it. Files are kept, and asked for anew each time.
                headers.setdefault("cache-control", "no-cache" if path.startswith(STATIC) else "no-store")
            await send(message)

        if verdict == "in":
            if not open_:
                _let_in(scope)
            await self._inner(scope, receive, answer)
        else:
            await _refusal(request, verdict)(scope, receive, answer)


def _let_in(scope: Scope) -> None:
    """Take the connection from the doorstep, where it would have some seconds only."""
    socket = scope.get("extensions", {}).get(EXTENSION, {}).get("socket")
    if socket is not None:
        socket.let_in()


def _refusal(request: HTTPConnection, verdict: Verdict) -> Response:
    status, line = _REFUSED[verdict]
    wants_page = request.scope["method"] == "GET" and "text/html" in request.headers.get("accept", "")
    if verdict == "sign in" and wants_page:
        query = request.scope["query_string"].decode("latin-1")
        wanted = f"{request.url.path}?{query}" if query else request.url.path
        return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': wanted}, safe='/')}", 303)
    return JSONResponse({"detail": line}, status)
