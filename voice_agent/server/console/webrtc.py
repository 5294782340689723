"""A browser talks to an agent over WebRTC.

`POST /console/session` mints an ephemeral secret for an agent as its file describes it; the browser calls the endpoint
with it and tells us the call's id (`POST /console/session/{id}/call`); a sideband then greets, runs the agent's tools
and hangs up. Why a tool failed no model is told: the browser hears of it at `GET /console/session/{id}/events`. Audio
does not pass here, and nothing is recorded.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from voice_agent.agent import RUN_HERE, Agent
from voice_agent.call.commands import ConfigureSession
from voice_agent.call.events import ToolFinished
from voice_agent.config.agents import AgentSource
from voice_agent.config.render import render
from voice_agent.errors import ConfigError, PeerError
from voice_agent.live.call_client import CallClient
from voice_agent.live.clock import seconds, utc_now
from voice_agent.live.mcp_secrets import McpSecrets
from voice_agent.live.sideband import Sideband, Tools
from voice_agent.live.switchboard import Seat
from voice_agent.server.console.answers import json_of, read
from voice_agent.server.console.events import Broadcast
from voice_agent.tools.run import ToolRunner
from voice_agent.tools.text_message import MessageSender
from voice_agent.wire.dialects import GA
from voice_agent.wire.model_session import whole_session

logger = logging.getLogger(__name__)

SECRET_SECONDS = 120
"""How long a browser may take from the secret to the call: somebody has to allow the microphone."""

MOST_CALLS = 4
"""The console is for trying an agent, not for serving it."""

MOST_WAITING = 20
"""Sessions whose browser has not called yet; the oldest are forgotten first."""

BODY_BYTES = 4096

_CALL_ID = re.compile(r"rtc_[A-Za-z0-9_-]{1,128}")
"""A call's id becomes part of an address, so nothing else may pass."""


class _Waiting(msgspec.Struct, frozen=True):
    agent: Agent
    """Rendered."""
    until: int
    """Monotonic seconds."""


class Refused(Exception):  # noqa: N818 - what is refused is the request, not our code
    """A request that is answered with an HTTP status and a line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status
        self.line = line


class _ToldTools:
    """Runs tools, and tells the page of each that fails; fits `sideband.Tools`."""

    def __init__(self, tools: Tools, page: Broadcast) -> None:
        self._tools = tools
        self._page = page

    async def run(self, call_id: str, name: str, arguments: str) -> ToolFinished:
        finished = await self._tools.run(call_id, name, arguments)
        if finished.failed:
            self._page.publish("tool_failed", {"call_id": call_id, "cause": finished.cause})
        return finished


class BrowserCalls:
    """The browsers' calls of one server."""

    def __init__(
        self,
        agents: AgentSource,
        client: CallClient | ConfigError,
        tasks: asyncio.TaskGroup,
        messages: MessageSender | None = None,
        now_seconds: Callable[[], int] = seconds,
        *,
        seat: Seat | None = None,
    ) -> None:
        """`client`: or why the configured endpoint has no such calls. `tasks` gets one a call; `close` ends them.

        `seat`: among the workers of this machine; `None`: there is no other.
        """
        self._agents = agents
        self._client = client
        self._tasks = tasks
        self._messages = messages
        self._now_seconds = now_seconds
        self._seat = seat
        self._waiting: dict[str, _Waiting] = {}
        self._calls: dict[str, Sideband] = {}
        self._closed = False
        self._pages: dict[str, Broadcast] = {}
        """Of calls that are attended, by their sessions."""

    async def begin(self, name: str | None) -> dict[str, Any]:
        """Mint a secret for an agent, the default one without a name; raises `Refused`."""
        if isinstance(self._client, ConfigError):
            raise Refused(409, str(self._client))
        if len(self._calls) >= MOST_CALLS:
            raise Refused(429, f"{MOST_CALLS} calls of the console are going on; end one of them first")
        agent = self._agent(name)
        try:
            minted = await self._client.mint(session_of(agent), SECRET_SECONDS, self._secrets(agent))
        except PeerError as error:
            logger.warning("no secret for the console: %s", error)
            raise Refused(502, str(error)) from None
        if self._closed:
            raise Refused(503, "the server stops")
        session_id = secrets.token_urlsafe(16)
        self._waiting[session_id] = _Waiting(agent, self._now_seconds() + SECRET_SECONDS)
        if self._seat is not None:
            self._seat.enter(session_id)
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        return {
            "value": minted.value,
            "expires_at": minted.expires_at,
            "calls_url": self._client.address.calls,
            "call_url": f"/console/session/{session_id}/call",
            "events_url": f"/console/session/{session_id}/events",
            "agent": agent.name,
        }

    def attend(self, session_id: str, call_id: str) -> None:
        """Join the call that a browser began with the secret of a session, once; raises `Refused`."""
        if not _CALL_ID.fullmatch(call_id):
            raise Refused(422, 'call_id must be the last part of the "Location" that the call was answered with')
        waiting = self._waiting.pop(session_id, None)
        if waiting is None or waiting.until < self._now_seconds():
            raise Refused(404, "no such session; begin another one")
        assert isinstance(self._client, CallClient), "a session was begun with it"
        if call_id in self._calls:
            raise Refused(409, "the call is attended already")
        client = self._client
        page = self._pages[session_id] = Broadcast()
        tools = ToolRunner(waiting.agent, call_id, self._agents.references, self._messages)
        leg = client.leg(call_id, self._secrets(waiting.agent))
        sideband = Sideband(waiting.agent, leg, _ToldTools(tools, page), lambda: client.hang_up(call_id))
        self._calls[call_id] = sideband
        self._tasks.create_task(self._run(session_id, call_id, sideband))

    def events(self, session_id: str) -> Response:
        """Answer a page with what is told of the call that it attends; raises `Refused`."""
        if session_id not in self._pages:
            raise Refused(404, "no such call")
        return self._pages[session_id].response()

    async def close(self) -> None:
        """Hang all calls up, because the server stops, and take no further one: it would be waited for."""
        self._closed = True
        self._waiting.clear()
        await asyncio.gather(*(self._hang_up(*call) for call in self._calls.items()))

    async def _hang_up(self, call_id: str, sideband: Sideband) -> None:
        assert isinstance(self._client, CallClient), "it began the call"
        await self._client.hang_up(call_id)
        sideband.stop()

    async def _run(self, session_id: str, call_id: str, sideband: Sideband) -> None:
        logger.info("a browser's call begins", extra={"call": call_id})
        try:
            await sideband.run()
        except Exception:
            # What fails in a browser's call must not end the server, whose tasks it shares.
            logger.exception("a browser's call failed", extra={"call": call_id})
        finally:
            del self._calls[call_id]
            self._pages.pop(session_id).close()
            logger.info("a browser's call is over", extra={"call": call_id})

    def _secrets(self, agent: Agent) -> McpSecrets:
        return McpSecrets(agent, self._agents.references)

    def _agent(self, name: str | None) -> Agent:
        agents, problem = self._agents.current()
        if problem:
            logger.error("%s", problem)
        agent = agents.for_number("") if name is None else agents.named(name)
        if agent is None:
            known = ", ".join(agent.name for agent in agents.all)
            raise Refused(404, f"name one of the agents: {known}")
        try:
            return render(agent, "a browser", "the console", utc_now())
        except (ConfigError, ValueError) as error:
            raise Refused(409, str(error)) from None


