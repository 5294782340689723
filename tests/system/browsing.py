"""Headless Chromium with a microphone that plays a file or what a test gives it, and the page that it opens."""

import base64
import json
import os
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web
from playwright.async_api import Page, async_playwright

from tests.support.openai_types import faults
from voice_agent.audio.resample import Upsampler
from voice_agent.audio.wav import read_mulaw
from voice_agent.emulator.speech.recorded import CALLERS_FOLDER

Event = dict[str, Any]

PAGE = Path(__file__).parent / "browser" / "quickstart.html"

RATE_HZ = 24_000

PATIENCE_SECONDS = 40

MICROPHONE = """
  const context = new AudioContext();
  const line = context.createMediaStreamDestination();
  const quiet = new ConstantSourceNode(context, { offset: 1e-5 });  // without any source nothing at all is sent
  quiet.connect(line);
  quiet.start();
  navigator.mediaDevices.getUserMedia = async () => line.stream;
  window.say = async (wav) => {
    const bytes = Uint8Array.from(atob(wav), (character) => character.charCodeAt(0));
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(bytes.buffer);
    source.connect(line);
    const ended = new Promise((resolve) => (source.onended = resolve));
    source.start();
    await ended;
  };
"""
"""Stands in for the browser's microphone where a test has to choose the moment to speak."""


def microphone(folder: Path, caller: str, *, after_seconds: float) -> Path:
    """Write what a packaged caller says, after a pause, as the PCM that Chromium's fake microphone reads."""
    path = folder / f"{caller}.wav"
    upsampler = Upsampler()
    speech = upsampler.feed(read_mulaw(CALLERS_FOLDER / f"{caller}.wav")) + upsampler.flush()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(bytes(int(after_seconds * RATE_HZ) * 2) + speech + bytes(30 * RATE_HZ * 2))
    return path


def chromium() -> str:
    """Find the browser, as infra/test-system.sh does."""
    names = (os.environ.get("CHROMIUM", "chromium"), "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    assert found is not None, "chromium is missing; install it, or set CHROMIUM"
    return found


class Browser:
    """The page in a call."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def until(self, event_type: str, count: int = 1) -> Event:
        """Wait for the given number of an event of the data channel; gives the last of them."""
        of_type = f"window.events.filter((event) => event.type === {json.dumps(event_type)})"
        handle = await self.page.wait_for_function(
            f"window.events && {of_type}[{count - 1}]", timeout=PATIENCE_SECONDS * 1000
        )
        found: Event = await handle.json_value()
        return found

    async def until_hung_up(self) -> None:
        """Wait until the other side has ended the call."""
        await self.page.wait_for_function("window.channel.readyState === 'closed'", timeout=PATIENCE_SECONDS * 1000)

    async def say(self, caller: str) -> None:
        """Say what a packaged caller says, to the end. Only with the microphone of `browsing(sound=None)`."""
        wav = base64.b64encode((CALLERS_FOLDER / f"{caller}.wav").read_bytes()).decode()
        await self.page.evaluate(f"window.say({json.dumps(wav)})")

    async def events(self) -> list[Event]:
        """All events so far, each held against the vendor's types."""
        events: list[Event] = await self.page.evaluate("window.events")
        assert [fault for event in events for fault in faults(event)] == []
        return events

    async def energy(self) -> float:
        """How much sound was heard so far, as the browser's statistics count it."""
        heard: float = await self.page.evaluate("window.energy()")
        return heard


@asynccontextmanager
async def browsing(sound: Path | None, origin: str = "", **addresses: Any) -> AsyncIterator[Browser]:
    """Open the quickstart with these addresses, as a page of `origin` (a server of ours) if that is given.

    The microphone plays `sound` once; without it, what `Browser.say` gives it.
    """
    async with serving_page() as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--no-sandbox",  # containers seldom allow one, and the page is our own
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                *([f"--use-file-for-fake-audio-capture={sound}%noloop"] if sound else []),
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        try:
            page = await browser.new_page()
            problems: list[str] = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            if sound is None:
                await page.add_init_script(MICROPHONE)
            await page.goto(f"{f'{origin}/healthz' if origin else url}#{quote(json.dumps(addresses))}")
            if origin:
                # Chromium lets only a page that came from this machine speak to this machine.
                await page.set_content(PAGE.read_text(encoding="utf-8"))
            yield Browser(page)
        finally:
            await browser.close()
            assert problems == [], problems


@asynccontextmanager
async def serving_page() -> AsyncIterator[str]:
    """Serve the page on loopback, where a browser gives out the microphone without TLS."""

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE)

    application = web.Application()
    application.router.add_get("/", page)
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
