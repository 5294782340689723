"""Warm transfers through real sockets: two calls of the emulated Twilio, this server, and a model of few words."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.server.test_run import AGENT, Call, a_server
from tests.support.tiny_realtime import SILENCE_200_MS, send
from tests.support.tiny_twilio import ACCOUNT_SID, TOKEN
from voice_agent.call.commands import AgentBegan, CallEnded, ToolAnswered
from voice_agent.emulator.twilio import Callee, EmulatedCall, EmulatedTwilio, IncomingNumber

ANA, DESK, OURS = "+14255550199", "+14255550101", "+14255550100"
WARM = AGENT.replace("audio", "off") + f'tools: [transfer: {{to: {{desk: "{DESK}"}}, warm: true}}]\n'
TO_DESK = '{"to": "desk", "summary": "Ana asks about her bill."}'


def asks_the_desk(call: Call) -> None:
    """Have the model of the first session call the desk behind its greeting."""
    usual = call.model.answer

    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        first = socket is call.model.sockets[0]
        if message["type"] != "response.create" or not first or call.model.of_type("response.create")[1:]:
            await usual(socket, message)
            return
        response = {"id": "resp_0", "status": "in_progress", "output": []}
        response["metadata"] = message["response"]["metadata"]
        ids = {"response_id": "resp_0", "item_id": "item_0", "output_index": 0, "content_index": 0}
        item = {"id": "item_9", "type": "function_call", "call_id": "call_1", "name": "transfer", "arguments": TO_DESK}
        await send(socket, type="response.created", response=response)
        await send(socket, type="response.output_audio.delta", delta=SILENCE_200_MS, **ids)
        await send(socket, type="response.output_audio.done", **ids)
        await send(socket, type="response.output_item.done", response_id="resp_0", output_index=1, item=item)
        await send(socket, type="response.done", response={**response, "status": "completed"})

    call.model.answer = answer  # type: ignore[method-assign] # a model of its own for each test


CLIPS = {"hold": b"\x90" * 1600, "moment": b"\x90" * 800}


class Line:
    """What the two calls did."""

    def __init__(self, call: Call, twilio: EmulatedTwilio) -> None:
        self.call = call
        self.twilio = twilio
        self.caller: EmulatedCall

    @property
    def colleague(self) -> EmulatedCall:
        return next(call for call in self.twilio.calls.values() if call is not self.caller)

    def reported(self, kind: type, call: EmulatedCall) -> list[Any]:
        return [report for sid, report in self.call.reports if sid == call.sid and isinstance(report, kind)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Look 50 times a second: what happens to two calls has no one place where it could be waited for."""
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)

    async def met(self) -> None:
        """Wait until both are in the room."""
        rooms = self.twilio.conferences
        await self.until(lambda: any(len(room.visits) == 2 for known in rooms.values() for room in known))


Acts = Callable[[Line, EmulatedCall], Awaitable[None]]


def held(folder: Path, caller: Callable[[Line], Awaitable[None]], acts: Acts | None = None, **callee: Any) -> Line:
    """Hold both calls: `acts` is what the colleague does when they are spoken to, `caller` what the caller does."""
    lines: list[Line] = []

    async def act(call: EmulatedCall) -> None:
        assert acts is not None
        await acts(lines[0], call)

    async def main() -> Line:
        desk = Callee(acts=None if acts is None else act, **callee)
        async with (
            asyncio.timeout(60),
            EmulatedTwilio(
                ACCOUNT_SID, TOKEN, numbers=[IncomingNumber(phone_number=OURS)], callees=lambda _: desk
            ) as twilio,
            a_server(
                folder, WARM, clips=CLIPS, twilio_account_sid=ACCOUNT_SID, twilio_api_base_url=twilio.base_url
            ) as call,
        ):
            asks_the_desk(call)
            line = Line(call, twilio)
            lines.append(line)
            line.caller = twilio.place_call(f"{call.serving.url}/twilio/voice", ANA, OURS)
            await caller(line)
            line.caller.hang_up()
            for one in list(twilio.calls.values()):
                await one.ended()
            await line.until(lambda: len(call.ended) == len(call.model.sockets))
        return line

    return asyncio.run(main())


