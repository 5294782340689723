import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support import tiny_twilio
from tests.support.tiny_realtime import TinyRealtime, tiny_realtime
from tests.support.tiny_twilio import CALL_SID, FIELDS, TOKEN, open_stream, request, webhook
from voice_agent.call.commands import CallEnded, Report
from voice_agent.config.agents import AgentFolder
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.errors import CommandError
from voice_agent.server.run import Serving
from voice_agent.store.history import FILE_NAME, History
from voice_agent.wire import twiml

AGENT = """
name: reception
default: true
instructions: Be brief.
greeting: Hello!
recording: audio
"""


class Call:
    """A server, its model, and what was reported."""

    def __init__(self, folder: Path, model: TinyRealtime) -> None:
        self.model = model
        self.reports: list[tuple[str, Report]] = []
        self.settings = Settings(
            port=0,
            data=folder / "data",
            realtime_url=model.url,
            realtime_audio="g711",
            twilio_auth_token=Secret(TOKEN),
        )
        self.serving: Serving

    @property
    def ended(self) -> list[CallEnded]:
        return [report for _, report in self.reports if isinstance(report, CallEnded)]

    async def answer(self, **fields: str) -> twiml.Connect:
        status, text = await webhook(f"{self.serving.url}/twilio/voice", {**FIELDS, **fields})
        assert status == 200, text
        (verb,) = twiml.parse(text)
        assert isinstance(verb, twiml.Connect)
        return verb

    async def stream(self) -> ClientConnection:
        connect = await self.answer()
        stream = await open_stream(connect.url)
        await stream.send(tiny_twilio.connected())
        await stream.send(tiny_twilio.start(connect.parameters))
        return stream

    async def after(self) -> list[twiml.Verb]:
        status, text = await webhook(f"{self.serving.url}/twilio/after-stream", {**FIELDS, "CallStatus": "in-progress"})
        assert status == 200
        return twiml.parse(text)


@asynccontextmanager
async def a_server(folder: Path, agent: str = AGENT, **settings: Any) -> AsyncIterator[Call]:
    (folder / "agents").mkdir()
    (folder / "agents" / "reception.yaml").write_text(agent)
    async with asyncio.timeout(10), tiny_realtime() as model:
        call = Call(folder, model)
        import msgspec

        call.settings = msgspec.structs.replace(call.settings, **settings)
        agents = AgentFolder(folder / "agents")

        def observe(call_sid: str, now_ms: int, report: Report) -> None:
            call.reports.append((call_sid, report))

        async with Serving(call.settings, agents, observers=[observe]) as call.serving:
            yield call


def test_a_call_from_the_webhook_to_the_history(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path) as call:
            stream = await call.stream()
            heard = [json.loads(await stream.recv())["event"] for _ in range(3)]
            await stream.send(tiny_twilio.stop())
            await stream.close()
            verbs = await call.after()
            await call.model.closed.wait()

        assert heard == ["mark", "media", "mark"]
        assert verbs == [twiml.Hangup()]
        assert call.ended[0].outcome == "caller_hung_up"

    asyncio.run(main())

    (row,) = History(tmp_path / "data" / FILE_NAME).latest(5)
    assert (row.call_sid, row.agent, row.outcome) == (CALL_SID, "reception", "caller_hung_up")
    assert row.recording is not None
    assert Path(row.recording).stat().st_size > 100
