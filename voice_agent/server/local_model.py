"""The local Realtime server inside the server's own process: for who has no account yet.

It must not know what is done with it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from voice_agent.config.settings import Settings
from voice_agent.emulator.brains import choose_brain
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import load_speech


@asynccontextmanager
async def local_realtime(
    settings: Settings, tell: Callable[[str], None], speech: Speech | None = None, *, faults: str = ""
) -> AsyncIterator[str]:
    """Serve on a free loopback port; gives the URL. `settings` say what answers: a chat endpoint or dialogue files.

    `faults`: see `serve_realtime`.

    `tell` gets a line for each model that is loaded, unless `speech` is given. Raises `CommandError` that names what
    to install, `ConfigError` for a dialogue file that is no good.
    """
    brain, _ = await asyncio.to_thread(choose_brain, settings)
    loaded = await asyncio.to_thread(load_speech, tell) if speech is None else speech
    async with serve_realtime("127.0.0.1", 0, loaded, brain, faults=faults) as server:
        yield server.url
