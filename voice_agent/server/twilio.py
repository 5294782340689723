"""The webhooks that Twilio calls. Each is a form whose signature covers every field; nothing is believed before that.

It must not decide anything about calls: that is `reception`, and the parts that it is made of.
"""

import logging
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response

from voice_agent.live.admission import Refusal
from voice_agent.server.bodies import BODY_SECONDS, read_body
from voice_agent.server.colleagues import COLLEAGUE_PATH
from voice_agent.server.courses import COURSE_PATH
from voice_agent.server.reception import Reception
from voice_agent.server.terms import AFTER_DIAL_PATH, AFTER_STREAM_PATH, STATUS_PATH, VOICE_PATH
from voice_agent.twilio_api.calls import Course
from voice_agent.wire.signature import valid_request

logger = logging.getLogger(__name__)

FORM_BYTES = 64 * 1024
"""A webhook has some 30 short fields; a stranger must not make us hold or sort more."""


def webhooks(reception: Reception, form_seconds: float = BODY_SECONDS) -> APIRouter:
    """Make the routes under `/twilio`, apart from the stream."""
    router = APIRouter()

    async def signed_fields(request: Request) -> Mapping[str, str]:
        """Read the form and check who sent it; raises 403, 413 or 408."""
        body = await read_body(request, FORM_BYTES, form_seconds)
        fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        # Never the Host header: behind a tunnel or a proxy it is anybody's, and the scheme is wrong.
        url = reception.terms.public_url + request.url.path
        if request.url.query:
            url += f"?{request.url.query}"
        signature = request.headers.get("x-twilio-signature")
        if not valid_request(reception.terms.tokens, url, fields, signature):
            refusal = Refusal.WEBHOOK_WRONGLY_SIGNED if signature else Refusal.WEBHOOK_UNSIGNED
            peer = request.client.host if request.client else "?"
            reception.refusals.tell(refusal, f"{peer} asked for {url}")
            raise HTTPException(403, "not signed by Twilio; is PUBLIC_URL the address that Twilio calls?")
        given = dict(fields)
        if reception.seat is not None and "CallSid" in given:
            reception.seat.enter_new(given["CallSid"])
        return given

    async def fields_of_call(request: Request) -> Mapping[str, str]:
        """Read the form of a call that we may have to take; raises 503 when the server stops.

        A proxy may ask the next server then; Twilio asks the number's fallback URL.
        """
        fields = await signed_fields(request)
        if reception.turns_away(fields):
            raise HTTPException(503, "the server stops", headers={"Retry-After": "1"})
        return fields

    @router.post(VOICE_PATH)
    async def voice(request: Request) -> Response:
        return _xml(await reception.receive(await fields_of_call(request), request.url.query))

    @router.post(AFTER_STREAM_PATH)
    async def after_stream(request: Request) -> Response:
        carried = dict(parse_qsl(request.url.query))
        return _xml(await reception.afterwards.after_stream({**carried, **await signed_fields(request)}))

    @router.post(AFTER_DIAL_PATH)
    async def after_dial(request: Request) -> Response:
        # A call that we have had: also a server that stops takes it back, or hands it on.
        carried = dict(parse_qsl(request.url.query))
        return _xml(await reception.afterwards.after_dial({**carried, **await signed_fields(request)}))

    @router.post(COLLEAGUE_PATH + "/{link_id}")
    async def colleague(link_id: str, request: Request) -> Response:
        return _xml(await reception.answer_colleague(link_id, await signed_fields(request)))

    @router.post(COLLEAGUE_PATH + "/{link_id}/status")
    async def colleague_status(link_id: str, request: Request) -> Response:
        await reception.reports.colleague_status(link_id, await signed_fields(request))
        return Response(status_code=204)

    @router.post(STATUS_PATH)
    async def status(request: Request) -> Response:
        fields = await signed_fields(request)
        await reception.reports.course(fields)
        await reception.reports.over(fields)
        return Response(status_code=204)

    @router.post("/twilio/amd")
    async def detected(request: Request) -> Response:
        fields = await signed_fields(request)
        await reception.reports.course(fields)
        reception.reports.detected(fields)
        return Response(status_code=204)

    @router.post(COURSE_PATH)
    async def course(request: Request) -> Response:
        """Tell whoever follows a call, which is no webhook of Twilio's: see `courses`."""
        fields = await signed_fields(request)
        told = Course(fields.get("CallStatus", ""), fields.get("AnsweredBy", ""))
        new = await reception.reports.courses.changed(fields.get("CallSid", ""), told)
        return Response(status_code=204) if new is None else Response(msgspec.json.encode(new), 200)

    return router


def _xml(text: str) -> Response:
    return Response(text, media_type="text/xml")
