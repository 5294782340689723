"""Serves the console's pages and files. It must not know what they show: all that is told comes through the API.

Pages are rendered once, from templates that hold nothing of any call.
"""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import msgspec
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from voice_agent.server.console.guard import SIGN_IN

HERE = Path(__file__).parent


class Page(msgspec.Struct, frozen=True):
    """One page."""

    path: str
    """As FastAPI takes it."""
    name: str
    """Of its template."""
    title: str
    listed: bool = True
    """Whether every page leads to it."""


PAGES = (
    Page("/console", "live", "Live"),
    Page("/console/calls", "calls", "Calls"),
    Page("/console/phone", "phone", "Softphone"),
    Page("/console/agents", "agents", "Agents"),
    Page("/console/calls/{key}", "call", "A call", listed=False),
    Page(SIGN_IN, "login", "Sign in", listed=False),
)


def page_routes(pages: Iterable[Page] = PAGES) -> APIRouter:
    """Make a route for each page."""
    router = APIRouter()
    templates = Environment(
        loader=FileSystemLoader(HERE / "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    known = tuple(pages)
    listed = [page for page in known if page.listed]
    for page in known:
        text = templates.get_template(f"{page.name}.html").render(page=page, listed=listed)
        # As somebody types it, too.
        for path in (page.path,) if "{" in page.path else (page.path, f"{page.path}/"):
            router.add_api_route(path, _answer(text), methods=["GET", "HEAD"], response_class=HTMLResponse)
    return router


def files() -> StaticFiles:
    """Make the application of what is the same for all: styles and scripts."""
    return StaticFiles(directory=HERE / "static")


def _answer(text: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return HTMLResponse(text)

    return answer
