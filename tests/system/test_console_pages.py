"""Every page of the console, for people with aids: axe-core finds nothing, in light and dark, wide and narrow."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.fake_speech import fake_speech
from tests.system.console_browsing import a_console
from voice_agent.call.trouble import Trouble
from voice_agent.review.past_calls import recorded_call
from voice_agent.server.console.pages import PAGES
from voice_agent.store.database import FILE_NAME, Database
from voice_agent.store.history import History

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


def test_on_a_phone_the_picture_comes_before_the_facts_and_what_cannot_be_played_is_no_button(tmp_path: Path) -> None:
    call = recorded_call(RECORDED)
    shutil.copy(RECORDED, recorded := tmp_path / f"20261127T100000-{call.call_sid}.call")
    listed = msgspec.structs.replace(call, recording=str(recorded))
    unrecorded = msgspec.structs.replace(
        call, call_sid=f"CA{'1' * 32}", recording=None, trouble=(Trouble(900, "tool failed", "find"),)
    )

    async def main() -> None:
        async with Database(tmp_path / "data" / FILE_NAME) as database:
            for each in (listed, unrecorded):
                await History(database).add(each)
        async with a_console(tmp_path, fake_speech(), page_options={"viewport": NARROW}) as console:
            await console.open(f"/console/calls/{listed.call_sid}")
            await console.until("document.getElementById('canvas').getBoundingClientRect().height")
            lanes = "document.getElementById('lanes').getBoundingClientRect().bottom"
            assert await console.page.evaluate(f"{lanes} < innerHeight")
            await console.page.get_by_text("About this call").click()
            assert await console.page.get_by_text(listed.call_sid).is_visible()
            await console.open(f"/console/calls/{unrecorded.call_sid}")
            await console.until("document.querySelectorAll('#findings li').length")
            assert await console.page.get_by_text("The call was not recorded").is_visible()
            assert await console.page.locator("#findings button, #said button").count() == 0
            assert await console.complaints() == []

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_name_without_end_makes_no_page_wider_and_hides_no_column(tmp_path: Path) -> None:
    """A caller by SIP says what their address is."""
    name = f"sip:{'a' * 200}@example.com"
    trouble = tuple(Trouble(at_ms, "tool failed", name) for at_ms in range(20))
    call = msgspec.structs.replace(
        recorded_call(RECORDED), agent=name, caller=name, reason=name, recording=None, trouble=trouble
    )

    async def main() -> None:
        async with Database(tmp_path / "data" / FILE_NAME) as database:
            await History(database).add(call)
        async with a_console(tmp_path, fake_speech(), page_options={"viewport": NARROW}) as console:
            await console.open(f"/console/calls/{call.call_sid}")
            assert await console.complaints() == []
            await console.page.set_viewport_size({"width": 1600, "height": 900})
            await console.open("/console/calls")
            assert await console.complaints() == []
            scroll = "document.querySelector('.scroll')"
            assert await console.page.evaluate(f"{scroll}.scrollWidth < 1.1 * {scroll}.clientWidth")

    asyncio.run(asyncio.wait_for(main(), 60))
