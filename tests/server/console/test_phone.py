import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import tiny_twilio
from tests.support.asgi import FakeWebSocket, websocket_scope
from tests.support.console import HERE, Browser, a_browser, an_access
from tests.support.pump import settle
from tests.support.reception import Desk, a_desk
from tests.support.tiny_realtime import tiny_realtime
from voice_agent.call.commands import CallEnded, Destination
from voice_agent.call.events import EndRequested
from voice_agent.config.agents import AgentFolder
from voice_agent.config.settings import Settings
from voice_agent.live.opened_call import FinishedCall
from voice_agent.server.console.agent_files import AgentFiles
from voice_agent.server.console.application import application
from voice_agent.server.console.phone import MOST_CALLS, NO_ACCOUNT, Phone, phone_routes
from voice_agent.server.media import MediaStreams
from voice_agent.server.run import Serving
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import PhoneText

AGENT = """
name: desk
default: true
instructions: You speak with {{ caller }} at {{ called }}.
consent: This call is recorded.
recording: off
"""


class Site:
    """A desk, the console's application before it, and a browser at it."""

    def __init__(self, desk: Desk, phone: Phone, browser: Browser) -> None:
        self.desk = desk
        self.phone = phone
        self.browser = browser

    async def begin(self, **wish: Any) -> dict[str, Any]:
        answer = await self.browser.post("/console/api/phone/calls", {"agent": "desk", **wish})
        assert answer.status_code == 200, answer.text
        begun: dict[str, Any] = answer.json()
        return begun

    async def next(self, begun: dict[str, Any], **after: str) -> Any:
        answer = await self.browser.post(f"/console/api/phone/calls/{begun['call_sid']}/next", after)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def streams(self, begun: dict[str, Any], *texts: str, **headers: str) -> FakeWebSocket:
        """Open the stream of a call as its page does, and say these texts behind `start`."""
        (order,) = (verb for verb in begun["verbs"] if verb["verb"] == "stream")
        token = (await self.browser.session())["token"]
        socket = FakeWebSocket()
        start = tiny_twilio.start(order["parameters"], begun["call_sid"]).replace(tiny_twilio.ACCOUNT_SID, NO_ACCOUNT)
        socket.says(tiny_twilio.connected(), start, *texts)
        page = {"host": HERE.removeprefix("http://"), "origin": HERE, "sec-fetch-site": "same-origin"}
        scope = websocket_scope(headers=page | headers, socket=socket)
        scope |= {"query_string": f"token={token}".encode(), "client": ("127.0.0.1", 1), "scheme": "ws"}
        first = iter([{"type": "websocket.connect"}])

        async def receive() -> object:
            return next(first, None) or await socket.receive()

        streams = MediaStreams(self.desk.reception, 1, self.phone)
        await streams(scope, receive, socket.send)  # type: ignore[arg-type] # a message is a mapping
        return socket


@asynccontextmanager
async def a_site(folder: Path, agent: str = AGENT, answer: Any = None, **options: Any) -> AsyncIterator[Site]:
    usual = {} if answer is None else {"answer": answer}
    async with asyncio.timeout(60), a_desk(folder, agent, **usual) as desk:
        agents = AgentFolder(folder)
        access = an_access(options.get("password"))
        phone = Phone(agents, desk.reception, access)
        app = application(access, [phone_routes(phone, AgentFiles(agents, edit=options.get("edit", False)))])
        async with a_browser(app) as browser:
            yield Site(desk, phone, browser)


def test_a_browser_is_told_what_a_carrier_would_be_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            begun = await site.begin()
            say, stream = begun["verbs"]
            assert say == {"verb": "say", "text": "This call is recorded.", "language": "en"}
            assert stream["verb"] == "stream"
            assert stream["parameters"]["token"].startswith(begun["call_sid"])
            setup = site.desk.calls[0].setup
            assert setup.agent.instructions == "You speak with a browser at the console."
            assert not setup.rest

    asyncio.run(main())


