"""`voice-agent serve` in a process and a folder of its own, as it runs in life: to be put under load."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from voice_agent.emulator.twilio.webhook import request
from voice_agent.errors import CommandError

START_S = 30.0
LOOK_S = 0.1

_AGENT = """\
name: load
default: true
voice: marin
language: en
recording: audio
instructions: Be brief.
"""


class OwnServer(NamedTuple):
    """One that takes calls."""

    process_id: int
    url: str
    token: str
    """Signs."""


@asynccontextmanager
async def own_server(
    realtime_url: str,
    audio: str,
    extra: Mapping[str, str] | None = None,
    *,
    workers: int = 1,
    start_s: float = START_S,
) -> AsyncIterator[OwnServer]:
    """Start it, with signatures, tokens, recording and history, and end it; raises `CommandError`.

    `audio`: how audio crosses the model's socket. `extra`: further settings. `workers`: see `serve`.
    """
    token = "signs for a load of calls"  # noqa: S105 - opens a server of this machine that lives for a minute
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "load.yaml").write_text(_AGENT, encoding="utf-8")
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PORT": "0",
            "AGENTS": str(Path(folder) / "load.yaml"),
            "DATA": str(Path(folder) / "data"),
            "TWILIO_AUTH_TOKEN": token,
            "REALTIME_PROVIDER": "openai",
            "OPENAI_API_KEY": "unused",
            "REALTIME_URL": realtime_url,
            "REALTIME_AUDIO": audio,
            "LOG_LEVEL": "error",
            # What it refuses under load it would not be seen to break at.
            "MAX_CALLS": "2000",
            "MAX_LAG_MS": "10000",
            **(extra or {}),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "voice_agent.cli.main",
            "serve",
            *(("--workers", str(workers)) if workers > 1 else ()),
            stdout=subprocess.PIPE,
            env=environment,
            cwd=folder,
        )
        try:
            yield OwnServer(process.pid, await _until_it_serves(process, workers, start_s), token)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()


async def _until_it_serves(process: asyncio.subprocess.Process, workers: int, start_s: float) -> str:
    try:
        async with asyncio.timeout(start_s):
            url = await _url(process)
            if workers > 1:
                await _until_all_serve(url, workers)
            return url
    except TimeoutError:
        raise CommandError(f"voice-agent serve took no calls within {start_s:g} s: is this machine busy?") from None


async def _until_all_serve(url: str, workers: int) -> None:
    """Wait for those that begin when the first one serves: the calls are to be spread."""
    missing = {f'{{worker="{number}"}}' for number in range(1, workers + 1)}
    while missing:
        body = (await request(f"{url}/metrics", {}, "", "GET")).body
        missing = {label for label in missing if label not in body}
        await asyncio.sleep(LOOK_S)


async def _url(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None, "it was started with a pipe"
    async for line in process.stdout:
        if line.startswith(b"Listening on "):
            return line.split()[2].rstrip(b";").decode()
    raise CommandError("voice-agent serve ended before it listened: what it said stands above")
