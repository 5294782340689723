"""What strangers try at the whole application: what they cannot sign, what they have stolen, and what they write.

The README's table names each attack, its answer and its test; what has a test beside its module is not repeated here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

import pytest

from tests.support import tiny_twilio
from tests.support.asgi import FakeWebSocket, websocket_scope
from tests.support.reception import PUBLIC_URL, Desk, a_desk
from tests.support.tiny_twilio import CALL_SID, FIELDS, TOKEN
from voice_agent.server.app import Application
from voice_agent.wire import twiml
from voice_agent.wire.signature import sign

STREAM = "wss://phone.example/twilio/media"
OTHER_CALL = "CA00000000000000000000000000000002"
EVIL = '"/><Dial>+19005550199</Dial><Say>&amp;{{ 7 * 7 }}{% raw %}\r\nX-Evil: 1\x00\u2028'

AGENT = """
name: reception
numbers: ["+14255550100"]
instructions: Answer {{ caller }}.
greeting: Hello {{ caller }}.
consent: "{{ caller }}, this call is recorded."
recording: off
"""


class Site:
    """The application, asked without a socket."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._application = Application(desk.reception)

    async def post(
        self,
        target: str,
        fields: dict[str, str],
        headers: dict[str, str] | None = None,
        *,
        signed: str = "",
        token: str = TOKEN,
    ) -> tuple[int, str]:
        """Post a form to a target as it stands in the request line, signed for an address (usually this one)."""
        raw_path, _, query = target.partition("?")
        signature = sign(token, f"{PUBLIC_URL}{signed or target}", list(fields.items()))
        all_headers = {"host": "phone.example", "x-twilio-signature": signature} | (headers or {})
        scope = {
            "type": "http",
            "method": "POST",
            "path": unquote_to_bytes(raw_path).decode("latin-1"),
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in all_headers.items()],
            "client": ("127.0.0.1", 1234),
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "http_version": "1.1",
            "root_path": "",
        }
        messages = iter([{"type": "http.request", "body": urlencode(fields).encode(), "more_body": False}])
        sent: list[Any] = []

        async def receive() -> Any:
            return next(messages, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            sent.append(message)

        await self._application(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()

    async def token(self, fields: dict[str, str] = FIELDS) -> dict[str, str]:
        """Ring up, as Twilio does; give the parameters of the stream."""
        status, text = await self.post("/twilio/voice", fields)
        assert status == 200
        return connect_of(text).parameters

    async def stream(self, *texts: str, path: str = "/twilio/media") -> FakeWebSocket:
        """Open a stream with a signature that is good, or stolen, and say these texts."""
        socket = FakeWebSocket()
        socket.says(*texts)
        scope = websocket_scope(path, {"X-Twilio-Signature": sign(TOKEN, STREAM)}, socket)
        first = iter([{"type": "websocket.connect"}])

        async def receive() -> Any:
            return next(first, None) or await socket.receive()

        await self._application(scope, receive, socket.send)
        return socket


def connect_of(text: str) -> twiml.Connect:
    connect = twiml.parse(text)[-1]
    assert isinstance(connect, twiml.Connect), text
    return connect


@asynccontextmanager
async def a_site(folder: Path, agent: str = AGENT, *, preconnect: bool = True) -> AsyncIterator[Site]:
    async with asyncio.timeout(30), a_desk(folder, agent, preconnect=preconnect) as desk:
        yield Site(desk)


def at_site(folder: Path, work: Callable[[Site], Awaitable[None]], agent: str = AGENT) -> Desk:
    async def main() -> Desk:
        async with a_site(folder, agent) as site:
            await work(site)
            return site.desk

    return asyncio.run(main())


# --- what was stolen -------------------------------------------------------------------------------------------------


def test_a_replayed_webhook_opens_no_session_and_gives_no_token(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        parameters = await site.token()
        await site.stream(tiny_twilio.connected(), tiny_twilio.start(parameters), "end")
        sessions = len(site.desk.calls)
        status, text = await site.post("/twilio/voice", FIELDS)

        assert (status, twiml.parse(text)) == (200, [twiml.Hangup()])
        assert len(site.desk.calls) == sessions

    assert at_site(tmp_path, work).refusals() == {"webhook replayed": 1}


@pytest.mark.parametrize("path", ["/twilio/after-stream", "/twilio/status", "/twilio/amd", "/twilio/voice?x=1"])
def test_a_signature_for_one_address_opens_no_other(tmp_path: Path, path: str) -> None:
    async def work(site: Site) -> None:
        assert (await site.post("/twilio/voice", FIELDS, signed=path))[0] == 403

    assert at_site(tmp_path, work).calls == []


def test_a_token_admits_one_stream_of_its_own_call(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        parameters, others = await site.token(), await site.token({**FIELDS, "CallSid": OTHER_CALL})
        starts = [
            tiny_twilio.start(others),  # another call's
            tiny_twilio.start(parameters | {"token": parameters["token"][:-1] + "x"}),  # forged
            tiny_twilio.start({}),  # none
            tiny_twilio.start(parameters, call_sid="CA" + "3" * 32),  # for a call that is not here
        ]
        for start in starts:
            assert (await site.stream(start)).close_frame[0] == 1008
        assert await_texts(await site.stream(tiny_twilio.start(parameters), "end")) == []
        assert (await site.stream(tiny_twilio.start(parameters))).close_frame[0] == 1008

    desk = at_site(tmp_path, work)

    assert desk.refusals() == {
        "token of another call": 2,
        "token forged": 1,
        "token missing": 1,
        "token used": 1,
    }
    assert [call.setup.call_sid for call in desk.calls if call.session.joined] == [CALL_SID]


def await_texts(socket: FakeWebSocket) -> list[str]:
    """Give what was sent; a stream that ended as it should has its usual close."""
    assert socket.close_frame[0] == 1000
    return socket.texts


def test_a_stream_of_another_account_is_refused(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        parameters = await site.token({**FIELDS, "AccountSid": "AC" + "9" * 32})
        assert (await site.stream(tiny_twilio.start(parameters))).close_frame[0] == 1008

    assert at_site(tmp_path, work).refusals() == {"call unknown": 1}


# --- paths and headers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example/twilio/status#"},
        {"host": "evil.example/twilio/voice?"},
        {"host": "["},
        {"host": "phone.example:99999999"},
        {"host": ""},
        {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http", "x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-prefix": "/evil", "x-original-url": "/evil", "x-rewrite-url": "/evil"},
        {"forwarded": "host=evil.example;proto=http"},
        {"x-http-method-override": "GET"},
    ],
)
def test_no_header_changes_what_is_signed_or_answered(tmp_path: Path, headers: dict[str, str]) -> None:
    async def work(site: Site) -> None:
        status, text = await site.post("/twilio/voice", FIELDS, headers)
        assert status == 200
        assert connect_of(text).url == STREAM
        assert "evil" not in text
        # What was signed for an address that the header names is signed for another one.
        forged, _ = await site.post(
            "/twilio/voice", {**FIELDS, "CallSid": OTHER_CALL}, headers, signed="/twilio/status"
        )
        assert forged == 403

    at_site(tmp_path, work)


@pytest.mark.parametrize(
    "target",
    [
        "//twilio/voice",
        "/twilio//voice",
        "/twilio/voice/",
        "/twilio/./voice",
        "/twilio/x/../voice",
        "/TWILIO/voice",
        "/twilio/voice;x",
        "/twilio\\voice",
        "http://evil.example/twilio/voice",
    ],
)
def test_another_way_to_write_a_path_leads_nowhere(tmp_path: Path, target: str) -> None:
    async def work(site: Site) -> None:
        for signed in (target, "/twilio/voice"):
            status, text = await site.post(target, FIELDS, {"host": "evil.example"}, signed=signed)
            assert status in {403, 404}
            assert "evil" not in text

    assert at_site(tmp_path, work).calls == []


@pytest.mark.parametrize("target", ["/twilio/%76oice", "/twilio%2fvoice"])
def test_an_encoded_letter_is_the_same_address_and_needs_the_same_signature(tmp_path: Path, target: str) -> None:
    async def work(site: Site) -> None:
        assert (await site.post(target, FIELDS, signed="/twilio/status"))[0] == 403
        assert (await site.post(target, FIELDS, signed="/twilio/voice"))[0] == 200

    at_site(tmp_path, work)


# --- what callers write ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["From", "CallerName", "FromCity", "CallToken", "SpeechResult"])
def test_what_a_caller_writes_is_text_and_nothing_else(tmp_path: Path, name: str) -> None:
    async def work(site: Site) -> None:
        status, text = await site.post("/twilio/voice", {**FIELDS, name: EVIL})

        assert status == 200
        say, connect = twiml.parse(text)
        assert isinstance(say, twiml.Say)
        assert isinstance(connect, twiml.Connect)
        assert connect.url == STREAM
        assert "49" not in say.text
        (call,) = site.desk.calls
        for told in (call.setup.agent.instructions, call.setup.agent.greeting or ""):
            assert "\n" not in told
            assert "49" not in told

    at_site(tmp_path, work)


def test_a_number_that_is_none_is_refused_like_any_other_unknown_one(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        status, text = await site.post("/twilio/voice", {**FIELDS, "To": EVIL})
        assert status == 200
        assert connect_of(text).url == STREAM  # the only agent takes all calls

    at_site(tmp_path, work)


@pytest.mark.parametrize("call_sid", ["", "../../etc/passwd", "CA" + "0" * 31, CALL_SID + "\n", "CA" + "0" * 32 + "/x"])
def test_a_call_sid_of_another_form_becomes_no_file_and_no_call(tmp_path: Path, call_sid: str) -> None:
    async def work(site: Site) -> None:
        status, text = await site.post("/twilio/voice", {**FIELDS, "CallSid": call_sid})
        assert status == 200
        assert isinstance(twiml.parse(text)[-1], twiml.Hangup)

    desk = at_site(tmp_path, work)

    assert desk.calls == []
    assert desk.refusals() == {"call unknown": 1}


@pytest.mark.parametrize("path", ["/twilio/after-stream", "/twilio/after-dial", "/twilio/status", "/twilio/amd"])
def test_callbacks_of_calls_that_are_not_here_change_nothing_whatever_is_in_them(tmp_path: Path, path: str) -> None:
    async def work(site: Site) -> None:
        evil = dict.fromkeys(["CallSid", "CallStatus", "AnsweredBy", "DialCallStatus", "DialCallSid", "From"], EVIL)
        status, text = await site.post(path, evil)
        assert status in {200, 204}
        assert "<Dial" not in text

    assert at_site(tmp_path, work).calls == []


def test_a_body_that_breaks_off_leaves_no_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(site: Site) -> None:
        application, sent = Application(site.desk.reception), []
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/twilio/voice",
            "raw_path": b"",
            "query_string": b"",
            "headers": [],
        }

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await application(scope, receive, send)
        assert sent[0]["status"] == 400

    at_site(tmp_path, work)
    assert caplog.records == []


def test_a_form_of_thousands_of_fields_is_refused_like_any_other(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        status, _ = await site.post("/twilio/voice", {f"f{number}": "" for number in range(8000)}, signed="/elsewhere")
        assert status == 403

    at_site(tmp_path, work)


# --- what comes before `start` ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 60_000,
        '{"event":"start"}',
        '{"event":"start","start":' + "[" * 30_000,
        '{"event":"start","streamSid":5,"start":{"callSid":{},"customParameters":[]}}',
        '{"event":"media","media":{"payload":"' + "A" * 60_000 + '"}}',
        '{"event":"\\ud800"}',
    ],
)
def test_what_is_no_start_is_passed_over_and_the_stream_has_twenty_tries(tmp_path: Path, text: str) -> None:
    async def work(site: Site) -> None:
        await site.token()
        assert (await site.stream(*[text] * 20)).close_frame[0] == 1008

    desk = at_site(tmp_path, work)

    assert desk.refusals() == {"no start in time": 1}
    assert [call.session.joined for call in desk.calls] == [False]
