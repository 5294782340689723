"""The HTTP side of Realtime over WebRTC: secrets, calls, hanging up, and the way of a sideband to its call.

aiortc is loaded with the first call, so that a server without it still serves WebSockets.
https://platform.openai.com/docs/guides/realtime-webrtc, https://platform.openai.com/docs/guides/realtime-server-controls
"""

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSMsgType, web

from voice_agent.emulator.faults import faults_asked_for, refuse
from voice_agent.emulator.session_runner import Mind
from voice_agent.emulator.webrtc.requests import (
    BadRequest,
    is_ephemeral,
    key_of,
    read_call_request,
    read_secret_request,
)
from voice_agent.emulator.webrtc.secrets import EphemeralSecrets
from voice_agent.errors import PeerError
from voice_agent.sim.realtime import (
    At16k,
    ClientText,
    Energy,
    Faults,
    FaultySession,
    OutputBuffer,
    RealtimeOptions,
    RealtimeSession,
)

if TYPE_CHECKING:
    from voice_agent.emulator.webrtc.call import Call, Texts

MOST_CALLS = 16
"""Calls at a time: each takes some 6 % of a core to code its audio, and all share one."""

_log = logging.getLogger(__name__)


class Calls:
    """The calls of one server."""

    def __init__(self, mind: Mind, options: RealtimeOptions, faults: str) -> None:
        """`faults`: what goes wrong in every call, whatever its client asks for (see `emulator.faults`)."""
        self._faults = faults
        self._mind = mind
        self._options = options
        self._tasks: set[asyncio.Task[None]] = set()
        """One a call, none of which raises; `close` waits for them. A task group around the server would wrap whatever
        is raised where the server is used."""
        self._secrets = EphemeralSecrets()
        self._calls: dict[str, Call] = {}

    def add_routes(self, router: web.UrlDispatcher, path: str) -> None:
        """Serve below a Realtime address."""
        router.add_post(f"{path}/client_secrets", _answering(self._create_secret))
        router.add_post(f"{path}/calls", _answering(self._create_call))
        router.add_post(f"{path}/calls/{{call}}/hangup", _answering(self._hang_up))

    async def close(self, _: web.Application) -> None:
        """Hang all of them up, because the server stops."""
        for call in self._calls.values():
            call.hang_up()
        await asyncio.gather(*self._tasks)

    def session_asked_for(self, request: web.Request) -> dict[str, Any] | None:
        """Give the session that the key of a request is bound to; `None`: it is no ephemeral one.

        Raises `BadRequest` for a secret that is unknown or has expired.
        """
        key = key_of(request)
        if not is_ephemeral(key):
            return None
        secret = self._secrets.find(key)
        if secret is None:
            raise BadRequest(401, "invalid_api_key", "The ephemeral key is unknown or has expired.")
        return secret.session

    def find(self, call_id: str) -> "Call":
        """Give a call in progress. Raises `BadRequest`."""
        call = self._calls.get(call_id)
        if call is None:
            raise BadRequest(404, "call_id_not_found", "No session found for the provided call_id.", "call_id")
        return call

    async def _create_secret(self, request: web.Request) -> web.Response:
        given, seconds = await read_secret_request(request)
        session = RealtimeSession(self._options_for(given), Energy(), OutputBuffer())
        _configure(session, given)
        secret = self._secrets.mint(given, seconds)
        shown = session.shown()
        return web.json_response({"value": secret.value, "expires_at": secret.expires_at, "session": shown})

    async def _create_call(self, request: web.Request) -> web.Response:
        faults = faults_asked_for(request, self._faults)
        refused = await refuse(request, faults)
        if refused is not None:
            return refused
        asked = await read_call_request(request)
        bound = self.session_asked_for(request)
        model = {"model": request.query["model"]} if "model" in request.query else {}
        given = bound or asked.session or {"type": "realtime", **model}
        if len(self._calls) >= MOST_CALLS:
            raise BadRequest(429, "rate_limit_exceeded", f"This server holds {MOST_CALLS} calls at a time.")
        try:
            # In a thread: it takes half a second, in which calls in progress would stand still.
            module = await asyncio.to_thread(_call_module)
        except ImportError as error:
            message = f'WebRTC needs aiortc ({error}); install it with: pip install "voice-agent[emulator]"'
            raise BadRequest(501, "not_installed", message) from None
        session = RealtimeSession(self._options_for(given), At16k(self._mind.speech.new_activity()), OutputBuffer())
        _configure(session, given)
        held = session if faults == Faults() else FaultySession(session, faults)
        call = module(held, self._mind, filtered=request.query.get("webrtcfilter") == "on")
        try:
            answer = await call.answer(asked.sdp)
        except PeerError as error:
            raise BadRequest(400, "invalid_offer", f"{error}.", "sdp") from None
        call_id = f"rtc_{secrets.token_hex(12)}"
        self._calls[call_id] = call
        task = asyncio.get_running_loop().create_task(self._hold(call_id, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        location = f"{request.path.rstrip('/')}/{call_id}"
        return web.Response(status=201, text=answer, content_type="application/sdp", headers={"Location": location})

    async def _hold(self, call_id: str, call: "Call") -> None:
        _log.info("call %s began", call_id)
        try:
            await call.run()
        except Exception:  # noqa: BLE001 - logged; `close` waits for this task
            # What fails in one call is no other's affair.
            _log.exception("call %s failed", call_id)
        finally:
            del self._calls[call_id]
        _log.info("call %s ended", call_id)

    async def _hang_up(self, request: web.Request) -> web.Response:
        self.find(request.match_info["call"]).hang_up()
        return web.Response()

    def _options_for(self, given: dict[str, Any]) -> RealtimeOptions:
        model = given.get("model")
        return msgspec.structs.replace(self._options, model=model) if isinstance(model, str) else self._options


async def attend(socket: web.WebSocketResponse, call: "Call") -> None:
    """Serve a sideband until it or its call ends."""
    async with call.attached() as texts, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read(socket, call, texts))
        while (text := await texts.get()) is not None and not socket.closed:
            try:
                await socket.send_str(text)
            except ConnectionError:
                break
        reading.cancel()
    await socket.close(code=call.end.code, message=call.end.reason.encode())


async def _read(socket: web.WebSocketResponse, call: "Call", texts: "Texts") -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            call.take(ClientText(message.data))
    texts.put_nowait(None)


def _call_module() -> "type[Call]":
    from voice_agent.emulator.webrtc.call import Call  # noqa: PLC0415 - aiortc is large, and may be missing

    return Call


def _configure(session: RealtimeSession, given: dict[str, Any]) -> None:
    error = session.configure(given)
    if error is not None:
        raise BadRequest(400, str(error["code"]), str(error["message"]), error["param"])


def _answering(serve: Any) -> Any:
    """Turn `BadRequest` into its answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await serve(request)
        except BadRequest as bad:
            return bad.answer
        return response

    return answer
