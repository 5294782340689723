import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi import HTTPException

from tests.support.console import Browser, a_browser
from tests.support.pump import settle
from tests.support.reception import Desk, a_desk, ends_on_request
from tests.support.tiny_twilio import FIELDS
from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerBegan,
    CallerSaid,
    HandedOver,
    Note,
    Report,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.events import EndRequested
from voice_agent.server.console.live import MOST_SHOWN, Live, live_routes, shortened
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText

AGENT = """
name: reception
numbers: ["+14255550100"]
instructions: Answer {{ caller }}.
recording: off
tools:
  - transfer: {to: {front_desk: "+14255550101"}}
"""
SID = FIELDS["CallSid"]


class Scene:
    """One call in progress, and a page that looks."""

    def __init__(self, desk: Desk, live: Live, browser: Browser) -> None:
        self.desk = desk
        self.live = live
        self.browser = browser

    def report(self, *reports: Report) -> None:
        """Let the call report."""
        for report in reports:
            self.desk.calls[0].summary.take(1000, report)
            self.live.observe(SID, 1000, report)

    def row(self) -> dict[str, Any]:
        (row,) = self.live.now()
        told: dict[str, Any] = msgspec.to_builtins(row)
        return told


def held(folder: Path, scene: Callable[[Scene], Coroutine[Any, Any, None]], agent: str = AGENT) -> None:
    """Hold a call whose bridge ends when it is asked to, or when the model says so."""

    def answer(received: Input) -> Sequence[Output]:
        return [CallEnded("completed", "", 1)] if received == ModelText("end") else ends_on_request(received)

    async def main() -> None:
        async with asyncio.timeout(60), a_live(folder, answer, agent) as found:
            await scene(found)

    asyncio.run(main())


@asynccontextmanager
async def a_live(folder: Path, answer: Any, agent: str) -> AsyncIterator[Scene]:
    async with a_desk(folder, agent, answer) as desk, asyncio.TaskGroup() as tasks:
        live = Live(desk.reception.lobby, "USD", tasks)
        async with a_browser([live_routes(live)]) as browser:
            await desk.reception.receive(FIELDS)
            await settle()
            yield Scene(desk, live, browser)
        live.close()


