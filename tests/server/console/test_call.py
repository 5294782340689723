import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.server.console.test_workshop import Counting
from tests.support.console import Browser, a_browser
from voice_agent.call.trouble import Trouble
from voice_agent.config.prices import load_prices
from voice_agent.recording.reader import Recording
from voice_agent.recording.redact import NUMBERS_AND_SECRETS
from voice_agent.review.past_calls import recorded_call
from voice_agent.server.console.call import VERSION, PastCalls, call_routes
from voice_agent.server.console.workshop import Workshop
from voice_agent.store.database import FILE_NAME, Database
from voice_agent.store.history import History, PastCall
from voice_agent.store.recordings import Recordings

CALLS = Path(__file__).parent.parent.parent / "calls"
SID = "CA00000000000000000000000000000001"


@asynccontextmanager
async def a_console(
    folder: Path, executor: Callable[[], Executor] = ThreadPoolExecutor
) -> AsyncIterator[tuple[Browser, History]]:
    recordings = folder / "recordings"
    recordings.mkdir()
    workshop = Workshop(executor)
    async with Database(folder / FILE_NAME) as database:
        await database.prepare()
        history = History(database)
        routes = call_routes(
            PastCalls(
                history,
                Recordings(recordings),
                load_prices(),
                workshop,
                redact=lambda: NUMBERS_AND_SECRETS,
                is_loaded=lambda _: False,
            )
        )
        async with a_browser([routes]) as browser:
            yield browser, history
    workshop.close()


def kept(folder: Path, name: str, part: int = 1) -> PastCall:
    path = folder / "recordings" / f"20261127T10000{part}-{SID}.call"
    shutil.copy(CALLS / f"{name}.call", path)
    return msgspec.structs.replace(recorded_call(path), call_sid=SID, started_at=f"2026-11-27T10:00:0{part}+00:00")


