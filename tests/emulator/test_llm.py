import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.emulator.llm import ChatBrain
from voice_agent.errors import PeerError
from voice_agent.sim.realtime import Line, Think

QUESTION = Think(
    "resp_1",
    (
        Line("user", "When do you open?"),
        Line("assistant", "Let me see."),
        Line("call", '{"day": "Monday"}', "opening_hours", "call_1"),
        Line("output", '{"open": "at 8"}', call_id="call_1"),
        Line("user", ""),
    ),
    "Be brief.",
    ({"type": "function", "name": "opening_hours", "description": "Hours.", "parameters": {}},),
    "auto",
)


class Endpoint:
    """A chat endpoint that streams the given deltas and keeps what it was asked."""

    def __init__(self, *deltas: dict[str, Any], status: int = 200, raw: str = "") -> None:
        self.asked: dict[str, Any] = {}
        self.authorization: str | None = None
        self._status = status
        events = [{"choices": [{"delta": delta}]} for delta in deltas]
        self._text = raw or "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"

    async def answer(self, request: web.Request) -> web.Response:
        self.asked = await request.json()
        self.authorization = request.headers.get("Authorization")
        body = self._text.encode("latin-1")
        return web.Response(status=self._status, body=body, content_type="text/event-stream")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()


def ask(endpoint: Endpoint, think: Think = QUESTION, key: str = "") -> list[Thought]:
    async def main() -> list[Thought]:
        async with asyncio.timeout(30), endpoint.serving() as url:
            return [thought async for thought in ChatBrain(url, "small", key).think(think)]

    return asyncio.run(main())


def test_text_is_said_by_the_sentence() -> None:
    endpoint = Endpoint(
        {"content": "We open at"}, {"content": " 8. Please"}, {"content": " come by!"}, {"content": None}
    )

    assert ask(endpoint) == ["We open at 8.", "Please come by!"]


def test_a_call_streamed_in_pieces_is_one_call() -> None:
    endpoint = Endpoint(
        {"content": "One moment."},
        {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "opening_hours", "arguments": '{"day"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ': "Monday"}'}}]},
        {"tool_calls": [{"index": 1, "function": {"name": "hang_up"}}]},
    )

    assert ask(endpoint) == ["One moment.", ToolCall("opening_hours", '{"day": "Monday"}'), ToolCall("hang_up", "{}")]


def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    # So does Ollama (ollama/ollama#15457).
    streamed = [
        {"index": 0, "id": "one", "function": {"name": "opening_hours", "arguments": '{"day":'}},
        {"index": 0, "id": "", "function": {"arguments": '"Monday"}'}},
        {"index": 0, "id": "two", "function": {"name": "opening_hours", "arguments": '{"day":"Friday"}'}},
    ]

    assert ask(Endpoint(*({"tool_calls": [part]} for part in streamed))) == [
        ToolCall("opening_hours", '{"day":"Monday"}'),
        ToolCall("opening_hours", '{"day":"Friday"}'),
    ]


def test_the_conversation_goes_along_in_the_chat_apis_shape() -> None:
    endpoint = Endpoint({"content": "Yes."})
    ask(endpoint, key="secret")
    system, *messages = endpoint.asked["messages"]

    assert system["content"].startswith("Be brief.")
    assert messages == [
        {"role": "user", "content": "When do you open?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "opening_hours", "arguments": '{"day": "Monday"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": '{"open": "at 8"}'},
    ]
    assert endpoint.asked["tools"] == [
        {"type": "function", "function": {"name": "opening_hours", "description": "Hours.", "parameters": {}}}
    ]
    assert (endpoint.asked["model"], endpoint.asked["tool_choice"]) == ("small", "auto")
    assert endpoint.authorization == "Bearer secret"


def test_a_forced_function_and_a_call_without_words() -> None:
    endpoint = Endpoint({"content": "Yes."})
    lines = (Line("call", "{}", "opening_hours", "call_1"),)
    choice = {"type": "function", "name": "opening_hours"}
    ask(endpoint, Think("resp_1", lines, "", QUESTION.tools, choice))

    assert endpoint.asked["messages"][1]["content"] is None
    assert endpoint.asked["tool_choice"] == {"type": "function", "function": {"name": "opening_hours"}}


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        (Endpoint(status=401, raw="no\nkey"), "LLM_URL answered 401: no key"),
        (Endpoint(status=502, raw="ung\xfcltig"), "LLM_URL answered 502: ung.ltig"),
        (Endpoint(raw="data: \xfc\n\n"), "no chat completion stream"),
        (Endpoint(raw='data: {"error": {"message": "too long"}}\n\n'), "too long"),
        (Endpoint(raw="data: {]\n\n"), "no chat completion stream"),
        (Endpoint(raw='data: {"choices": [{}]}\n\n'), "no chat completion stream"),
        (Endpoint(raw="<html>Welcome</html>"), "no chat completion stream"),
        (Endpoint(raw='{"choices": [{"message": {"content": "Hello."}}]}'), "no chat completion stream"),
        (Endpoint(raw="data: 1\n\n"), "no chat completion stream"),
        (Endpoint(raw='data: {"choices": ["x"]}\n\n'), "no chat completion stream"),
        (Endpoint({"content": ["Hello."]}), "no chat completion stream"),
        (Endpoint({"tool_calls": ["opening_hours"]}), "no chat completion stream"),
        (Endpoint({"tool_calls": [{"index": [0]}]}), "no chat completion stream"),
        (Endpoint({"tool_calls": [{"function": "opening_hours"}]}), "no chat completion stream"),
    ],
)
def test_a_failing_endpoint_is_the_peers_fault_in_one_line(endpoint: Endpoint, problem: str) -> None:
    with pytest.raises(PeerError, match=problem) as failed:
        ask(endpoint)

    assert "\n" not in str(failed.value)


def test_an_endpoint_that_is_not_there_is_told() -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            async for _ in ChatBrain("http://127.0.0.1:1/v1/chat/completions", "small").think(QUESTION):
                pass

    with pytest.raises(PeerError, match="LLM_URL cannot be used"):
        asyncio.run(main())
