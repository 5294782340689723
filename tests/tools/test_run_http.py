"""An `http` tool from the model's arguments to its answer, against a server on this machine."""

import asyncio
import json
import logging
import re
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.support.http_server import Handler, server
from voice_agent.agent import Agent, HttpRequest, Limits, Tool
from voice_agent.call.events import ToolFinished
from voice_agent.config.references import References
from voice_agent.config.secret import Secret
from voice_agent.tools.run import ToolRunner

KEY = 'k"ey/of-the-calendar'
REFERENCES = References({"CALENDAR_KEY": Secret(KEY), "OTHER_KEY": Secret("of-something-else")})
PARAMETERS = {
    "type": "object",
    "properties": {"day": {"type": "string", "enum": ["Monday", "Tuesday"]}},
    "additionalProperties": False,
    "required": ["day"],
}


def ran(handler: Handler, arguments: str = '{"day": "Monday"}', tool_seconds: int = 5, **request: Any) -> ToolFinished:
    """Run the tool once, against a server that does as `handler`."""

    async def main() -> ToolFinished:
        async with asyncio.timeout(60), server(handler) as url:
            usual = HttpRequest(method="GET", url=f"{url}/slots", allow_private=True)
            http = msgspec.structs.replace(usual, **request)
            tool = Tool("find_slot", "Find.", PARAMETERS, "http", http=http)
            agent = Agent(name="a", instructions="", tools=(tool,), limits=Limits(tool_seconds=tool_seconds))
            return await ToolRunner(agent, "CA1", REFERENCES).run("call_1", "find_slot", arguments)

    return asyncio.run(main())


def error_of(finished: ToolFinished) -> str:
    assert finished.failed
    return str(json.loads(finished.output)["error"])


async def slots(request: web.Request) -> web.StreamResponse:
    """Answer as a calendar does."""
    return web.json_response({"day": request.query["day"], "slots": ["9:00", "14:30"]})


async def parrot(request: web.Request) -> web.StreamResponse:
    """Tell everybody what one was told."""
    key = request.headers["Authorization"]
    return web.json_response({"key": key, "text": f"your key is {key}"})


def test_the_model_gets_the_answer() -> None:
    assert ran(slots) == ToolFinished("call_1", '{"day":"Monday","slots":["9:00","14:30"]}')
    assert ran(slots, take=("slots",)) == ToolFinished("call_1", '["9:00","14:30"]')
    assert ran(slots, take=("day",)) == ToolFinished("call_1", "Monday")


def test_arguments_that_do_not_fit_ask_nobody() -> None:
    assert error_of(ran(slots, '{"day": "Funday"}')) == '"day" must be one of: Monday, Tuesday'
    assert error_of(ran(slots, "{")) == "the arguments are not JSON"


def test_a_secret_reaches_the_server_and_nobody_else() -> None:
    seen: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        return await parrot(request)

    finished = ran(note, headers={"Authorization": "Bearer ${CALENDAR_KEY}"})

    assert seen == [f"Bearer {KEY}"]
    assert json.loads(finished.output) == {
        "key": "Bearer ${CALENDAR_KEY}",
        "text": "your key is Bearer ${CALENDAR_KEY}",
    }


def test_what_the_log_gets_holds_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    finished = ran(forbidding, headers={"Authorization": "Bearer ${CALENDAR_KEY}"})

    assert error_of(finished) == "find_slot failed: it is not available now"
    assert 'tool find_slot failed: HTTP 403: {"key": "Bearer ${CALENDAR_KEY}"' in caplog.text
    assert "of-the-calendar" not in caplog.text + finished.cause
    assert finished.cause.endswith('/slots: HTTP 403: {"key": "Bearer …"}')


async def forbidding(request: web.Request) -> web.StreamResponse:
    """Refuse, and repeat what one was told."""
    return web.json_response({"key": request.headers["Authorization"]}, status=403)


async def waits(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


def test_an_answer_that_does_not_come_is_given_up() -> None:
    finished = ran(waits, tool_seconds=0)

    assert error_of(finished) == "find_slot took longer than 0 s and was given up"
    assert re.fullmatch(r"GET http://127\.0\.0\.1:\d+/slots: no answer within 0 s", finished.cause)


def test_a_tool_may_have_less_time_than_others() -> None:
    assert error_of(ran(waits, tool_seconds=9, seconds=0)) == "find_slot took longer than 0 s and was given up"


def test_a_failure_is_one_sentence_for_the_model_and_one_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        finished = ran(slots, allow_private=False)

    assert error_of(finished) == "find_slot failed: it is not available now"
    assert "tool find_slot failed: 127.0.0.1 is a private address" in caplog.text
    assert "/slots: 127.0.0.1 is a private address" in finished.cause
    assert [getattr(record, "call", "") for record in caplog.records] == ["CA1"]


async def broken(_: web.Request) -> web.StreamResponse:
    """Fail as a server does whose own database is gone."""
    return web.Response(status=500, text="<h1>Oops</h1>\n no database")


def test_what_the_server_said_is_for_the_operator() -> None:
    finished = ran(broken)

    assert error_of(finished) == "find_slot failed: its server has trouble now (HTTP 500)"
    assert re.fullmatch(r"GET http://127\.0\.0\.1:\d+/slots: HTTP 500: <h1>Oops</h1> no database", finished.cause), (
        "and the day that was asked for is none of it"
    )


def test_an_answer_of_another_form_is_told() -> None:
    assert error_of(ran(slots, take=("times",))) == "find_slot failed: its answer has another form than expected"
