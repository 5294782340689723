"""The softphone's side of the server: a browser calls an agent, and is its own carrier.

What Twilio would ask by webhooks the browser asks here, and is answered by the same reception with the same TwiML, as
JSON. The stream then goes to `WS /twilio/media` in Twilio's own messages, let in as `media.Browsers` says: with the
call's single-use token, to a call that was begun here, from a page of the console. The carrier is asked for nothing:
nobody is called or written to, see `reception.Chosen`. It must not know what a page looks like.
"""

import re
import secrets
from typing import Literal, assert_never

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from starlette.requests import HTTPConnection

from voice_agent.call.commands import CallEnded, Report
from voice_agent.config.agents import AgentSource
from voice_agent.config.schema_forms import E164
from voice_agent.live.phone_leg import Message
from voice_agent.server.console.access import Access
from voice_agent.server.console.agent_files import AgentFiles, Draft
from voice_agent.server.console.answers import json_of, read
from voice_agent.server.console.phone_events import PhoneEvents
from voice_agent.server.reception import Chosen, Reception
from voice_agent.wire import twiml

CALLER = "a browser"
CALLED = "the console"
"""What stands in the place of numbers."""

CALLED_DRAFT = "the console, a draft"
"""The same where the agent is one that is not saved, so that nobody looks for its words in a file later."""

NO_ACCOUNT = f"AC{'0' * 32}"
"""The account of calls that no carrier knows."""

MOST_CALLS = 8
"""At once: the softphone is for trying an agent, not for serving it."""

MOST_REMEMBERED = 100
"""Calls whose browser may still ask."""


# --- what the browser is told to do ----------------------------------------------------------------------------------


class _Verb(msgspec.Struct, frozen=True, tag_field="verb", tag=str.lower):
    """The root of a carrier's orders."""


class Say(_Verb, frozen=True):
    """Speak in the carrier's own voice."""

    text: str
    language: str


class Press(_Verb, frozen=True):
    """Press keys; `w` waits half a second."""

    digits: str


class Wait(_Verb, frozen=True):
    """Do nothing."""

    seconds: int


class Stream(_Verb, frozen=True):
    """Open the stream; when it is over, ask what comes next."""

    stream_sid: str
    parameters: dict[str, str]


class Dial(_Verb, frozen=True):
    """Put the caller through; say what came of it, and ask what comes next. Nobody is called from a browser."""

    to: str


class Record(_Verb, frozen=True):
    """Record a message."""


class Again(_Verb, frozen=True):
    """Ask once more what comes next."""


class Hangup(_Verb, frozen=True):
    """The call is over."""


class Busy(_Verb, frozen=True):
    """The call is not taken."""


Verb = Say | Press | Wait | Stream | Dial | Record | Again | Hangup | Busy


def verbs_of(xml: str) -> list[Verb]:
    """Give what TwiML of ours orders, for a carrier that needs no addresses."""
    return [_verb(verb) for verb in twiml.parse(xml)]


def _verb(verb: twiml.Verb) -> Verb:
    match verb:
        case twiml.Say():
            return Say(verb.text, verb.language)
        case twiml.Play():
            return Press(verb.digits)
        case twiml.Pause():
            return Wait(verb.length_s)
        case twiml.Connect():
            return Stream(f"MZ{secrets.token_hex(16)}", verb.parameters)
        case twiml.Dial():
            return Dial(verb.address)
        case twiml.Record():
            return Record()
        case twiml.Redirect():
            return Again()
        case twiml.Hangup():
            return Hangup()
        case twiml.Reject():
            return Busy()
        case _:
            assert_never(verb)


# --- the calls -------------------------------------------------------------------------------------------------------


class Begun(msgspec.Struct, frozen=True):
    """A call that a browser has begun."""

    call_sid: str
    account_sid: str
    verbs: list[Verb]


class _Call(msgspec.Struct):
    fields: dict[str, str]
    """As a webhook would bring them."""
    events: PhoneEvents


