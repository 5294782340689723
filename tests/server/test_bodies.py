import asyncio
from typing import Any

import pytest
from fastapi import HTTPException, Request

from voice_agent.server.bodies import read_body


def read(parts: list[bytes], most: int, seconds: float = 5) -> bytes:
    """Read a body that comes in these parts and, without a last one, does not end."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(body)}

    return asyncio.run(read_body(Request({"type": "http"}, receive), most, seconds))


def test_a_body_is_read_to_its_end() -> None:
    assert read([b"ab", b"c", b""], 3) == b"abc"


def test_what_is_longer_is_refused_before_its_end() -> None:
    with pytest.raises(HTTPException) as refused:
        read([b"ab", b"cd"], 3)

    assert (refused.value.status_code, refused.value.detail) == (413, "more than 3 bytes")


def test_a_peer_that_goes_in_the_middle_of_it_is_no_fault_of_ours() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(HTTPException) as refused:
        asyncio.run(read_body(Request({"type": "http"}, receive), 3))

    assert refused.value.status_code == 400


def test_what_does_not_come_is_not_waited_for() -> None:
    with pytest.raises(HTTPException) as refused:
        read([b"ab"], 3, 0.01)

    assert refused.value.status_code == 408
