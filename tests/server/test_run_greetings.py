"""A greeting that is kept, through real sockets: the second call hears it before its session is there."""

import asyncio
import json
from pathlib import Path

from websockets.asyncio.client import ClientConnection

from tests.server.test_run import a_server
from tests.support import tiny_twilio
from tests.support.stored import latest
from tests.support.tiny_twilio import FIELDS, open_stream
from voice_agent.live.opened_call import FinishedCall
from voice_agent.recording.reader import read
from voice_agent.replay.strict import replay
from voice_agent.store.database import FILE_NAME

AGENT = """
name: reception
default: true
instructions: Be brief.
greeting: Hello!
recording: audio
"""
SECOND = FIELDS["CallSid"][:-1] + ("1" if FIELDS["CallSid"][-1] == "0" else "0")


async def heard(stream: ClientConnection) -> list[str]:
    """Play a greeting: echo its marks; gives the events that came."""
    events: list[str] = []
    while events.count("mark") < 2:
        message = json.loads(await stream.recv())
        events.append(message["event"])
        if message["event"] == "mark":
            await stream.send(json.dumps({"event": "mark", "streamSid": message["streamSid"], "mark": message["mark"]}))
    return events


def test_the_second_call_is_greeted_by_what_the_first_ones_model_said(tmp_path: Path) -> None:
    async def main() -> tuple[int, int]:
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def keep(_: FinishedCall) -> None:
            loop.call_soon_threadsafe(over.set)

        async def leave(stream: ClientConnection) -> None:
            await stream.send(tiny_twilio.stop())
            await stream.close()
            await over.wait()
            over.clear()

        async with a_server(tmp_path, AGENT, keep=[keep]) as call:
            stream = await call.stream()
            await heard(stream)
            await leave(stream)
            first = len(call.model.of_type("response.create"))
            connect = await call.answer(CallSid=SECOND)
            stream = await open_stream(connect.url)
            await stream.send(tiny_twilio.connected())
            await stream.send(tiny_twilio.start(connect.parameters, SECOND))
            await heard(stream)
            await leave(stream)
            return first, len(call.model.of_type("response.create"))

    first, both = asyncio.run(main())
    rows = latest(tmp_path / "data" / FILE_NAME)
    later = read(Path(rows[0].recording or ""))

    assert (first, both) == (1, 1)
    assert [path.suffix for path in (tmp_path / "data" / "greetings").iterdir()] == [".wav"]
    assert later.header.setup.kept_greeting is not None
    assert replay(later, {}).same
