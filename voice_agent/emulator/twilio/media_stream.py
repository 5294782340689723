"""One media stream on a real WebSocket: a `sim.carrier.Carrier` whose clock is this machine's.

Feeding never waits: what the carrier says goes into one ordered outbox. Its deadlines are absolute, so that frames come
at 50 a second over hours, however late single timers fire. It must not know why there is a stream.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from voice_agent.emulator.twilio.hearing import Hearing
from voice_agent.errors import PeerError
from voice_agent.sim.carrier import (
    BridgeBinary,
    BridgeClosed,
    BridgeText,
    CallEnded,
    Carrier,
    CloseSocket,
    Input,
    Output,
    TimerFired,
)
from voice_agent.wire.signature import sign
from voice_agent.wire.twilio import FromTwilio, Media, encode

UPGRADE_SECONDS = 5.0
"""Until the socket is open. Twilio's own limit is not known (protocol.md 12.11)."""
CLOSE_SECONDS = 1.0
"""For the last messages and the close handshake; a peer that is gone must not hold the call."""
MESSAGE_BYTES = 16 * 1024 * 1024
"""Twilio's limit is not known; this is 20 minutes of audio in one message."""
OUTBOX_MESSAGES = 500
"""Ten seconds of frames: then Twilio discards audio and warns with 31930."""

CONNECT_TIMEOUT = 31901
REFUSED = 31902
TLS_FAILURE = 31910
NOT_UPGRADED = 31920
BAD_SCHEME = 31922
MALFORMED_URL = 31923
BUFFER_OVERFLOW = 31930

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class StreamError(PeerError):
    """The stream could not be opened; `code` is the one of Twilio's debugger."""

    def __init__(self, code: int, problem: str) -> None:
        super().__init__(problem)
        self.code = code


class _Connect(connect):
    """Follows no redirect: Twilio wants the upgrade where it asked for it."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_socket(url: str, token: str, open_seconds: float = UPGRADE_SECONDS) -> ClientConnection:
    """Open a stream's socket with a signed upgrade. Raises `StreamError` with one line that says what is wrong."""
    try:
        _examine(url)
        return await _Connect(
            url,
            additional_headers={"X-Twilio-Signature": sign(token, url)},
            user_agent_header="TwilioMediaStreams/1.0",
            compression=None,
            proxy=None,
            open_timeout=open_seconds,
            close_timeout=CLOSE_SECONDS,
            ping_interval=None,
            max_size=MESSAGE_BYTES,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        raise StreamError(NOT_UPGRADED, f"{url} refused the stream: HTTP {status}") from None
    except TimeoutError:
        raise StreamError(CONNECT_TIMEOUT, f"{url} did not open the stream within {open_seconds:g} s") from None
    except ConnectionRefusedError:
        raise StreamError(REFUSED, f"{url}: connection refused: is the server running?") from None
    except OSError as error:
        code = TLS_FAILURE if isinstance(error, ssl.SSLError) else REFUSED
        raise StreamError(code, f"{url} cannot be reached ({error.strerror or error})") from error
    except (InvalidURI, ValueError) as error:
        raise StreamError(MALFORMED_URL, f"{url!r} is no address of a stream ({error})") from error
    except (InvalidHandshake, EOFError) as error:
        raise StreamError(NOT_UPGRADED, f"{url} is no WebSocket server ({error})") from error


def _examine(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname in _LOOPBACK):
        raise StreamError(BAD_SCHEME, f"{url}: a stream needs wss://, or ws:// on this machine")
    if parts.query:
        raise StreamError(NOT_UPGRADED, f"{url}: a stream's address has no query string; use parameters")


class MediaStream:
    """Feeds the carrier with what the socket brings and what the caller does, and carries out what it orders."""

    def __init__(
        self,
        carrier: Carrier,
        hearing: Hearing,
        on_step: Callable[[], None],
        outbox_messages: int = OUTBOX_MESSAGES,
    ) -> None:
        """`on_step` is called after everything that happened, at least once a frame."""
        self.carrier = carrier
        self.hearing = hearing
        self._on_step = on_step
        self._outbox_messages = outbox_messages
        self._loop = asyncio.get_running_loop()
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms: int | None = None
        self._outbox: asyncio.Queue[FromTwilio | CloseSocket] = asyncio.Queue()
        self._ended: asyncio.Future[CallEnded] = self._loop.create_future()

    async def run(self, socket: ClientConnection) -> CallEnded:
        """Hold the stream until the call has left it; the socket is closed then, too."""
        self.socket = socket
        self._began = self._loop.time()
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(socket))
                writer = tasks.create_task(self._write(socket))
                self._carry_out(self.carrier.start(0))
                ended = await self._ended
                self._outbox.put_nowait(CloseSocket(None))  # so that the writer ends in any case
                await asyncio.wait({writer}, timeout=CLOSE_SECONDS)
                reader.cancel()
                writer.cancel()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            socket.transport.abort()
            self.hearing.stop()
            self._on_step()
        return ended

    def feed(self, received: Input) -> None:
        """Give the carrier one input, now. After the end nothing happens any more."""
        if not self._ended.done():
            self._feed(self._now_ms(), received)

    def _now_ms(self) -> int:
        return int((self._loop.time() - self._began) * 1000)

    def _feed(self, now_ms: int, received: Input) -> None:
        self._carry_out(self.carrier.feed(now_ms, received))
        self.hearing.listen(self.carrier.agent, self.carrier.now_ms)
        self._on_step()

    def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Media() if self._outbox.qsize() >= self._outbox_messages:
                    self.carrier.warn(BUFFER_OVERFLOW, "the server reads too slowly; inbound audio was discarded")
                case CallEnded():
                    self._ended.set_result(output)
                case _:
                    self._outbox.put_nowait(output)
        self._arm()

    def _arm(self) -> None:
        due_ms = self.carrier.deadline()
        if due_ms == self._timer_ms:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = due_ms
        self._timer = None if due_ms is None else self._loop.call_at(self._began + due_ms / 1000, self._fire, due_ms)

    def _fire(self, due_ms: int) -> None:
        self._timer = self._timer_ms = None
        # A loop may call a hair too early; what was due is due.
        self._feed(max(due_ms, self._now_ms()), TimerFired())

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                message = await socket.recv()
                self.feed(BridgeText(message) if isinstance(message, str) else BridgeBinary())
        except ConnectionClosed as closed:
            close = closed.rcvd
            self.feed(BridgeClosed(None) if close is None else BridgeClosed(close.code, close.reason))

    async def _write(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):  # the reader says so
            while not isinstance(output := await self._outbox.get(), CloseSocket):
                await socket.send(encode(output))
            if output.code is None:
                socket.transport.abort()
            else:
                await socket.close(output.code)
