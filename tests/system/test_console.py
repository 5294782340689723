"""A person at the console: speaks with an agent, interrupts it, presses keys, hangs up, and looks at what is left."""

import asyncio
import base64
import json
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.store.test_history import a_call
from tests.support.fake_speech import fake_speech
from tests.support.realtime_client import tone
from tests.system.console_browsing import Console, a_console, spoken
from tests.system.talking_server import hear
from voice_agent.audio import mulaw
from voice_agent.config.secret import Secret
from voice_agent.config.settings import PACKAGED_AGENTS
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import load_speech
from voice_agent.review.past_calls import recorded_call
from voice_agent.store.history import PastCall


@pytest.fixture(scope="module")
def speech() -> Speech:
    """Real words."""
    return load_speech(print)


def beep(folder: Path) -> Path:
    """What is no speech to anybody but `fake_speech`, behind the greeting."""
    path = folder / "beep.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(bytes(4 * 48_000) + tone(900) + bytes(60 * 48_000))
    return path


async def on_the_line(console: Console) -> None:
    await console.open("/console/phone")
    await console.page.click("#call")
    await console.until("document.getElementById('state').textContent === 'on the line'")


async def over(console: Console) -> None:
    await console.until("document.getElementById('state').textContent === 'not in a call'")


async def look_at(console: Console, folder: Path) -> tuple[float, float, Path]:
    """Find the call that is over by its words, play it from its interruption, and download it as a test.

    Gives where the answer was cut, where it is played a moment later (seconds), and the file.
    """
    page = console.page
    assert "/console/calls/CA" in await page.locator("#record").evaluate("(link) => link.href")
    await console.open("/console/calls")
    await page.fill("#filter [name=words]", "whole family")
    await console.until("document.querySelectorAll('#rows tr:not(.found)').length === 1")
    assert "whole family" in await page.inner_text("#rows .found")
    assert await console.complaints() == []
    await page.fill("#filter [name=words]", "nobody said that")
    await console.until("document.querySelectorAll('#rows tr').length === 0")
    await page.fill("#filter [name=words]", "whole family")
    await page.click("#rows a")
    await page.wait_for_url("**/console/calls/CA*")
    await console.until("document.getElementById('play').disabled === false")
    assert await console.complaints() == []
    finding = page.locator("#findings li", has_text="Words not heard").locator("button").first
    minutes, seconds = (await finding.inner_text()).split(":")
    await finding.click()
    await page.wait_for_timeout(500)
    assert not await page.evaluate("document.getElementById('audio').paused")
    played_s = float(await page.evaluate("document.getElementById('audio').currentTime"))
    async with page.expect_download() as downloading:
        await page.click("#save")
    saved = folder / "downloaded.call"
    await (await downloading.value).save_as(saved)
    return int(minutes) * 60 + float(seconds), played_s, saved


def test_a_call_from_the_softphone(tmp_path: Path, speech: Speech) -> None:
    """A question, an interruption with another, a tool's answer; keys; and the caller hangs up.

    Then the call is looked at, heard again from the interruption, and kept as a test that passes.
    """
    # The greeting lasts 2.6 s, the answer to the first question 19 s: the second question falls into it.
    sound = spoken(tmp_path, (5.0, "reception-1"), (6.5, "reception-2"))

    async def main() -> Path:
        async with a_console(tmp_path, speech, sound) as console:
            await on_the_line(console)
            assert await console.complaints() == []
            await console.until("document.querySelectorAll('#said s').length")
            said_whole = "[...document.querySelectorAll('#said .agent:not(.pending)')].at(-1).textContent"
            await console.until(f"{said_whole}.includes('anything else')", 60)
            await console.page.keyboard.press("5")
            await console.page.click("#keys [data-key='#']")
            await console.until("document.querySelectorAll('#said .keys-line').length")
            assert await console.complaints() == []
            await console.page.click("#hang-up")
            await over(console)
            await console.until("[...document.querySelectorAll('#said .line-note')].length")
            said, asked = await console.lines("agent"), await console.lines("caller")
            keys, ended = await console.lines("keys-line"), await console.lines("line-note")
            heard = hear(speech.hearing.recognise, await console.heard())
            begins_s, played_s, saved = await look_at(console, tmp_path)

        assert "how can I help" in said[0]
        heard_of_it, _, cut = said[1].partition("[")
        assert "whole family" in heard_of_it
        assert "people in pain" in cut
        assert any("9 in the morning" in line for line in said)
        assert "services" in asked[0].lower()
        assert "saturday" in asked[1].lower()
        assert "".join(keys) == "5#"
        assert "caller hung up" in ended[-1]
        for words in ("how can i help", "whole family", "morning"):
            assert words in heard
        assert "pain" not in heard
        assert begins_s <= played_s < begins_s + 5
        return saved

    saved = asyncio.run(asyncio.wait_for(main(), 150))
    voice_agent = Path(sys.executable).with_name("voice-agent")
    replayed = subprocess.run([voice_agent, "replay", saved], capture_output=True, text=True, check=False)

    assert replayed.returncode == 0, replayed.stdout
    assert recorded_call(saved).interruptions >= 1


