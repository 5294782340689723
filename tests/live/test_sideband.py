import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.support.pump import FakeLeg, settle
from voice_agent.agent import Agent, Limits, McpServer, Tool
from voice_agent.call.events import ModelClosed, ModelOpened, ModelRefused, ToolFinished
from voice_agent.live.sideband import Sideband
from voice_agent.wire.texts import ModelText

AGENT = Agent(
    name="reception",
    instructions="Be kind.",
    greeting="Hello!",
    tools=(
        Tool("opening_hours", "Hours", {"type": "object"}, "python", "alder:opening_hours"),
        Tool("hang_up", "End the call", {"type": "object"}, "hang_up"),
    ),
)


class SlowTools:
    """Answers a call when the test says so."""

    def __init__(self) -> None:
        self.asked: dict[str, asyncio.Future[str]] = {}

    async def run(self, call_id: str, name: str, arguments: str) -> ToolFinished:
        self.asked[call_id] = asyncio.get_running_loop().create_future()
        return ToolFinished(call_id, f"{name}{arguments}: {await self.asked[call_id]}")


class Attended:
    """A call with a sideband whose other end is the test."""

    def __init__(self, agent: Agent = AGENT) -> None:
        self.leg = FakeLeg()
        self.tools = SlowTools()
        self.hung_up = 0
        self.sideband = Sideband(agent, self.leg, self.tools, self._hang_up)

    async def _hang_up(self) -> None:
        self.hung_up += 1

    async def hears(self, event_type: str, **fields: Any) -> None:
        """Let the server send an event."""
        self.leg.hear(ModelText(json.dumps({"type": event_type, "event_id": "e", **fields})))
        await settle()

    async def responds(self, response_id: str, *calls: tuple[str, str]) -> None:
        """Let the model make a response with function calls (id, name)."""
        await self.hears("response.created", response={"id": response_id})
        for call_id, name in calls:
            item = {"type": "function_call", "id": f"item-{call_id}", "call_id": call_id, "name": name}
            item |= {"arguments": "{}", "status": "completed"}
            await self.hears("response.output_item.done", response_id=response_id, item=item, output_index=0)
        await self.hears("response.done", response={"id": response_id, "status": "completed"})

    async def answers(self, call_id: str, text: str) -> None:
        """Let a tool finish."""
        self.tools.asked[call_id].set_result(text)
        await settle()

    def sent(self) -> list[Any]:
        """What the sideband sent, without its greeting."""
        return [json.loads(text) for text in self.leg.sent[1:]]

    def types(self) -> list[str]:
        return [message["type"] for message in self.sent()]


@asynccontextmanager
async def attended(agent: Agent = AGENT) -> AsyncIterator[Attended]:
    call = Attended(agent)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(call.sideband.run())
        call.leg.hear(ModelOpened())
        await settle()
        yield call
        call.leg.hear(ModelClosed(1000))
        await running


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


def test_it_greets_and_closes_with_the_call() -> None:
    async def main() -> None:
        async with attended() as call:
            greeting = json.loads(call.leg.sent[0])

        assert greeting["type"] == "response.create"
        assert 'Say exactly: "Hello!"' in greeting["response"]["instructions"]
        assert call.leg.closed is not None
        assert call.hung_up == 0

    run(main())


def test_an_agent_that_waits_for_the_caller_is_not_made_to_speak() -> None:
    async def main() -> None:
        async with attended(msgspec.structs.replace(AGENT, greeting=None)) as call:
            assert call.leg.sent == []

    run(main())


def test_a_tool_is_run_and_spoken_of() -> None:
    async def main() -> None:
        async with attended() as call:
            await call.responds("r1", ("c1", "opening_hours"))
            before = call.types()
            await call.answers("c1", "open")
            [output, response] = call.sent()

            assert before == []
            assert output["item"] == {
                "type": "function_call_output",
                "call_id": "c1",
                "output": "opening_hours{}: open",
            }
            assert response["type"] == "response.create"

    run(main())


def test_all_calls_of_a_response_are_answered_before_one_response_speaks_of_them() -> None:
    async def main() -> None:
        async with attended() as call:
            await call.responds("r1", ("c1", "opening_hours"), ("c2", "opening_hours"))
            await call.answers("c2", "two")
            between = call.types()
            await call.answers("c1", "one")

            assert between == ["conversation.item.create"]
            assert call.types() == ["conversation.item.create", "conversation.item.create", "response.create"]

    run(main())


def test_a_result_waits_for_the_response_that_is_being_made() -> None:
    async def main() -> None:
        async with attended() as call:
            await call.responds("r1", ("c1", "opening_hours"))
            await call.hears("response.created", response={"id": "r2"})
            await call.answers("c1", "open")
            between = call.types()
            await call.hears("response.done", response={"id": "r2", "status": "completed"})

            assert between == ["conversation.item.create"]
            assert call.types()[-1] == "response.create"

    run(main())


def test_a_response_that_another_came_before_is_asked_for_again() -> None:
    async def main() -> None:
        async with attended() as call:
            await call.responds("r1", ("c1", "opening_hours"))
            await call.answers("c1", "open")
            await call.hears("response.created", response={"id": "r2"})
            error = {"type": "invalid_request_error", "code": "conversation_already_has_active_response"}
            await call.hears("error", error=error | {"message": "busy"})
            await call.hears("response.done", response={"id": "r2", "status": "completed"})

            assert call.types().count("response.create") == 2

    run(main())


