"""The leg to the Realtime endpoint: a WebSocket client.

It must not know what the texts mean, except which of them are caller audio, the only ones that may be dropped.
"""

import asyncio
import functools
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidStatus, WebSocketException

from voice_agent.call.events import ModelClosed, ModelFault, ModelOpened, ModelRefused
from voice_agent.config.references import SHORTEST
from voice_agent.config.variables import is_loopback
from voice_agent.live.credentials import Credential, CredentialError
from voice_agent.live.leg import CLOSE_SECONDS, CloseLimit, Feed
from voice_agent.live.mcp_secrets import McpSecrets
from voice_agent.live.model_socket import ModelSocket
from voice_agent.live.outbox import Outbox
from voice_agent.wire.endpoint import Endpoint, explain_close, explain_refusal, explain_silence
from voice_agent.wire.texts import ModelText

OUTBOX_LIMIT = 500
"""Messages: 10 s of caller audio at 20 ms a message. What waits longer answers nobody any more."""

OPEN_SECONDS = 10.0
"""Longest login, TCP connect, TLS and upgrade together."""

MAX_MESSAGE_BYTES = 16 * 2**20
"""`conversation.item.retrieved` and large deltas exceed the library's 1 MiB."""

BROKEN = 1006
"""RFC 6455 7.1.5: no close frame came."""

APPEND = '"input_audio_buffer.append"'


@functools.cache
def tls() -> ssl.SSLContext:
    """Make the process's TLS settings: reading the system's certificates takes 20 ms, in which no call would be heard.

    Call it once before the first call comes.
    """
    return ssl.create_default_context()


class _Connect(connect):
    """Follows no redirect: the library would hand Azure's `api-key` header on to a foreign host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class ModelLeg:
    """One connection to the model; a reconnect is another one. Compression is off: base64 audio does not repay it."""

    def __init__(
        self,
        endpoint: Endpoint,
        credential: Credential | None = None,
        open_seconds: float = OPEN_SECONDS,
        secrets: McpSecrets | None = None,
        opened: Callable[[], None] | None = None,
    ) -> None:
        """`credential`: asked for headers beside the endpoint's own when the connection is opened.

        `secrets`: what texts on this side of the socket must not hold. `opened`: called when the socket is open.
        """
        self._endpoint = endpoint
        self._credential = credential
        self._secrets = secrets
        self._opened = opened
        self._open_seconds = open_seconds
        # The type stands first in what our own codec writes, so the beginning of the text is enough.
        self._keys: tuple[str, ...] = ()
        """What opened the connection."""
        self._outbox = Outbox(OUTBOX_LIMIT, lambda text: APPEND in text[:64])
        self._limit = CloseLimit()
        self._socket: ModelSocket | None = None

    @property
    def waiting(self) -> int:
        """How many texts wait to be written."""
        return len(self._outbox)

    def send(self, text: str) -> int | None:
        """Write one text, or queue it; tells how many older messages of caller audio were dropped for it."""
        text = text if self._secrets is None else self._secrets.outgoing(text)
        # Written at once no task is woken, which costs twice as much as writing.
        if self._outbox.idle and self._socket is not None and self._socket.write(text):
            return 0
        return self._outbox.put(text)

    def close(self, reason: str) -> None:
        """Write what is queued, then close; at once if it is not open yet. `reason` stays here: it may name people."""
        del reason
        self._outbox.close()
        self._limit.begin(0.0 if self._socket is None else CLOSE_SECONDS)

    async def run(self, feed: Feed) -> None:
        """Feed `ModelRefused`, or `ModelOpened`, every message and at last `ModelClosed`."""
        try:
            async with self._limit:
                refused = await self._open()
                if refused is not None:
                    feed(refused)
                    return
                if self._opened is not None:
                    self._opened()
                feed(ModelOpened())
                closed = await self._talk(feed)
        except TimeoutError:
            closed = ModelClosed(None, "closed here")
        finally:
            if self._socket is not None:
                # Nothing of it is needed any more, whether or not the peer has answered the close.
                self._socket.transport.abort()
        feed(closed)

    async def _open(self) -> ModelRefused | None:
        where = self._endpoint
        try:
            async with asyncio.timeout(self._open_seconds):
                if self._credential is not None:
                    headers = {**where.headers, **await self._credential.headers()}
                    where = msgspec.structs.replace(where, headers=headers)
                self._keys = where.secrets
                self._socket = await self._connect(where)
        except InvalidStatus as error:
            response = error.response
            # One that has had a session of this call before knows its secrets.
            body = self._covered(response.body.decode(errors="replace")) if response.body else ""
            wait = response.headers.get("Retry-After", "")
            detail = explain_refusal(response.status_code, body, where, wait)
            return ModelRefused(response.status_code, detail, _seconds(wait))
        except CredentialError as error:
            return ModelRefused(None, str(error))
        except TimeoutError:
            return ModelRefused(None, explain_silence(f"no answer within {self._open_seconds:g} s", where))
        except InvalidProxy as error:
            # Its own text holds the proxy's address, which may hold a password.
            return ModelRefused(None, explain_silence(f"the environment's proxy is not valid: {error.msg}", where))
        except (OSError, WebSocketException, ImportError, ValueError) as error:
            # The last two come from what the environment's proxy is, too: a SOCKS proxy needs a package.
            return ModelRefused(None, explain_silence(str(error) or type(error).__name__, where))
        return None

    async def _connect(self, where: Endpoint) -> ModelSocket:
        socket = await _Connect(
            where.url,
            additional_headers=where.headers,
            # A proxy of the environment leads away from this machine.
            proxy=None if is_loopback(where.url) else True,
            ssl=tls() if urlsplit(where.url).scheme == "wss" else None,
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=None,  # the login's time counts, too
            close_timeout=CLOSE_SECONDS,
            create_connection=ModelSocket,
        )
        assert isinstance(socket, ModelSocket), "it has just been made one"
        return socket

    async def _talk(self, feed: Feed) -> ModelClosed:
        assert self._socket is not None, "talking begins after opening"
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write(self._socket))
            closed = await self._read(self._socket, feed)
            writing.cancel()
        return closed

    async def _read(self, socket: ModelSocket, feed: Feed) -> ModelClosed:
        def take(text: str | None) -> None:
            if text is None:
                feed(ModelFault("a binary message"))
                return
            feed(ModelText(self._covered(text)))

        closed = await socket.listen(take)
        if closed.rcvd is not None:
            return ModelClosed(closed.rcvd.code, explain_close(closed.rcvd.code, self._covered(closed.rcvd.reason)))
        return ModelClosed(None, explain_close(BROKEN, closed.sent.reason if closed.sent is not None else ""))

    def _covered(self, text: str) -> str:
        """Take out what a gateway repeats of our own key or of MCP servers' secrets: all that it says is recorded."""
        for key in self._keys:
            if len(key) >= SHORTEST and key in text:
                text = text.replace(key, "…")
        return text if self._secrets is None else self._secrets.incoming(text)

    async def _write(self, socket: ModelSocket) -> None:
        try:
            while (text := await self._outbox.take()) is not None:
                await socket.send(text)
            await socket.close()
        except ConnectionClosed:
            # The reader learns it too, and knows more about it.
            return


def _seconds(text: str) -> int | None:
    """Read `Retry-After`; the form with a date is for others than a caller who waits."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