def test_a_call_to_the_model_itself(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path, fake_speech("What are your hours on Saturday?"), beep(tmp_path)) as console:
            await console.open("/console/phone")
            await console.page.check("input[value=webrtc]")
            await console.page.click("#call")
            await console.until("document.querySelectorAll('#said .tool:not(.pending)').length")
            await console.until("document.querySelectorAll('#said .agent').length === 2")
            await console.page.click("#hang-up")
            await over(console)
            said, asked = await console.lines("agent"), await console.lines("caller")

        assert "how can I help" in said[0]
        assert "9 in the morning" in said[1]
        assert asked == ["What are your hours on Saturday?"]

    asyncio.run(asyncio.wait_for(main(), 60))


def test_who_is_put_through_is_asked_what_came_of_it_and_is_back_with_the_agent(tmp_path: Path) -> None:
    async def main() -> None:
        speech = fake_speech("I want to speak to a person.")
        dental = PACKAGED_AGENTS / "dental"
        async with a_console(tmp_path, speech, beep(tmp_path), agents=dental) as console:
            await on_the_line(console)
            await console.until("!document.getElementById('ask').hidden")
            asked = await console.page.inner_text("#ask-title")
            assert await console.complaints() == []
            spoken_before = len(await console.lines("agent"))
            await console.page.click("#ask [data-status=no-answer]")
            await console.until(f"document.querySelectorAll('#said .agent').length > {spoken_before}")
            await console.page.click("#hang-up")
            await over(console)

        assert "+14255550101" in asked

    asyncio.run(asyncio.wait_for(main(), 60))


def test_somebody_looks_on_while_a_call_goes_on_listens_in_and_ends_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path, fake_speech("What are your hours?"), beep(tmp_path)) as console:
            live = await console.another()
            await live.open("/console")
            await on_the_line(console)
            await live.until("document.querySelectorAll('#rows tr').length === 1")
            row = await live.page.inner_text("#rows tr")
            await live.page.click("#rows button:has-text('Listen')")
            await live.until("!document.getElementById('listening').hidden")
            assert await live.complaints() == []
            await console.until("document.querySelectorAll('#said .caller:not(.pending)').length")
            heard = np.frombuffer(await live.heard(), "<i2")
            await live.page.click("#rows button:has-text('Hang up')")
            await live.until("document.getElementById('hang-up').open")
            assert await live.complaints() == []
            await live.page.click("#hang-up [value=yes]")
            await over(console)
            await live.until("document.querySelectorAll('#rows tr').length === 0")
            await live.until("document.getElementById('today').textContent.includes('1 call')", 10)

        assert "reception" in row
        assert "a browser" in row
        assert np.abs(heard).max() > 3000

    asyncio.run(asyncio.wait_for(main(), 60))


