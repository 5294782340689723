import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pydantic
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.fake_speech import fake_speech
from tests.support.openai_types import faults
from tests.support.realtime_client import silence, tone
from voice_agent.emulator.brain import Brain, Echo, Thought, ToolCall
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.errors import CommandError, PeerError
from voice_agent.sim.realtime import RealtimeOptions, Think

Event = dict[str, Any]


class Scripted:
    """Calls a tool when asked for the weather, tells a long story when asked for one."""

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        said = think.conversation[-1]
        if said.kind == "output":
            yield f"It is {json.loads(said.text)['sky']}."
        elif "weather" in said.text:
            yield "Let me see."
            yield ToolCall("weather", '{"day": "today"}')
        elif "story" in said.text:
            yield "Once upon a time there was a telephone. " * 5
        elif "fail" in said.text:
            raise PeerError("the model is out")
        else:
            yield "Hello there."


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(bounded())


@asynccontextmanager
async def connected(*heard: str, brain: Brain | None = None) -> AsyncIterator[AsyncRealtimeConnection]:
    """A session of the openai package's own client with a local server that hears the given texts."""
    options = RealtimeOptions(pace=20)
    async with serve_realtime("127.0.0.1", 0, fake_speech(*heard), brain or Scripted(), options) as server:
        client = AsyncOpenAI(api_key="any", websocket_base_url=f"ws://127.0.0.1:{server.port}/v1")
        async with client, client.realtime.connect(model="gpt-realtime-2.1") as connection:
            yield connection


async def until(connection: AsyncRealtimeConnection, last: str, count: int = 1) -> list[Event]:
    """Receive, and judge, all events up to the given number of a type."""
    events: list[Event] = []
    while count:
        event = json.loads(await connection.recv_bytes())
        assert faults(event) == []
        events.append(event)
        count -= event["type"] == last
    return events


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def the(events: list[Event], event_type: str) -> Event:
    return next(event for event in events if event["type"] == event_type)


async def append(connection: AsyncRealtimeConnection, audio: bytes) -> None:
    for start in range(0, len(audio), 4800):
        await connection.input_audio_buffer.append(audio=base64.b64encode(audio[start : start + 4800]).decode())


async def say_text(connection: AsyncRealtimeConnection, text: str) -> None:
    content: Any = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    await connection.response.create()


def test_a_written_turn_is_answered_in_writing() -> None:
    async def main() -> None:
        async with connected() as connection:
            await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            await say_text(connection, "Hi.")
            events = await until(connection, "response.done")

            assert "".join(event["delta"] for event in events if "output_text.delta" in event["type"]) == "Hello there."
            assert not any("audio" in event_type for event_type in types(events[2:]))

    run(main())


def test_a_spoken_turn_is_heard_and_answered_in_speech() -> None:
    async def main() -> None:
        async with connected("good morning") as connection:
            await connection.session.update(
                session={"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
            )
            await append(connection, silence(300) + tone(500) + silence(800))
            events = await until(connection, "response.done")

            heard = the(events, "conversation.item.input_audio_transcription.completed")
            audio = b"".join(
                base64.b64decode(event["delta"]) for event in events if event["type"] == "response.output_audio.delta"
            )
            assert heard["transcript"] == "good morning"
            assert len(audio) == 48 * 120
            assert the(events, "response.output_audio_transcript.done")["transcript"] == "Hello there."

    run(main())


def test_a_function_call_is_answered_and_spoken() -> None:
    async def main() -> None:
        async with connected() as connection:
            await connection.session.update(
                session={"type": "realtime", "tools": [{"type": "function", "name": "weather", "parameters": {}}]}
            )
            await say_text(connection, "How is the weather?")
            events = await until(connection, "response.done")
            call = the(events, "response.function_call_arguments.done")
            output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"sky": "blue"}'}
            await connection.conversation.item.create(item=output)  # type: ignore[arg-type]
            await connection.response.create()
            answer = await until(connection, "response.done")

            assert (call["name"], call["arguments"]) == ("weather", '{"day": "today"}')
            assert [item["type"] for item in events[-1]["response"]["output"]] == ["message", "function_call"]
            assert the(answer, "response.output_audio_transcript.done")["transcript"] == "It is blue."

    run(main())


