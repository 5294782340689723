"""The stream's endpoint, `WS /twilio/media`: who may in, and then the call.

Plain ASGI, because 50 messages a second and call pass here. Before a session is joined a stream must be signed, begin
with `connected` and `start` in time, and show its call's token. A browser cannot sign: its stream is let in where the
console lets the browser in, and only to a call that the console has begun.
"""

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any, Protocol

from voice_agent.errors import PeerError
from voice_agent.live.admission import TOKEN_PARAMETER, Refusal
from voice_agent.live.phone_leg import Message, PhoneLeg, Receive, Send
from voice_agent.server.reception import Reception
from voice_agent.server.stream_socket import EXTENSION, StreamSocket
from voice_agent.wire.signature import valid_upgrade
from voice_agent.wire.twilio import Start, parse

logger = logging.getLogger(__name__)

START_SECONDS = 5.0
"""How long a stream may take to say whose it is."""

MESSAGES_BEFORE_START = 20
"""Twilio sends one, `connected`."""

USED = "used"
"""What stands in the recorded `start` instead of the stream's token."""

POLICY_VIOLATION = 1008
"""RFC 6455 7.4.1."""

Scope = MutableMapping[str, Any]


class _RefusedError(Exception):
    """The stream does not begin as it must; the text is the close frame's reason."""


class Browsers(Protocol):
    """What is needed of the console."""

    def lets_in(self, scope: Scope) -> bool:
        """Tell whether a WebSocket's upgrade comes from a browser that may use the console, from a page of ours."""

    def has(self, call_sid: str) -> bool:
        """Tell whether a browser has begun this call."""


class MediaStreams:
    """The ASGI application of all streams."""

    def __init__(
        self, reception: Reception, start_seconds: float = START_SECONDS, browsers: Browsers | None = None
    ) -> None:
        """`browsers`: `None` where there is no console, and all that comes is signed."""
        self._reception = reception
        self._start_seconds = start_seconds
        self._browsers = browsers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream from its upgrade to its end."""
        await receive()  # websocket.connect
        terms = self._reception.terms
        signature = _header(scope, b"x-twilio-signature")
        browsers = self._browsers if signature is None else None
        if browsers is not None and not browsers.lets_in(scope):
            browsers = None
        url = terms.signed_url(scope["path"])
        if browsers is None and not valid_upgrade(terms.tokens, url, signature):
            refusal = Refusal.UPGRADE_WRONGLY_SIGNED if signature else Refusal.UPGRADE_UNSIGNED
            peer = (scope.get("client") or ("?",))[0]
            self._reception.refusals.tell(refusal, f"{peer} asked for {url}")
            await send({"type": "websocket.close"})  # before accept: HTTP 403
            return
        if self._reception.stopping.last:
            self._reception.refusals.tell(Refusal.STOPPING, "a stream came to a server that has let go of its calls")
            # A proxy brings it to the next server then; Twilio asks what becomes of the call.
            await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        await send({"type": "websocket.accept"})
        try:
            texts, start = await self._beginning(receive)
        except _RefusedError as refused:
            self._reception.refusals.tell(Refusal.NO_START, str(refused))
            await _close(send, str(refused))
            return
        if browsers is not None and not browsers.has(start.start.call_sid):
            self._reception.refusals.tell(Refusal.UPGRADE_UNSIGNED, "a browser names a call that it has not begun")
            await _close(send, Refusal.UPGRADE_UNSIGNED.value)
            return
        admitted = await self._reception.streams.let_in(start)
        if isinstance(admitted, Refusal):
            await _close(send, admitted.value)
            return
        raw: StreamSocket | None = scope.get("extensions", {}).get(EXTENSION, {}).get("socket")
        if raw is not None:
            raw.let_in()
        token = start.start.custom_parameters[TOKEN_PARAMETER]
        # It is used up, and a recording holds no tokens.
        await admitted.serve(PhoneLeg(receive, send, raw), [text.replace(token, USED) for text in texts])

    async def _beginning(self, receive: Receive) -> tuple[list[str], Start]:
        """Read up to `start`; give all texts so far, for the session's recording and counts, and what `start` says."""
        texts: list[str] = []
        try:
            async with asyncio.timeout(self._start_seconds):
                while len(texts) < MESSAGES_BEFORE_START:
                    texts.append(_text(await receive()))
                    if (start := _start(texts[-1])) is not None:
                        return texts, start
        except TimeoutError:
            raise _RefusedError(f"no start within {self._start_seconds:g} s") from None
        raise _RefusedError(f"no start among {MESSAGES_BEFORE_START} messages")


def _text(message: Message) -> str:
    if message["type"] == "websocket.disconnect":
        raise _RefusedError("it was closed before start")
    # What is not text is not JSON either: skipped later, like anything that cannot be read.
    return message.get("text") or ""


def _start(text: str) -> Start | None:
    try:
        message = parse(text)
    except PeerError:
        return None
    return message if isinstance(message, Start) else None


def _header(scope: Scope, name: bytes) -> str | None:
    value = next((value for key, value in scope["headers"] if key.lower() == name), None)
    return None if value is None else value.decode("latin-1")


async def _close(send: Send, reason: str) -> None:
    try:
        reason = reason.encode()[:123].decode(errors="ignore")
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})
    except OSError:
        # It was gone first.
        return
