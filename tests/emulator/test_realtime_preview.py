"""The openai package's own client of the preview, which it still carries, against the local server."""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai.resources.beta.realtime.realtime import AsyncRealtimeConnection
from openai.types.beta.realtime import RealtimeServerEvent

from tests.support.fake_speech import fake_speech
from tests.support.openai_types import faults
from tests.support.realtime_client import silence, tone
from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.sim.realtime import RealtimeOptions, Think

MODEL = "gpt-4o-realtime-preview"


class Scripted:
    """Asks for a tool when asked for hours, else greets."""

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        said = think.conversation[-1]
        if said.kind == "output":
            yield f"We open at {said.text}."
        elif "hours" in said.text:
            yield ToolCall("hours", "{}")
        else:
            yield "Hello there."


@asynccontextmanager
async def connected(by: str, *heard: str) -> AsyncIterator[AsyncRealtimeConnection]:
    """A session of the package's client of the preview, by Azure's older address or by OpenAI's beta header."""
    options = RealtimeOptions(pace=20, openai_beta=True)
    async with serve_realtime("127.0.0.1", 0, fake_speech(*heard), Scripted(), options) as server:
        client: AsyncOpenAI
        if by == "azure":
            client = AsyncAzureOpenAI(
                api_key="any",
                api_version="2025-04-01-preview",
                azure_endpoint=f"http://127.0.0.1:{server.port}",
                websocket_base_url=f"ws://127.0.0.1:{server.port}/openai",
            )
        else:
            client = AsyncOpenAI(api_key="any", websocket_base_url=f"ws://127.0.0.1:{server.port}/v1")
        async with client, client.beta.realtime.connect(model=MODEL) as connection:
            yield connection


async def until(connection: AsyncRealtimeConnection, last: str) -> list[RealtimeServerEvent]:
    """Receive, and judge, all events up to one of a type."""
    events: list[RealtimeServerEvent] = []
    while not events or events[-1].type != last:
        events.append(await connection.recv())
        assert faults(events[-1].to_dict(), "preview") == []
    return events


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(bounded())


@pytest.mark.parametrize("by", ["azure", "openai"])
def test_a_written_turn(by: str) -> None:
    async def main() -> None:
        async with connected(by) as connection:
            await connection.session.update(session={"modalities": ["text"]})
            await connection.conversation.item.create(
                item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}
            )
            await connection.response.create()
            events = await until(connection, "response.done")

        text = "".join(event.delta for event in events if event.type == "response.text.delta")
        assert text == "Hello there."

    run(main())


def test_a_spoken_turn_with_a_function_call() -> None:
    async def main() -> None:
        async with connected("azure", "your hours please") as connection:
            await connection.session.update(
                session={
                    "input_audio_transcription": {"model": "whisper-1"},
                    "tools": [{"type": "function", "name": "hours", "parameters": {"type": "object"}}],
                }
            )
            await connection.input_audio_buffer.append(audio=base64.b64encode(tone(600) + silence(900)).decode())
            asked = await until(connection, "response.done")
            (call,) = [event.item for event in asked if event.type == "response.output_item.done"]
            assert call.name == "hours"
            assert call.call_id is not None
            await connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": call.call_id, "output": "nine"}
            )
            await connection.response.create()
            answered = await until(connection, "response.done")

        heard = [event.transcript for event in asked if event.type.endswith("transcription.completed")]  # type: ignore[union-attr]
        said = [event.transcript for event in answered if event.type == "response.audio_transcript.done"]
        audio = b"".join(base64.b64decode(event.delta) for event in answered if event.type == "response.audio.delta")
        assert heard == ["your hours please"]
        assert said == ["We open at nine."]
        assert len(audio) == 160 * 48

    run(main())


def test_an_interruption_cancels_and_truncates() -> None:
    async def main() -> None:
        async with connected("azure", "hello", "stop") as connection:
            await connection.input_audio_buffer.append(audio=base64.b64encode(tone(600) + silence(900)).decode())
            (item,) = [
                event.item_id
                for event in await until(connection, "response.audio.delta")
                if event.type == "response.audio.delta"
            ]
            await connection.input_audio_buffer.append(audio=base64.b64encode(tone(400)).decode())
            await until(connection, "input_audio_buffer.speech_started")
            await connection.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=100)
            *_, truncated = await until(connection, "conversation.item.truncated")

        assert truncated.type == "conversation.item.truncated"
        assert (truncated.item_id, truncated.audio_end_ms) == (item, 100)

    run(main())