def test_the_stream_of_a_page_is_the_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            begun = await site.begin(caller="+14255550199")
            await site.streams(begun, "audio", "end")
            (call,) = site.desk.calls
            assert call.setup.caller == "+14255550199"
            assert PhoneText("audio") in call.bridge.fed
            assert await site.next(begun, after="stream") == [{"verb": "hangup"}]

    asyncio.run(main())


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site"},
        {"x-forwarded-for": "198.51.100.7"},
        {"host": "rebound.example"},
    ],
)
def test_a_page_of_somebody_else_and_whoever_comes_from_elsewhere_get_no_stream(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            socket = await site.streams(await site.begin(), "audio", **headers)
            assert [message["type"] for message in socket.sent] == ["websocket.close"]
            assert site.desk.refusals() == {"upgrade unsigned": 1}
            assert not site.desk.calls[0].session.joined

    asyncio.run(main())


NAMES = st.sampled_from([b"cookie", b"host", b"origin", b"sec-fetch-site", b"x-console-token", b"forwarded"])
HEADERS = st.lists(
    st.tuples(NAMES, st.binary(max_size=40) | st.just(b"console=1.a.b; __Host-console=\xff.")), max_size=6
)


@settings(max_examples=50, deadline=None)
@given(HEADERS, st.binary(max_size=40), st.sampled_from([None, ("127.0.0.1", 1), ("::1", 1), ("", 1)]))
def test_no_upgrade_of_a_stranger_gets_in_or_makes_trouble(
    headers: list[tuple[bytes, bytes]], query: bytes, client: Any
) -> None:
    scope = {"type": "websocket", "path": "/twilio/media", "headers": headers, "query_string": query, "client": client}
    for password in (None, "a long password"):
        phone = Phone(None, None, an_access(password))  # type: ignore[arg-type] # neither is asked
        assert not phone.lets_in(scope)


def test_a_page_gets_no_call_of_the_carriers(tmp_path: Path) -> None:
    """Even with the token of its webhook, which a page cannot know."""

    async def main() -> None:
        async with a_site(tmp_path) as site:
            begun = await site.begin()
            of_carrier = tiny_twilio.FIELDS | {"AccountSid": NO_ACCOUNT}
            xml = await site.desk.reception.receive(of_carrier)
            token = xml.partition('name="token" value="')[2].partition('"')[0]
            stolen = {
                "call_sid": tiny_twilio.CALL_SID,
                "verbs": [{"verb": "stream", "parameters": {"token": token}}],
            }
            assert token
            socket = await site.streams(begun | stolen, "audio")
            assert socket.close_frame[0] == 1008
            assert not any(call.session.joined for call in site.desk.calls)

    asyncio.run(main())


def test_one_stream_a_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            begun = await site.begin()
            await site.streams(begun, "end")
            again = await site.streams(begun, "audio")
            assert again.close_frame[0] == 1008
            assert site.desk.refusals() == {"token used": 1}

    asyncio.run(main())


def test_a_transfer_is_told_and_its_caller_comes_back_when_nobody_takes_it(tmp_path: Path) -> None:
    def answer(received: Input) -> Sequence[Output]:
        if received == PhoneText("transfer"):
            return [CallEnded("transferred", "", 1, destination=Destination("front", "+14255550101", 20))]
        return [CallEnded("stopped", "", 1)] if isinstance(received, EndRequested) else []

    async def main() -> None:
        async with a_site(tmp_path, answer=answer) as site:
            begun = await site.begin()
            await site.streams(begun, "transfer")
            assert await site.next(begun, after="stream") == [{"verb": "dial", "to": "+14255550101"}]
            (back,) = await site.next(begun, after="dial", status="no-answer")
            assert back["verb"] == "stream"
            await settle()
            assert "came to nothing" in site.desk.calls[1].setup.resumed.reason  # type: ignore[union-attr] # it is there
            assert not site.desk.calls[1].setup.rest

    asyncio.run(main())


def test_whoever_hangs_up_before_the_stream_ends_the_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            begun = await site.begin()
            answer = await site.browser.post(f"/console/api/phone/calls/{begun['call_sid']}/over")
            await settle()
            assert answer.status_code == 204
            assert site.desk.calls[0].session.ended == CallEnded("stopped", "the carrier says completed", 0)

    asyncio.run(main())


def test_so_many_calls_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            for _ in range(MOST_CALLS):
                await site.begin()
            answer = await site.browser.post("/console/api/phone/calls", {"agent": "desk"})
            assert answer.status_code == 429
            site.desk.reception.stopping.closing = True
            assert (await site.browser.post("/console/api/phone/calls", {"agent": "desk"})).status_code == 503

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"agent": "nobody"}, 404),
        ({"agent": "desk", "caller": "0199"}, 422),
        ({"agnet": "desk"}, 422),
        ({"agent": "desk", "draft": {"file": "reception.yaml", "text": AGENT}}, 403),
    ],
)
def test_what_cannot_be_begun_is_refused(tmp_path: Path, body: Any, status: int) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            assert (await site.browser.post("/console/api/phone/calls", body)).status_code == status
            assert site.desk.calls == []

    asyncio.run(main())


