"""The console in headless Chromium, served by a server of ours beside the local Realtime server: real words both ways.

The microphone plays a file from the moment it is opened, as a person would speak who goes by the clock. What the page
gives to the loudspeaker is kept.
"""

import asyncio
import base64
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Page, async_playwright

from tests.system.browsing import chromium
from tests.system.talking_server import talking_server
from voice_agent.audio.resample import Upsampler
from voice_agent.audio.wav import read_mulaw
from voice_agent.config.agents import AgentFolder
from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.emulator.brains import choose_brain
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.recorded import CALLERS_FOLDER
from voice_agent.server.run import Serving

RATE_HZ = 24_000

AXE = Path(__file__).parent / "js" / "node_modules" / "axe-core" / "axe.min.js"
"""The rules of accessibility that Lighthouse scores, and some more. Deque Systems, MPL-2.0, of npm."""

TAP = """
  window.heard = [];
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode) {
      const tap = this.context.createScriptProcessor(4096, 1, 1);
      tap.onaudioprocess = ({ inputBuffer }) => window.heard.push(inputBuffer.getChannelData(0).slice());
      connect.call(this, tap);
      connect.call(tap, to);
      window.heardHz = this.context.sampleRate;
    }
    return connect.call(this, to, ...more);
  };
  window.takeHeard = () => {
    const samples = window.heard.flatMap((part) => [...part]);
    const whole = Int16Array.from(samples, (sample) => Math.max(-1, Math.min(1, sample)) * 32767);
    const bytes = new Uint8Array(whole.buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(text);
  };
"""
"""Keeps all that goes to the loudspeaker."""


def spoken(folder: Path, *said: tuple[float, str]) -> Path:
    """Write what the microphone plays: packaged callers' lines, each after so many seconds of silence."""
    path = folder / "spoken.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        for pause_s, caller in said:
            upsampler = Upsampler()
            speech = upsampler.feed(read_mulaw(CALLERS_FOLDER / f"{caller}.wav")) + upsampler.flush()
            file.writeframes(bytes(int(pause_s * RATE_HZ) * 2) + speech)
        file.writeframes(bytes(120 * RATE_HZ * 2))
    return path


class Console:
    """A page of the console, and the server that serves it."""

    def __init__(self, page: Page, serving: Serving) -> None:
        self.page = page
        self.serving = serving
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)

    async def another(self) -> "Console":
        """Open another page of the same browser; its complaints are the first one's, too."""
        other = Console(await self.page.context.new_page(), self.serving)
        other.problems = self.problems
        return other

    async def open(self, path: str) -> None:
        """Go to a page of the console and wait until it shows something."""
        await self.page.goto(f"{self.serving.url}{path}", wait_until="networkidle")

    async def until(self, condition: str, seconds: float = 40) -> None:
        """Wait for a condition in JavaScript. The page's policy forbids Playwright's own way, which is `eval`."""
        async with asyncio.timeout(seconds):
            while not await self.page.evaluate(condition):
                await self.page.wait_for_timeout(50)

    async def complaints(self) -> list[str]:
        """What a person with an aid could not use of the page as it is now, by axe-core's rules, a line each.

        Nobody can use a page that is wider than the screen.
        """
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        # Lighthouse scores this rule, too, which axe-core leaves out unless it is asked.
        rules = "rules: { 'target-size': { enabled: true } }"
        found = await self.page.evaluate(f"axe.run(document, {{ resultTypes: ['violations'], {rules} }})")
        wider: int = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        too_wide = [f"{self.page.url}: {wider} pixels wider than the screen"] if wider > 0 else []
        return too_wide + [
            f"{self.page.url}: {broken['id']}: {node['html'][:120]}: {node['failureSummary']}"
            for broken in found["violations"]
            for node in broken["nodes"]
        ]

    async def lines(self, who: str) -> list[str]:
        """What is shown of one side, cut words between brackets."""
        text = "(node) => node.nodeName === 'S' ? `[${node.textContent}]` : node.textContent"
        line = f"(words) => [...words.childNodes].map({text}).join('')"
        found: list[str] = await self.page.evaluate(
            f"(who) => [...document.querySelectorAll(`#said .${{who}} .words`)].map({line})", who
        )
        return found

    async def heard(self) -> bytes:
        """What went to the loudspeaker so far: PCM16 at 24 kHz."""
        hz: int = await self.page.evaluate("window.heardHz")
        samples = np.frombuffer(base64.b64decode(await self.page.evaluate("window.takeHeard()")), np.int16)
        at = np.arange(0, len(samples) - 1, hz / RATE_HZ)
        return bytes(np.interp(at, np.arange(len(samples)), samples).astype("<i2").data)


@asynccontextmanager
async def a_console(
    folder: Path,
    speech: Speech,
    sound: Path | None = None,
    *,
    agents: Path = PACKAGED_AGENTS,
    settings: dict[str, Any] | None = None,
    page_options: dict[str, Any] | None = None,
    arguments: Sequence[str] = (),
) -> AsyncIterator[Console]:
    """Open a browser at a console of the packaged agents; a page that complains fails the test."""
    configured = Settings(port=0, data=folder / "data", agents=agents, **(settings or {}))
    brain, _ = choose_brain(configured)
    async with (
        talking_server(speech=speech, brain=brain) as model,
        Serving(configured, AgentFolder(agents), emulator_url=model.url) as serving,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--no-sandbox",  # containers seldom allow one, and the page is our own
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                *([f"--use-file-for-fake-audio-capture={sound}%noloop"] if sound else []),
                "--autoplay-policy=no-user-gesture-required",
                *arguments,
            ],
        )
        try:
            context = await browser.new_context(**(page_options or {}))
            await context.add_init_script(TAP)
            console = Console(await context.new_page(), serving)
            yield console
        finally:
            await browser.close()
            # Tasks of the pages' connections end with them.
            await asyncio.sleep(0)
        assert console.problems == [], console.problems
