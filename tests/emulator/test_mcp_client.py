"""A real MCP server, called by the local Realtime server and by its client alone; the vendor's own client looks on."""

import socket
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.emulator.test_realtime import Event, connected, run, the, types, until
from tests.support.mcp_server import KEY, TOKEN, Calendar, calendar_server
from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.emulator.mcp_client import call_tool, list_tools
from voice_agent.errors import PeerError
from voice_agent.sim.realtime import CallTool, ListTools, McpTarget, Think, ToolCalled, ToolCallFailed


def target(calendar: Calendar, token: str = TOKEN) -> McpTarget:
    return McpTarget("calendar", calendar.url, token, (("X-Key", KEY),))


def call(calendar: Calendar, name: str, arguments: str) -> CallTool:
    return CallTool("m1", target(calendar), name, arguments)


# --- the client ------------------------------------------------------------------------------------------------------


def test_the_tools_of_a_server_are_listed_with_what_they_take() -> None:
    async def main() -> None:
        async with calendar_server() as calendar:
            listed = await list_tools(ListTools("l1", target(calendar)))

        tools = {tool.name: tool for tool in listed.tools}
        assert list(tools) == ["free_slots", "book", "slow"]
        assert tools["free_slots"].description == "Find free appointment times."
        assert tools["free_slots"].input_schema["properties"]["day"]["type"] == "string"
        assert (tools["free_slots"].read_only, tools["book"].read_only) == (True, False)

    run(main())


def test_a_tool_is_called_and_its_texts_are_the_output() -> None:
    async def main() -> None:
        async with calendar_server() as calendar:
            booked = await call_tool(call(calendar, "book", '{"time": "9:00"}'))

        assert booked == ToolCalled("m1", "booked 9:00")
        assert calendar.booked == ["9:00"]

    run(main())


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("free_slots", '{"day": "sunday"}', "closed on sundays"),
        ("free_slots", "{}", "day"),
        ("nothing", "{}", "nothing"),
        ("book", "[]", "the arguments are no JSON object"),
        ("book", "{", "the arguments are no JSON: "),
    ],
)
def test_a_tool_that_cannot_do_it_says_why(name: str, arguments: str, problem: str) -> None:
    async def main() -> None:
        async with calendar_server() as calendar:
            failed = await call_tool(call(calendar, name, arguments))

        assert isinstance(failed, ToolCallFailed)
        assert failed.kind == "tool_execution_error"
        assert problem in failed.message

    run(main())


def test_a_server_that_is_not_there_and_one_that_wants_another_key_are_told() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            nowhere = McpTarget("calendar", f"http://127.0.0.1:{free.getsockname()[1]}/mcp")
        failed = await call_tool(CallTool("m1", nowhere, "book", "{}"))
        with pytest.raises(PeerError, match="connection attempts failed"):
            await list_tools(ListTools("l1", nowhere))
        async with calendar_server() as calendar:
            with pytest.raises(PeerError) as refused:
                await list_tools(ListTools("l1", target(calendar, "another")))

        assert isinstance(failed, ToolCallFailed)
        assert (failed.kind, failed.code) == ("http_error", 502)
        assert "another" not in str(refused.value)
        assert calendar.refused > 0

    run(main())


def test_a_server_that_does_not_answer_is_given_up() -> None:
    async def main() -> None:
        async with calendar_server() as calendar:
            failed = await call_tool(call(calendar, "slow", "{}"), seconds=0.3)

        assert failed == ToolCallFailed("m1", "http_error", "no answer within 0.3 s", 504)

    run(main())


# --- the local Realtime server ---------------------------------------------------------------------------------------


class Clerk:
    """Calls the tool of the calendar that the caller names, and tells what it answered."""

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        said = think.conversation[-1]
        if said.kind == "output":
            yield f"It says: {said.text}."
        else:
            name, _, argument = said.text.partition(" ")
            assert name in {tool["name"] for tool in think.tools}
            key = {"free_slots": "day", "book": "time"}[name]
            yield ToolCall(name, f'{{"{key}": "{argument}"}}')


async def with_calendar(connection: AsyncRealtimeConnection, calendar: Calendar, **changes: Any) -> list[Event]:
    """Give the session the server; wait until its tools are listed."""
    tool: Any = {
        "type": "mcp",
        "server_label": "calendar",
        "server_url": calendar.url,
        "authorization": TOKEN,
        "headers": {"X-Key": KEY},
        "require_approval": "never",
    }
    await connection.session.update(
        session={"type": "realtime", "output_modalities": ["text"], "tools": [tool | changes]}
    )
    return await until(connection, "mcp_list_tools.completed")


async def say(connection: AsyncRealtimeConnection, text: str) -> None:
    content: Any = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    await connection.response.create()


def test_a_session_lists_calls_and_speaks_of_a_real_servers_tools() -> None:
    async def main() -> None:
        async with calendar_server() as calendar, connected(brain=Clerk()) as connection:
            listed = await with_calendar(connection, calendar)
            await say(connection, "free_slots monday")
            called = await until(connection, "conversation.item.done", 2)
            await connection.response.create()
            answered = await until(connection, "response.done", 2 - types(called).count("response.done"))

        (tools,) = (event["item"]["tools"] for event in listed if event["type"] == "conversation.item.done")
        assert [tool["name"] for tool in tools] == ["free_slots", "book", "slow"]
        assert TOKEN not in str(listed)
        assert "response.mcp_call.completed" in types(called)
        assert '"first": "9:00"' in called[-1]["item"]["output"]
        assert "9:00" in the(answered, "response.output_text.done")["text"]

    run(main())


@pytest.mark.parametrize("approve", [True, False])
def test_a_real_call_is_made_only_when_it_is_approved(approve: bool) -> None:
    async def main() -> None:
        async with calendar_server() as calendar, connected(brain=Clerk()) as connection:
            await with_calendar(connection, calendar, require_approval="always")
            await say(connection, "book 9:00")
            asked = await until(connection, "response.done")
            (request,) = (
                event["item"]
                for event in asked
                if event["type"] == "conversation.item.done" and event["item"]["type"] == "mcp_approval_request"
            )
            before = list(calendar.booked)
            await connection.conversation.item.create(
                item={
                    "type": "mcp_approval_response",
                    "id": "approval_1",
                    "approval_request_id": request["id"],
                    "approve": approve,
                }
            )
            ended = await until(connection, "conversation.item.done", 2)

        assert before == []
        assert calendar.booked == (["9:00"] if approve else [])
        assert ended[-1]["item"]["approval_request_id"] == request["id"]
        assert (ended[-1]["item"]["error"] is None) is approve

    run(main())


def test_a_server_that_cannot_be_reached_is_told_and_the_session_goes_on() -> None:
    async def main() -> None:
        async with connected(brain=Clerk()) as connection:
            tool: Any = {"type": "mcp", "server_label": "calendar", "server_url": "http://127.0.0.1:1/mcp"}
            await connection.session.update(session={"type": "realtime", "tools": [tool]})
            events = await until(connection, "mcp_list_tools.failed")
            await connection.input_audio_buffer.clear()
            await until(connection, "input_audio_buffer.cleared")

        assert types(events)[-2:] == ["mcp_list_tools.in_progress", "mcp_list_tools.failed"]

    run(main())
