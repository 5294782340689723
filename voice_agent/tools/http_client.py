"""Sends the request of an `http` tool and reads its answer, within bounds, to nobody but whom the agent's file allows.

The address is judged where a socket for it is made: what a name resolves to there is what is connected to, so a second
look-up cannot differ, however the address was written (decimal, octal, mapped) and whoever redirected to it.

It must not know what the request is for.
"""

import socket
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from voice_agent.config.addresses import refusal_of
from voice_agent.tools.http_answer import Answer
from voice_agent.tools.http_request import Prepared

MAX_ANSWER_BYTES = 1024 * 1024
"""Far more than a model can use of it, so that `take` may pick from long lists; and little beside a call's audio."""

MAX_REDIRECTS = 3

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"Accept": "application/json, text/plain;q=0.9, */*;q=0.1", "User-Agent": "voice-agent"}


class HttpFailure(Exception):  # noqa: N818 - no error of ours
    """No answer was had; the text is for the model, `detail` for the log."""

    def __init__(self, said: str, detail: str) -> None:
        super().__init__(said)
        self.detail = detail


async def ask(prepared: Prepared, headers: Mapping[str, str], *, allow_private: bool = False) -> Answer:
    """Send a request and give the answer, whatever its status. Raises `HttpFailure`; waits as long as it is let.

    `allow_private`: the URL's own host may be this machine or one of an inner network; where a redirect leads may not.
    `headers`, which may hold secrets, are sent to the URL's own origin only.
    """
    guard = _Guard()
    connector = aiohttp.TCPConnector(
        resolver=ThreadedResolver(), socket_factory=guard.socket, use_dns_cache=False, force_close=True
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # a few bytes may unpack to gigabytes; none are asked for
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
    )
    try:
        async with session:
            return await _follow(session, guard, prepared, headers, allow_private=allow_private)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if guard.refusal:
            raise HttpFailure("it is not available now", guard.refusal) from None
        raise HttpFailure("its server cannot be reached now", _one_line(error)) from None


class _Guard:
    """Makes the sockets of one request's connections."""

    def __init__(self) -> None:
        self.allow_private = False
        self.refusal = ""
        """Why the last socket was not made."""

    def socket(self, address: tuple[Any, ...]) -> socket.socket:
        """Make a socket for what `getaddrinfo` gave: the address that is connected to next."""
        family, kind, protocol, _, place = address
        self.refusal = refusal_of(str(place[0]), allow_private=self.allow_private)
        if self.refusal:
            raise PermissionError(self.refusal)
        return socket.socket(family, kind, protocol)


async def _follow(
    session: aiohttp.ClientSession,
    guard: _Guard,
    prepared: Prepared,
    headers: Mapping[str, str],
    *,
    allow_private: bool,
) -> Answer:
    method, url, body = prepared.method, URL(prepared.url, encoded=True), prepared.body
    own = url.origin()
    for _ in range(MAX_REDIRECTS + 1):
        at_home = url.origin() == own
        guard.allow_private = allow_private and url.host == own.host
        sent = {**_HEADERS, **({"Content-Type": "application/json"} if body is not None else {})}
        # Names of headers are the same in any case.
        sent = {name: value for name, value in sent.items() if name.lower() not in {given.lower() for given in headers}}
        sent |= {"Accept-Encoding": "identity", **(headers if at_home else {})}
        async with session.request(method, url, headers=sent, data=body, allow_redirects=False) as response:
            location = response.headers.get("Location", "")
            if response.status not in _REDIRECTS or not location:
                return await _read(response)
            url, method = _next(url, location, method, response.status)
            body = body if method == prepared.method else None
    raise HttpFailure("it is not available now", f"more than {MAX_REDIRECTS} redirects, the last one to {url.origin()}")


def _next(url: URL, location: str, method: str, status: int) -> tuple[URL, str]:
    """Say where a redirect leads and by which method; raises `HttpFailure` where it must not lead.

    Browsers go on with GET after a 301 or 302, whatever was asked: the page that is read then says nothing of an
    appointment that was never made.
    """
    leads = url.join(URL(location))
    problem = ""
    if leads.scheme not in ("https", url.scheme) or not leads.host:
        problem = f"a redirect from {url.origin()} to {location[:100]}"
    elif leads.user is not None:
        problem = f"a redirect from {url.origin()} to an address with a user in it"
    elif method != "GET" and status in (301, 302):
        problem = f"a redirect ({status}) of {method} from {url.origin()} to {location[:100]}"
    elif method != "GET" and status in (307, 308) and leads.origin() != url.origin():
        problem = f"a redirect of {method} from {url.origin()} to {leads.origin()}"
    if problem:
        raise HttpFailure("it is not available now", f"{problem} is not followed; write where it leads into the file")
    return leads.with_fragment(None), method if status in (307, 308) else "GET"


async def _read(response: aiohttp.ClientResponse) -> Answer:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("", "identity"):
        raise HttpFailure(
            "its answer cannot be read", f"the answer is packed ({encoding[:20]}), which nobody asked for"
        )
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise HttpFailure("its answer is too long", f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    kind = response.content_type if "Content-Type" in response.headers else ""
    return Answer(response.status, kind.lower(), response.charset or "", bytes(body))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
