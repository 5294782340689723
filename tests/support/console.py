"""A browser's requests to the console, without a socket: the real ASGI application, and whoever is said to ask."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastapi import APIRouter
from starlette.types import ASGIApp

from voice_agent.config.secret import Secret
from voice_agent.server.console.access import Access
from voice_agent.server.console.application import application

HERE = "http://127.0.0.1:8080"
PUBLIC = "https://phone.example"
KEY = b"0" * 32


def an_access(password: str | None = None, now_s: int = 1_000) -> Access:
    """Give an access whose time stands still."""
    return Access(None if password is None else Secret(password), KEY, PUBLIC, lambda: now_s)


@asynccontextmanager
async def a_browser(
    app: ASGIApp | Iterable[APIRouter] = (), *, password: str | None = None, at: str = HERE, peer: str = "127.0.0.1"
) -> AsyncIterator["Browser"]:
    """Open a browser that is at an address; `app`: an application, or the routes that one is to be made of."""
    made = application(an_access(password), app) if isinstance(app, Iterable) else app
    transport = httpx2.ASGITransport(made, client=(peer, 1234))
    async with httpx2.AsyncClient(transport=transport, base_url=at) as http:
        yield Browser(http, at)


class Browser:
    """Asks as a page of the console does; other headers may be given."""

    def __init__(self, http: httpx2.AsyncClient, at: str) -> None:
        self.http = http
        self._at = at

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.http.get(path, headers=_named(headers))

    async def post(self, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> httpx2.Response:
        """`token`: the session's own unless given."""
        shown = (await self.session())["token"] if token is None else token
        page = {"origin": self._at, "sec-fetch-site": "same-origin", "x-console-token": shown}
        return await self.http.post(path, json=body, headers=page | _named(headers))

    async def session(self) -> dict[str, Any]:
        """What the server says of the session; without one, a token that is none."""
        answer = await self.get("/console/api/session")
        found: dict[str, Any] = answer.json() if answer.is_success else {"token": ""}
        return found

    async def sign_in(self, password: str, **headers: str) -> httpx2.Response:
        page = {"origin": self._at, "sec-fetch-site": "same-origin"}
        return await self.http.post("/console/login", json={"password": password}, headers=page | _named(headers))


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
