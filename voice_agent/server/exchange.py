"""Which worker of one `serve` serves a request: the one that has its call.

All of them accept from one socket, so that a request comes to any. Where it is about a call, or a page's session, that
another worker has, the connection is given to that one with what was read of it, before anything is answered; so
whatever finds a call in memory finds it. A call that is new goes to the worker with the fewest. Who has a call is said
(`Seat.enter`) when a signature or a session has vouched for it: a stranger's request is at most sent next door. It must
not know what is answered.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_agent.server.bodies import BODY_SECONDS
from voice_agent.server.console.guard import SIGN_IN
from voice_agent.server.courses import COURSE_PATH
from voice_agent.server.neighbours import Neighbours
from voice_agent.server.placing import CALLS_PATH
from voice_agent.server.stream_socket import EXTENSION
from voice_agent.server.twilio import FORM_BYTES

OF_THE_FIRST = frozenset({SIGN_IN, CALLS_PATH})
"""Paths of what one worker does for all: it counts wrong passwords, and calls placed a second."""

PAST_CALLS = "/console/api/calls"
"""How paths begin of what it makes of past calls, which takes long and is kept."""

SHORTEST_KEY = 16
"""Of a path's parts: CallSids and ids of sessions are longer, and no other part needs to be looked for."""

_OF_THE_BODY = frozenset({b"content-length", b"transfer-encoding", b"expect"})


MOST_PARTS = 8
"""Of a path: a stranger's may have any number."""


class GivenSocket(Protocol):
    """What is needed of a connection."""

    given: bool
    """Another worker has given it, and its request is to be served here."""
    offered: str
    """The CallSid, if it is a call that no worker had, and that this one should take: see `Seat.offer`."""

    @property
    def descriptor(self) -> int:
        """Its file descriptor."""

    def give_away(self) -> None:
        """Close it here; it goes on elsewhere."""


class Exchange:
    """One worker's, as an ASGI application around all others."""

    def __init__(self, application: ASGIApp, neighbours: Neighbours, most_lag_ms: int) -> None:
        """`most_lag_ms`: of a worker that may get new calls."""
        self._application = application
        self._neighbours = neighbours
        self._seat = neighbours.seat
        self._most_lag_ms = most_lag_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or have it served."""
        connection: GivenSocket | None = scope.get("extensions", {}).get(EXTENSION, {}).get("socket")
        if scope["type"] == "http" and connection is not None:
            unread = receive if connection.given else await self._send_on(scope, receive, connection)
            if unread is None:
                return
            # A further request on the same connection is looked at anew.
            offered, connection.given, connection.offered, receive = connection.offered, False, "", unread
            if offered:
                self._seat.decide(offered)
            try:
                await self._application(scope, receive, send)
            finally:
                self._seat.decided(offered)
            return
        await self._application(scope, receive, send)

    async def _send_on(self, scope: Scope, receive: Receive, connection: GivenSocket) -> Receive | None:
        """Give a request to whoever has its call; otherwise gives what it is to be received from here."""
        here, of_a_call = self._seat.number, scope["method"] == "POST" and scope["path"].startswith("/twilio/")
        to = self.of_path(scope["path"])
        if not of_a_call and to in {None, here}:
            return receive
        first = await _read(receive)
        body: bytes = first.get("body", b"")
        if first["type"] == "http.request" and not first["more_body"] and len(body) <= FORM_BYTES:
            if of_a_call and (call_sid := _call_sid(body)):
                to = self._seat.find(call_sid)
                if to is None and scope["path"] == COURSE_PATH:
                    to = self._seat.emptiest(self._most_lag_ms)  # it is waited for long, and is no call yet
                elif to is None:
                    to, connection.offered = self._seat.offer(self._most_lag_ms), call_sid
            if to not in {None, here}:
                assert to is not None, "as just seen"
                offered, request = connection.offered, request_bytes(scope, body)
                if await self._neighbours.give(to, connection.descriptor, request, offered):
                    connection.give_away()
                    return None
                if offered:
                    self._seat.withdraw(to)
                    connection.offered = ""
        return _again(first, receive)

    def lose(self, call_sid: str) -> None:
        """A call that was offered did not come."""
        self._seat.decide(call_sid)
        self._seat.decided(call_sid)

    def of_path(self, path: str) -> int | None:
        """Say who serves what is at a path; `None`: whoever is asked."""
        if path in OF_THE_FIRST or path.startswith(PAST_CALLS):
            return self._seat.first
        keys = (part for part in path.split("/", MOST_PARTS)[:MOST_PARTS] if len(part) >= SHORTEST_KEY)
        return next((found for key in keys if (found := self._seat.find(key)) is not None), None)

    def give_upgrade(self, path: str, request: bytes, connection: GivenSocket) -> bool:
        """Give a WebSocket that has not been answered to whoever has its call; `False`: that is here."""
        to = None if connection.given else self.of_path(path)
        if to is None or to == self._seat.number:
            return False
        if not self._neighbours.give_at_once(to, connection.descriptor, request):
            return False
        connection.give_away()
        return True


def _call_sid(body: bytes) -> str:
    return dict(parse_qsl(body.decode(errors="replace"))).get("CallSid", "")


async def _read(receive: Receive) -> Message:
    """Read a body, or so much of it that somebody else has to refuse it; gives it as one message."""
    body = bytearray()
    message: Message = {"type": "http.request", "more_body": True}
    with suppress(TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            while message.get("more_body", False) and len(body) <= FORM_BYTES:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                body += message.get("body", b"")
    return {"type": "http.request", "body": bytes(body), "more_body": message.get("more_body", False)}


def _again(first: Message, receive: Receive) -> Receive:
    """Receive what was read, and then what follows."""
    read: list[Message] = [first]

    async def received() -> Message:
        return read.pop() if read else await receive()

    return received


def request_bytes(scope: Scope, body: bytes) -> bytes:
    """Write a request down as it came."""
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    headers: Iterable[tuple[bytes, bytes]] = [each for each in scope["headers"] if each[0] not in _OF_THE_BODY]
    if body:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    elif scope["method"] not in {"GET", "HEAD"}:
        headers = [*headers, (b"content-length", b"0")]
    return head_bytes(scope["method"].encode(), target, headers, scope["http_version"].encode()) + body


def head_bytes(method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]], version: bytes = b"1.1") -> bytes:
    """Write a request's line and headers."""
    lines: list[Any] = [b"%s %s HTTP/%s" % (method, target, version), *(b"%s: %s" % each for each in headers), b"", b""]
    return b"\r\n".join(lines)
