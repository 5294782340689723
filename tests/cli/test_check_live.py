import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from tests.support.web import http_server, websocket_server
from voice_agent.agent import Agent, HttpRequest, Lookup, TextMessage, Tool
from voice_agent.cli.check_live import Finding, try_all, try_llm, try_model, try_public_url
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.config.sms_tools import send_sms_tool
from voice_agent.emulator.twilio import EmulatedTwilio, IncomingNumber

SID = "AC" + "0" * 32
KEY_SID = "SK" + "0" * 32
PREVIEW = json.dumps({"type": "session.created", "session": {"modalities": ["audio", "text"]}})
CREATED = json.dumps({"type": "session.created", "session": {"id": "sess_1"}})
REFUSED = json.dumps({"type": "error", "error": {"code": "insufficient_quota", "message": "You exceeded\nyour quota"}})


def found(trial: Coroutine[Any, Any, Finding]) -> Finding:
    async def bounded() -> Finding:
        async with asyncio.timeout(30):
            return await trial

    return asyncio.run(bounded())


@pytest.mark.parametrize(
    ("status", "body", "header", "verdict", "remark"),
    [
        (200, "ok\n", "", "ok", "{} leads to this server; Twilio's webhook is POST {}/twilio/voice"),
        (
            200,
            "<html>",
            "",
            "wrong",
            "another server answers at {} (HTTP 200); lead the tunnel to http://127.0.0.1:8080",
        ),
        (404, "", "", "wrong", "another server answers at {} (HTTP 404); lead the tunnel to http://127.0.0.1:8080"),
        (502, "", "", "wrong", "{} is a tunnel to nothing (HTTP 502); run voice-agent serve"),
        (
            301,
            "",
            "Location: https://x.example/",
            "wrong",
            "{} redirects to https://x.example/; set the address it leads to",
        ),
    ],
)
def test_the_public_url_must_lead_to_this_server(
    status: int, body: str, header: str, verdict: str, remark: str
) -> None:
    async def main() -> tuple[Finding, str]:
        async with http_server(status, body, header) as url:
            return await try_public_url(Settings(public_url=url)), url

    finding, url = asyncio.run(main())

    assert finding == Finding(verdict, "PUBLIC_URL", remark.format(url, url))  # type: ignore[arg-type]


def test_a_public_url_that_nobody_answers_is_wrong() -> None:
    finding = found(try_public_url(Settings(public_url="http://127.0.0.1:1")))

    assert finding.verdict == "wrong"
    assert "run voice-agent serve and lead a tunnel to http://127.0.0.1:8080" in finding.remark


def test_an_answer_that_is_no_http_is_told_in_one_line() -> None:
    async def main() -> Finding:
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-x\r\n")
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            return await try_public_url(Settings(public_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))

    finding = asyncio.run(main())

    assert finding.verdict == "wrong"
    assert "\n" not in finding.remark


@pytest.mark.parametrize(
    ("first", "status", "close", "remark"),
    [
        (REFUSED, 101, 0, "openai: the session is refused: insufficient_quota: You exceeded your quota"),
        (
            '{"type": "hello"}',
            101,
            0,
            'openai: not a Realtime endpoint: it begins with "hello" instead of session.created',
        ),
        ("hello", 101, 0, "openai: not a Realtime endpoint: its first message is not one of the API"),
        (b"\x00", 101, 0, "openai: not a Realtime endpoint: its first message is no text"),
        (
            PREVIEW,
            101,
            0,
            "openai: the endpoint speaks preview, not ga: use a URL of its form, or set REALTIME_DIALECT",
        ),
        (None, 101, 4000, "openai: close 4000: the preview dialect is switched off there"),
        (None, 401, 0, "openai: HTTP 401: the key was refused; check OPENAI_API_KEY"),
    ],
)
def test_a_model_that_gives_no_session_is_told_with_the_reason(
    first: str | bytes | None, status: int, close: int, remark: str
) -> None:
    async def main() -> Finding:
        async with websocket_server(first, status, close) as url:
            return await try_model(Settings(realtime_provider="openai", openai_api_key=Secret("k"), realtime_url=url))

    finding = found(main())

    assert (finding.verdict, finding.what) == ("wrong", "REALTIME_PROVIDER")
    assert finding.remark.startswith(remark)


