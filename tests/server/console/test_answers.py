import asyncio
from typing import Any

import msgspec
import pytest
from fastapi import APIRouter, Request, Response

from tests.support.console import a_browser
from voice_agent.server.console.answers import json_of, read


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    number: int = 1


def routes_that_read() -> APIRouter:
    router = APIRouter()

    @router.post("/console/api/read")
    async def answer(request: Request) -> Response:
        return json_of(await read(request, Wanted, 100))

    return router


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        (b"", 200, {"number": 1}),
        (b'{"number": 2}', 200, {"number": 2}),
        (b'{"nmber": 2}', 422, None),
        (b"\xff", 422, None),
        (b"[" * 90, 422, None),
        (b" " * 101, 413, None),
    ],
)
def test_a_body_is_json_of_its_form_or_refused_with_a_line(body: bytes, status: int, answer: Any) -> None:
    async def main() -> None:
        async with a_browser([routes_that_read()]) as browser:
            token = (await browser.session())["token"]
            got = await browser.http.post("/console/api/read", content=body, headers={"x-console-token": token})
        assert got.status_code == status
        assert got.headers["content-type"] == "application/json"
        assert got.json() == answer if answer else "\n" not in got.json()["detail"]

    asyncio.run(main())
