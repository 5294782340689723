import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.asgi import websocket_scope
from tests.support.reception import a_desk
from voice_agent.server.app import Application


def ask(folder: Path, scope: dict[str, Any]) -> list[Any]:
    """Give what the application sends first."""
    sent: list[Any] = []

    async def main() -> None:
        async with asyncio.timeout(30), a_desk(folder) as desk:

            async def receive() -> dict[str, Any]:
                return {"type": "websocket.connect" if scope["type"] == "websocket" else "http.request"}

            async def send(message: Any) -> None:
                sent.append(message)

            await Application(desk.reception)(scope, receive, send)

    asyncio.run(main())
    return sent


def get(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "root_path": "",
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_operators_get_answers_without_a_signature(tmp_path: Path, path: str) -> None:
    assert ask(tmp_path, get(path))[0]["status"] == 200


def test_no_proxy_keeps_a_connection_that_might_close_under_a_webhook(tmp_path: Path) -> None:
    assert (b"connection", b"close") in ask(tmp_path, get("/healthz"))[0]["headers"]


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/twilio/media"])
def test_there_is_nothing_else_to_see(tmp_path: Path, path: str) -> None:
    assert ask(tmp_path, get(path))[0]["status"] == 404


def test_a_webhook_must_be_posted(tmp_path: Path) -> None:
    assert ask(tmp_path, get("/twilio/voice"))[0]["status"] == 405


@pytest.mark.parametrize("path", ["/twilio/media", "/twilio/media/", "/elsewhere"])
def test_no_websocket_is_accepted_unasked(tmp_path: Path, path: str) -> None:
    assert ask(tmp_path, websocket_scope(path)) == [{"type": "websocket.close"}] or path == "/elsewhere"
    assert "websocket.accept" not in str(ask(tmp_path, websocket_scope(path)))