def test_it_hangs_up_when_the_goodbye_was_heard() -> None:
    async def main() -> None:
        async with attended() as call:
            await call.hears("response.output_audio_transcript.delta", response_id="r1", item_id="i", delta="Goodbye.")
            await call.responds("r1", ("c1", "hang_up"))
            before = call.hung_up
            await call.hears("output_audio_buffer.started", response_id="r1")
            await call.hears("output_audio_buffer.stopped", response_id="r1")

            assert (before, call.hung_up) == (0, 1)

    run(main())


def test_a_caller_who_interrupts_the_goodbye_stays() -> None:
    async def main() -> None:
        async with attended() as call:
            await call.hears("output_audio_buffer.started", response_id="r1")
            await call.responds("r1", ("c1", "hang_up"))
            await call.hears("output_audio_buffer.cleared", response_id="r1")

            assert call.hung_up == 0
            assert "the caller spoke" in call.sent()[0]["item"]["output"]

    run(main())


def test_the_longest_time_of_a_call_ends_it() -> None:
    async def main() -> None:
        call = Attended(msgspec.structs.replace(AGENT, limits=Limits(minutes=0)))
        await call.sideband.run()

        assert call.hung_up == 1
        assert call.leg.closed is not None

    run(main())


def test_a_refusal_ends_it() -> None:
    async def main() -> None:
        call = Attended()
        call.leg.hear(ModelRefused(404, "no such call"))
        await call.sideband.run()

        assert call.hung_up == 0

    run(main())


@pytest.mark.parametrize(
    "lost", [ModelRefused(503, "busy"), ModelRefused(None, "no answer"), ModelClosed(None), ModelClosed(1011)]
)
def test_a_call_that_nobody_can_attend_any_more_is_hung_up(lost: ModelRefused | ModelClosed) -> None:
    async def main() -> None:
        call = Attended()
        call.leg.hear(lost)
        await call.sideband.run()

        assert call.hung_up == 1

    run(main())


def test_it_stops_with_the_server_and_leaves_no_tool_running() -> None:
    async def main() -> None:
        async with attended() as call:
            await call.responds("r1", ("c1", "opening_hours"))
            call.sideband.stop()
            await settle()

            assert call.tools.asked["c1"].cancelled()
            assert call.hung_up == 0

    run(main())


# --- MCP -------------------------------------------------------------------------------------------------------------

CALENDAR = McpServer(
    server_label="calendar",
    server_url="https://mcp.example.com/mcp",
    require_approval="always",
    approve=("free_slots",),
)
WITH_SERVER = msgspec.structs.replace(AGENT, mcp=(CALENDAR,))


async def calls_remotely(call: Attended, name: str, *, ask: bool) -> dict[str, Any]:
    """Let the model make a response with a call to an MCP server; gives its item."""
    item = {"type": "mcp_call", "id": "m1", "server_label": "calendar", "name": name, "arguments": "{}"}
    await call.hears("response.created", response={"id": "r1"})
    await call.hears("response.output_item.done", response_id="r1", item=item, output_index=0)
    if ask:
        await call.hears("conversation.item.done", item=item | {"type": "mcp_approval_request", "id": "a1"})
    await call.hears("response.done", response={"id": "r1", "status": "completed"})
    return item


def test_a_call_to_an_mcp_server_is_approved_and_spoken_of_when_it_is_answered() -> None:
    async def main() -> None:
        async with attended(WITH_SERVER) as call:
            item = await calls_remotely(call, "free_slots", ask=True)
            approved = call.sent()
            await call.hears("response.mcp_call.completed", item_id="m1", output_index=0)
            await call.hears("conversation.item.done", item=item | {"output": "9:00"})

            assert [message["item"]["approve"] for message in approved] == [True]
            assert call.types() == ["conversation.item.create", "response.create"]

    run(main())


def test_a_call_that_is_refused_is_spoken_of_at_once() -> None:
    async def main() -> None:
        async with attended(WITH_SERVER) as call:
            await calls_remotely(call, "book", ask=True)

            assert call.sent()[0]["item"]["approve"] is False
            assert call.types() == ["conversation.item.create", "response.create"]

    run(main())


def test_a_server_that_speaks_of_an_mcp_result_by_itself_is_not_asked() -> None:
    async def main() -> None:
        async with attended(WITH_SERVER) as call:
            item = await calls_remotely(call, "free_slots", ask=False)
            await call.hears("response.created", response={"id": "r2"})
            await call.hears("conversation.item.done", item=item | {"output": "9:00"})
            await call.hears("response.created", response={"id": "r3"})
            await call.hears("response.done", response={"id": "r2", "status": "completed"})
            await call.hears("response.done", response={"id": "r3", "status": "completed"})

            assert call.types() == []

    run(main())


def test_an_mcp_server_that_does_not_answer_is_spoken_of() -> None:
    async def main() -> None:
        agent = msgspec.structs.replace(WITH_SERVER, limits=Limits(tool_seconds=0))
        async with attended(agent) as call:
            await calls_remotely(call, "free_slots", ask=False)
            await settle()

            assert "free_slots does not answer" in call.sent()[0]["response"]["instructions"]

    run(main())