def test_a_model_that_opens_a_session_is_well() -> None:
    async def main() -> tuple[Finding, str]:
        async with websocket_server(CREATED) as url:
            return await try_model(Settings(realtime_url=f"{url}/v1/realtime?model=m")), url

    finding, url = asyncio.run(main())

    assert finding == Finding("ok", "REALTIME_PROVIDER", f"emulator opens a session at {url}/v1/realtime?model=m")


@pytest.mark.parametrize(
    ("status", "verdict", "what"),
    [(200, "ok", "LLM_URL"), (401, "wrong", "LLM_API_KEY"), (404, "wrong", "LLM_URL")],
)
def test_the_chat_endpoint_is_asked_for_its_models(status: int, verdict: str, what: str) -> None:
    async def main() -> Finding:
        async with http_server(status) as url:
            return await try_llm(Settings(llm_url=url, llm_model="m", llm_api_key=Secret("k")))

    finding = found(main())

    assert (finding.verdict, finding.what) == (verdict, what)


def twilio(status: int, body: dict[str, str], **settings: Any) -> list[Finding]:
    async def main() -> list[Finding]:
        async with http_server(status, json.dumps(body)) as url:
            known = Settings(twilio_account_sid=SID, twilio_api_base_url=url, **settings)
            return (await try_all(known))[1:-2]

    return asyncio.run(main())


def test_every_secret_of_the_account_is_tried() -> None:
    body = {"sid": SID, "friendly_name": "Alder", "status": "active", "type": "Full"}
    findings = twilio(
        200,
        body,
        twilio_auth_token=Secret("a"),
        twilio_auth_token_secondary=Secret("b"),
        twilio_api_key=KEY_SID,
        twilio_api_secret=Secret("c"),
    )

    assert findings[:2] == [
        Finding("ok", "TWILIO_AUTH_TOKEN", 'opens the account "Alder"'),
        Finding("ok", "TWILIO_AUTH_TOKEN_SECONDARY", 'opens the account "Alder"'),
    ]
    assert findings[2].what == "TWILIO_API_SECRET"


def test_an_account_on_trial_cannot_stream_a_call() -> None:
    body = {"sid": SID, "friendly_name": "Alder", "status": "active", "type": "Trial"}
    (finding,) = twilio(200, body, twilio_auth_token=Secret("a"))

    assert finding.verdict == "wrong"
    assert "<Stream>" in finding.remark
    assert "upgrade" in finding.remark


def test_a_suspended_account_is_wrong() -> None:
    body = {"sid": SID, "friendly_name": "Alder", "status": "suspended", "type": "Full"}

    assert twilio(200, body, twilio_auth_token=Secret("a")) == [
        Finding("wrong", "TWILIO_AUTH_TOKEN", "the account is suspended; see console.twilio.com")
    ]


def test_a_refused_token_is_wrong() -> None:
    [finding] = twilio(401, {"message": "Authenticate"}, twilio_auth_token=Secret("a"))

    assert (finding.verdict, finding.what) == ("wrong", "TWILIO_AUTH_TOKEN")
    assert "check TWILIO_ACCOUNT_SID" in finding.remark


def test_a_server_that_never_answers_is_given_up() -> None:
    async def main() -> list[Finding]:
        async with http_server(wait=True) as url:
            settings = Settings(public_url=url, llm_url=url, llm_model="m")
            return await try_all(settings, seconds=0.05)

    findings = asyncio.run(main())

    silent = "no answer within 0.05 s; check the address and the network"
    assert findings[0] == Finding("wrong", "PUBLIC_URL", silent)
    assert findings[-1] == Finding("wrong", "LLM_URL", silent)


