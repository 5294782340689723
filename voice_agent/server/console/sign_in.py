"""The routes by which a session begins and ends, and by which a page learns what its requests must show."""

from collections.abc import Callable

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from voice_agent.server.console.access import SESSION_SECONDS, Access
from voice_agent.server.console.answers import json_of, read
from voice_agent.server.console.guard import SIGN_IN

PASSWORD_BYTES = 4096


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    password: str


def sign_in_routes(access: Access, opened: Callable[[], None] = lambda: None) -> APIRouter:
    """Make the routes. `opened` is called when somebody who is in opens any page."""
    router = APIRouter()

    @router.post(SIGN_IN)
    async def begin(request: Request) -> Response:
        if not access.asks:
            raise HTTPException(409, "there is no password: CONSOLE_PASSWORD is not set")
        given = await read(request, _Given, PASSWORD_BYTES)
        if (wait_s := access.wait_seconds()) > 0:
            line = f"too many wrong passwords; try again in {wait_s} s"
            raise HTTPException(429, line, {"Retry-After": str(wait_s)})
        session = await access.sign_in(given.password)
        if session is None:
            raise HTTPException(403, "that is not the password")
        answer = Response(status_code=204)
        name, secure = access.cookie(request)
        answer.set_cookie(
            name, session, max_age=SESSION_SECONDS, path="/", secure=secure, httponly=True, samesite="strict"
        )
        return answer

    @router.post("/console/api/logout")
    async def end(request: Request) -> Response:
        answer = Response(status_code=204)
        name, secure = access.cookie(request)
        answer.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")
        return answer

    @router.get("/console/api/session")
    async def session(request: Request) -> Response:
        opened()
        return json_of({"token": access.token(request), "can_sign_out": access.asks})

    return router
