"""One signed HTTP request as Twilio makes it: its timeouts, its one more try, its errors' numbers.

On asyncio's streams with one connection a request, because a request must end when its call does. It must not know
what is asked for nor what the answer means. https://www.twilio.com/docs/usage/webhooks
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from typing import Any, Literal, cast
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

import msgspec

from voice_agent.errors import PeerError
from voice_agent.wire.signature import sign

CONNECT_SECONDS = 5.0
"""For each of two attempts. https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"""
TOTAL_SECONDS = 15.0
"""For everything until the answer's last byte."""
ANSWER_BYTES = 256 * 1024
"""Far above Twilio's 64 kB of TwiML, and far below what could hurt."""

RETRIEVAL_FAILURE = 11200
CONNECTION_FAILURE = 11205
TLS_FAILURE = 11220
INVALID_URL = 11100


class WebhookError(PeerError):
    """A request failed in a way that Twilio's debugger would show under `code`."""

    def __init__(self, code: int, problem: str) -> None:
        super().__init__(problem)
        self.code = code


class Answer(msgspec.Struct, frozen=True):
    """A server's answer, any status."""

    status: int
    content_type: str
    """In lower case, without parameters."""
    body: str


async def request(
    url: str,
    fields: Mapping[str, str],
    token: str,
    method: Literal["GET", "POST"] = "POST",
    *,
    connect_seconds: float = CONNECT_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> Answer:
    """Send the fields as a form (GET: in the query), signed with `token`; raises `WebhookError`."""
    if method == "GET":
        url = _with_query(url, fields)
        fields = {}
    parts = _split(url)
    body = urlencode(fields).encode()
    signature = sign(token, url, fields.items())
    try:
        async with asyncio.timeout(total_seconds):
            reader, writer = await _connect(parts, connect_seconds)
            try:
                writer.write(_head(parts, method, signature, len(body)) + body)
                await writer.drain()
                return _read(await _until_closed(reader))
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        raise WebhookError(CONNECTION_FAILURE, f"{url} did not answer within {total_seconds:g} s") from None
    except OSError as error:
        raise WebhookError(CONNECTION_FAILURE, f"{url} broke the connection ({_said(error)})") from error
    except (HTTPException, ValueError) as error:
        raise WebhookError(RETRIEVAL_FAILURE, f"{url} does not answer in HTTP ({type(error).__name__})") from error


def _with_query(url: str, fields: Mapping[str, str]) -> str:
    bare = url.partition("#")[0]
    return f"{bare}{'&' if '?' in bare else '?'}{urlencode(fields)}" if fields else bare


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise WebhookError(INVALID_URL, f"{url!r} is not an http(s) address")
    return parts


async def _connect(parts: SplitResult, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, at the second attempt if the first fails; raises `WebhookError`."""
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    secure = parts.scheme == "https"
    failure = WebhookError(CONNECTION_FAILURE, where)
    for _ in range(2):
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.open_connection(
                    parts.hostname, parts.port or (443 if secure else 80), ssl=secure or None
                )
        except TimeoutError:
            failure = WebhookError(CONNECTION_FAILURE, f"{where} cannot be reached within {seconds:g} s")
        except ssl.SSLError as error:
            failure = WebhookError(TLS_FAILURE, f"{where} has no valid TLS certificate ({_said(error)})")
        except OSError as error:
            failure = WebhookError(CONNECTION_FAILURE, f"{where} cannot be reached ({_said(error)})")
    raise failure


def _said(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: is the server running?"
    return " ".join((error.strerror or str(error)).split())


def _head(parts: SplitResult, method: str, signature: str, length: int) -> bytes:
    path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {parts.netloc.rpartition('@')[2]}",
        "User-Agent: TwilioProxy/1.1",
        "Accept: */*",
        f"X-Twilio-Signature: {signature}",
        "Connection: close",
    ]
    if method == "POST":
        lines += ["Content-Type: application/x-www-form-urlencoded; charset=UTF-8", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    """We ask for the connection to be closed, so its end is the answer's end (RFC 9112, 9.6)."""
    received = bytearray()
    while part := await reader.read(64 * 1024):
        received += part
        if len(received) > ANSWER_BYTES:
            raise ValueError(f"more than {ANSWER_BYTES} bytes")
    return bytes(received)


class _Received:
    """What `HTTPResponse` wants of a socket."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, *_: object) -> BytesIO:
        return BytesIO(self._received)


def _read(received: bytes) -> Answer:
    with HTTPResponse(cast("Any", _Received(received))) as response:
        response.begin()
        body = response.read()
        content_type = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
        charset = response.headers.get_content_charset("utf-8")
        try:
            text = body.decode(charset, "replace")
        except LookupError:
            text = body.decode("utf-8", "replace")
        return Answer(response.status, content_type, text)
