"""Tools that reach out, in a call through real sockets: what they send, what the model gets, what is kept."""

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection

from tests.server.test_run import AGENT, Call, a_server
from tests.support import tiny_twilio
from tests.support.http_server import server
from tests.support.stored import latest
from tests.support.tiny_realtime import send
from tests.support.tiny_twilio import ACCOUNT_SID, FIELDS, TOKEN
from voice_agent.call.commands import ToolStarted
from voice_agent.call.hidden_audio import BEFORE_MS
from voice_agent.config.agents import Demands
from voice_agent.config.references import read_references
from voice_agent.emulator.twilio import EmulatedTwilio, IncomingNumber
from voice_agent.recording.reader import Recording, read
from voice_agent.review.course import course_of
from voice_agent.store.database import FILE_NAME

KEY = "key-of-the-calendar"


async def called(call: Call, name: str, arguments: str) -> str:
    """Let the model call a function when the call has begun; gives what it is answered."""
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    usual = call.model.answer

    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        await usual(socket, message)
        if message["type"] == "response.create" and not answered.done():
            response = {"id": "resp_2", "status": "in_progress", "output": []}
            item = {"id": "item_2", "type": "function_call", "call_id": "call_1", "name": name, "arguments": arguments}
            await send(socket, type="response.created", response=response)
            await send(socket, type="response.output_item.done", response_id="resp_2", output_index=0, item=item)
            await send(socket, type="response.done", response={**response, "status": "completed"})
        given = message.get("item", {})
        if given.get("type") == "function_call_output" and not answered.done():
            answered.set_result(given["output"])

    call.model.answer = answer  # type: ignore[method-assign] # a model of its own for each test
    stream = await call.stream()
    output = await answered
    await stream.send(tiny_twilio.stop())
    await stream.close()
    await call.after()
    await call.model.closed.wait()
    return output


def kept(folder: Path) -> bytes:
    """The recording of the only call."""
    (row,) = latest(folder / "data" / FILE_NAME)
    assert row.recording is not None
    return Path(row.recording).read_bytes()