def test_the_history_tells_a_call_at_once_and_its_recording_the_rest(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            await history.add(kept(tmp_path, "interrupted"))
            (part,) = (await browser.get(f"/console/api/calls/{SID}")).json()
            assert part["transcript"]
            assert not part["loaded"]
            assert part["recorded"]
            assert "recording" not in part, "no path of the server's is anybody's business"
            course = (await browser.get(f"/console/api/calls/{SID}/1/course")).json()
            (cut,) = (answer for answer in course["answers"] if answer["unheard"])
            heard = (await browser.get(f"/console/api/calls/{SID}/1/heard")).json()
            assert heard[cut["item_id"]]["text"] == "We look after the whole family. We"
            assert cut["text"] == "We look after the whole family. We offer", "by the clock"
            assert cut["item_id"] in [finding["item_id"] for finding in course["findings"]]

    asyncio.run(main())


def test_what_the_history_knows_of_trouble_is_told_without_a_recording(tmp_path: Path) -> None:
    trouble = (Trouble(900, "tool failed", "find"), Trouble(5000, "transfer failed", "desk, nobody answered"))

    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            await history.add(msgspec.structs.replace(kept(tmp_path, "interrupted"), trouble=trouble))
            (part,) = (await browser.get(f"/console/api/calls/{SID}")).json()
            assert [(each["at_ms"], each["kind"], each["text"]) for each in part["findings"]] == [
                (900, "tool failed", "find"),
                (5000, "transfer failed", "desk, nobody answered"),
            ]

    asyncio.run(main())


def test_the_sound_is_served_in_parts(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            await history.add(kept(tmp_path, "interrupted"))
            whole = await browser.get(f"/console/api/calls/{SID}/1/sound.wav")
            assert whole.headers["accept-ranges"] == "bytes"
            part = await browser.get(f"/console/api/calls/{SID}/1/sound.wav", range="bytes=1000-1999")
            assert part.status_code == 206
            assert part.content == whole.content[1000:2000]
            peaks = await browser.get(f"/console/api/calls/{SID}/1/peaks")
            assert len(peaks.content) == 2 * -(-(len(whole.content) - 44) // 4 // 80)
            same = await browser.get(f"/console/api/calls/{SID}/1/sound.wav?version={peaks.headers[VERSION]}")
            assert same.content == whole.content

    asyncio.run(main())


def test_a_call_is_saved_as_a_test_without_what_is_secret(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            await history.add(kept(tmp_path, "interrupted"))
            saved = await browser.get(f"/console/api/calls/{SID}/1/test.call")
            assert saved.headers["content-disposition"] == f'attachment; filename="{SID}-1.call"'
            assert Recording(saved.content).header.redacted
            draft = await browser.get(f"/console/api/calls/{SID}/1/test.expect.yaml")
            assert draft.headers["content-disposition"] == f'attachment; filename="{SID}-1.expect.yaml"'
            assert "interruptions: 1" in draft.text

    asyncio.run(main())


def test_a_call_that_came_back_has_parts(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            for part, name in ((2, "transferred-back"), (1, "transferred")):
                await history.add(kept(tmp_path, name, part))
            parts = (await browser.get(f"/console/api/calls/{SID}")).json()
            assert parts[0]["outcome"] == "transferred"
            second = await browser.get(f"/console/api/calls/{SID}/2/course")
            assert second.status_code == 200
            assert (await browser.get(f"/console/api/calls/{SID}/3/course")).status_code == 404

    asyncio.run(main())


def test_a_call_that_pressed_many_keys_has_all_its_parts(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            call = msgspec.structs.replace(recorded_call(CALLS / "interrupted.call"), recording=None, call_sid=SID)
            times = [f"2026-11-27T10:00:{second:02}+00:00" for second in range(31)]
            for at in times:
                await history.add(msgspec.structs.replace(call, started_at=at))
            parts = (await browser.get(f"/console/api/calls/{SID}")).json()
            assert [part["started_at"] for part in parts] == times

    asyncio.run(main())


def test_a_recording_is_found_though_its_folder_has_moved(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            call = kept(tmp_path, "interrupted")
            day = tmp_path / "recordings" / "2026-11-27"
            day.mkdir()
            name = shutil.move(str(call.recording), day)
            former = f"/data/recordings/2026-11-27/{Path(name).name}"
            await history.add(msgspec.structs.replace(call, recording=former))
            assert (await browser.get(f"/console/api/calls/{SID}/1/course")).status_code == 200

    asyncio.run(main())


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 5000])
def test_a_number_that_is_no_parts_is_refused(tmp_path: Path, number: str) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            await history.add(kept(tmp_path, "interrupted"))
            assert (await browser.get(f"/console/api/calls/{SID}/{number}/course")).status_code == 422

    asyncio.run(main())


def test_a_call_that_goes_on_is_found_by_its_recording(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, _):
            data = (CALLS / "interrupted.call").read_bytes()
            sid = recorded_call(CALLS / "interrupted.call").call_sid
            (tmp_path / "recordings" / f"20261127T100000-{sid}.call").write_bytes(data[: len(data) // 2])
            (part,) = (await browser.get(f"/console/api/calls/{sid}")).json()
            assert part["outcome"] == "unknown"
            assert (await browser.get(f"/console/api/calls/{sid}/1/course")).json()["damage"]

    asyncio.run(main())


@pytest.mark.parametrize("sid", ["CA1", SID[:10], "..%2f..%2fetc%2fpasswd", "*", "%00", "CA%5B"])
def test_what_is_no_call_is_not_found(tmp_path: Path, sid: str) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            await history.add(kept(tmp_path, "interrupted"))
            for rest in ("", "/1/course", "/1/sound.wav", "/1/test.call"):
                assert (await browser.get(f"/console/api/calls/{sid}{rest}")).status_code == 404

    asyncio.run(main())


def test_a_call_that_goes_on_without_a_recording_is_not_said_to_be_deleted(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, _):
            answer = await browser.get(f"/console/api/calls/{SID}")
            assert "or go on still without a recording" in answer.json()["detail"]

    asyncio.run(main())


@pytest.mark.parametrize("sid", ["C", "A0", SID[:-1], SID.lower()])
def test_a_part_of_a_name_reads_no_recording(tmp_path: Path, sid: str) -> None:
    async def main() -> None:
        executor = Counting()
        async with a_console(tmp_path, lambda: executor) as (browser, _):
            kept(tmp_path, "interrupted")
            assert (await browser.get(f"/console/api/calls/{sid}")).status_code == 404
            assert executor.done == []

    asyncio.run(main())


def test_what_there_is_no_sound_of_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            await history.add(kept(tmp_path, "text-only"))
            answer = await browser.get(f"/console/api/calls/{SID}/1/peaks")
            assert answer.status_code == 409
            assert "no sound" in answer.json()["detail"]
            (tmp_path / "recordings" / f"20261127T100001-{SID}.call").unlink()
            assert "not there any more" in (await browser.get(f"/console/api/calls/{SID}/1/course")).json()["detail"]

    asyncio.run(main())


def test_a_call_that_was_not_recorded_is_told_by_the_history_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            await history.add(msgspec.structs.replace(kept(tmp_path, "interrupted"), recording=None))
            (tmp_path / "recordings" / f"20261127T100001-{SID}.call").unlink()
            (part,) = (await browser.get(f"/console/api/calls/{SID}")).json()
            assert part["recorded"] is False
            assert part["why_no_recording"] == "its agent says `recording: off`"
            assert "recording: off" in (await browser.get(f"/console/api/calls/{SID}/1/course")).json()["detail"]

    asyncio.run(main())


def test_what_a_caller_says_is_told_as_it_was_said_and_as_json_only(tmp_path: Path) -> None:
    hostile = '</script><img src=x onerror=alert(1)>"\u2028{{ 7 * 7 }}'

    async def main() -> None:
        async with a_console(tmp_path) as (browser, history):
            call = kept(tmp_path, "interrupted")
            lines = tuple(msgspec.structs.replace(line, text=hostile) for line in call.transcript)
            await history.add(msgspec.structs.replace(call, transcript=lines, caller=hostile, agent=hostile))
            answer = await browser.get(f"/console/api/calls/{SID}")
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            (part,) = answer.json()
            assert {line["text"] for line in part["transcript"]} == {hostile}
            page = await browser.get(f"/console/calls/{SID}")
            assert hostile not in page.text

    asyncio.run(main())
