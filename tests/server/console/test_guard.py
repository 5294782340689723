import asyncio
import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import APIRouter
from starlette.websockets import WebSocket

from tests.support.asgi import FakeWebSocket, websocket_scope
from tests.support.console import a_browser, an_access
from voice_agent.server.console.application import application
from voice_agent.server.console.pages import HERE

STATIC = HERE / "static"


def policy_of(header: str) -> dict[str, list[str]]:
    parts = (part.split() for part in header.split(";"))
    return {name: values for name, *values in parts}


@pytest.mark.parametrize("path", ["/console", "/console/login", "/console/static/dom.js", "/console/nowhere"])
def test_every_answer_says_what_a_page_may_do(path: str) -> None:
    async def main() -> None:
        async with a_browser() as browser:
            headers = (await browser.get(path)).headers
        policy = policy_of(headers["content-security-policy"])

        assert policy["default-src"] == ["'none'"]
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
        assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
        assert policy["require-trusted-types-for"] == ["'script'"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("no-cache" if "static" in path else "no-store")

    asyncio.run(main())


def test_pages_may_speak_to_the_model_where_it_is() -> None:
    async def main() -> None:
        app = application(an_access(), (), "https://api.openai.example/v1/realtime/calls")
        async with a_browser(app) as browser:
            policy = policy_of((await browser.get("/console")).headers["content-security-policy"])
        assert policy["connect-src"] == ["'self'", "https://api.openai.example"]

    asyncio.run(main())


def routes_that_tell() -> APIRouter:
    router = APIRouter()

    @router.api_route("/console/api/told", methods=["GET", "POST", "PUT", "DELETE"])
    async def told() -> str:
        return "told"

    @router.websocket("/console/api/line")
    async def line(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    return router


def test_without_a_session_a_page_leads_to_the_sign_in_and_the_rest_is_refused() -> None:
    async def main() -> None:
        async with a_browser([routes_that_tell()], password="long enough", at="https://phone.example") as browser:
            page = await browser.get("/console", accept="text/html")
            assert (page.status_code, page.headers["location"]) == (303, "/console/login?next=/console")
            search = await browser.get("/console/calls?words=wool+coat&trouble=any", accept="text/html")
            wanted = parse_qs(urlsplit(search.headers["location"]).query)
            assert wanted == {"next": ["/console/calls?words=wool+coat&trouble=any"]}
            for path in ("/console", "/console/api/told", "/console/api/session", "/console/nowhere"):
                assert (await browser.get(path)).status_code == 401
            assert (await browser.post("/console/api/told")).status_code == 401
            assert (await browser.get("/console/login")).status_code == 200
            assert (await browser.get("/console/static/console.css")).status_code == 200

    asyncio.run(main())


def test_a_stranger_does_not_even_see_how_one_signs_in_where_there_is_no_password() -> None:
    async def main() -> None:
        async with a_browser(at="https://phone.example", peer="192.0.2.1") as browser:
            for path in ("/console", "/console/login", "/console/static/console.css"):
                assert (await browser.get(path)).status_code == 403

    asyncio.run(main())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_changes_something_needs_our_own_page(method: str) -> None:
    async def main() -> None:
        async with a_browser([routes_that_tell()]) as browser:
            token = (await browser.session())["token"]

            async def status(**headers: str) -> int:
                given = {name.replace("_", "-"): value for name, value in headers.items()}
                return (await browser.http.request(method, "/console/api/told", headers=given)).status_code

            assert await status(x_console_token=token) == 200
            assert await status() == 403
            assert await status(x_console_token=token, origin="https://evil.example") == 403
            assert await status(x_console_token=token, sec_fetch_site="cross-site") == 403

    asyncio.run(main())


@pytest.mark.parametrize(("origin", "shown", "begins"), [
    ("http://127.0.0.1:8080", True, True),
    ("http://127.0.0.1:8080", False, False),
    ("https://evil.example", True, False),
])  # fmt: skip
def test_a_websocket_needs_the_token_and_our_own_page(origin: str, shown: bool, begins: bool) -> None:
    async def main() -> None:
        app = application(an_access(), [routes_that_tell()])
        async with a_browser(app) as browser:
            token = (await browser.session())["token"]
        socket = FakeWebSocket()
        socket._incoming.put_nowait({"type": "websocket.connect"})
        scope = websocket_scope("/console/api/line", {"host": "127.0.0.1:8080", "origin": origin}, socket)
        query = f"token={token if shown else 'x'}".encode()
        await app(scope | {"client": ("127.0.0.1", 1), "query_string": query}, socket.receive, socket.send)

        assert socket.sent[0]["type"] == ("websocket.accept" if begins else "websocket.close")
        assert socket.admitted is begins

    asyncio.run(main())


def test_websockets_of_strangers_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        app = application(an_access("long enough"), [routes_that_tell()])
        for _ in range(30):
            socket = FakeWebSocket()
            socket._incoming.put_nowait({"type": "websocket.connect"})
            await app(websocket_scope("/console/api/line", {}, socket), socket.receive, socket.send)
            assert [sent["type"] for sent in socket.sent] == ["websocket.close"]

    with caplog.at_level(logging.INFO):
        asyncio.run(main())

    assert caplog.records == []


def test_nothing_of_ours_is_within_a_page() -> None:
    for page in (HERE / "pages").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<style" not in text
        assert " style=" not in text
        assert not [line for line in text.splitlines() if "<script" in line and ' src="/console/static/' not in line]


def test_no_script_makes_markup_of_a_text() -> None:
    forbidden = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "setHTML",
        "srcdoc",
        "DOMParser",
        "createContextualFragment",
    )
    found = [(path.name, word) for path in STATIC.glob("*.js") for word in forbidden if word in path.read_text("utf-8")]

    assert found == []