async def takes_it(line: Line, call: EmulatedCall) -> None:
    await line.until(lambda: bool(line.reported(AgentBegan, call)))
    call.press("1")


async def declines(line: Line, call: EmulatedCall) -> None:
    await line.until(lambda: bool(line.reported(AgentBegan, call)))
    call.press("2")


async def hears_that_it_failed(line: Line) -> None:
    await line.until(lambda: bool(line.reported(ToolAnswered, line.caller)))
    await line.until(lambda: len(line.reported(AgentBegan, line.caller)) > 1)


def outcomes(line: Line, call: EmulatedCall) -> list[str]:
    return [ended.outcome for ended in line.reported(CallEnded, call)]


def test_a_colleague_who_takes_the_call_meets_the_caller(tmp_path: Path) -> None:
    line = held(tmp_path, Line.met, takes_it)

    ((room,),) = line.twilio.conferences.values()
    assert (line.colleague.order.to, line.colleague.order.from_) == (DESK, OURS)
    assert outcomes(line, line.caller) == outcomes(line, line.colleague) == ["transferred"]
    assert {visit.call_sid for visit in room.visits} == {line.caller.sid, line.colleague.sid}
    assert room.longest_alone_s() < 5
    assert [call.status for call in (line.caller, line.colleague)] == ["completed", "completed"]
    assert line.caller.warnings == line.colleague.warnings == []
    said = [message["response"]["instructions"] for message in line.call.model.of_type("response.create")[1:]]
    assert any("Ana asks about her bill." in text for text in said)


def test_a_colleague_who_declines_is_gone_and_the_agent_goes_on_with_the_caller(tmp_path: Path) -> None:
    line = held(tmp_path, hears_that_it_failed, declines)

    (answer,) = line.reported(ToolAnswered, line.caller)
    assert answer.output == '{"error":"the caller is not connected: desk: they do not take the call"}'
    assert outcomes(line, line.caller) == ["caller_hung_up"]
    assert outcomes(line, line.colleague) == ["completed"]
    assert line.twilio.conferences == {}


def test_a_line_that_is_busy_is_told_to_the_model(tmp_path: Path) -> None:
    line = held(tmp_path, hears_that_it_failed, becomes="busy")

    (answer,) = line.reported(ToolAnswered, line.caller)
    assert answer.output == '{"error":"the caller is not connected: desk: the line is busy"}'
    assert (line.colleague.status, outcomes(line, line.colleague)) == ("busy", [])


def test_a_caller_who_hangs_up_ends_the_colleagues_call(tmp_path: Path) -> None:
    async def leaves(line: Line) -> None:
        await line.until(lambda: len(line.twilio.calls) == 2)
        await line.until(lambda: bool(line.reported(AgentBegan, line.colleague)))

    async def listens(line: Line, call: EmulatedCall) -> None:
        await call.ended()

    line = held(tmp_path, leaves, listens)

    assert line.colleague.status == "completed"
    assert outcomes(line, line.caller) == ["caller_hung_up"]
    assert line.twilio.conferences == {}


def test_a_colleague_who_hangs_up_without_a_word_does_not_take_the_call(tmp_path: Path) -> None:
    async def hangs_up(line: Line, call: EmulatedCall) -> None:
        call.hang_up()

    line = held(tmp_path, hears_that_it_failed, hangs_up)

    (answer,) = line.reported(ToolAnswered, line.caller)
    assert answer.output == '{"error":"the caller is not connected: desk: they hung up"}'


def test_a_colleague_who_goes_after_accepting_leaves_nobody_alone(tmp_path: Path) -> None:
    async def goes(line: Line, call: EmulatedCall) -> None:
        await takes_it(line, call)
        await line.until(lambda: bool(line.reported(CallEnded, line.caller)))
        call.hang_up()

    async def is_back(line: Line) -> None:
        await line.until(lambda: line.caller.over or len(line.caller.streams) > 1)

    line = held(tmp_path, is_back, goes)

    assert all(room.longest_alone_s() < 5 for rooms in line.twilio.conferences.values() for room in rooms)
    assert line.colleague.status == "completed"
