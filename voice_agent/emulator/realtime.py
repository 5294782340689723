"""A Realtime server on a socket: runs `sim.realtime` sessions with real time, real speech models and a brain.

Each session owns one task group. The session itself is a pure core that is fed one input at a time; recognising and
speaking run in a few threads, thinking in tasks, and all of them answer through the same inbox as the socket.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from voice_agent.emulator.brain import Brain, ToolCall
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.errors import CommandError, PeerError
from voice_agent.sim.realtime import (
    ClientText,
    CloseSocket,
    Input,
    Output,
    RealtimeOptions,
    RealtimeSession,
    Recognise,
    Recognised,
    RecognitionFailed,
    SendText,
    Speak,
    Spoken,
    StopWork,
    Think,
    ThoughtCall,
    ThoughtDone,
    ThoughtText,
    TimerFired,
    WorkFailed,
)

PATHS = ("/v1/realtime", "/openai/v1/realtime")
"""OpenAI's and Azure's form of the GA address."""

MAX_MESSAGE_BYTES = 24 * 1024 * 1024
"""The API takes 15 MiB of audio in one event; base64 makes a third more of it."""

_THREADS = 2
"""Models run on one thread each; two let a caller be heard while another is answered."""

_log = logging.getLogger(__name__)


class RealtimeServer(msgspec.Struct, frozen=True):
    """A listening server."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where a client connects; it adds `?model=`."""
        return f"ws://{self.host}:{self.port}/v1/realtime"


@asynccontextmanager
async def serve_realtime(
    host: str, port: int, speech: Speech, brain: Brain, options: RealtimeOptions | None = None
) -> AsyncIterator[RealtimeServer]:
    """Serve sessions until the block is left, then close them. Port 0 takes a free one. Raises `CommandError`."""
    settings = options or RealtimeOptions()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="speech") as threads:

        async def hold(socket: ServerConnection) -> None:
            await _hold_session(socket, speech, brain, settings, threads)

        try:
            server = await serve(
                hold,
                host,
                port,
                process_request=_admit,
                select_subprotocol=_select_subprotocol,
                compression=None,
                max_size=MAX_MESSAGE_BYTES,
            )
        except OSError as error:
            raise CommandError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        async with server:
            yield RealtimeServer(host, next(iter(server.sockets)).getsockname()[1])


