"""The local Realtime server inside the server's own process: for who has no account yet.

It must not know what is done with it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from voice_agent.emulator.dialogue.brain import DialogueBrain
from voice_agent.emulator.dialogue.file import Dialogue, load_dialogues
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import load_speech


@asynccontextmanager
async def local_realtime(agents: Path, tell: Callable[[str], None], speech: Speech | None = None) -> AsyncIterator[str]:
    """Serve on a free loopback port; gives the URL. `agents`: the dialogue files beside them are what it says.

    `tell` gets a line for each model that is loaded, unless `speech` is given. Raises `CommandError` that names what
    to install, `ConfigError` for a dialogue file that is no good.
    """
    brain = DialogueBrain(await asyncio.to_thread(_dialogues_beside, agents))
    loaded = await asyncio.to_thread(load_speech, tell) if speech is None else speech
    async with serve_realtime("127.0.0.1", 0, loaded, brain) as server:
        yield server.url


def _dialogues_beside(agents: Path) -> list[Dialogue]:
    return load_dialogues(agents if agents.is_dir() else agents.parent)