def test_why_a_tool_failed_is_shown_in_the_softphone_and_live(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "desk.yaml").write_text(
        "name: desk\ninstructions: Answer.\nrecording: off\ntools:\n"
        "  - http: {name: find, description: Orders., url: 'http://127.0.0.1:1/orders', allow_private: true}\n"
    )
    (agents / "desk.dialogue.yaml").write_text(
        "tools: [find]\ngoodbye: Goodbye.\ngreeting: Good day.\nfallback: [Pardon.]\nintents:\n"
        "  - {examples: [Find my order.], keywords: [order], call: {name: find, arguments: {}},\n"
        "     answers: [{say: Sorry.}]}\n"
    )

    async def main() -> None:
        async with a_console(tmp_path, fake_speech("Find my order."), beep(tmp_path), agents=agents) as console:
            live = await console.another()
            await live.open("/console")
            await on_the_line(console)
            await live.until("document.querySelectorAll('#rows .failed').length")
            told = await live.page.inner_text("#rows .failed")
            assert await live.complaints() == []
            await console.until("document.querySelectorAll('#said .tool.failed .why').length")
            said = await console.page.inner_text("#said .tool .why")
            await console.page.click("#hang-up")
            await over(console)

        assert "find: " in told
        assert "http://127.0.0.1:1/orders" in told
        assert "Why it failed: " in said
        assert "http://127.0.0.1:1/orders" in said

    asyncio.run(asyncio.wait_for(main(), 60))


