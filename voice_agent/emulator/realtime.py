"""A Realtime server on a socket: gives each WebSocket a `sim.realtime` session with real time, models and a brain.

HTTP and WebSocket share one port, as the services' do. It must not know how a session runs.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from voice_agent.emulator.addresses import AZURE_PATH, GA_PATHS, PREVIEW_PATH, dialect_asked_for
from voice_agent.emulator.brain import Brain
from voice_agent.emulator.faults import faults_asked_for, refuse
from voice_agent.emulator.session_runner import Mind, SessionRunner
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.webrtc.calls import Calls, attend
from voice_agent.emulator.webrtc.requests import BadRequest
from voice_agent.errors import CommandError
from voice_agent.sim.realtime import (
    NO_CLOSE_FRAME,
    At16k,
    ClientText,
    Faults,
    FaultySession,
    RealtimeOptions,
    RealtimeSession,
)

MAX_MESSAGE_BYTES = 24 * 1024 * 1024
"""The API takes 15 MiB of audio in one event; base64 makes a third more of it."""

_PING_SECONDS = 20.0
"""So often a silent client is asked whether it is still there."""

_END_SECONDS = 2.0
"""How long connections may take to close when the server stops."""

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
    host: str, port: int, speech: Speech, brain: Brain, options: RealtimeOptions | None = None, *, faults: str = ""
) -> AsyncIterator[RealtimeServer]:
    """Serve sessions until the block is left, then close them. Port 0 takes a free one. Raises `CommandError`.

    `faults`: what goes wrong in every session, whatever its client asks for (see `emulator.faults`); parted by
    semicolons, of the first, the second and so on, the last of all that follow.
    """
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="speech") as threads:
        mind, settings = Mind(speech, brain, threads), options or RealtimeOptions()
        calls = Calls(mind, settings, faults.rpartition(";")[2])
        open_sockets = _OpenSockets(mind, settings, calls, faults)
        application = web.Application()
        for form in (PREVIEW_PATH, f"{PREVIEW_PATH}/"):
            application.router.add_get(form, open_sockets.hold_preview)
        for path in GA_PATHS:
            for form in (path, f"{path}/"):
                application.router.add_get(form, open_sockets.hold)
            calls.add_routes(application.router, path)
        application.router.add_route("OPTIONS", "/{path:.*}", _preflight)
        application.router.add_route("*", "/{path:.*}", _no_such_address)
        application.on_response_prepare.append(_open_to_pages)
        application.on_shutdown.extend((calls.close, open_sockets.close))
        async with _listening(application, host, port) as taken:
            yield RealtimeServer(host, taken)


@asynccontextmanager
async def _listening(application: web.Application, host: str, port: int) -> AsyncIterator[int]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_END_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except (OSError, UnicodeError) as error:  # a host such as a..b cannot even be looked up
            reason = getattr(error, "strerror", None) or str(error)
            raise CommandError(f"cannot listen on {host}:{port}: {reason}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _no_such_address(request: web.Request) -> web.Response:
    message = f"Invalid URL ({request.method} {request.path})"
    return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=404)


async def _preflight(_: web.Request) -> web.Response:
    return web.Response(status=204)


async def _open_to_pages(_: web.Request, response: web.StreamResponse) -> None:
    """Let a page of any origin call, as the services do: what protects them is the key."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Headers"] = "*, Authorization"
    response.headers["Access-Control-Expose-Headers"] = "Location"


class _OpenSockets:
    """The WebSockets of one server, each with a session of its own."""

    def __init__(self, mind: Mind, options: RealtimeOptions, calls: Calls, faults: str) -> None:
        self._mind = mind
        self._options = options
        self._calls = calls
        self._faults = faults.split(";")
        self._sessions = 0
        self._open: set[web.WebSocketResponse] = set()

    async def hold(self, request: web.Request) -> web.StreamResponse:
        """Serve one client. Any key is good, and none too: this server is for trying things on one's own machine.

        Only an ephemeral key must be one that this server gave out, for it brings its session along.
        """
        try:
            _examine_intent(request)
            call = self._calls.find(request.query["call_id"]) if "call_id" in request.query else None
            bound = self._calls.session_asked_for(request)
            of_all = self._faults.pop(0) if len(self._faults) > 1 and call is None else self._faults[0]
            faults = faults_asked_for(request, of_all)
            if request.path.startswith(AZURE_PATH) and "api-version" in request.query:
                # Microsoft's guide to the migration: "WebSocket connection returns 401 Unauthorized".
                faults = msgspec.structs.replace(faults, status=401)
        except BadRequest as bad:
            return bad.answer
        refused = await refuse(request, faults)
        if refused is not None:
            return refused
        # Browsers offer `realtime` beside their key, which must not come back.
        socket = web.WebSocketResponse(
            protocols=("realtime",), compress=False, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=_PING_SECONDS
        )
        await socket.prepare(request)
        self._open.add(socket)
        try:
            if call is not None:
                await attend(socket, call)
            else:
                await self._serve(request, socket, bound, faults)
        finally:
            self._open.discard(socket)
        return socket

    async def hold_preview(self, request: web.Request) -> web.StreamResponse:
        """Serve one client of Azure's older form of address, which names its version and its deployment."""
        if not (request.query.get("api-version") and request.query.get("deployment")):
            return web.json_response({"error": {"code": "404", "message": "Resource not found"}}, status=404)
        return await self.hold(request)

    async def close(self, _: web.Application) -> None:
        """Close all of them, because the server stops."""
        for socket in list(self._open):
            await socket.close(code=1001, message=b"the server stops")

    async def _serve(
        self, request: web.Request, socket: web.WebSocketResponse, bound: dict[str, Any] | None, faults: Faults
    ) -> None:
        dialect = dialect_asked_for(request.path, request.headers, openai_beta=self._options.openai_beta)
        if dialect is None:
            # What OpenAI answers since May 2026.
            await socket.close(code=4000, message=b"beta_api_shape_disabled")
            return
        named = request.query.get("deployment") or request.query.get("model")
        model = named or (bound or {}).get("model") or self._options.model
        self._sessions += 1
        # No service uses an id twice, not in another session either.
        ids = f"{self._sessions}_" if self._sessions > 1 else ""
        options = msgspec.structs.replace(self._options, model=model, dialect=dialect, ids=ids)
        session = RealtimeSession(options, At16k(self._mind.speech.new_activity()))
        if bound is not None:
            session.configure({name: value for name, value in bound.items() if name != "model"})
        _log.info("session opened for model %s", model)
        runner = SessionRunner(
            session if faults == Faults() else FaultySession(session, faults), self._mind, socket.send_str
        )
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read_texts(socket, runner))
            end = await runner.run()
            reading.cancel()
        if end is not None and end.code == NO_CLOSE_FRAME:
            if request.transport is not None:
                request.transport.abort()
        elif end is not None:
            await socket.close(code=end.code, message=end.reason.encode())
        _log.info("session closed")


def _examine_intent(request: web.Request) -> None:
    """Refuse what would be a session of another kind; raises `BadRequest`."""
    if request.query.get("intent", "realtime") != "realtime":
        message = "This local server holds conversations only; leave 'intent' out, and transcribe the input of one."
        raise BadRequest(400, "invalid_value", message, "intent")


async def read_texts(socket: web.WebSocketResponse, runner: SessionRunner) -> None:
    """Give a session what its client sends, and tell it when the client goes."""
    async for message in socket:
        if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            data = message.data
            runner.take(ClientText(data if isinstance(data, str) else data.decode(errors="replace")))
    runner.leave()
