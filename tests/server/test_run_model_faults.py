"""The classes of the model's faults through real sockets: the server, its carrier and the local Realtime server.

Every row of the tables is in `tests/sim/test_world_model_faults.py`, on a virtual clock.
"""

import asyncio
import base64
import json
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.server.test_run import a_server
from tests.support import tiny_twilio
from tests.support.fake_speech import fake_speech
from voice_agent.call.commands import Note
from voice_agent.emulator.brain import Echo
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.wire import twiml

APOLOGY = b"\x90\x91" * 400


OPENAI, AZURE = "/v1/realtime", "/openai/v1/realtime"


@pytest.mark.parametrize(
    ("fault", "read", "path"),
    [
        ("status-400", "names no realtime conversation model", AZURE),
        ("status-404", "HTTP 404: no such model or address", AZURE),
        ("status-401", "HTTP 401: the key was refused", OPENAI),
        ("status-429,retry-after=20", "HTTP 429: the quota is exhausted", OPENAI),
        ("close=1011@0.2", "close 1011: the server failed", OPENAI),
        ("drop@0.2", "close 1006: the connection broke", OPENAI),
        ("error=session_expired@0.2", "session_expired: ", OPENAI),
        ("fail=rate_limit_exceeded", "responses keep failing: rate_limit_exceeded", OPENAI),
    ],
)
def test_a_real_server_reads_the_fault_and_its_caller_hears_the_apology(
    tmp_path: Path, fault: str, read: str, path: str
) -> None:
    async def main() -> None:
        async with serve_realtime("127.0.0.1", 0, fake_speech(), Echo(), faults=fault) as model:
            url = f"ws://127.0.0.1:{model.port}{path}?model=any"
            async with a_server(tmp_path, clips={"apology": APOLOGY}, realtime_url=url) as call:
                stream = await call.stream()
                heard = b""
                with suppress(ConnectionClosed):
                    while True:
                        message = json.loads(await stream.recv())
                        if message["event"] == "mark":
                            await stream.send(tiny_twilio.mark(message["mark"]["name"]))
                        elif message["event"] == "media":
                            heard += base64.b64decode(message["media"]["payload"])
                verbs = await call.after()

        assert APOLOGY in heard
        assert verbs == [twiml.Hangup()]
        assert call.ended[0].outcome == "model_failed"
        assert read in call.ended[0].reason
        assert any(isinstance(report, Note) and report.what == "the model is gone" for _, report in call.reports)

    asyncio.run(main())
