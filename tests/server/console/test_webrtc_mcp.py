"""A browser talks to an agent with an MCP server: the secret goes with the session, the sideband says yes to calls."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.server.console.test_webrtc import Site
from tests.support.fake_speech import fake_speech
from tests.support.http_server import server
from tests.support.mcp_server import KEY, TOKEN, calendar_server
from tests.support.realtime_client import tone
from tests.support.webrtc_client import called
from voice_agent.config.agents import AgentFolder, Demands
from voice_agent.config.references import read_references
from voice_agent.config.settings import Settings
from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.server.run import Serving
from voice_agent.sim.realtime import RealtimeOptions, Think

AGENT = """
name: desk
instructions: You keep the calendar.
tools:
  - mcp:
      server_label: calendar
      server_url: ${MCP_URL}
      authorization: ${MCP_TOKEN}
      headers:
        X-Key: ${MCP_KEY}
      require_approval: always
      approve: [book]
"""


class Booking:
    """Books when it was spoken to, and tells what came of it."""

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        said = think.conversation[-1]
        if said.kind == "output":
            yield said.text
        else:
            yield ToolCall("book", '{"time": "9:00"}')


def test_a_browsers_agent_calls_an_mcp_server_whose_secrets_the_browser_never_sees(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(AGENT, encoding="utf-8")

    async def main() -> None:
        async with asyncio.timeout(60), calendar_server() as calendar:
            values = {"MCP_URL": calendar.url, "MCP_TOKEN": TOKEN, "MCP_KEY": KEY}
            agents = AgentFolder(tmp_path / "desk.yaml", Demands(references=read_references(values)))
            speech, options = fake_speech("Book me in."), RealtimeOptions(pace=20)
            async with (
                serve_realtime("127.0.0.1", 0, speech, Booking(), options) as model,
                Serving(Settings(port=0, data=tmp_path / "data"), agents, emulator_url=model.url, clips={}) as serving,
                aiohttp.ClientSession() as http,
            ):
                site = Site(serving, http)
                _, minted = await site.post("/console/session", {"agent": "desk"})
                async with called(minted["calls_url"].removesuffix("/calls"), secret=minted["value"]) as client:
                    await client.until("mcp_list_tools.completed")
                    call_id = client.location.rpartition("/")[2]
                    await site.post(minted["call_url"], {"call_id": call_id})
                    client.microphone.say(tone(300))
                    told = await client.until("response.output_audio_transcript.done")
                    seen = str(client.events)

        assert calendar.booked == ["9:00"]
        assert told["transcript"] == "booked 9:00"
        assert "mcp_approval_request" in seen
        assert TOKEN not in seen
        assert KEY not in seen
        assert TOKEN not in str(minted)

    asyncio.run(main())


def test_an_endpoint_that_quotes_the_session_it_refuses_tells_no_secret_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "desk.yaml").write_text(AGENT, encoding="utf-8")

    async def refuse(request: web.Request) -> web.StreamResponse:
        tool = (await request.json())["session"]["tools"][0]
        quoted = f"bad MCP server: {tool['authorization']}, {tool['headers']['X-Key']}"
        return web.json_response({"error": {"message": quoted}}, status=400)

    async def main() -> tuple[int, str]:
        async with asyncio.timeout(30), server(refuse) as url:
            values = {"MCP_URL": "https://mcp.example", "MCP_TOKEN": TOKEN, "MCP_KEY": KEY}
            agents = AgentFolder(tmp_path / "desk.yaml", Demands(references=read_references(values)))
            settings = Settings(port=0, data=tmp_path / "data")
            async with (
                Serving(settings, agents, emulator_url=f"{url.replace('http', 'ws')}/v1/realtime", clips={}) as serving,
                aiohttp.ClientSession() as http,
            ):
                status, told = await Site(serving, http).post("/console/session", {"agent": "desk"})
                return status, str(told)

    status, told = asyncio.run(main())

    assert status == 502
    assert "bad MCP server: ${MCP_TOKEN}, ${MCP_KEY}" in told
    assert TOKEN not in caplog.text