def _admit(socket: ServerConnection, request: Request) -> Response | None:
    """Any key is good, and none too: this server is for trying things on one's own machine."""
    path = urlsplit(request.path).path
    if path.rstrip("/") in PATHS:
        return None
    refusal = socket.respond(
        HTTPStatus.NOT_FOUND,
        json.dumps({"error": {"message": f"Invalid URL (GET {path})", "type": "invalid_request_error"}}),
    )
    del refusal.headers["Content-Type"]
    refusal.headers["Content-Type"] = "application/json"
    return refusal


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Browsers offer `realtime` beside their key, which must not come back."""
    return next((name for name in offered if name == "realtime"), None)


async def _hold_session(
    socket: ServerConnection, speech: Speech, brain: Brain, options: RealtimeOptions, threads: ThreadPoolExecutor
) -> None:
    request = socket.request
    assert request is not None, "the handler runs after the handshake"
    if request.headers.get("OpenAI-Beta") == "realtime=v1":
        # What OpenAI answers since May 2026.
        await socket.close(4000, "beta_api_shape_disabled")
        return
    model = parse_qs(urlsplit(request.path).query).get("model", [options.model])[0]
    session = RealtimeSession(msgspec.structs.replace(options, model=model), speech.new_activity())
    _log.info("session opened for model %s", model)
    await _SessionRunner(socket, session, speech, brain, threads).run()
    _log.info("session closed")


class _SessionRunner:
    """Feeds one session and carries out what it orders."""

    def __init__(
        self,
        socket: ServerConnection,
        session: RealtimeSession,
        speech: Speech,
        brain: Brain,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._socket = socket
        self._session = session
        self._speech = speech
        self._brain = brain
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._inbox: asyncio.Queue[Input | None] = asyncio.Queue()
        """`None`: the client has gone."""
        self._texts: asyncio.Queue[Speak] = asyncio.Queue()
        self._stopped: set[str] = set()
        """Responses that nobody waits for any more."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Hold the session until the client goes or the session ends."""
        async with asyncio.TaskGroup() as group:
            self._spawn(group, self._read())
            self._spawn(group, self._speak())
            try:
                if await self._carry_out(self._session.start(self._now_ms()), group):
                    await self._pump(group)
            finally:
                for task in self._tasks:
                    task.cancel()

    def _spawn(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        task = group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _now_ms(self) -> int:
        return int((self._loop.time() - self._began) * 1000)

    async def _pump(self, group: asyncio.TaskGroup) -> None:
        while True:
            received = await self._next_input()
            if received is None:
                return
            outputs = self._session.feed(self._now_ms(), received)
            if not await self._carry_out(outputs, group):
                return

    async def _next_input(self) -> Input | None:
        deadline = self._session.deadline()
        assert deadline is not None, "an open session ends after an hour at the latest"
        try:
            # One millisecond is added because the clock is cut to whole ones: the timer must not fire before its time.
            async with asyncio.timeout(max(0, deadline - self._now_ms()) / 1000 + 0.001):
                return await self._inbox.get()
        except TimeoutError:
            return TimerFired()

    async def _carry_out(self, outputs: list[Output], group: asyncio.TaskGroup) -> bool:
        """Do what was ordered, in order; false when the session is over."""
        for output in outputs:
            match output:
                case SendText():
                    try:
                        await self._socket.send(output.text)
                    except ConnectionClosed:
                        return False
                case Recognise():
                    self._spawn(group, self._recognise(output))
                case Think():
                    self._spawn(group, self._think(output))
                case Speak():
                    self._texts.put_nowait(output)
                case StopWork():
                    self._stopped.add(output.response_id)
                case CloseSocket():
                    await self._socket.close(output.code, output.reason)
                    return False
        return True

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                text = message if isinstance(message, str) else message.decode(errors="replace")
                self._inbox.put_nowait(ClientText(text))
        except ConnectionClosed as closed:
            _log.info("the client went without a word: %s", closed)
        self._inbox.put_nowait(None)

    async def _recognise(self, order: Recognise) -> None:
        try:
            text = await self._loop.run_in_executor(self._threads, self._speech.hearing.recognise, order.pcm)
        except PeerError as error:
            self._inbox.put_nowait(RecognitionFailed(order.item_id, str(error)))
        else:
            self._inbox.put_nowait(Recognised(order.item_id, text))

    async def _think(self, order: Think) -> None:
        try:
            async with aclosing(self._brain.think(order)) as thoughts:
                async for thought in thoughts:
                    if order.response_id in self._stopped:
                        return
                    self._inbox.put_nowait(
                        ThoughtCall(order.response_id, thought.name, thought.arguments)
                        if isinstance(thought, ToolCall)
                        else ThoughtText(order.response_id, thought)
                    )
        except PeerError as error:
            _log.warning("no answer: %s", error)
            self._inbox.put_nowait(WorkFailed(order.response_id, str(error)))
        else:
            self._inbox.put_nowait(ThoughtDone(order.response_id))

    async def _speak(self) -> None:
        """Say one text after the other; what was stopped is skipped."""
        while True:
            order = await self._texts.get()
            chunks = self._speech.speaking.speak(order.text)
            while order.response_id not in self._stopped:
                chunk = await self._loop.run_in_executor(self._threads, _next_chunk, chunks)
                last = chunk is None
                self._inbox.put_nowait(Spoken(order.response_id, order.item_id, chunk or b"", last))
                if last:
                    break


def _next_chunk(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)