def test_whoever_presses_listen_at_two_calls_listens_to_the_second(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path, fake_speech(), beep(tmp_path)) as console:
            other, live = await console.another(), await console.another()
            for caller in (console, other):
                await on_the_line(caller)
            await live.open("/console")
            await live.until("document.querySelectorAll('#rows tr').length === 2")
            buttons = "document.querySelectorAll('#rows [aria-pressed]')"
            await live.page.evaluate(f"{buttons}.forEach((each) => each.click())")
            await live.until("!document.getElementById('listening').hidden")
            told = await live.page.evaluate(f"[...{buttons}].map((each) => each.textContent)")
            assert told == ["Listen", "Stop"]
            assert await live.page.inner_text("#notices") == ""
            for caller in (console, other):
                await caller.page.click("#hang-up")
                await over(caller)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_line_can_be_made_bad(tmp_path: Path) -> None:
    """A tenth of the frames is lost and leaves a gap; what comes, comes late."""

    async def main() -> None:
        async with a_console(tmp_path, fake_speech(), beep(tmp_path)) as console:
            sent: list[Any] = []

            def keep(socket: Any) -> None:
                socket.on("framesent", lambda text: sent.append(json.loads(text)))

            console.page.on("websocket", keep)
            await console.open("/console/phone")
            for slider, value in {"loss": "10", "delay": "300", "noise": "20"}.items():
                await console.page.fill(f"#{slider}", value)
            assert await console.page.inner_text("#noise-told") == "-40 dB"
            await console.page.click("#call")
            await console.until("document.querySelectorAll('#said .agent:not(.pending)').length")
            await console.page.wait_for_timeout(3000)
            await console.page.click("#hang-up")
            await over(console)

        frames = [message["media"] for message in sent if message["event"] == "media"]
        times = [int(frame["timestamp"]) // 20 for frame in frames]
        noise = mulaw.decode(b"".join(base64.b64decode(frame["payload"]) for frame in frames[10:40]))
        assert times == sorted(set(times))
        assert 0.02 < 1 - len(times) / (times[-1] + 1) < 0.25
        assert [int(frame["chunk"]) for frame in frames] == list(range(1, len(frames) + 1))
        assert 100 < np.abs(noise).max() < 400
        assert any(message["event"] == "mark" for message in sent)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_prompt_is_tried_before_it_is_saved(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    desk = agents / "desk.yaml"
    desk.write_text("name: desk\ninstructions: Answer.\ngreeting: Good day.\nrecording: off\n")

    async def greeted(console: Console) -> str:
        await console.page.click("#call")
        await console.until("document.querySelectorAll('#said .agent:not(.pending)').length")
        await console.page.click("#hang-up")
        await over(console)
        return (await console.lines("agent"))[0]

    async def main() -> None:
        edit = {"console_edit": True}
        async with a_console(tmp_path, fake_speech(), beep(tmp_path), agents=agents, settings=edit) as console:
            await console.open("/console/agents")
            await console.page.fill("#text", desk.read_text().replace("Good day.", "Good evening."))
            await console.until("!document.getElementById('save').disabled")
            await console.page.click("#try")
            await console.page.wait_for_url("**/console/phone?draft")
            await console.until("document.getElementById('agent').textContent.includes('desk.yaml')")
            assert await greeted(console) == "Good evening."
            assert "Good day." in desk.read_text()

            await console.page.click("#draft a")
            await console.until("document.querySelector('#save') && !document.getElementById('save').disabled")
            await console.page.click("#save")
            await console.until("document.querySelectorAll('#lines .added').length === 1")
            await console.page.click("#write")
            await console.until("document.getElementById('verdict').textContent === 'no fault'")
            assert "Good evening." in desk.read_text()

            await console.open("/console/phone")
            assert await greeted(console) == "Good evening."

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_call_that_ends_meanwhile_shows_no_older_one_twice(tmp_path: Path) -> None:
    def one(number: int) -> PastCall:
        return a_call(f"CA{number:032}", started_at=f"2026-11-22T10:00:00.{number:03}+00:00")

    async def main() -> None:
        async with a_console(tmp_path, fake_speech()) as console:
            history = console.serving._history
            for number in range(150):
                await history.add(one(number))
            await console.open("/console/calls")
            await console.until("document.querySelectorAll('#rows tr').length === 100")
            await history.add(one(150))
            await console.page.click("#older")
            await console.until("document.querySelectorAll('#rows tr').length > 100")
            links = await console.page.locator("#rows a").evaluate_all("(links) => links.map((link) => link.href)")
        assert len(links) == len(set(links)) == 150

    asyncio.run(asyncio.wait_for(main(), 60))


def test_what_a_caller_says_is_text_whatever_it_says(tmp_path: Path) -> None:
    said = "<img src=x onerror=alert(1)><script>alert(2)</script>&lt;b&gt;"

    async def main() -> None:
        async with a_console(tmp_path, fake_speech(said), beep(tmp_path)) as console:
            dialogs: list[str] = []
            console.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
            await on_the_line(console)
            await console.until("document.querySelectorAll('#said .caller:not(.pending)').length")
            await console.page.click("#hang-up")
            await over(console)
            assert await console.lines("caller") == [said]
            await console.open("/console/calls")
            await console.page.click("#rows a")
            # What is not shown yet has elements, and no text.
            await console.until("document.querySelector('#said')?.innerText.includes('alert(1)')")
            assert said in await console.page.inner_text("#said")
            assert await console.page.evaluate("document.querySelectorAll('main img, main script').length") == 0
            assert dialogs == []

    asyncio.run(asyncio.wait_for(main(), 60))


def test_whoever_knows_the_password_is_in_and_can_call(tmp_path: Path) -> None:
    async def main() -> None:
        locked = {"console_password": Secret("a long password")}
        async with a_console(tmp_path, fake_speech(), beep(tmp_path), settings=locked) as console:
            await console.page.goto(f"{console.serving.url}/console/phone?agent=table")
            assert "/console/login" in console.page.url
            await console.page.fill("#password", "a wrong password")
            await console.page.press("#password", "Enter")
            await console.until("!document.getElementById('login-problem').hidden")
            assert await console.complaints() == []
            await console.page.fill("#password", "a long password")
            await console.page.press("#password", "Enter")
            await console.page.wait_for_url("**/console/phone?agent=table")
            await console.until("document.getElementById('agent').value === 'table'")
            # The browser tells of what was refused, as it should.
            assert all("401" in problem or "403" in problem for problem in console.problems)
            console.problems.clear()
            await on_the_line(console)
            await console.page.click("#hang-up")
            await over(console)

    asyncio.run(asyncio.wait_for(main(), 60))
