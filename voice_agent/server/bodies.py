"""Reads the body of a request: so much of it, in so much time. It must not know what is in it."""

import asyncio

from fastapi import HTTPException, Request

BODY_SECONDS = 5.0
"""Longest wait for a body's end."""


async def read_body(request: Request, most: int, seconds: float = BODY_SECONDS) -> bytes:
    """Give a body of `most` bytes at most; raises `HTTPException` 413 or 408."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise HTTPException(413, f"more than {most} bytes")
    except TimeoutError:
        raise HTTPException(408, "the body did not come") from None
    return bytes(body)
