"""The leg to the carrier: the ASGI WebSocket of the stream's endpoint, after admission.

It must not know what the texts mean.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from voice_agent.call.events import PhoneClosed, PhoneFault
from voice_agent.live.leg import CloseLimit, Feed
from voice_agent.live.outbox import Outbox
from voice_agent.wire.texts import PhoneText

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OUTBOX_LIMIT = 2000
"""Messages. A whole answer is sent faster than it is played, but a carrier reads it at once: a minute of small deltas
with their marks that cannot be written means that nobody reads any more."""

PING_SECONDS = 2.0
"""How long a silent carrier has for its pong."""

FAULT = "voice_agent.fault"
"""The type of the message by which an error of our own comes back through the socket."""

NO_CLOSE_FRAME = frozenset({1005, 1006})
"""RFC 6455 7.4.1: codes that say there was none (or one without a code)."""


class RawSocket(Protocol):
    """What ASGI does not offer of a WebSocket; the server puts it into the scope's extensions."""

    async def ping(self) -> None:
        """Send a ping and wait for its pong."""

    def abort(self) -> None:
        """Drop the connection without another byte."""

    def give(self, take: Callable[[PhoneText], None]) -> None:
        """Give texts straight to `take`, in order with what comes by `receive`; its error comes there as `FAULT`."""

    def write(self, text: str) -> bool:
        """Write a text at once; `False`: it cannot be now."""


class PhoneLeg:
    """One media stream. Its first two messages have been read already, by admission."""

    def __init__(self, receive: Receive, send: Send, raw: RawSocket | None, ping_seconds: float = PING_SECONDS) -> None:
        """`raw`: `None` where the server has none; then a ping proves nothing and counts as answered."""
        self._ping_seconds = ping_seconds
        self._receive = receive
        self._send = send
        self._raw = raw
        self._outbox = Outbox(OUTBOX_LIMIT)
        self._reason = ""
        self._limit = CloseLimit()

    @property
    def waiting(self) -> int:
        """How many texts wait to be written."""
        return len(self._outbox)

    def send(self, text: str) -> int | None:
        """Write one text, or queue it; `None`: the stream has stopped taking them."""
        if self._raw is not None and self._outbox.idle and self._raw.write(text):
            return 0
        return self._outbox.put(text)

    def close(self, reason: str) -> None:
        """Write what is queued, then close with 1000 and `reason`."""
        self._reason = reason
        self._outbox.close()
        self._limit.begin()

    async def run(self, feed: Feed) -> None:
        """Feed every message, then `PhoneClosed`."""
        try:
            async with self._limit, asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write())
                closed = await self._read(feed)
                writing.cancel()
        except TimeoutError:
            if self._raw is not None:
                self._raw.abort()
            closed = PhoneClosed(None, "it did not answer the close")
        feed(closed)

    async def ping(self) -> bool:
        """Ask for a pong; `False`: none came within `PING_SECONDS`."""
        if self._raw is None:
            return True
        try:
            async with asyncio.timeout(self._ping_seconds):
                await self._raw.ping()
        except OSError:
            # Too late (a TimeoutError is one), or the socket is closing.
            return False
        return True

    async def _read(self, feed: Feed) -> PhoneClosed:
        if self._raw is not None:
            self._raw.give(feed)
        while True:
            message = await self._receive()
            if message["type"] == FAULT:
                raise message["error"]
            if message["type"] == "websocket.disconnect":
                code = message.get("code")
                return PhoneClosed(None if code in NO_CLOSE_FRAME else code, message.get("reason") or "")
            text = message.get("text")
            # A binary frame is warning 31950 at Twilio's side too: counted, and the call goes on.
            feed(PhoneText(text) if text is not None else PhoneFault("a binary message"))

    async def _write(self) -> None:
        try:
            while (text := await self._outbox.take()) is not None:
                await self._send({"type": "websocket.send", "text": text})
            # A close frame has room for 123 bytes of reason (RFC 6455 5.5).
            reason = self._reason.encode()[:123].decode(errors="ignore")
            await self._send({"type": "websocket.close", "code": 1000, "reason": reason})
        except OSError:
            # The peer is gone; the reader learns it too, and knows more about it.
            return
