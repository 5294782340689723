"""A Realtime server for other people's clients: talkative enough to be interrupted, quick where words do not matter."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np

from tests.support.fake_speech import fake_speech
from voice_agent.emulator.brain import Brain, Thought, ToolCall
from voice_agent.emulator.realtime import RealtimeServer, serve_realtime
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.sim.realtime import RealtimeOptions, Think

SENTENCE = "Once upon a time there was a telephone that nobody had the heart to hang up on. "
STORY = SENTENCE * 12
"""Ten seconds of fake speech: long enough to be interrupted on a busy machine."""
STALL_SECONDS = 1.4
"""0.6 s longer than a sentence plays: shorter than what a listener takes for the end."""


class Narrator:
    """Calls the tool when asked for the weather, tells a long story when asked for one, else repeats what it heard.

    A slow story stalls after its first sentence, as models do, for longer than that sentence plays.
    """

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        """Answer the newest line; see `Brain`."""
        said = think.conversation[-1] if think.conversation else None
        if said is None:
            yield "Hello."
        elif said.kind == "output":
            yield f"It is {json.loads(said.text)['sky']}."
        elif "weather" in said.text.lower():
            yield "Let me see."
            yield ToolCall("weather", '{"day": "today"}')
        elif "story" in said.text.lower():
            if "slow" in said.text.lower():
                yield SENTENCE
                await asyncio.sleep(STALL_SECONDS)
            yield STORY
        else:
            yield f"You said: {said.text}"


@asynccontextmanager
async def talking_server(
    *heard: str, speech: Speech | None = None, brain: Brain | None = None, pace: int = 4
) -> AsyncIterator[RealtimeServer]:
    """Serve with fake speech that hears these texts, one a turn, unless `speech` is given."""
    options = RealtimeOptions(pace=pace)
    async with serve_realtime("127.0.0.1", 0, speech or fake_speech(*heard), brain or Narrator(), options) as server:
        yield server


def hear(recognise: Callable[[bytes], str], pcm_24k: bytes) -> str:
    """Recognise 24 kHz audio, in lower case; recognisers take 16 kHz."""
    samples = np.frombuffer(pcm_24k, np.int16).astype(np.float64)
    at = np.arange(0, len(samples) - 1, 1.5)
    return recognise(np.interp(at, np.arange(len(samples)), samples).astype(np.int16).tobytes()).lower()