def test_an_http_tool_asks_with_the_callers_number_and_a_secret(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    async def calendar(request: web.Request) -> web.StreamResponse:
        seen.append((request.raw_path, request.headers["X-Api-Key"]))
        return web.json_response({"slots": ["9:00"], "key": request.headers["X-Api-Key"]})

    async def main() -> str:
        async with server(calendar) as url:
            tool = {
                "name": "find_slot",
                "description": "Find.",
                "url": f"{url}/{{{{ caller }}}}/slots",
                "parameters": {"day": {"type": "string"}},
                "headers": {"X-Api-Key": "${CALENDAR_KEY}"},
                "allow_private": True,
            }
            agent = f"{AGENT}tools: {json.dumps([{'http': tool}])}\n"
            demands = Demands(references=read_references({"CALENDAR_KEY": KEY}))
            async with a_server(tmp_path, agent, demands=demands) as call:
                return await called(call, "find_slot", '{"day": "Monday & Tuesday"}')

    output = asyncio.run(main())

    assert seen == [("/%2B14255550199/slots?day=Monday%20%26%20Tuesday", KEY)]
    assert json.loads(output) == {"slots": ["9:00"], "key": "${CALENDAR_KEY}"}
    assert KEY.encode() not in kept(tmp_path)


def test_why_a_tool_failed_is_kept_and_told_to_nobody_in_the_call(tmp_path: Path) -> None:
    async def down(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text=f"no room for {KEY}")

    async def main() -> str:
        async with server(down) as url:
            tool = {
                "name": "find_slot",
                "description": "Find.",
                "url": f"{url}/slots?for=us",
                "headers": {"X-Api-Key": "${CALENDAR_KEY}"},
                "allow_private": True,
            }
            agent = f"{AGENT}tools: {json.dumps([{'http': tool}])}\n"
            demands = Demands(references=read_references({"CALENDAR_KEY": KEY}))
            async with a_server(tmp_path, agent, demands=demands) as call:
                return await called(call, "find_slot", "{}")

    output = asyncio.run(main())
    (run,) = course_of(Recording(kept(tmp_path)))[0].tools

    assert json.loads(output) == {"error": "find_slot failed: its server has trouble now (HTTP 503)"}
    assert run.failed
    assert run.output == output
    assert re.fullmatch(r"GET http://127\.0\.0\.1:\d+/slots: HTTP 503: no room for \$\{CALENDAR_KEY\}", run.cause)


def test_secret_digits_get_to_a_tool_and_into_nothing_that_is_kept_or_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    async def bank(request: web.Request) -> web.StreamResponse:
        seen.append(await request.json())
        return web.json_response({"checked": seen[-1]["pin"], "right": True})

    async def main() -> list[str]:
        async with server(bank) as url:
            check = {
                "name": "check",
                "description": "Check.",
                "method": "POST",
                "url": f"{url}/{{{{ pin }}}}",
                "parameters": {"pin": {"type": "string"}},
                "body": {"pin": "{{ pin }}"},
                "allow_private": True,
            }
            tools = [{"http": check}, {"collect_digits": {"name": "pin", "length": 6, "secret": True}}]
            async with a_server(tmp_path, f"{AGENT}tools: {json.dumps(tools)}\n") as call:
                return await typed(call, "730194")

    with caplog.at_level(logging.DEBUG, "voice_agent"):
        told = asyncio.run(main())
    (row,) = latest(tmp_path / "data" / FILE_NAME)
    recording = read(Path(row.recording or ""))

    assert seen == [{"pin": "730194"}]
    assert [json.loads(output) for output in told] == [
        {"received": 6, "digits": "${digits_1}", "ended_by": "length"},
        {"checked": "${digits_1}", "right": True},
    ]
    texts = [entry.text for step in recording.steps() for entry in (step.received, *step.sent) if entry is not None]
    assert sum('"digit":"0"' in text for text in texts) == 6
    assert not any("730194" in text for text in texts)
    assert b"730194" not in kept(tmp_path)
    assert b"730194" not in (tmp_path / "data" / FILE_NAME).read_bytes()
    assert "730194" not in caplog.text


async def typed(call: Call, keys: str) -> list[str]:
    """Let the model collect a number and have it checked; gives what it is answered."""
    told: list[str] = []
    checked = asyncio.Event()
    usual = call.model.answer
    steps = iter([("pin", "{}"), ("check", '{"pin": "${digits_1}"}')])

    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        await usual(socket, message)
        if message["type"] == "response.create":
            name, arguments = next(steps, ("", ""))
            response = {"id": f"resp_{name}", "status": "in_progress", "output": []}
            await send(socket, type="response.created", response=response)
            if name:
                item = {"id": f"item_{name}", "type": "function_call", "call_id": f"call_{name}", "name": name}
                item["arguments"] = arguments
                done = {"response_id": response["id"], "output_index": 0, "item": item}
                await send(socket, type="response.output_item.done", **done)
            await send(socket, type="response.done", response={**response, "status": "completed"})
        if message.get("item", {}).get("type") == "function_call_output":
            told.append(message["item"]["output"])
            if len(told) == 2:
                checked.set()

    call.model.answer = answer  # type: ignore[method-assign] # a model of its own for each test
    stream = await call.stream()
    await call.reported(ToolStarted)
    await asyncio.sleep(BEFORE_MS / 1000)  # what is pressed sooner was pressed in the open
    for number, key in enumerate(keys):
        await stream.send(tiny_twilio.media("f39/" * 40, 40 * number))
        await stream.send(tiny_twilio.key(key))
    async with asyncio.timeout(30):
        await checked.wait()
    await stream.send(tiny_twilio.stop())
    await stream.close()
    await call.after()
    await call.model.closed.wait()
    return told


def test_a_text_message_goes_to_the_caller_by_the_accounts_rest_api(tmp_path: Path) -> None:
    async def main() -> tuple[str, list[tuple[str, str, str]]]:
        numbers = [IncomingNumber(phone_number=FIELDS["To"])]
        async with (
            EmulatedTwilio(ACCOUNT_SID, TOKEN, numbers=numbers) as twilio,
            a_server(
                tmp_path,
                f"{AGENT}tools: [send_sms]\n",
                twilio_account_sid=ACCOUNT_SID,
                twilio_api_base_url=twilio.base_url,
            ) as call,
        ):
            output = await called(call, "send_sms", '{"text": "See you at 9:00."}')
            return output, [(message.from_, message.to, message.body) for message in twilio.holdings.messages.values()]

    output, messages = asyncio.run(main())

    assert output == "sent"
    assert messages == [(FIELDS["To"], FIELDS["From"], "See you at 9:00.")]
