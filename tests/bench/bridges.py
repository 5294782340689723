"""The bridges that can be put under load, each in a process of its own: the yardstick and ours.

Ours is `voice-agent serve` as it runs in life, with signatures, tokens, recording and history.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench.caller import ACCOUNT_SID, Admission, Admitted, straight_to
from voice_agent.emulator.twilio import webhook
from voice_agent.wire import twiml
from voice_agent.wire.signature import sign

_TOKEN = "a token of the bench"

_AGENT = """\
name: bench
default: true
voice: marin
language: en
recording: audio
instructions: Be brief.
"""


class Running(NamedTuple):
    """A bridge that takes calls."""

    process_id: int
    admission: Admission


Bridge = Callable[[str], AbstractAsyncContextManager[Running]]
"""Starts a bridge in a process of its own, given the Realtime server's URL, and ends it."""


@asynccontextmanager
async def plain_bridge(realtime_url: str) -> AsyncIterator[Running]:
    """Start the yardstick."""
    arguments = [sys.executable, "-m", "tests.bench.plain_bridge", "--realtime", realtime_url]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    try:
        port = await read_port(process)
        yield Running(process.pid, straight_to(f"ws://127.0.0.1:{port}/media-stream"))
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def our_bridge(realtime_url: str) -> AsyncIterator[Running]:
    """Start `voice-agent serve` with a folder, an agent and a token of its own."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench.yaml").write_text(_AGENT)
        environment = {
            "PATH": os.environ["PATH"],
            "PORT": "0",
            "AGENTS": str(Path(folder) / "bench.yaml"),
            "DATA": str(Path(folder) / "data"),
            "TWILIO_AUTH_TOKEN": _TOKEN,
            "REALTIME_PROVIDER": "openai",
            "OPENAI_API_KEY": "unused",
            "REALTIME_URL": realtime_url,
            "LOG_LEVEL": "warning",
            "MAX_CALLS": "2000",
            "MAX_LAG_MS": "10000",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "voice_agent.cli.main", "serve", stdout=subprocess.PIPE, env=environment
        )
        try:
            yield Running(process.pid, signed(await _url(process), _TOKEN))
        finally:
            process.terminate()
            await process.communicate()


def signed(url: str, token: str) -> Admission:
    """Let calls in as Twilio comes: by the voice webhook, whose TwiML names the stream and its parameters."""

    async def admit(call_sid: str) -> Admitted:
        fields = {
            "CallSid": call_sid,
            "AccountSid": ACCOUNT_SID,
            "From": "+14255550123",
            "To": "+14255550100",
            "CallStatus": "ringing",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
        }
        answer = await webhook.request(f"{url}/twilio/voice", fields, token)
        (connect,) = (verb for verb in twiml.parse(answer.body) if isinstance(verb, twiml.Connect))
        return Admitted(connect.url, {"X-Twilio-Signature": sign(token, connect.url)}, connect.parameters)

    return admit


async def read_port(process: asyncio.subprocess.Process) -> int:
    """Read the line with its port that a server of ours prints first."""
    assert process.stdout is not None, "it was started with a pipe"
    async with asyncio.timeout(20):
        return int(await process.stdout.readline())


async def _url(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None, "it was started with a pipe"
    async with asyncio.timeout(30):
        async for line in process.stdout:
            if line.startswith(b"Listening on "):
                return line.split()[2].rstrip(b";").decode()
    raise RuntimeError("voice-agent serve ended before it listened")
