"""Twilio's REST API as far as a bridge needs it: the account, its calls and their recordings, numbers, messages.

Answers and errors have Twilio's form, so that the `twilio` package works against it (`TWILIO_API_BASE_URL`). It must
not know how calls run. https://www.twilio.com/docs/voice/api/call-resource
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request

from voice_agent.emulator.twilio.call import OVER, EmulatedCall
from voice_agent.emulator.twilio.documents import Address, Document, read
from voice_agent.emulator.twilio.messages import SentMessage, add_messages
from voice_agent.emulator.twilio.numbers import IncomingNumber, add_numbers
from voice_agent.emulator.twilio.recordings import CallRecording, add_recordings
from voice_agent.emulator.twilio.refusal import (
    INVALID_PARAMETER,
    NOT_IN_STATE,
    UNAUTHORIZED,
    Refused,
    no_resource,
    not_found,
    refusal,
)
from voice_agent.emulator.twilio.resources import API_VERSION, PREFIX, fields_of, form_of, friendly, page_of, rfc_2822
from voice_agent.emulator.twilio.webhook import WebhookError


class Holdings(msgspec.Struct):
    """What an account has; each by its SID, in the order of its making."""

    calls: dict[str, EmulatedCall] = {}
    numbers: dict[str, IncomingNumber] = {}
    messages: dict[str, SentMessage] = {}
    recordings: dict[str, CallRecording] = {}


Create = Callable[[Sequence[tuple[str, str]]], EmulatedCall]
"""Places the call that a form asks for; raises `Refused`."""


def rest_api(account_sid: str, auth_token: str, holdings: Holdings, create: Create) -> FastAPI:
    """Make the API of one account."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(Refused, refusal)
    app.add_exception_handler(404, no_resource)

    async def admit(request: Request) -> None:
        if not _has_credentials(request.headers.get("authorization", ""), account_sid, auth_token):
            raise Refused(401, UNAUTHORIZED, "Authenticate")
        if request.path_params["account"] != account_sid:
            raise not_found(request)

    def call_of(request: Request) -> EmulatedCall:
        call = holdings.calls.get(request.path_params["call"])
        if call is None:
            raise not_found(request)
        return call

    def show(call: EmulatedCall) -> dict[str, Any]:
        ours = call.order.to if call.order.callee is None else call.order.from_
        called = (number.sid for number in holdings.numbers.values() if number.phone_number == ours)
        return resource_of_call(account_sid, call, next(called, None))

    router = APIRouter(prefix=PREFIX, dependencies=[Depends(admit)])

    @router.get("/{account}.json")
    async def fetch_account(account: str) -> dict[str, Any]:
        return {
            "sid": account,
            "friendly_name": "Emulated account",
            "status": "active",
            "type": "Full",
            "uri": f"{PREFIX}/{account}.json",
        }

    @router.get("/{account}/Calls.json")
    async def list_calls(request: Request) -> dict[str, Any]:
        query = request.query_params
        wanted = {name.lower(): query[name] for name in ("To", "From", "Status") if query.get(name)}
        found = [show(call) for call in reversed(list(holdings.calls.values()))]
        shown = [one for one in found if all(one[name] == value for name, value in wanted.items())]
        return page_of("calls", shown, request)

    @router.post("/{account}/Calls.json", status_code=201)
    async def create_call(request: Request) -> dict[str, Any]:
        return show(create(await form_of(request)))

    @router.get("/{account}/Calls/{call}.json")
    async def fetch_call(request: Request) -> dict[str, Any]:
        return show(call_of(request))

    @router.post("/{account}/Calls/{call}.json")
    async def update_call(request: Request) -> dict[str, Any]:
        call = call_of(request)
        ended = _update(call, await fields_of(request))
        return show(call) | ({"status": ended} if ended else {})

    add_numbers(router, holdings.numbers)
    add_messages(router, holdings.messages, holdings.numbers)
    add_recordings(router, holdings.recordings, call_of)
    app.include_router(router)
    return app


def _update(call: EmulatedCall, fields: Mapping[str, str]) -> Literal["completed", "canceled"] | None:
    """Do what the fields order; gives the status that the call is on its way to, if it is."""
    status, url, text = fields.get("Status"), fields.get("Url"), fields.get("Twiml")
    if (url and text) or status not in {None, "completed", "canceled"}:
        raise Refused(400, INVALID_PARAMETER, "Url and Twiml exclude each other; Status is completed or canceled")
    ordered = status or url or text
    if ordered and call.status in OVER:
        raise Refused(400, NOT_IN_STATE, "Call is not in-progress. Cannot redirect.")
    if status == "canceled" and call.status == "in-progress":
        raise Refused(400, NOT_IN_STATE, "Call is in-progress. Cannot cancel.")
    if status is not None:
        call.end_by_rest()
        return "completed" if call.status == "in-progress" else "canceled"
    if url or text:
        call.redirect(_following(call, url, text, fields.get("Method", "POST")))
    return None


def _following(call: EmulatedCall, url: str | None, text: str | None, method: str) -> Address | Document:
    if url:
        return Address(url, "GET" if method.upper() == "GET" else "POST")
    try:
        return read(text or "")
    except WebhookError as error:
        call.fault(error.code, str(error))
        return Document([])


def resource_of_call(account_sid: str, call: EmulatedCall, number_sid: str | None) -> dict[str, Any]:
    """Show a call as the API does; `number_sid`: of the account's number in it, if one is."""
    uri = f"{PREFIX}/{account_sid}/Calls/{call.sid}"
    ended = call.ended_at
    return {
        "sid": call.sid,
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "from": call.order.from_,
        "from_formatted": friendly(call.order.from_),
        "to": call.order.to,
        "to_formatted": friendly(call.order.to),
        "status": call.status,
        "direction": call.order.direction,
        "date_created": rfc_2822(call.placed_at),
        "date_updated": rfc_2822(ended or call.answered_at or call.placed_at),
        "start_time": rfc_2822(call.answered_at),
        "end_time": rfc_2822(ended),
        "duration": str(call.duration_s) if call.status in OVER else None,
        "answered_by": call.answered_by,
        "parent_call_sid": None,
        "phone_number_sid": number_sid,
        "price": None,
        "price_unit": "USD",
        "annotation": None,
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": "0",
        "stir_verstat": None,
        "trunk_sid": None,
        "uri": f"{uri}.json",
        "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
    }


def _has_credentials(header: str, account_sid: str, auth_token: str) -> bool:
    scheme, _, encoded = header.partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, f"{account_sid}:{auth_token}".encode())
