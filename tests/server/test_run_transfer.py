"""A caller who is transferred, through real sockets: the emulated Twilio, this server, and a model of few words."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.server.test_run import AGENT, Call, a_server
from tests.support.stored import latest
from tests.support.tiny_realtime import SILENCE_200_MS, send
from tests.support.tiny_twilio import ACCOUNT_SID, TOKEN
from voice_agent.call.commands import AgentBegan
from voice_agent.call.trouble import Trouble
from voice_agent.emulator.twilio import Callee, EmulatedTwilio
from voice_agent.store.database import FILE_NAME

TRANSFERRING = AGENT.replace("audio", "off") + 'tools: [transfer: {to: {front_desk: "+14255550101"}}]\n'


def calls_tool(call: Call, name: str, arguments: str) -> None:
    """Have the model say a word to its first caller, and call a tool."""
    usual = call.model.answer

    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] != "response.create" or len(call.model.sockets) > 1:
            await usual(socket, message)
            return
        response = {"id": "resp_1", "status": "in_progress", "output": []}
        response["metadata"] = message["response"]["metadata"]
        ids = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
        item = {"id": "item_2", "type": "function_call", "call_id": "call_1", "name": name}
        item["arguments"] = arguments
        await send(socket, type="response.created", response=response)
        await send(socket, type="response.output_audio_transcript.delta", delta="One moment.", **ids)
        await send(socket, type="response.output_audio.delta", delta=SILENCE_200_MS, **ids)
        await send(socket, type="response.output_audio.done", **ids)
        await send(socket, type="response.output_item.done", response_id="resp_1", output_index=1, item=item)
        await send(socket, type="response.done", response={**response, "status": "completed"})

    call.model.answer = answer  # type: ignore[method-assign] # a model of its own for each test


def transferred(folder: Path, callee: Callee) -> tuple[Call, list[str], list[str]]:
    """Hold the call; gives it, whom the carrier dialled and its moments."""

    async def main() -> tuple[Call, list[str], list[str]]:
        async with (
            a_server(folder, TRANSFERRING) as call,
            EmulatedTwilio(ACCOUNT_SID, TOKEN, callees=lambda _: callee) as twilio,
        ):
            calls_tool(call, "transfer", '{"to": "front_desk"}')
            caller = twilio.place_call(f"{call.serving.url}/twilio/voice", "+14255550199", "+14255550100")
            if callee.becomes != "answers":
                await caller.wait_until(lambda: sum(isinstance(one, AgentBegan) for _, one in call.reports) > 1)
                caller.hang_up()
            await caller.ended()
            assert caller.warnings == []
            return call, caller.dialled, [moment.what for moment in caller.timeline]

    return asyncio.run(main())


def test_a_caller_is_put_through_and_the_call_ends_when_the_two_have_spoken(tmp_path: Path) -> None:
    call, dialled, moments = transferred(tmp_path, Callee(talks_ms=50))

    assert dialled == ["+14255550101"]
    assert [ended.outcome for ended in call.ended] == ["transferred"]
    assert moments[-3:] == ["webhook", "the TwiML hangs up", "status"]


def test_a_caller_who_was_not_put_through_is_back_with_an_agent_who_knows_why(tmp_path: Path) -> None:
    call, dialled, moments = transferred(tmp_path, Callee(becomes="busy"))
    back, first = latest(tmp_path / "data" / FILE_NAME)

    assert dialled == ["+14255550101"]
    assert moments.count("the stream starts") == 2
    assert [ended.outcome for ended in call.ended] == ["transferred", "caller_hung_up"]
    items = [message["item"] for message in call.model.of_type("conversation.item.create")]
    assert [item.get("role", item["type"]) for item in items[1:]] == [
        "function_call",
        "function_call_output",
        "assistant",
        "system",
    ]
    assert items[-1]["content"][0]["text"].startswith("The transfer to front_desk came to nothing: the line is busy.")
    assert (first.outcome, back.outcome, first.call_sid) == ("transferred", "caller_hung_up", back.call_sid)
    assert first.trouble[-1] == Trouble(first.duration_ms, "transfer failed", "front_desk, the line is busy")
    assert all(each.kind != "transfer failed" for each in back.trouble)


def test_who_was_not_put_through_is_taken_back_by_a_server_that_waits_for_its_calls_or_by_its_successor(
    tmp_path: Path,
) -> None:
    dialling = asyncio.Event()

    def callee(number: str) -> Callee:
        assert number == "+14255550101"
        dialling.set()
        return Callee(becomes="busy", rings_ms=100)

    async def main() -> tuple[Call, Call]:
        with socket.create_server(("127.0.0.1", 0)) as held:
            async with EmulatedTwilio(ACCOUNT_SID, TOKEN, callees=callee) as twilio:
                async with a_server(tmp_path, TRANSFERRING, listening=held.dup(), replaced=True) as first:
                    calls_tool(first, "transfer", '{"to": "front_desk"}')
                    caller = twilio.place_call(f"{first.serving.url}/twilio/voice", "+14255550199", "+14255550100")
                    await dialling.wait()
                    first.serving.close_to_new_calls()
                    await caller.wait_until(lambda: sum(isinstance(one, AgentBegan) for _, one in first.reports) > 1)
                async with a_server(tmp_path, TRANSFERRING, listening=held.dup(), replaced=True) as second:
                    await caller.wait_until(lambda: any(isinstance(one, AgentBegan) for _, one in second.reports))
                    caller.hang_up()
                    await caller.ended()
                    return first, second

    first, second = asyncio.run(main())
    assert [ended.outcome for ended in first.ended] == ["transferred", "stopped"]
    assert [ended.outcome for ended in second.ended] == ["caller_hung_up"]
