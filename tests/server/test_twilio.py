import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

from tests.support.reception import PUBLIC_URL, SECOND_TOKEN, Desk, a_desk
from tests.support.tiny_twilio import FIELDS, TOKEN
from voice_agent.server.twilio import FORM_BYTES, webhooks
from voice_agent.wire import twiml
from voice_agent.wire.signature import sign


class Site:
    """The webhooks of a desk, asked without a socket."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._app = FastAPI()
        self._app.include_router(webhooks(desk.reception))

    async def post(self, path: str, body: bytes, signature: str | None, query: str = "") -> tuple[int, str, str]:
        """Give status, content type and body."""
        sent: list[dict[str, Any]] = []
        halves = [
            {"type": "http.request", "body": body[: len(body) // 2], "more_body": True},
            {"type": "http.request", "body": body[len(body) // 2 :], "more_body": False},
        ]

        async def receive() -> dict[str, Any]:
            return halves.pop(0) if halves else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"anybody.example"), (b"content-type", b"application/x-www-form-urlencoded")]
        if signature is not None:
            headers.append((b"x-twilio-signature", signature.encode("latin-1")))
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "client": ("192.0.2.1", 1234),
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "http_version": "1.1",
            "root_path": "",
        }
        await self._app(scope, receive, send)
        kind = dict(sent[0]["headers"]).get(b"content-type", b"").decode()
        return sent[0]["status"], kind, b"".join(message.get("body", b"") for message in sent[1:]).decode()

    async def signed(self, path: str, fields: dict[str, str], token: str = TOKEN) -> tuple[int, str, str]:
        signature = sign(token, PUBLIC_URL + path, list(fields.items()))
        return await self.post(path, urlencode(fields).encode(), signature)


@asynccontextmanager
async def a_site(folder: Path) -> AsyncIterator[Site]:
    async with asyncio.timeout(30), a_desk(folder) as desk:
        yield Site(desk)


RINGING = {"status": "ringing", "answered_by": "human", "seconds": 0, "model_failed": False}


def test_who_follows_a_call_of_ours_is_told_what_was_called_back_if_they_know_the_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            news = {"CallSid": "CA1", "CallStatus": "ringing", "Direction": "outbound-api"}
            await site.signed("/twilio/status", news)
            await site.signed("/twilio/amd", {"CallSid": "CA1", "AnsweredBy": "human"})
            asked = {"CallSid": "CA1", "CallStatus": "initiated", "AnsweredBy": ""}

            status, _, text = await site.signed("/twilio/status/course", asked)
            assert (status, json.loads(text)) == (200, RINGING)
            assert (await site.post("/twilio/status/course", urlencode(asked).encode(), None))[0] == 403

    asyncio.run(main())


def test_why_a_caller_is_back_may_stand_in_the_address_of_a_call_that_was_handed_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            query, fields = "DialCallStatus=completed", {"CallSid": "CA1", "CallStatus": "in-progress"}
            signature = sign(TOKEN, f"{PUBLIC_URL}/twilio/after-dial?{query}", list(fields.items()))
            body = urlencode(fields).encode()
            status, _, text = await site.post("/twilio/after-dial", body, signature, query)

            assert (status, twiml.parse(text)) == (200, [twiml.Hangup()])

    asyncio.run(main())


def test_a_signed_webhook_is_answered_with_twiml(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            status, kind, text = await site.signed("/twilio/voice", FIELDS)

            assert (status, kind.split(";")[0]) == (200, "text/xml")
            assert isinstance(twiml.parse(text)[0], twiml.Connect)

    asyncio.run(main())


def test_the_secondary_token_signs_too_while_they_are_rotated(tmp_path: Path) -> None:
    async def main() -> int:
        async with a_site(tmp_path) as site:
            return (await site.signed("/twilio/voice", FIELDS, SECOND_TOKEN))[0]

    assert asyncio.run(main()) == 200


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/after-stream", "/twilio/status"])
@pytest.mark.parametrize(("signature", "reason"), [(None, "webhook unsigned"), ("bm8=", "webhook wrongly signed")])
def test_what_twilio_did_not_sign_is_refused_with_one_line_and_a_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, signature: str | None, reason: str
) -> None:
    async def main() -> Desk:
        async with a_site(tmp_path) as site:
            status, _, _ = await site.post(path, urlencode(FIELDS).encode(), signature)
            assert status == 403
            return site.desk

    desk = asyncio.run(main())

    assert desk.refusals() == {reason: 1}
    assert desk.calls == []
    assert len(caplog.records) == 1


def test_a_field_that_was_added_spoils_the_signature(tmp_path: Path) -> None:
    async def main() -> int:
        async with a_site(tmp_path) as site:
            signature = sign(TOKEN, f"{PUBLIC_URL}/twilio/voice", list(FIELDS.items()))
            return (await site.post("/twilio/voice", urlencode({**FIELDS, "New": "1"}).encode(), signature))[0]

    assert asyncio.run(main()) == 403


def test_a_query_belongs_to_the_signed_address(tmp_path: Path) -> None:
    async def main() -> int:
        async with a_site(tmp_path) as site:
            signature = sign(TOKEN, f"{PUBLIC_URL}/twilio/voice?tenant=1", list(FIELDS.items()))
            return (await site.post("/twilio/voice", urlencode(FIELDS).encode(), signature, "tenant=1"))[0]

    assert asyncio.run(main()) == 200


@pytest.mark.parametrize("body", [b"", b"\xff\xfe&&==", b"a=1&a=2;%zz"])
def test_a_form_that_is_none_is_refused_like_any_other(tmp_path: Path, body: bytes) -> None:
    async def main() -> int:
        async with a_site(tmp_path) as site:
            return (await site.post("/twilio/voice", body, "bm8="))[0]

    assert asyncio.run(main()) == 403


def test_a_body_that_is_too_large_is_refused_before_it_is_read_to_its_end(tmp_path: Path) -> None:
    async def main() -> int:
        async with a_site(tmp_path) as site:
            return (await site.post("/twilio/voice", b"a=" + b"x" * FORM_BYTES, "bm8="))[0]

    assert asyncio.run(main()) == 413


def test_a_body_that_does_not_come_is_not_waited_for_forever(tmp_path: Path) -> None:
    async def main() -> int:
        async with asyncio.timeout(30), a_desk(tmp_path) as desk:
            app = FastAPI()
            app.include_router(webhooks(desk.reception, form_seconds=0.01))
            sent: list[dict[str, Any]] = []

            async def receive() -> dict[str, Any]:
                await asyncio.Event().wait()
                raise AssertionError("nothing ever comes")

            async def send(message: Any) -> None:
                sent.append(message)

            scope: dict[str, Any] = {
                "type": "http",
                "method": "POST",
                "path": "/twilio/voice",
                "raw_path": b"/twilio/voice",
                "query_string": b"",
                "headers": [],
                "client": None,
                "http_version": "1.1",
                "root_path": "",
            }
            await app(scope, receive, send)
            return int(sent[0]["status"])

    assert asyncio.run(main()) == 408


def test_a_status_callback_is_answered_with_nothing(tmp_path: Path) -> None:
    async def main() -> tuple[int, str, str]:
        async with a_site(tmp_path) as site:
            return await site.signed("/twilio/status", {**FIELDS, "CallStatus": "completed"})

    assert asyncio.run(main()) == (204, "", "")


def test_the_action_is_answered_with_twiml(tmp_path: Path) -> None:
    async def main() -> str:
        async with a_site(tmp_path) as site:
            return (await site.signed("/twilio/after-stream", FIELDS))[2]

    assert twiml.parse(asyncio.run(main()))[-1] == twiml.Hangup()