def test_a_stranger_begins_no_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path, password="a long password") as site:
            answer = await site.browser.post("/console/api/phone/calls", {"agent": "desk"})
            assert answer.status_code == 401
            assert site.desk.calls == []

    asyncio.run(main())


def test_nobody_asks_about_calls_that_no_browser_has_begun(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            await site.desk.reception.receive(tiny_twilio.FIELDS)
            path = f"/console/api/phone/calls/{tiny_twilio.CALL_SID}"
            for asked in ("next", "over"):
                body = {"after": "stream"} if asked == "next" else None
                assert (await site.browser.post(f"{path}/{asked}", body)).status_code == 404
            assert (await site.browser.get(f"{path}/events")).status_code == 404

    asyncio.run(main())


def test_the_agents_are_told_and_who_takes_calls_to_any_number(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            told = (await site.browser.get("/console/api/phone/agents")).json()
            assert told == {"agents": ["desk"], "usual": "desk"}

    asyncio.run(main())


def test_a_draft_is_called_before_it_is_saved(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path, edit=True) as site:
            draft = {"file": "reception.yaml", "text": AGENT.replace("You speak", "You whisper")}
            await site.begin(draft=draft)
            await site.begin()
            said = [call.setup.agent.instructions for call in site.desk.calls]
            assert said == [
                "You whisper with a browser at the console, a draft.",
                "You speak with a browser at the console.",
            ]
            draft["text"] += "greting: Hello\n"
            answer = await site.browser.post("/console/api/phone/calls", {"draft": draft})
            assert answer.status_code == 422
            assert 'unknown key "greting"' in answer.json()["detail"]

    asyncio.run(main())


def test_a_call_over_real_sockets_is_told_word_by_word_kept_and_recorded(tmp_path: Path) -> None:
    """As a page does it: the session's token, the call, its events, its stream, and what is left of it."""
    (tmp_path / "desk.yaml").write_text(AGENT.replace("recording: off", "recording: audio\ngreeting: Hello!"))
    configured = Settings(port=0, data=tmp_path / "data")
    told: dict[str, Any] = {}
    kept: list[FinishedCall] = []

    async def follow(http: aiohttp.ClientSession, path: str) -> None:
        async with http.get(path) as events:
            async for line in events.content:
                name, _, value = line.decode().strip().partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    told[kind] = json.loads(value)
                if "call_ended" in told:
                    return

    async def main() -> None:
        async with (
            asyncio.timeout(60),
            tiny_realtime() as model,
            Serving(configured, AgentFolder(tmp_path), emulator_url=model.url, clips={}, keep=[kept.append]) as serving,
            aiohttp.ClientSession(serving.url) as http,
            asyncio.TaskGroup() as tasks,
        ):
            token = (await (await http.get("/console/api/session")).json())["token"]
            page = {"X-Console-Token": token, "Origin": serving.url}
            async with http.post("/console/api/phone/calls", json={"agent": "desk"}, headers=page) as answer:
                begun = await answer.json()
            call_sid = begun["call_sid"]
            following = tasks.create_task(follow(http, f"/console/api/phone/calls/{call_sid}/events"))
            async with http.ws_connect(f"/twilio/media?token={token}", origin=serving.url) as stream:
                start = tiny_twilio.start(begun["verbs"][1]["parameters"], call_sid)
                await stream.send_str(tiny_twilio.connected())
                await stream.send_str(start.replace(tiny_twilio.ACCOUNT_SID, NO_ACCOUNT))
                while "agent_words" not in told:
                    message = json.loads(await stream.receive_str())
                    if message["event"] == "mark":
                        await stream.send_str(tiny_twilio.mark(message["mark"]["name"]))
                await stream.send_str(tiny_twilio.stop())
            await following

    asyncio.run(main())
    (call,) = kept

    assert told["agent_words"]["text"] == "Hello!"
    assert (call.setup.agent.name, call.setup.caller, call.setup.called) == ("desk", "a browser", "the console")
    assert call.summary.ended is not None
    assert call.summary.ended.outcome == "caller_hung_up"
    assert call.recording is not None
    assert call.recording.is_file()