_ON_THE_LINE = {
    "transfer": "put the caller through to anybody",
    "handoff": "hand the call over to another agent",
    "collect_digits": "ask for digits on a keypad; let them be said",
    "send_digits": "press keys",
}
"""Tools that such a call has not, by kind, and what cannot be done without them. The console's telephone has them all,
for its calls come as the carrier's do."""


def _without_a_line(agent: Agent) -> str:
    """Tell the model what it cannot do, if its instructions may ask for it."""
    lost = dict.fromkeys(_ON_THE_LINE[tool.kind] for tool in agent.tools if tool.kind in _ON_THE_LINE)
    if not lost or not agent.instructions:
        return ""  # whose instructions stand in a prompt at the endpoint, they would be put aside
    what = "\n".join(f"- {one}" for one in lost)
    return (
        f"\n\nThis call comes from a page in a browser, not by telephone. In it you cannot:\n{what}\n"
        "Where you would, say that it is not possible here, and help by words."
    )


def session_of(agent: Agent) -> dict[str, Any]:
    """Write the session of an agent as a secret holds it: by the server's turns, in the formats that SDP settles."""
    session = whole_session(
        GA,
        "pcm24k",
        ConfigureSession(
            instructions=agent.instructions + _without_a_line(agent),
            voice=agent.voice,
            # A browser's call has no line that a tool could act on.
            tools=tuple(tool for tool in agent.tools if tool.kind == "hang_up" or tool.kind in RUN_HERE),
            turn_detection=agent.turn_detection,
            interrupt_response=True,
            create_response=True,
            transcription=agent.transcription,
            noise_reduction=agent.noise_reduction,
            model=agent.model,
            mcp=agent.mcp,
        ),
    )
    for direction in ("input", "output"):
        session["audio"][direction].pop("format")
    return session


# --- HTTP ------------------------------------------------------------------------------------------------------------


class _Begin(msgspec.Struct, forbid_unknown_fields=True):
    agent: str | None = None


class _Attend(msgspec.Struct, forbid_unknown_fields=True):
    call_id: str


def webrtc_routes(calls: BrowserCalls) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.post("/console/session")
    async def begin(request: Request) -> Response:
        try:
            return json_of(await calls.begin((await read(request, _Begin, BODY_BYTES)).agent))
        except Refused as refused:
            raise HTTPException(refused.status, refused.line) from None

    @router.post("/console/session/{session_id}/call")
    async def attend(request: Request, session_id: str) -> Response:
        try:
            calls.attend(session_id, (await read(request, _Attend, BODY_BYTES)).call_id)
        except Refused as refused:
            raise HTTPException(refused.status, refused.line) from None
        return Response(status_code=204)

    @router.get("/console/session/{session_id}/events")
    async def events(session_id: str) -> Response:
        try:
            return calls.events(session_id)
        except Refused as refused:
            raise HTTPException(refused.status, refused.line) from None

    return router
