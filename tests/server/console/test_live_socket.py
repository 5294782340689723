"""Whoever looks at a call in progress, through real sockets: its sound, its row, and a hand-over to a person."""

import asyncio
import json
from pathlib import Path

import aiohttp

from tests.server.test_run import AGENT, a_server
from tests.support.tiny_twilio import ACCOUNT_SID, TOKEN
from voice_agent.call.commands import CallStarted
from voice_agent.emulator.twilio import Callee, EmulatedTwilio
from voice_agent.server.console.listening import CALLER

TRANSFERRING = AGENT.replace("audio", "off") + 'tools: [transfer: {to: {front_desk: "+14255550101"}}]\n'


def test_a_caller_is_listened_to_and_handed_over_to_a_person(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            a_server(tmp_path, TRANSFERRING) as call,
            EmulatedTwilio(ACCOUNT_SID, TOKEN, callees=lambda _: Callee(talks_ms=50)) as twilio,
            aiohttp.ClientSession(call.serving.url) as http,
        ):
            async with http.get("/console/api/session") as answer:
                token = (await answer.json())["token"]
            async with http.get("/console/api/live") as page:
                caller = twilio.place_call(f"{call.serving.url}/twilio/voice", "+14255550199", "+14255550100")
                await call.reported(CallStarted)
                sid = call.reports[0][0]
                row = json.loads(await until(page, b'"joined":true'))["changed"][0]
                assert (row["call_sid"], row["caller"], row["transfers"]) == (sid, "…0199", ["front_desk"])
                async with http.ws_connect(f"/console/api/live/{sid}/sound?token={token}") as sound:
                    frame = await sound.receive_bytes()
                    assert (frame[:1], len(frame)) == (CALLER, 161)
                    body = {"to": "front_desk"}
                    headers = {"X-Console-Token": token}
                    async with http.post(f"/console/api/live/{sid}/hand-over", json=body, headers=headers) as done:
                        assert done.status == 200
                    await caller.ended()
                gone = await until(page, b'"gone":["')
                assert json.loads(gone)["gone"] == [sid]
            assert caller.dialled == ["+14255550101"]
            assert [ended.outcome for ended in call.ended] == ["transferred"]

    asyncio.run(main())


async def until(page: aiohttp.ClientResponse, words: bytes) -> bytes:
    """Give the data of the first event in which the words stand."""
    async for line in page.content:
        if words in line:
            return line.removeprefix(b"data: ")
    raise AssertionError("the server has let the page go")
