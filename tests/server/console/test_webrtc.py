import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.server.console.test_live_socket import until
from tests.support.fake_speech import fake_speech
from tests.support.realtime_client import tone
from tests.support.webrtc_client import called
from voice_agent.agent import Agent, BargeIn
from voice_agent.config.agents import AgentFolder
from voice_agent.config.handoff_tools import handoff_tool
from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.config.tool_keys import HANG_UP
from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.emulator.brains import choose_brain
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.errors import ConfigError
from voice_agent.live.call_client import CallClient
from voice_agent.server.console.webrtc import MOST_WAITING, BrowserCalls, Refused, session_of
from voice_agent.server.run import Serving
from voice_agent.sim.realtime import RealtimeOptions, Think
from voice_agent.wire.endpoint import endpoint

QUESTION = "What are your opening hours on Saturday?"


class Site:
    """A server, its local Realtime server, and a browser's requests."""

    def __init__(self, serving: Serving, http: aiohttp.ClientSession) -> None:
        self.serving = serving
        self._http = http

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Give status and JSON."""
        async with self._http.get(f"{self.serving.url}/console/api/session") as response:
            token = (await response.json())["token"]
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self._http.post(f"{self.serving.url}{path}", headers={"X-Console-Token": token}, **sent) as response:
            return response.status, await response.json() if response.content_type == "application/json" else None


@asynccontextmanager
async def a_site(folder: Path, *heard: str, **settings: Any) -> AsyncIterator[Site]:
    """The packaged agents, answered by their dialogue files."""
    configured = Settings(port=0, data=folder / "data", **settings)
    brain, _ = choose_brain(configured)
    async with (
        asyncio.timeout(60),
        serve_realtime("127.0.0.1", 0, fake_speech(*heard), brain, RealtimeOptions(pace=20)) as model,
        Serving(configured, AgentFolder(PACKAGED_AGENTS), emulator_url=model.url, clips={}) as serving,
        aiohttp.ClientSession() as http,
    ):
        yield Site(serving, http)


def test_a_browser_is_greeted_asks_and_is_told_what_the_tool_says(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path, QUESTION) as site:
            status, minted = await site.post("/console/session", {"agent": "reception"})
            assert status == 200, minted
            async with called(minted["calls_url"].removesuffix("/calls"), secret=minted["value"]) as client:
                created = await client.until("session.created")
                call_id = client.location.rpartition("/")[2]
                attended = await site.post(minted["call_url"], {"call_id": call_id})
                again = await site.post(minted["call_url"], {"call_id": call_id})
                await client.until("output_audio_buffer.stopped")
                client.microphone.say(tone(300))
                told = await client.until("response.output_audio_transcript.done", 2)
                while "9 in the morning" not in told["transcript"]:
                    count = len(client.of("response.output_audio_transcript.done"))
                    told = await client.until("response.output_audio_transcript.done", count + 1)

            assert attended == (204, None)
            assert again[0] == 404
            assert "opening_hours" in str(created["session"]["tools"])
            assert "Alder" in client.of("response.output_audio_transcript.done")[0]["transcript"]
            assert client.of("conversation.item.input_audio_transcription.completed")[0]["transcript"] == QUESTION

    asyncio.run(main())


class Finding:
    """Looks an order up whenever it was spoken to, and says what came of it."""

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        said = think.conversation[-1]
        yield said.text if said.kind == "output" else ToolCall("find", "{}")


def test_a_page_is_told_why_a_tool_failed_and_the_model_is_not(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(
        "name: desk\ninstructions: x\ntools:\n"
        "  - http: {name: find, description: Orders., url: 'http://127.0.0.1:1/orders', allow_private: true}\n"
    )

    async def main() -> None:
        async with (
            asyncio.timeout(60),
            serve_realtime("127.0.0.1", 0, fake_speech("Find it."), Finding(), RealtimeOptions(pace=20)) as model,
            Serving(
                Settings(port=0, data=tmp_path / "data"), AgentFolder(tmp_path), emulator_url=model.url, clips={}
            ) as serving,
            aiohttp.ClientSession(serving.url) as http,
        ):
            site = Site(serving, http)
            _, minted = await site.post("/console/session", {"agent": "desk"})
            assert (await http.get(minted["events_url"])).status == 404
            async with called(minted["calls_url"].removesuffix("/calls"), secret=minted["value"]) as client:
                await client.until("session.created")
                await site.post(minted["call_url"], {"call_id": client.location.rpartition("/")[2]})
                async with http.get(minted["events_url"]) as page:
                    client.microphone.say(tone(300))
                    told = await until(page, b"cause")
                    (asked,) = client.of("response.function_call_arguments.done")
                    said = await client.until("response.output_audio_transcript.done")
            assert json.loads(told)["call_id"] == asked["call_id"]
            assert b"http://127.0.0.1:1/orders" in told
            assert "failed" in said["transcript"]
            assert "127.0.0.1:1" not in str(client.events)

    asyncio.run(main())


def test_the_servers_end_hangs_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            _, minted = await site.post("/console/session", {"agent": "reception"})
            async with called(minted["calls_url"].removesuffix("/calls"), secret=minted["value"]) as client:
                await client.until("session.created")
                call_id = client.location.rpartition("/")[2]
                await site.post(minted["call_url"], {"call_id": call_id})
                await client.until("response.created")
                await site.serving.reception.lobby.end_all("the test is over", 1)
                await site.serving._console.end_calls()
                await client.until_closed()

    asyncio.run(main())


def test_a_server_that_stops_takes_no_further_call_which_it_would_wait_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            _, minted = await site.post("/console/session", {"agent": "reception"})
            await site.serving._console.end_calls()
            assert (await site.post(minted["call_url"], {"call_id": "rtc_1"}))[0] == 404
            assert (await site.post("/console/session", {"agent": "reception"}))[0] == 503

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"agent": "nobody"}, 404),
        ({"agnet": "x"}, 422),
        ([], 422),
        ({"agent": "x" * 5000}, 413),
        (b'{"agent": "M\xfcller"}', 422),
        (b"[" * 4000, 422),
    ],
)
def test_what_cannot_be_begun_is_refused(tmp_path: Path, body: Any, status: int) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            assert (await site.post("/console/session", body))[0] == status

    asyncio.run(main())


def test_a_call_of_no_session_and_one_with_another_form_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            assert (await site.post("/console/session/x/call", {"call_id": "rtc_1"}))[0] == 404
            assert (await site.post("/console/session/x/call", {"call_id": "../rtc_1"}))[0] == 422

    asyncio.run(main())


def test_the_browser_has_the_servers_turns_and_no_formats() -> None:
    agent = Agent(name="a", instructions="Be kind.", barge_in=BargeIn(after_ms=300))
    session = session_of(agent)

    assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is True
    assert "format" not in session["audio"]["input"]
    assert "format" not in session["audio"]["output"]


def test_a_browser_is_offered_no_tool_that_acts_on_a_telephone_line() -> None:
    agent = Agent(name="a", instructions="x", tools=(HANG_UP, handoff_tool(("billing",))))

    assert [tool["name"] for tool in session_of(agent)["tools"]] == ["hang_up"]


def test_the_model_is_told_what_it_cannot_do_in_a_browsers_call() -> None:
    tools = (HANG_UP, handoff_tool(("billing",)), handoff_tool(("sales",)))
    handing = Agent(name="a", instructions="Be kind.", tools=tools)
    plain = msgspec.structs.replace(handing, tools=(HANG_UP,))
    prompted = msgspec.structs.replace(handing, instructions="")

    told = session_of(handing)["instructions"]
    assert told.startswith("Be kind.\n\nThis call comes from a page in a browser")
    assert told.count("- hand the call over to another agent\n") == 1
    assert "keypad" not in told
    assert session_of(plain)["instructions"] == "Be kind."
    assert session_of(prompted).get("instructions", "") == ""


def test_an_endpoint_without_calls_and_one_that_is_not_there_are_told(tmp_path: Path) -> None:
    async def main() -> None:
        agents = AgentFolder(PACKAGED_AGENTS)
        nowhere = CallClient(endpoint("emulator", base_url="ws://127.0.0.1:1"))
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            for client, status in ((ConfigError("the preview has none"), 409), (nowhere, 502)):
                calls = BrowserCalls(agents, client, tasks)
                with pytest.raises(Refused) as refused:
                    await calls.begin("reception")
                assert refused.value.status == status
                with pytest.raises(Refused) as refused:
                    calls.attend("x", "rtc_1")
                assert refused.value.status == 404

    asyncio.run(main())


def test_sessions_that_nobody_calls_are_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            begun = [await site.post("/console/session", {"agent": "reception"}) for _ in range(MOST_WAITING + 1)]
            assert (await site.post(begun[0][1]["call_url"], {"call_id": "rtc_1"}))[0] == 404
            assert (await site.post(begun[1][1]["call_url"], {"call_id": "rtc_1"}))[0] == 204

    asyncio.run(main())
