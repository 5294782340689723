"""A real browser against the stand-ins: the vendor's WebRTC quickstart, with speech in and out."""

import asyncio
from pathlib import Path

from tests.system.browsing import browsing, microphone
from tests.system.talking_server import talking_server
from voice_agent.emulator.speech.loading import load_speech


def test_a_browser_is_heard_and_answered(tmp_path: Path) -> None:
    async def main() -> None:
        speech = load_speech(print)
        sound = microphone(tmp_path, "reception-2", after_seconds=3.0)
        session = {
            "type": "realtime",
            "model": "gpt-realtime-2.1",
            "audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}},
        }
        async with talking_server(speech=speech) as server:
            base = f"http://127.0.0.1:{server.port}/v1/realtime"
            async with browsing(
                sound,
                secretUrl=f"{base}/client_secrets",
                secretBody={"session": session},
                callsUrl=f"{base}/calls",
            ) as browser:
                heard = await browser.until("conversation.item.input_audio_transcription.completed")
                said = await browser.until("response.output_audio_transcript.done")
                await browser.until("output_audio_buffer.stopped")
                events = [event["type"] for event in await browser.events()]

                assert "saturday" in heard["transcript"].lower()
                assert said["transcript"].startswith("You said:")
                assert await browser.energy() > 0.001
                assert "response.output_audio.delta" not in events
                assert events.index("output_audio_buffer.started") < events.index("output_audio_buffer.stopped")

    asyncio.run(asyncio.wait_for(main(), 90))
