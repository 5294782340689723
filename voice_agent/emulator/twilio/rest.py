"""Twilio's REST API as far as a bridge needs it: look at the account and at calls, end a call, redirect it.

Answers and errors have Twilio's form, so that the `twilio` package works against it (`TWILIO_API_BASE_URL`). It must
not know how calls run. https://www.twilio.com/docs/voice/api/call-resource
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from voice_agent.emulator.twilio.call import OVER, EmulatedCall
from voice_agent.emulator.twilio.documents import Address, Document, read
from voice_agent.emulator.twilio.webhook import WebhookError

PREFIX = "/2010-04-01/Accounts"

UNAUTHORIZED = 20003
NOT_FOUND = 20404
INVALID_PARAMETER = 20001
NOT_IN_STATE = 21220


class _Refused(Exception):  # noqa: N818 - what is refused is the request, not our error
    """Twilio's answer to a request that it does not grant."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.content = {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }
        self.status = status


def rest_api(account_sid: str, auth_token: str, calls: Mapping[str, EmulatedCall]) -> FastAPI:
    """Make the API of one account; `calls` by CallSid, newest last."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(_Refused, _refusal)
    app.add_exception_handler(404, _no_resource)

    async def admit(request: Request) -> None:
        if not _has_credentials(request.headers.get("authorization", ""), account_sid, auth_token):
            raise _Refused(401, UNAUTHORIZED, "Authenticate")
        if request.path_params["account"] != account_sid:
            raise _not_found(request)

    def call_of(request: Request) -> EmulatedCall:
        call = calls.get(request.path_params["call"])
        if call is None:
            raise _not_found(request)
        return call

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
    async def list_calls(account: str) -> dict[str, Any]:
        found = [_resource(account, call) for call in reversed(list(calls.values()))]
        page = {"page": 0, "page_size": len(found), "start": 0, "end": max(0, len(found) - 1)}
        return {"calls": found, **page, "uri": f"{PREFIX}/{account}/Calls.json", "next_page_uri": None}

    @router.get("/{account}/Calls/{call}.json")
    async def fetch_call(account: str, request: Request) -> dict[str, Any]:
        return _resource(account, call_of(request))

    @router.post("/{account}/Calls/{call}.json")
    async def update_call(account: str, request: Request) -> dict[str, Any]:
        call = call_of(request)
        fields = dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))
        ended = _update(call, fields)
        return _resource(account, call) | ({"status": ended} if ended else {})

    app.include_router(router)
    return app


def _update(call: EmulatedCall, fields: Mapping[str, str]) -> Literal["completed", "canceled"] | None:
    """Do what the fields order; gives the status that the call is on its way to, if it is."""
    status, url, text = fields.get("Status"), fields.get("Url"), fields.get("Twiml")
    if (url and text) or status not in {None, "completed", "canceled"}:
        raise _Refused(400, INVALID_PARAMETER, "Url and Twiml exclude each other; Status is completed or canceled")
    ordered = status or url or text
    if ordered and call.status in OVER:
        raise _Refused(400, NOT_IN_STATE, "Call is not in-progress. Cannot redirect.")
    if status == "canceled" and call.status == "in-progress":
        raise _Refused(400, NOT_IN_STATE, "Call is in-progress. Cannot cancel.")
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


def _resource(account_sid: str, call: EmulatedCall) -> dict[str, Any]:
    uri = f"{PREFIX}/{account_sid}/Calls/{call.sid}.json"
    return {
        "sid": call.sid,
        "account_sid": account_sid,
        "api_version": "2010-04-01",
        "from": call.order.from_,
        "to": call.order.to,
        "status": call.status,
        "direction": "inbound",
        "start_time": None if call.answered_at is None else format_datetime(call.answered_at),
        "end_time": None if call.ended_at is None else format_datetime(call.ended_at),
        "duration": str(call.duration_s) if call.status in OVER else None,
        "answered_by": None,
        "uri": uri,
        "subresource_uris": {},
    }


def _has_credentials(header: str, account_sid: str, auth_token: str) -> bool:
    scheme, _, encoded = header.partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, f"{account_sid}:{auth_token}".encode())


def _not_found(request: Request) -> _Refused:
    return _Refused(404, NOT_FOUND, f"The requested resource {request.url.path} was not found")


async def _refusal(_: Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, _Refused), "registered for nothing else"
    return JSONResponse(refused.content, refused.status)


async def _no_resource(request: Request, _: Exception) -> JSONResponse:
    return await _refusal(request, _not_found(request))
