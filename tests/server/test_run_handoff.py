"""A call that is handed over, through real sockets: what the model's server is sent, and what is kept."""

import asyncio
import json
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.server.test_run import AGENT, Call, a_server
from tests.support import tiny_twilio
from tests.support.stored import latest
from tests.support.tiny_realtime import send
from voice_agent.live.clips import load_clips
from voice_agent.recording.reader import read
from voice_agent.replay.strict import replay
from voice_agent.store.database import FILE_NAME

BILLING = """name: billing
language: es
instructions: You are billing. The caller is {{ caller }}.
tools: [hang_up]
"""


async def handed_over(call: Call) -> None:
    """Let the model hand the call over when it has greeted, and say a word when it is asked to."""
    usual = call.model.answer
    spoke = asyncio.Event()

    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] != "response.create" or not call.model.of_type("response.create")[1:]:
            await usual(socket, message)
        if message["type"] == "response.create" and len(call.model.of_type("response.create")) == 1:
            response = {"id": "resp_2", "status": "in_progress", "output": []}
            item = {"id": "item_2", "type": "function_call", "call_id": "call_1", "name": "handoff"}
            item |= {"arguments": '{"reason": "an invoice"}'}
            await send(socket, type="response.created", response=response)
            await send(socket, type="response.output_item.done", response_id="resp_2", output_index=0, item=item)
            await send(socket, type="response.done", response={**response, "status": "completed"})
        elif message["type"] == "response.create":
            ids = {"response_id": "resp_3", "item_id": "item_3", "output_index": 0, "content_index": 0}
            response = {"id": "resp_3", "status": "in_progress", "output": []}
            response["metadata"] = message["response"]["metadata"]
            await send(socket, type="response.created", response=response)
            await send(socket, type="response.output_audio_transcript.delta", delta="Billing here.", **ids)
            await send(socket, type="response.output_audio.delta", delta="/" * 3200, **ids)
            await send(socket, type="response.output_audio.done", **ids)
            await send(socket, type="response.done", response={**response, "status": "completed"})
            spoke.set()

    call.model.answer = answer  # type: ignore[method-assign] # a model of its own for each test
    stream = await call.stream()
    await spoke.wait()
    for _ in range(9):  # the marks and the sound of both answers
        message = json.loads(await stream.recv())
        if message["event"] == "mark":
            await stream.send(json.dumps({"event": "mark", "streamSid": message["streamSid"], "mark": message["mark"]}))
        if message["event"] == "media" and len(call.model.of_type("response.create")) > 1:
            break
    await stream.send(tiny_twilio.stop())
    await stream.close()
    await call.after()
    await call.model.closed.wait()


def test_the_other_agents_file_becomes_the_session_and_the_recording_holds_it_again(tmp_path: Path) -> None:
    async def main() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        (tmp_path / "agents").mkdir()
        (tmp_path / "agents" / "billing.yaml").write_text(BILLING)
        async with a_server(tmp_path, f"{AGENT}tools: [{{handoff: billing}}]\n") as call:
            await handed_over(call)
            return call.model.of_type("session.update"), call.model.of_type("conversation.item.create")

    updates, items = asyncio.run(main())
    (row,) = latest(tmp_path / "data" / FILE_NAME)
    assert row.recording is not None
    recording = read(Path(row.recording))

    assert updates[1]["event_id"] == "handoff-1"
    assert updates[1]["session"]["instructions"] == "You are billing. The caller is +14255550199."
    assert [tool["name"] for tool in updates[1]["session"]["tools"]] == ["hang_up"]
    assert updates[1]["session"]["audio"]["input"]["transcription"]["language"] == "es"
    assert list(updates[1]["session"]["audio"]) == ["input"]
    assert json.loads(items[0]["item"]["output"])["because"] == "an invoice"
    assert [agent.name for agent in recording.header.setup.others] == ["billing"]
    assert ("agent", "billing") in [(line.who, line.agent) for line in row.transcript]
    assert replay(recording, load_clips()).same
