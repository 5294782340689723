"""What every route of the console reads and answers with: JSON by msgspec. It must not know what is told."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from fastapi import HTTPException, Request
from fastapi.responses import Response

from voice_agent.server.bodies import read_body

BODY_BYTES = 64 * 1024

_Body = TypeVar("_Body")


def json_of(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with what msgspec can encode."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


async def read(request: Request, kind: type[_Body], most: int = BODY_BYTES) -> _Body:
    """Give a JSON body, nothing being `{}`; raises `HTTPException` with the line that says what is wrong."""
    body = await read_body(request, most)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, str(error)) from None
