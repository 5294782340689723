"""Puts the console together: its routes, and the guard before them."""

from collections.abc import Callable, Iterable

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from voice_agent.server.console.access import Access
from voice_agent.server.console.guard import STATIC, Guard
from voice_agent.server.console.pages import files, page_routes
from voice_agent.server.console.sign_in import sign_in_routes


def application(
    access: Access, routers: Iterable[APIRouter], connect: str = "", opened: Callable[[], None] = lambda: None
) -> ASGIApp:
    """Make the ASGI application of all that is at `/console` and below.

    For `connect` see `Guard`, for `opened` `sign_in_routes`.
    """
    inner = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in (sign_in_routes(access, opened), page_routes(), *routers):
        inner.include_router(router)
    inner.mount(STATIC.rstrip("/"), files())
    return Guard(inner, access, connect)
