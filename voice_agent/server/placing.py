"""`POST /calls`: places a call for whoever knows `API_TOKEN`; `GET /calls/{sid}` tells how far it is.

    {"to": "+14255550123", "agent": "reminder", "variables": {"name": "Ana"}, "from": "+14255550100"}

`from` may be left out, and `agent` where there is one only. Whom may be called is `DIAL_COUNTRIES`' affair, as for
`voice-agent dial`. It must not know how a call is held.
"""

import logging
from collections.abc import Awaitable

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request, Response

from voice_agent.config.agents import AgentSource
from voice_agent.config.settings import Settings
from voice_agent.errors import CommandError, ConfigError, PeerError, RefusedError, UnreachedError
from voice_agent.live.admission import Refusal
from voice_agent.live.capacity import Capacity
from voice_agent.live.clock import utc_now
from voice_agent.server.bodies import read_body
from voice_agent.server.courses import Courses
from voice_agent.server.insiders import bears
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.dialler import Dialler, UncertainError
from voice_agent.twilio_api.dialling import OutboundCall, Wish, plan
from voice_agent.twilio_api.rest import GoneError

logger = logging.getLogger(__name__)

CALLS_PATH = "/calls"

BODY_BYTES = 16 * 1024
LONGEST_QUEUE_S = 30.0
"""A request that would wait for longer is refused, and says when to come again."""


class _Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    to: str
    agent: str = ""
    variables: dict[str, str] = {}
    from_: str = msgspec.field(default="", name="from")


class Placing:
    """What the routes need: agents, settings, the account."""

    def __init__(
        self,
        settings: Settings,
        agents: AgentSource,
        api: CallsApi | None,
        courses: Courses,
        capacity: Capacity | None = None,
    ) -> None:
        """`api`: `None` without credentials. `capacity`: `None` where there is always room."""
        self.capacity = capacity
        self.settings = settings
        self.agents = agents
        self.api = api
        self.courses = courses
        self.dialler = None if api is None else Dialler(api, settings.dial_per_second)
        self.closing = False
        """The server stops: no call is placed any more."""


def placing_routes(placing: Placing) -> APIRouter:
    """Make the routes."""

    async def admit(request: Request) -> None:
        token = placing.settings.api_token
        if token is None:
            raise HTTPException(403, "API_TOKEN is not set, so nobody may place calls")
        if not bears(request, token):
            raise HTTPException(401, "Authorization: Bearer, and API_TOKEN", {"WWW-Authenticate": "Bearer"})

    router = APIRouter(dependencies=[Depends(admit)])

    @router.post(CALLS_PATH)
    async def create(request: Request) -> Response:
        order = await _read(request)
        if placing.dialler is None:
            raise HTTPException(503, "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set: nothing can be dialled")
        if placing.closing:
            raise HTTPException(503, "the server stops")
        if (wait_s := placing.dialler.waits_s) > LONGEST_QUEUE_S:
            headers = {"Retry-After": str(round(wait_s))}
            raise HTTPException(429, f"too many calls wait: {wait_s:.0f} s at DIAL_PER_SECOND", headers)
        agents = placing.agents.latest()
        wish = Wish(to=order.to, agent=order.agent, variables=order.variables, from_=order.from_)
        try:
            call = plan(wish, agents, placing.settings, utc_now())
        except (CommandError, ConfigError) as error:
            raise HTTPException(400, str(error)) from None
        sid = await _placed_within(placing.capacity, placing.dialler, call)
        logger.info("a call to %s is placed, agent %s", call.to, call.agent, extra={"call": sid})
        return _json({"sid": sid, "to": call.to, "from": call.from_, "agent": call.agent, "status": "queued"}, 201)

    @router.get("/calls/{sid}")
    async def fetch(sid: str) -> Response:
        if placing.api is None:
            raise HTTPException(503, "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set")
        try:
            course = placing.courses.joined(sid, await placing.api.course(sid))
        except GoneError:
            raise HTTPException(404, "the account has no such call") from None
        except PeerError as error:
            raise HTTPException(502, str(error)) from None
        return _json({"sid": sid, **msgspec.structs.asdict(course)}, 200)

    return router


async def _read(request: Request) -> _Order:
    body = await read_body(request, BODY_BYTES)
    try:
        return msgspec.json.decode(body, type=_Order)
    except (ValueError, RecursionError) as error:
        form = '{"to": "+14255550123", "agent": "reminder", "variables": {"name": "Ana"}}'
        raise HTTPException(400, f"{error}; send e.g. {form}") from None


async def _placed_within(capacity: Capacity | None, dialler: Dialler, call: OutboundCall) -> str:
    """Place a call, unless it could not be held: before anybody's phone rings."""
    if capacity is None:
        return await _place(dialler.place(call), call.to)
    refusal = capacity.refusal(call.to, call.from_)
    if refusal is Refusal.DAY_IS_SPENT:
        raise HTTPException(503, "SPEND_PER_DAY is reached: no more calls today")
    if refusal in {Refusal.CALLER_CALLS_TOO_OFTEN, Refusal.NUMBER_CALLED_TOO_OFTEN}:
        called = refusal is Refusal.CALLER_CALLS_TOO_OFTEN
        told = f"{call.to} was called" if called else f"{call.from_} has called"
        raise HTTPException(429, f"{told} too often in this minute", {"Retry-After": "60"})
    if refusal is not None:
        raise HTTPException(503, f"no room for another call: {refusal.value}", {"Retry-After": "30"})
    with capacity.placing():
        sid = await _place(dialler.place(call), call.to)
        capacity.placed(sid)
    return sid


async def _place(placed: Awaitable[str], to: str) -> str:
    try:
        return await placed
    except RefusedError as error:
        raise HTTPException(422, str(error)) from None
    except UnreachedError as error:
        raise HTTPException(502, f"{to} was not called: {error}") from None
    except UncertainError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        raise HTTPException(504, str(error)) from None


def _json(content: dict[str, object], status: int) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
