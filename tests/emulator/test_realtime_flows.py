"""The flows of the vendor's guides, by the openai package's own client; its types judge every event."""

import base64
from collections.abc import AsyncGenerator
from typing import Any

from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.emulator.test_realtime import Event, append, connected, run, say_text, the, types, until
from tests.support.realtime_client import silence, tone
from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.sim.realtime import Think

TOOLS: Any = [
    {
        "type": "function",
        "name": name,
        "description": f"The {name} of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    for name in ("weather", "time")
]


class Informed:
    """Asks two tools at once, and tells what they answered; otherwise repeats what it reads."""

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        outputs = [line.text for line in think.conversation if line.kind == "output"]
        if outputs:
            yield f"I am told: {' and '.join(outputs)}."
        elif think.tools and think.tool_choice != "none":
            yield ToolCall("weather", '{"city": "Oslo"}')
            yield ToolCall("time", '{"city": "Oslo"}')
        else:
            yield f"I read: {' / '.join(line.text for line in think.conversation)}."


async def manual_turns(connection: AsyncRealtimeConnection, **session: Any) -> None:
    """Switch turn detection off, as the push-to-talk guide does."""
    audio: Any = {"input": {"turn_detection": None, "transcription": {"model": "gpt-4o-mini-transcribe"}}}
    whole: Any = {"type": "realtime", "audio": audio, **session}
    await connection.session.update(session=whole)
    await until(connection, "session.updated")


async def refused(connection: AsyncRealtimeConnection, **event: Any) -> Event:
    """Send an event that is answered with `error`; give the error."""
    message: Any = {"event_id": "mine", **event}
    await connection.send(message)
    error: Event = (await until(connection, "error"))[-1]["error"]
    assert error["event_id"] == "mine"
    return error


def spoken(events: list[Event]) -> str:
    return str(the(events, "response.output_audio_transcript.done")["transcript"])


def test_a_turn_that_the_client_commits_is_answered_when_it_asks() -> None:
    async def main() -> None:
        async with connected("push to talk", brain=Informed()) as connection:
            await manual_turns(connection)
            await append(connection, tone(400) + silence(1000))
            await connection.input_audio_buffer.commit()
            committed = await until(connection, "conversation.item.input_audio_transcription.completed")
            await connection.response.create()
            answer = await until(connection, "response.done")
            await connection.input_audio_buffer.commit()
            empty = (await until(connection, "error"))[-1]["error"]

        assert types(committed) == [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            *["conversation.item.input_audio_transcription.delta"] * 3,
            "conversation.item.input_audio_transcription.completed",
        ]
        assert spoken(answer) == "I read: push to talk."
        assert empty["code"] == "input_audio_buffer_commit_empty"

    run(main())


def test_audio_that_was_cleared_is_no_part_of_the_turn() -> None:
    async def main() -> None:
        async with connected("what was left") as connection:
            await manual_turns(connection)
            await append(connection, tone(1000))
            await connection.input_audio_buffer.clear()
            await append(connection, tone(300))
            await connection.input_audio_buffer.commit()
            item_id = (await until(connection, "input_audio_buffer.committed"))[-1]["item_id"]
            await connection.conversation.item.retrieve(item_id=item_id)
            item = (await until(connection, "conversation.item.retrieved"))[-1]["item"]

        assert base64.b64decode(item["content"][0]["audio"]) == tone(300)

    run(main())


def test_one_response_may_be_written_in_a_session_that_speaks() -> None:
    async def main() -> None:
        async with connected(brain=Informed()) as connection:
            await say_text(connection, "Hi.")
            speech = await until(connection, "response.done")
            await connection.response.create(response={"output_modalities": ["text"]})
            writing = await until(connection, "response.done")

        assert spoken(speech) == "I read: Hi.."
        assert the(writing, "response.output_text.done")["text"].startswith("I read: Hi.")
        assert not any("audio" in name for name in types(writing))

    run(main())


def test_an_out_of_band_response_runs_beside_the_conversation_and_leaves_nothing_in_it() -> None:
    async def main() -> None:
        async with connected(brain=Informed()) as connection:
            await say_text(connection, "Hi.")
            await until(connection, "conversation.item.done")
            content: Any = [{"type": "input_text", "text": "Classify this."}]
            await connection.response.create(
                response={
                    "conversation": "none",
                    "metadata": {"topic": "classification"},
                    "output_modalities": ["text"],
                    "input": [{"type": "message", "role": "user", "content": content}],
                }
            )
            done = [event["response"] for event in await until(connection, "response.done", 2) if "response" in event]
            ended = {bool(response["metadata"]): response for response in done if response["status"] == "completed"}
            beside = ended[True]
            error = await refused(connection, type="conversation.item.retrieve", item_id=beside["output"][0]["id"])

        assert beside["metadata"] == {"topic": "classification"}
        assert beside["conversation_id"] is None
        assert beside["output"][0]["content"] == [{"type": "output_text", "text": "I read: Classify this.."}]
        assert ended[False]["conversation_id"] is not None
        assert error["code"] == "item_retrieve_invalid_item_id"

    run(main())


def test_a_response_may_read_items_that_are_referred_to() -> None:
    async def main() -> None:
        async with connected(brain=Informed()) as connection:
            await manual_turns(connection, output_modalities=["text"])
            for word in ("one", "two"):
                content: Any = [{"type": "input_text", "text": word}]
                await connection.conversation.item.create(
                    item={"type": "message", "role": "user", "id": f"item_{word}_of_mine", "content": content}
                )
            reference: Any = {"type": "item_reference", "id": "item_two_of_mine"}
            await connection.response.create(response={"conversation": "none", "input": [reference]})
            answer = await until(connection, "response.done")
            unknown = await refused(
                connection, type="response.create", response={"input": [{"type": "item_reference", "id": "item_0"}]}
            )

        assert the(answer, "response.output_text.done")["text"] == "I read: two."
        assert unknown["param"] == "response.input[0].id"

    run(main())


def test_several_functions_are_called_in_one_response_and_answered_together() -> None:
    async def main() -> None:
        async with connected(brain=Informed()) as connection:
            await manual_turns(connection, tools=TOOLS)
            await say_text(connection, "How is Oslo?")
            events = await until(connection, "response.done")
            calls = [event for event in events if event["type"] == "response.function_call_arguments.done"]
            for call, output in zip(calls, ('"snow"', '"noon"'), strict=True):
                await connection.conversation.item.create(
                    item={"type": "function_call_output", "call_id": call["call_id"], "output": output}
                )
            await connection.response.create()
            answer = await until(connection, "response.done")
            stray = await refused(
                connection,
                type="conversation.item.create",
                item={"type": "function_call_output", "call_id": "call_0", "output": "{}"},
            )

        assert [call["name"] for call in calls] == ["weather", "time"]
        assert [item["type"] for item in events[-1]["response"]["output"]] == ["function_call", "function_call"]
        assert spoken(answer) == 'I am told: "snow" and "noon".'
        assert stray["code"] == "invalid_tool_call_id"

    run(main())


def test_a_forced_function_is_called_by_a_brain_that_only_talks() -> None:
    async def main() -> None:
        async with connected() as connection:
            await manual_turns(connection, tools=TOOLS, output_modalities=["text"])
            called = []
            for choice in ({"type": "function", "name": "time"}, "required", "none"):
                await say_text_with(connection, "Hi.", tool_choice=choice)
                output = (await until(connection, "response.done"))[-1]["response"]["output"]
                called.append([item["name"] for item in output if item["type"] == "function_call"])

        assert called == [["time"], ["weather"], []]

    run(main())


async def say_text_with(connection: AsyncRealtimeConnection, text: str, **response: Any) -> None:
    content: Any = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    await connection.response.create(response=response)  # type: ignore[arg-type]


def test_items_are_refused_by_the_codes_of_the_api_and_the_session_goes_on() -> None:
    async def main() -> None:
        async with connected(brain=Informed()) as connection:
            await say_text(connection, "Hi.")
            events = await until(connection, "response.done")
            user = the(events, "conversation.item.added")["item"]["id"]
            mine = events[-1]["response"]["output"][0]["id"]
            truncate: Event = {"type": "conversation.item.truncate", "content_index": 0, "audio_end_ms": 10}
            image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
            errors = [
                await refused(connection, **truncate, item_id="item_0"),
                await refused(connection, **truncate, item_id=user),
                await refused(connection, **truncate | {"content_index": 1}, item_id=mine),
                await refused(connection, **truncate | {"audio_end_ms": 60_000}, item_id=mine),
                await refused(connection, type="conversation.item.delete", item_id="item_0"),
                await refused(connection, type="conversation.item.retrieve", item_id="item_0"),
                await refused(
                    connection,
                    type="conversation.item.create",
                    previous_item_id="item_0",
                    item={"type": "message", "role": "user", "content": []},
                ),
                await refused(
                    connection,
                    type="conversation.item.create",
                    item={"type": "message", "role": "user", "content": [image]},
                ),
                await refused(connection, type="response.cancel"),
                await refused(connection, type="output_audio_buffer.clear"),
            ]
            await connection.conversation.item.delete(item_id=mine)
            deleted = await until(connection, "conversation.item.deleted")

        assert [error["code"] for error in errors] == [
            "item_truncate_invalid_item_id",
            "invalid_value",
            "invalid_value",
            "invalid_value",
            "item_delete_invalid_item_id",
            "item_retrieve_invalid_item_id",
            "invalid_value",
            "invalid_value",
            "response_cancel_not_active",
            "invalid_event",
        ]
        assert "is already shorter than 60000ms" in errors[3]["message"]
        assert deleted[-1]["item_id"] == mine

    run(main())


def test_an_answer_that_reaches_its_limit_is_incomplete() -> None:
    async def main() -> None:
        async with connected("a story") as connection:
            await manual_turns(connection, max_output_tokens=20)
            await append(connection, tone(300))
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            done = (await until(connection, "response.done"))[-1]["response"]

        assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
        assert done["output"][0]["status"] == "incomplete"
        assert done["usage"]["output_tokens"] >= 20

    run(main())


def test_a_second_response_is_refused_while_one_is_active() -> None:
    async def main() -> None:
        async with connected("a story") as connection:
            await manual_turns(connection)
            await append(connection, tone(300))
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            await until(connection, "response.output_audio.delta")
            error = await refused(connection, type="response.create")
            await connection.response.cancel()
            done = (await until(connection, "response.done"))[-1]["response"]

        assert error["code"] == "conversation_already_has_active_response"
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}

    run(main())
