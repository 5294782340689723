"""The bridges that can be put under load, each in a process of its own: ours, and what others build or sell.

Ours is `voice-agent serve` as it runs in life, with signatures, tokens, recording and history. The others check and
keep nothing. Those of the package index live in environments of their own, which `infra/bench.sh` makes.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from voice_agent.emulator.load.callers import Admission, by_webhook, straight_to
from voice_agent.emulator.load.own_server import own_server

ROOT = Path(__file__).resolve().parents[2]
START_S = 60


class Running(NamedTuple):
    """A bridge that takes calls."""

    process_id: int
    admission: Admission


Start = Callable[[str], AbstractAsyncContextManager[Running]]
"""Starts a bridge in a process of its own, given the Realtime server's URL, and ends it."""


@asynccontextmanager
async def other_bridge(module: str, audio: str, environment: str, realtime_url: str) -> AsyncIterator[Running]:
    """Start `tests.bench.MODULE` with the Python of an environment, and read the port that it prints."""
    arguments = [python_of(environment), "-m", f"tests.bench.{module}", "--realtime", realtime_url, "--audio", audio]
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, env={"PATH": os.environ["PATH"]}
    )
    try:
        assert process.stdout is not None, "it was started with a pipe"
        async with asyncio.timeout(START_S):
            port = int(await process.stdout.readline())
        yield Running(process.pid, straight_to(f"ws://127.0.0.1:{port}/media-stream"))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@asynccontextmanager
async def our_bridge(audio: str, realtime_url: str) -> AsyncIterator[Running]:
    """Start `voice-agent serve`."""
    async with own_server(realtime_url, audio) as server:
        yield Running(server.process_id, by_webhook(f"{server.url}/twilio/voice", server.token))


def python_of(environment: str) -> str:
    """Give the Python of `.venv-bench-NAME`; of this one for no name."""
    return str(ROOT / f".venv-bench-{environment}" / "bin" / "python") if environment else sys.executable


class Bridge(NamedTuple):
    """One that can be loaded."""

    start: Start
    environment: str = ""
    """Where its packages are."""
    most: int = 1000
    """Calls beyond which it is not asked: it was found not to carry them, and would spoil the rest of a run."""


BRIDGES = {
    "voice-agent, pcm24k": Bridge(partial(our_bridge, "pcm24k")),
    "plain, pcm24k": Bridge(partial(other_bridge, "plain_bridge", "pcm24k", "")),
    "voice-agent, g711": Bridge(partial(our_bridge, "g711")),
    "plain, g711": Bridge(partial(other_bridge, "plain_bridge", "g711", "")),
    "openai-agents, g711": Bridge(partial(other_bridge, "agents_bridge", "g711", "agents"), "agents"),
    "pipecat, pcm24k": Bridge(partial(other_bridge, "pipecat_bridge", "pcm24k", "pipecat"), "pipecat", most=10),
}