def test_a_call_is_told_without_the_whole_number(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        row = found.row()
        assert (row["call_sid"], row["agent"], row["joined"]) == (SID, "reception", False)
        assert FIELDS["From"] not in str(row)
        assert row["caller"] == f"…{FIELDS['From'][-4:]}"
        assert row["transfers"] == ("front_desk",)
        assert row["cost"] == 0.25

    held(tmp_path, scene)


def test_who_speaks_and_what_runs_is_told_while_it_does(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        assert found.row()["speaks"] == ""
        for report, key, value in (
            (CallerBegan(), "speaks", "caller"),
            (CallerSaid("u", "Hello?"), "speaks", ""),
            (AgentBegan("i", 700), "speaks", "agent"),
            (AgentSaid("i", "Hello.", 500, 500, False), "speaks", ""),
            (ToolStarted("c", "book", "{}"), "tool", "book"),
            (ToolAnswered("c", "done", False, 5), "tool", ""),
            (HandedOver("billing"), "agent", "billing"),
            (Note("warning", "slow"), "faults", 1),
        ):
            found.report(report)
            assert found.row()[key] == value
        assert (found.row()["response_ms"], found.row()["turns"]) == (700, 1)

    held(tmp_path, scene)


def test_a_tool_that_failed_is_told_with_why_as_long_as_none_fails_behind_it(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        found.desk.calls[0].session.causes["c"] = "GET http://shop.example/orders: HTTP 503"
        told = '{"error":"find failed: it is not available now"}'
        found.report(ToolStarted("c", "find", "{}"), ToolAnswered("c", told, True, 5))
        assert found.row()["failed"] == "find: GET http://shop.example/orders: HTTP 503"
        found.report(ToolStarted("d", "find", "{}"), ToolAnswered("d", "found", False, 5))
        assert found.row()["failed"] == "find: GET http://shop.example/orders: HTTP 503"
        found.report(ToolStarted("e", "book", "{}", "calendar"), ToolAnswered("e", "no " * 200, True, 5))
        assert found.row()["failed"].startswith("book (calendar): no no ")
        assert len(found.row()["failed"]) == MOST_SHOWN

    held(tmp_path, scene)


def test_words_of_an_earlier_turn_do_not_silence_who_speaks_now(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        found.report(CallerBegan(), AgentBegan("i", 700), CallerSaid("u", "Hello?"))
        assert found.row()["speaks"] == "agent"

    held(tmp_path, scene)


async def events(page: AsyncIterator[Any], count: int) -> list[tuple[str, Any]]:
    """Read so many events of a page."""
    found: list[tuple[str, Any]] = []
    while len(found) < count:
        text = (await anext(page)).decode()
        if text.startswith("event: "):
            name, data = text[len("event: ") :].rstrip("\n").split("\ndata: ")
            found.append((name, msgspec.json.decode(data)))
    return found


def test_a_page_is_told_all_calls_then_what_changes_and_what_is_over(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        page = aiter(found.live.pages().body_iterator)  # type: ignore[attr-defined]
        ((name, told),) = await events(page, 1)
        assert (name, [call["call_sid"] for call in told["all"]]) == ("calls", [SID])
        found.report(CallerBegan())
        ((name, told),) = await events(page, 1)
        assert (name, told["changed"][0]["speaks"], told["gone"]) == ("changes", "caller", [])
        found.desk.calls[0].session.feed(ModelText("end"))
        await settle()
        ((_, told),) = await events(page, 1)
        assert told == {"changed": [], "gone": [SID]}
        found.live.close()
        with suppress(StopAsyncIteration):
            await anext(page)

    held(tmp_path, scene)


def test_what_fails_for_a_page_ends_that_page_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(found: Scene) -> None:
        page = aiter(found.live.pages().body_iterator)  # type: ignore[attr-defined]
        await events(page, 1)
        summary = found.desk.calls[0].summary
        found.report(CallerBegan())
        found.desk.calls[0].summary = None  # type: ignore[assignment]
        with pytest.raises(StopAsyncIteration):
            await events(page, 1)
        assert "the calls in progress cannot be told" in caplog.text
        found.desk.calls[0].summary = summary
        again = aiter(found.live.pages().body_iterator)  # type: ignore[attr-defined]
        ((name, told),) = await events(again, 1)
        assert (name, told["all"][0]["speaks"]) == ("calls", "caller")

    held(tmp_path, scene)


def test_nothing_is_kept_of_a_call_that_is_over(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        found.report(CallerBegan(), CallEnded("completed", "", 1))
        assert found.live._doing == {}

    held(tmp_path, scene)


def test_a_call_is_hung_up(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        found.desk.calls[0].session._joined = True
        answer = await found.browser.post(f"/console/api/live/{SID}/hang-up")
        assert answer.status_code == 204
        await settle()
        assert found.desk.calls[0].bridge.fed == [EndRequested("somebody hung up in the console")]
        assert list(found.live.now()) == []
        assert (await found.browser.post(f"/console/api/live/{SID}/hang-up")).status_code == 404

    held(tmp_path, scene)


def test_a_call_whose_stream_is_still_to_come_is_not_hung_up_for_it_would_begin_anew(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        answer = await found.browser.post(f"/console/api/live/{SID}/hang-up")
        assert answer.status_code == 409
        assert "has not begun yet" in answer.json()["detail"]
        await settle()
        assert found.desk.calls[0].bridge.fed == []

    held(tmp_path, scene)


@pytest.mark.parametrize("to", ["+14255550199", "nobody", "", "FRONT_DESK"])
def test_a_caller_is_handed_over_to_nobody_whom_the_file_does_not_name(tmp_path: Path, to: str) -> None:
    async def scene(found: Scene) -> None:
        found.desk.calls[0].session._joined = True
        answer = await found.browser.post(f"/console/api/live/{SID}/hand-over", {"to": to})
        assert answer.status_code == 422
        assert "front_desk" in answer.json()["detail"]
        assert found.desk.calls[0].bridge.fed == []

    held(tmp_path, scene)


def test_a_caller_is_handed_over_by_name(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        body = {"to": "front_desk"}
        assert (await found.browser.post(f"/console/api/live/{SID}/hand-over", body)).status_code == 409
        found.desk.calls[0].session._joined = True
        assert (await found.browser.post(f"/console/api/live/{SID}/hand-over", body)).json() == body
        await settle()
        (asked,) = found.desk.calls[0].bridge.fed
        assert isinstance(asked, EndRequested)
        assert asked.to == "front_desk"

    held(tmp_path, scene)


def test_an_agent_without_transfers_says_so(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        answer = await found.browser.post(f"/console/api/live/{SID}/hand-over", {"to": "front_desk"})
        assert "no transfer tool" in answer.json()["detail"]

    held(tmp_path, scene, "name: a\ndefault: true\ninstructions: x\nrecording: off\n")


def test_what_is_not_going_on_is_not_found(tmp_path: Path) -> None:
    async def scene(found: Scene) -> None:
        with pytest.raises(HTTPException):
            found.live.session("CA0")

    held(tmp_path, scene)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+14255550123", "…0123"),
        ("sip:ana@192.0.2.17", "sip:ana@192.0.2.17"),
        ("sip:+14255550123@example.com", "…0123"),
        ("a browser", "a browser"),
        ("", ""),
    ],
)
def test_so_much_of_a_number_is_shown(number: str, shown: str) -> None:
    assert shortened(number) == shown
