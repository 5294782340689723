"""A person at the console: speaks with an agent, interrupts it, presses keys, hangs up, and looks at what is left."""

import asyncio
from pathlib import Path

import pytest

from tests.system.console_browsing import Console, a_console, spoken
from tests.system.talking_server import hear
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import load_speech


@pytest.fixture(scope="module")
def speech() -> Speech:
    """Real words."""
    return load_speech(print)


async def on_the_line(console: Console) -> None:
    await console.open("/console/phone")
    await console.page.click("#call")
    await console.until("document.getElementById('state').textContent === 'on the line'")


async def over(console: Console) -> None:
    await console.until("document.getElementById('state').textContent === 'not in a call'")


def test_a_call_from_the_softphone(tmp_path: Path, speech: Speech) -> None:
    """A question, an interruption with another, a tool's answer; keys; and the caller hangs up."""
    # The greeting lasts 2.6 s, the answer to the first question 19 s: the second question falls into it.
    sound = spoken(tmp_path, (5.0, "reception-1"), (6.5, "reception-2"))

    async def main() -> None:
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

    asyncio.run(asyncio.wait_for(main(), 150))