def test_speech_interrupts_an_answer_which_is_then_truncated_to_what_was_heard() -> None:
    async def main() -> None:
        async with connected("a story", "stop") as connection:
            await append(connection, tone(500) + silence(800))
            begun = await until(connection, "response.output_audio.delta")
            item_id = begun[-1]["item_id"]
            await append(connection, tone(200))
            cut = await until(connection, "response.done")
            await connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=150)
            truncated = await until(connection, "conversation.item.truncated")
            await connection.conversation.item.retrieve(item_id=item_id)
            item = (await until(connection, "conversation.item.retrieved"))[-1]["item"]
            await connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=60_000)
            error = (await until(connection, "error"))[-1]["error"]

            assert cut[-1]["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
            assert the(cut, "response.output_item.done")["item"]["status"] == "incomplete"
            assert truncated[-1]["audio_end_ms"] == 150
            assert len(base64.b64decode(item["content"][0]["audio"])) == 150 * 48
            assert item["content"][0]["transcript"] is None
            assert "already shorter than 60000ms" in error["message"]

    run(main())


def test_a_failing_brain_fails_the_response_and_not_the_session() -> None:
    async def main() -> None:
        async with connected() as connection:
            await say_text(connection, "fail")
            failed = (await until(connection, "response.done"))[-1]["response"]
            await say_text(connection, "hi")
            after = (await until(connection, "response.done"))[-1]["response"]

            assert failed["status"] == "failed"
            assert failed["status_details"]["error"]["message"] == "the model is out"
            assert after["status"] == "completed"

    run(main())


def test_the_built_in_brain_repeats_what_it_heard() -> None:
    async def main() -> None:
        async with connected(brain=Echo()) as connection:
            await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            said = []
            await connection.response.create()
            said.append(the(await until(connection, "response.done"), "response.output_text.done")["text"])
            for text in ("good morning", ""):
                await say_text(connection, text)
                said.append(the(await until(connection, "response.done"), "response.output_text.done")["text"])

            assert said == [
                "Hello. Say something, and I will repeat it.",
                "You said: good morning",
                "I did not hear any words.",
            ]

    run(main())


class NoEars:
    """A recogniser that always fails."""

    def recognise(self, pcm: bytes) -> str:  # noqa: ARG002 - part of the interface
        raise PeerError("no ears")


class Endless:
    """Thinks on until it is stopped."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:  # noqa: ARG002 - part of the interface
        try:
            while True:
                yield "And another thing."
                await asyncio.sleep(0)
        finally:
            self.stopped.set()


def test_a_failing_recogniser_is_told_and_the_answer_still_comes() -> None:
    async def main() -> None:
        speech = msgspec.structs.replace(fake_speech(), hearing=NoEars())
        async with serve_realtime("127.0.0.1", 0, speech, Echo()) as server, connect(server.url) as socket:
            audio = {"input": {"transcription": {"model": "any"}}}
            await socket.send(json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": audio}}))
            sound = base64.b64encode(tone(500) + silence(800)).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": sound}))
            events: list[Event] = []
            while not events or events[-1]["type"] != "response.done":
                events.append(json.loads(await socket.recv()))

            failed = the(events, "conversation.item.input_audio_transcription.failed")
            assert failed["error"]["message"] == "no ears"
            assert the(events, "response.output_audio_transcript.done")["transcript"] == "I did not hear any words."

    run(main())


def test_a_cancelled_brain_stops_thinking() -> None:
    async def main() -> None:
        brain = Endless()
        async with connected(brain=brain) as connection:
            await connection.response.create()
            await until(connection, "response.output_audio.delta")
            await connection.response.cancel()
            await until(connection, "response.done")
            await brain.stopped.wait()

    run(main())


def test_a_client_that_vanishes_ends_its_session_and_no_other() -> None:
    async def main() -> None:
        brain = Endless()
        async with serve_realtime("127.0.0.1", 0, fake_speech(), brain) as server, connect(server.url) as other:
            vanishing = await connect(server.url)
            await vanishing.send('{"type": "response.create"}')
            while "output_audio.delta" not in str(await vanishing.recv()):
                pass
            vanishing.transport.abort()
            await brain.stopped.wait()
            await other.recv()
            await other.send('{"type": "input_audio_buffer.clear"}')

            assert json.loads(await other.recv())["type"] == "input_audio_buffer.cleared"

    run(main())


def test_binary_messages_are_read_as_text() -> None:
    async def main() -> None:
        async with (
            serve_realtime("127.0.0.1", 0, fake_speech(), Echo()) as server,
            connect(server.url) as socket,
        ):
            await socket.recv()
            await socket.send(b'{"type": "input_audio_buffer.clear"}')

            assert json.loads(await socket.recv())["type"] == "input_audio_buffer.cleared"

    run(main())


@pytest.mark.parametrize("path", ["/v1/realtime", "/openai/v1/realtime", "/v1/realtime/"])
def test_both_vendors_addresses_are_served_and_name_the_model(path: str) -> None:
    async def main() -> None:
        async with (
            serve_realtime("127.0.0.1", 0, fake_speech(), Echo()) as server,
            connect(f"ws://127.0.0.1:{server.port}{path}?model=mine") as socket,
        ):
            assert json.loads(await socket.recv())["session"]["model"] == "mine"

    run(main())


def test_another_address_is_refused_in_json() -> None:
    async def main() -> None:
        async with serve_realtime("127.0.0.1", 0, fake_speech(), Echo()) as server:
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"ws://127.0.0.1:{server.port}/openai/deployments"):
                    pass

            assert refused.value.response.status_code == 404
            assert "Invalid URL" in json.loads(refused.value.response.body or b"")["error"]["message"]

    run(main())


def test_the_beta_dialect_is_closed_as_openai_closes_it() -> None:
    async def main() -> None:
        async with (
            serve_realtime("127.0.0.1", 0, fake_speech(), Echo()) as server,
            connect(server.url, additional_headers={"OpenAI-Beta": "realtime=v1"}) as socket,
        ):
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()

            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "beta_api_shape_disabled")

    run(main())


@pytest.mark.parametrize(
    ("path", "headers", "beta"),
    [
        ("/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-4o-realtime-preview", {}, False),
        (
            "/openai/realtime/?deployment=gpt-4o-realtime-preview&api-version=2024-10-01-preview",
            {"OpenAI-Beta": "realtime=v1"},
            False,
        ),
        ("/v1/realtime?model=gpt-4o-realtime-preview", {"OpenAI-Beta": "realtime=v1"}, True),
    ],
)
def test_the_preview_is_spoken_where_its_form_or_its_header_asks_for_it(
    path: str, headers: dict[str, str], beta: bool
) -> None:
    async def main() -> None:
        options = RealtimeOptions(openai_beta=beta)
        async with (
            serve_realtime("127.0.0.1", 0, fake_speech(), Echo(), options) as server,
            connect(f"ws://127.0.0.1:{server.port}{path}", additional_headers=headers) as socket,
        ):
            created = json.loads(await socket.recv())
            assert faults(created, "preview") == []
            assert created["session"]["model"] == "gpt-4o-realtime-preview"
            await socket.recv()
            await socket.send(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
            error = json.loads(await socket.recv())["error"]
            assert (error["code"], error["param"]) == ("unknown_parameter", "session.type")

    run(main())


@pytest.mark.parametrize("query", ["", "?api-version=2025-04-01-preview", "?deployment=mine"])
def test_the_preview_s_address_needs_its_version_and_its_deployment(query: str) -> None:
    async def main() -> None:
        async with serve_realtime("127.0.0.1", 0, fake_speech(), Echo()) as server:
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"ws://127.0.0.1:{server.port}/openai/realtime{query}"):
                    pass

            assert refused.value.response.status_code == 404
            assert json.loads(refused.value.response.body or b"")["error"]["message"] == "Resource not found"

    run(main())


def test_azure_s_address_of_today_takes_no_version() -> None:
    async def main() -> None:
        async with serve_realtime("127.0.0.1", 0, fake_speech(), Echo()) as server:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://127.0.0.1:{server.port}/openai/v1/realtime?model=m&api-version=2025-04-01-preview")

            assert refused.value.response.status_code == 401

    run(main())


def test_the_preview_s_spoken_turn_conforms() -> None:
    async def main() -> None:
        options = RealtimeOptions(pace=20)
        async with serve_realtime("127.0.0.1", 0, fake_speech("hello"), Scripted(), options) as server:
            url = f"ws://127.0.0.1:{server.port}/openai/realtime?api-version=x&deployment=gpt-4o-realtime-preview"
            async with connect(url, max_size=None) as socket:
                session = {"input_audio_transcription": {"model": "whisper-1"}}
                await socket.send(json.dumps({"type": "session.update", "session": session}))
                audio = base64.b64encode(tone(600) + silence(900)).decode()
                await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
                events: list[Event] = []
                while not events or events[-1]["type"] != "response.done":
                    events.append(json.loads(await socket.recv()))
                    assert faults(events[-1], "preview") == []

        assert the(events, "response.done")["response"]["output"][0]["content"][0]["transcript"] == "Hello there."
        assert "response.audio.delta" in types(events)

    run(main())


def test_a_session_that_only_transcribes_is_refused_where_it_would_begin() -> None:
    async def main() -> None:
        async with serve_realtime("127.0.0.1", 0, fake_speech(), Echo()) as server:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{server.url}?intent=transcription")

            assert refused.value.response.status_code == 400
            assert b"holds conversations only" in (refused.value.response.body or b"")

    run(main())


def test_a_browsers_key_does_not_come_back_as_subprotocol() -> None:
    async def main() -> None:
        async with (
            serve_realtime("127.0.0.1", 0, fake_speech(), Echo()) as server,
            connect(server.url, subprotocols=["realtime", "openai-insecure-api-key.x"]) as socket,  # type: ignore[list-item]
        ):
            assert socket.subprotocol == "realtime"

    run(main())


def test_the_end_of_a_session_closes_its_socket() -> None:
    async def main() -> None:
        async with (
            serve_realtime("127.0.0.1", 0, fake_speech(), Echo(), RealtimeOptions(session_minutes=0)) as server,
            connect(server.url) as socket,
        ):
            await socket.recv()
            expired = json.loads(await socket.recv())
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()

            assert expired["error"]["code"] == "session_expired"
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001

    run(main())


def test_a_taken_port_is_one_line() -> None:
    async def main() -> None:
        async with serve_realtime("127.0.0.1", 0, fake_speech(), Echo()) as server:
            with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1:{server.port}"):
                async with serve_realtime("127.0.0.1", server.port, fake_speech(), Echo()):
                    pass

    run(main())


def test_the_judge_of_events_finds_planted_faults() -> None:
    good = {"type": "input_audio_buffer.speech_started", "event_id": "e", "audio_start_ms": 1, "item_id": "i"}

    assert faults(good) == []
    assert faults(good | {"more": 1}) == ["input_audio_buffer.speech_started: undeclared field 'more'"]
    assert faults({"type": "nobody.knows"}) == ["nobody.knows: no such server event"]
    for planted in ({"audio_start_ms": "1"}, {"item_id": None}):
        with pytest.raises(pydantic.ValidationError):
            faults(good | planted)
    with pytest.raises(pydantic.ValidationError):
        faults({name: value for name, value in good.items() if name != "item_id"})
