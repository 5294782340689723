"""What callers, models and tools say is text on every page of the console, whatever it looks like."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from tests.support.fake_speech import fake_speech
from tests.system.console_browsing import a_console
from voice_agent.call.setup import CallSetup
from voice_agent.call.summary import Line
from voice_agent.recording.entries import Step
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.writer import RecordingWriter
from voice_agent.review.past_calls import recorded_call
from voice_agent.store.database import FILE_NAME, Database
from voice_agent.store.history import History

RECORDED = Path(__file__).parent.parent / "calls"
SID = "CA" + "7" * 32

HOSTILE = (
    '<img src=x onerror="window.broken=1"><script>window.broken=1</script><svg onload="window.broken=1">'
    '"><iframe srcdoc="<script>top.broken=1</script>"></iframe><a href="javascript:window.broken=1">x</a>'
    "' onmouseover='window.broken=1' {{ 7 * 7 }} </td></table>\u2028"
)


def hostile_copy(name: str) -> bytes:
    """Give a recording in which whoever says something says that."""
    recording = read(RECORDED / f"{name}.call")
    header = recording.header
    agent = msgspec.structs.replace(header.setup.agent, name=HOSTILE)
    setup: CallSetup = msgspec.structs.replace(header.setup, agent=agent, call_sid=SID, caller=HOSTILE)
    writer = RecordingWriter(msgspec.structs.replace(header, setup=setup))
    for step in recording.steps():
        changed = hostile(step)
        writer.feed(changed.now_ms, changed.received, changed.sent)
    return writer.end()


def hostile(step: Step) -> Step:
    """Put it into what was said, and into what tools answered and were given."""
    entries = [step.received, *step.sent]
    for at, entry in enumerate(entries):
        if entry is not None and entry.way in {"fact", "model"} and '"~' not in entry.text:
            value = replaced(msgspec.json.decode(entry.text))
            entries[at] = msgspec.structs.replace(entry, text=msgspec.json.encode(value).decode())
    return msgspec.structs.replace(step, received=entries[0], sent=tuple(each for each in entries[1:] if each))


def replaced(value: Any) -> Any:
    """Give a JSON value with other words."""
    if isinstance(value, list):
        return [replaced(part) for part in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "ToolFinished":
        value = {**value, "cause": "HTTP 500"}
    words = {"text", "transcript", "output", "arguments", "cause", "what"}
    return {
        key: HOSTILE if key in words and isinstance(part, str) and part else replaced(part)
        for key, part in value.items()
    }


def test_no_text_becomes_markup(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "recordings" / "2026-11-27"
    folder.mkdir(parents=True)
    path = folder / f"20261127T100000-{SID}.call"
    path.write_bytes(hostile_copy("tool-failed"))
    assert Recording(path.read_bytes()).header.setup.caller == HOSTILE

    async def fill() -> None:
        call = recorded_call(path)
        lines = (*call.transcript, Line(5, "note", HOSTILE, HOSTILE), Line(6, "end", HOSTILE, HOSTILE))
        call = msgspec.structs.replace(call, transcript=lines, reason=HOSTILE, outcome=HOSTILE, model=HOSTILE)
        async with Database(tmp_path / "data" / FILE_NAME) as database:
            await database.prepare()
            await History(database).add(call)

    async def main() -> None:
        await fill()
        async with a_console(tmp_path, fake_speech()) as console:
            for path in ("/console/calls", f"/console/calls/{SID}"):
                await console.open(path)
                await console.until(f"document.body.textContent.includes({msgspec.json.encode(HOSTILE[:60]).decode()})")
                await console.page.mouse.move(400, 300)
            # The list of what was said is made from the recording by now, and all of it is opened.
            await console.until("document.getElementById('play').disabled === false")
            await console.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            await console.page.check("#more")
            for selector in (".entry.agent p", ".entry.caller p", ".entry.tool pre", ".entry.tool .why"):
                shown = (
                    f"[...document.querySelectorAll('{selector}')].some((each) => each.innerText.includes('onerror'))"
                )
                await console.until(shown)
            assert (
                await console.page.evaluate("document.querySelectorAll('main img, main iframe, main script').length")
                == 0
            )
            assert await console.page.evaluate("window.broken === undefined")

    asyncio.run(asyncio.wait_for(main(), 60))
