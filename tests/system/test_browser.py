"""A real browser against the stand-ins: the vendor's WebRTC quickstart, with speech in and out."""

import asyncio
from pathlib import Path

from tests.system.browsing import browsing, microphone
from tests.system.talking_server import talking_server
from voice_agent.config.agents import AgentFolder
from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.emulator.brains import choose_brain
from voice_agent.emulator.speech.loading import load_speech
from voice_agent.server.run import Serving


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


def test_a_browser_plays_the_spoken_scene_with_the_packaged_agent(tmp_path: Path) -> None:
    """As `voice-agent demo` over the telephone: a question, an interruption, a tool, a goodbye that ends the call."""

    async def main() -> None:
        settings = Settings(port=0, data=tmp_path / "data")
        brain, _ = choose_brain(settings)
        async with (
            talking_server(speech=load_speech(print), brain=brain) as model,
            Serving(settings, AgentFolder(PACKAGED_AGENTS), emulator_url=model.url) as serving,
            browsing(
                None,
                serving.url,
                secretUrl=f"{serving.url}/console/session",
                secretBody={"agent": "reception"},
            ) as browser,
        ):
            await browser.until("output_audio_buffer.stopped")
            await browser.say("reception-1")
            await browser.until("output_audio_buffer.started", 2)
            await browser.page.wait_for_timeout(3500)
            await browser.say("reception-2")
            cleared = await browser.until("output_audio_buffer.cleared")
            truncated = await browser.until("conversation.item.truncated")
            # A long tool would be announced; then the hours come.
            await browser.until("output_audio_buffer.stopped", 2)
            await browser.say("reception-3")
            await browser.until_hung_up()
            events = await browser.events()

        said = [event["transcript"] for event in events if event["type"] == "response.output_audio_transcript.done"]
        heard = " ".join(
            event["transcript"].lower()
            for event in events
            if event["type"] == "conversation.item.input_audio_transcription.completed"
        )
        started = [event["response_id"] for event in events if event["type"] == "output_audio_buffer.started"]
        assert all(word in heard for word in ("services", "saturday", "goodbye"))
        assert cleared["response_id"] == started[1]
        assert 3000 < truncated["audio_end_ms"] < 7000
        assert any("9 in the morning" in text for text in said)
        assert "goodbye" in said[-1].lower()
        assert events[-1]["type"] == "output_audio_buffer.stopped"

    asyncio.run(asyncio.wait_for(main(), 120))
