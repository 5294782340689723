"""Every page of the console, for people with aids: axe-core finds nothing, in light and dark, wide and narrow."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_speech import fake_speech
from tests.system.console_browsing import a_console
from voice_agent.review.past_calls import recorded_call
from voice_agent.server.console.pages import PAGES

RECORDED = Path(__file__).parent.parent / "calls" / "interrupted.call"

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.mark.parametrize(
    "screen",
    [
        {"color_scheme": "light", "viewport": WIDE},
        {"color_scheme": "dark", "viewport": WIDE},
        {"color_scheme": "light", "viewport": NARROW},
        {"color_scheme": "dark", "viewport": NARROW},
    ],
    ids=["light-wide", "dark-wide", "light-narrow", "dark-narrow"],
)
def test_every_page_can_be_used_with_aids(tmp_path: Path, screen: dict[str, Any]) -> None:
    recordings = tmp_path / "data" / "recordings"
    recordings.mkdir(parents=True)
    call_sid = recorded_call(RECORDED).call_sid
    shutil.copy(RECORDED, recordings / f"20261127T100000-{call_sid}.call")

    async def main() -> list[str]:
        complaints: list[str] = []
        # Nothing is written: the files are those of the package.
        edit = {"console_edit": True}
        async with a_console(tmp_path, fake_speech(), settings=edit, page_options=screen) as console:
            for page in PAGES:
                await console.open(page.path.replace("{key}", call_sid))
                complaints += await console.complaints()
            await console.open("/console/agents")
            await console.page.fill("#text", "name: desk\ndefult: true\n")
            await console.until("document.querySelectorAll('#faults li').length")
            complaints += await console.complaints()
            await console.page.fill("#text", "name: desk\ninstructions: Answer.\n")
            await console.until("!document.getElementById('save').disabled")
            await console.page.click("#save")
            await console.until("document.getElementById('saving').open")
            complaints += await console.complaints()
            live = await console.another()
            await console.open("/console/phone")
            await console.page.click("#call")
            await live.open("/console")
            await live.until("!document.getElementById('live-scroll').hidden")
            complaints += await live.complaints()
            await console.page.click("#hang-up")
        return complaints

    assert asyncio.run(asyncio.wait_for(main(), 90)) == []
