"""Reads the body of a request: so much of it, in so much time. It must not know what is in it."""

import asyncio

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

BODY_SECONDS = 5.0
"""Longest wait for a body's end."""


async def read_body(request: Request, most: int, seconds: float = BODY_SECONDS) -> bytes:
    """Give a body of `most` bytes at most; raises `HTTPException` 413, 408, or 400 where it breaks off."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise HTTPException(413, f"more than {most} bytes")
    except ClientDisconnect:
        # Nobody hears the answer; as an exception it would be a traceback in the log, which any stranger could fill.
        raise HTTPException(400, "the body broke off") from None
    except TimeoutError:
        raise HTTPException(408, "the body did not come") from None
    return bytes(body)