class Phone:
    """The browsers' calls of one server; fits `media.Browsers`."""

    def __init__(self, agents: AgentSource, reception: Reception, access: Access) -> None:
        self._agents = agents
        self._reception = reception
        self._access = access
        self._calls: dict[str, _Call] = {}

    # --- for the stream's endpoint -----------------------------------------------------------------------------------

    def lets_in(self, scope: Message) -> bool:
        """Tell whether a WebSocket's upgrade comes from a page of the console, by its cookie and its token."""
        return self._access.judge(HTTPConnection(scope)) == "in"

    def has(self, call_sid: str) -> bool:
        """Tell whether a browser has begun this call."""
        return call_sid in self._calls

    # --- for the browser ---------------------------------------------------------------------------------------------

    def names(self) -> tuple[list[str], str]:
        """Give the agents' names, and which of them takes calls to any number, or nothing."""
        agents = self._agents.latest()
        usual = agents.for_number("")
        return [agent.name for agent in agents.all], "" if usual is None else usual.name

    def chosen(self, name: str) -> Chosen:
        """Find an agent by its name; raises `HTTPException`."""
        agents = self._agents.latest()
        agent = agents.named(name)
        if agent is None:
            raise HTTPException(404, f"name one of the agents: {', '.join(agent.name for agent in agents.all)}")
        return Chosen(agent, agents)

    async def begin(self, chosen: Chosen, caller: str = "", called: str = CALLED) -> Begun:
        """Begin a call to an agent, as a number if one is given; raises `HTTPException`."""
        if self._reception.stopping.closing:
            raise HTTPException(503, "the server stops")
        if sum(map(self._reception.lobby.knows, self._calls)) >= MOST_CALLS:
            raise HTTPException(429, f"{MOST_CALLS} calls of browsers are going on; end one of them first")
        call_sid = f"CA{secrets.token_hex(16)}"
        fields = {
            "CallSid": call_sid,
            "AccountSid": NO_ACCOUNT,
            "From": caller or CALLER,
            "To": called,
            "CallStatus": "in-progress",
            "Direction": "inbound",
        }
        self._forget_old()
        self._calls[call_sid] = _Call(fields, PhoneEvents())
        if self._reception.seat is not None:
            self._reception.seat.enter(call_sid)
        return Begun(call_sid, NO_ACCOUNT, verbs_of(await self._reception.receive(fields, chosen=chosen)))

    async def after_stream(self, call_sid: str) -> list[Verb]:
        """Say what becomes of a call whose stream has ended."""
        return verbs_of(await self._reception.afterwards.after_stream(self._call(call_sid).fields))

    async def after_dial(self, call_sid: str, status: str) -> list[Verb]:
        """Say what becomes of a call whose transfer has come to that."""
        fields = {**self._call(call_sid).fields, "DialCallStatus": status}
        return verbs_of(await self._reception.afterwards.after_dial(fields))

    async def over(self, call_sid: str) -> None:
        """The browser has hung up, perhaps before there was a stream."""
        await self._reception.reports.over({**self._call(call_sid).fields, "CallStatus": "completed"})

    def events(self, call_sid: str) -> Response:
        """Answer a page with what is told of a call."""
        return self._call(call_sid).events.response()

    def _forget_old(self) -> None:
        over = [call_sid for call_sid in self._calls if not self._reception.lobby.knows(call_sid)]
        for call_sid in over[: max(0, len(self._calls) - MOST_REMEMBERED)]:
            self._calls.pop(call_sid).events.close()

    def _call(self, call_sid: str) -> _Call:
        if call_sid not in self._calls:
            raise HTTPException(404, "no such call of a browser")
        return self._calls[call_sid]

    # --- for the server ----------------------------------------------------------------------------------------------

    def observe(self, call_sid: str, now_ms: int, report: Report) -> None:
        """Take every report of every call; see `opened_call.CallObserver`."""
        call = self._calls.get(call_sid)
        if call is None:
            return
        session = self._reception.lobby.sessions.get(call_sid)
        if session is not None and not call.events.listens:
            call.events.begin(session)
        call.events.report(now_ms, report)
        if isinstance(report, CallEnded):
            call.events.end()

    def close(self) -> None:
        """Let all pages go, because the server stops."""
        for call in self._calls.values():
            call.events.close()


# --- HTTP ------------------------------------------------------------------------------------------------------------


class _Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agent: str = ""
    caller: str = ""
    draft: Draft | None = None
    """Called instead of an agent in force, in this call only."""


class _Next(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    after: Literal["stream", "dial"]
    status: Literal["completed", "busy", "no-answer", "failed"] = "completed"
    """Of `dial`."""


def phone_routes(phone: Phone, files: AgentFiles) -> APIRouter:
    """Make the routes; `files` knows drafts."""
    router = APIRouter(prefix="/console/api/phone")

    @router.get("/agents")
    async def agents() -> Response:
        names, usual = phone.names()
        return json_of({"agents": names, "usual": usual})

    @router.post("/calls")
    async def begin(request: Request) -> Response:
        wish = await read(request, _Wish)
        if wish.caller and not re.fullmatch(E164, wish.caller):
            raise HTTPException(422, 'the caller\'s number is written like "+14255550199"')
        if wish.draft is not None:
            return json_of(await phone.begin(await files.chosen(wish.draft), wish.caller, CALLED_DRAFT))
        return json_of(await phone.begin(phone.chosen(wish.agent), wish.caller))

    @router.post("/calls/{call_sid}/next")
    async def next_verbs(request: Request, call_sid: str) -> Response:
        wanted = await read(request, _Next)
        if wanted.after == "stream":
            return json_of(await phone.after_stream(call_sid))
        return json_of(await phone.after_dial(call_sid, wanted.status))

    @router.post("/calls/{call_sid}/over")
    async def over(call_sid: str) -> Response:
        await phone.over(call_sid)
        return Response(status_code=204)

    @router.get("/calls/{call_sid}/events")
    async def events(call_sid: str) -> Response:
        return phone.events(call_sid)

    return router