def test_a_url_without_a_version_of_the_api_is_told_by_its_variable() -> None:
    settings = Settings(realtime_provider="openai", openai_api_key=Secret("ü"), openai_base_url="https://x.example")
    findings = asyncio.run(try_all(msgspec.structs.replace(settings, public_url="http://127.0.0.1:8080")))

    assert findings[2].verdict == "wrong"
    assert "OPENAI_API_KEY" in findings[2].remark


@pytest.mark.parametrize(
    ("url", "allow_private", "verdict", "remark"),
    [
        ("https://93.184.215.14/{{ day }}", False, "ok", "93.184.215.14 was not asked anything"),
        ("http://127.0.0.1:1/?a={{ b }}", True, "ok", "127.0.0.1 was not asked anything"),
        (
            "http://127.0.0.1:1/",
            False,
            "wrong",
            '127.0.0.1: 127.0.0.1 is a private address; "allow_private: true" would allow it',
        ),
        ("http://localhost:1/", True, "ok", "localhost is 127.0.0.1, and was not asked anything"),
        ("https://nobody.invalid/", False, "wrong", "nobody.invalid cannot be looked up"),
    ],
)
def test_the_host_of_a_tool_is_looked_up_and_not_asked(
    url: str, allow_private: bool, verdict: str, remark: str
) -> None:
    http = HttpRequest(method="POST", url=url, allow_private=allow_private)
    tools = (Tool("book", "Book.", {}, "http", http=http),)
    agent = Agent(name="desk", instructions="", tools=tools, lookup=Lookup(request=http))
    *_, lookup, tool = asyncio.run(try_all(Settings(), [agent]))

    assert (tool.verdict, tool.what, tool.remark[: len(remark)]) == (verdict, "desk.book", remark)
    assert (lookup.verdict, lookup.what, lookup.remark) == (tool.verdict, "desk.lookup", tool.remark)


@pytest.mark.parametrize(
    ("sender", "numbers", "verdict", "remark"),
    [
        ("", (), "not tried", "sends from the called number, and the agent names none"),
        ("", ("+14255550100",), "ok", "+14255550100 can send messages; none was sent"),
        ("+14255550101", (), "wrong", "+14255550101 cannot send messages; choose a number with the capability SMS"),
        ("+14255550102", (), "wrong", "+14255550102 is no number of this account; voice-agent numbers lists them"),
    ],
)
def test_the_numbers_that_messages_come_from_are_looked_for(
    sender: str, numbers: tuple[str, ...], verdict: str, remark: str
) -> None:
    tool = send_sms_tool(TextMessage(sender=sender))
    agent = Agent(name="desk", instructions="", numbers=numbers, tools=(tool,))
    owned = [IncomingNumber(phone_number="+14255550100"), IncomingNumber(phone_number="+14255550101", sms=False)]

    async def main() -> tuple[Finding, int]:
        async with EmulatedTwilio(SID, "a" * 32, numbers=owned) as twilio:
            settings = Settings(
                twilio_account_sid=SID, twilio_auth_token=Secret("a" * 32), twilio_api_base_url=twilio.base_url
            )
            return (await try_all(settings, [agent]))[-1], len(twilio.holdings.messages)

    assert asyncio.run(main()) == (Finding(verdict, "desk.send_sms", remark), 0)  # type: ignore[arg-type]


def test_without_an_account_no_number_is_looked_for() -> None:
    agent = Agent(name="desk", instructions="", tools=(send_sms_tool(TextMessage(sender="+14255550100")),))
    found = asyncio.run(try_all(Settings(), [agent]))[-1]

    assert (found.verdict, found.what) == ("not tried", "desk.send_sms")


def test_a_finding_is_one_line() -> None:
    assert str(Finding("ok", "LLM_URL", "answers")) == "ok         LLM_URL: answers"
