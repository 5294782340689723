"""MCP servers of a session: listed, offered, called, asked about. Every event is judged by the vendor's types."""

import json
from typing import Any

import pytest

from tests.support.realtime_client import Event, VirtualClient
from voice_agent.sim.realtime import (
    CallTool,
    ListTools,
    McpTarget,
    McpToolInfo,
    RealtimeOptions,
    Think,
    ToolCalled,
    ToolCallFailed,
    ToolsListed,
)

SLOTS = McpToolInfo(name="free_slots", description="Free times.", input_schema={"type": "object", "properties": {}})
BOOK = McpToolInfo(name="book", input_schema={"type": "object"}, annotations={"readOnlyHint": False})
LOOK = McpToolInfo(name="look", input_schema={"type": "object"}, annotations={"readOnlyHint": True})
CALENDAR = {
    "type": "mcp",
    "server_label": "calendar",
    "server_url": "https://mcp.example.com/mcp",
    "require_approval": "never",
}
FUNCTION = {"type": "function", "name": "hours", "parameters": {"type": "object"}}


def a_client(*calls: str, options: RealtimeOptions | None = None) -> VirtualClient:
    """A client whose brain makes these calls, one a response, and speaks when there are none left."""
    client = VirtualClient(options)
    client.mcp = {"calendar": (SLOTS, BOOK, LOOK)}
    left = iter(calls)

    def think(_: Think) -> list[str | tuple[str, str]]:
        name = next(left, None)
        return ["There is one at nine."] if name is None else [(name, '{"day": 1}')]

    client.brain = think
    return client


def with_server(client: VirtualClient, **changes: Any) -> list[Event]:
    before = len(client.events)
    client.setup(tools=[FUNCTION, CALENDAR | changes], output_modalities=["text"])
    return client.events[before:]


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def mcp_only(events: list[Event]) -> list[str]:
    """The events that have to do with MCP, and the beginning and end of responses."""
    told = []
    for event in events:
        item = event.get("item", {}).get("type", "")
        if "mcp" in event["type"] or item.startswith("mcp_") or event["type"] in {"response.created", "response.done"}:
            told.append(f"{event['type']} {item}".strip())
    return told


def offered(client: VirtualClient) -> list[str]:
    return [tool["name"] for tool in [order for order in client.orders if isinstance(order, Think)][-1].tools]


def called(client: VirtualClient) -> list[CallTool]:
    return [order for order in client.orders if isinstance(order, CallTool)]


def ask(client: VirtualClient, **response: Any) -> list[Event]:
    return client.send(type="response.create", response=response)


def done_call(client: VirtualClient) -> Any:
    (item,) = (event["item"] for event in client.of("conversation.item.done") if event["item"]["type"] == "mcp_call")
    return item


# --- listing ---------------------------------------------------------------------------------------------------------


def test_the_tools_of_a_server_are_listed_when_the_session_gets_it() -> None:
    client = a_client()
    events = with_server(client)

    assert types(events) == [
        "session.updated",
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "conversation.item.done",
        "mcp_list_tools.completed",
    ]
    assert [tool["name"] for tool in events[3]["item"]["tools"]] == ["free_slots", "book", "look"]
    assert events[3]["item"]["tools"][0] == {
        "name": "free_slots",
        "description": "Free times.",
        "input_schema": {"type": "object", "properties": {}},
    }


def test_a_server_is_listed_once_unless_it_changes() -> None:
    client = a_client()
    with_server(client)
    with_server(client)
    with_server(client, authorization="token-0123456789")

    assert len(client.of("mcp_list_tools.in_progress")) == 2


def test_a_server_that_cannot_be_listed_leaves_the_session_as_it_is() -> None:
    client = a_client()
    client.mcp = {}
    events = with_server(client)
    ask(client)

    assert types(events)[-1] == "mcp_list_tools.failed"
    assert offered(client) == ["hours"]
    assert client.of("response.done")[-1]["response"]["status"] == "completed"


def test_a_session_that_a_secret_brought_along_has_its_servers_listed_at_once() -> None:
    client = VirtualClient()
    session = client.session
    session.configure({"type": "realtime", "tools": [CALENDAR]})

    assert [type(output).__name__ for output in session.start(0)] == [*["SendEvent"] * 3, "ListTools"]


def test_what_opens_a_server_is_used_and_not_repeated() -> None:
    client = a_client()
    (updated, *_) = with_server(client, authorization="token-0123456789", headers={"X-Key": "key"})
    (order,) = (order for order in client.orders if isinstance(order, ListTools))

    assert order.server == McpTarget("calendar", "https://mcp.example.com/mcp", "token-0123456789", (("X-Key", "key"),))
    assert "token-0123456789" not in json.dumps(updated)
    assert "X-Key" not in json.dumps(updated)
    assert "token-0123456789" not in repr(order)


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"connector_id": "connector_gmail"}, "invalid_value", "session.tools[1].connector_id"),
        ({"tunnel_id": "t"}, "invalid_value", "session.tools[1].tunnel_id"),
        ({"server_url": "mcp.example.com"}, "invalid_value", "session.tools[1].server_url"),
        ({"server_url": "https://[::1/mcp"}, "invalid_value", "session.tools[1].server_url"),
        ({"server_label": "two words"}, "invalid_value", "session.tools[1].server_label"),
        ({"require_approval": "ask"}, "invalid_value", "session.tools[1].require_approval"),
        ({"headers": {"X": 1}}, "invalid_type", "session.tools[1].headers.X"),
        ({"more": 1}, "unknown_parameter", "session.tools[1].more"),
    ],
)
def test_what_a_server_cannot_be_is_refused(changes: dict[str, Any], code: str, param: str) -> None:
    (error,) = with_server(a_client(), **changes)

    assert (error["error"]["code"], error["error"]["param"]) == (code, param)


def test_a_server_needs_an_address_and_a_label_of_its_own() -> None:
    client = a_client()
    without = {key: value for key, value in CALENDAR.items() if key != "server_url"}
    client.setup(tools=[without])
    client.setup(tools=[CALENDAR, CALENDAR])

    assert [event["error"]["code"] for event in client.of("error")] == [
        "missing_required_parameter",
        "invalid_value",
    ]


def test_the_preview_knows_no_servers() -> None:
    client = VirtualClient(RealtimeOptions(dialect="preview", model="gpt-4o-realtime-preview"))
    (error,) = client.send(type="session.update", session={"tools": [CALENDAR]})

    assert (error["error"]["code"], error["error"]["param"]) == ("invalid_value", "session.tools[0].type")


# --- what is offered -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        (None, ["free_slots", "book", "look"]),
        (["book"], ["book"]),
        ({"tool_names": ["book", "look"]}, ["book", "look"]),
        ({"read_only": True}, ["look"]),
        ({"tool_names": ["book"], "read_only": True}, []),
    ],
)
def test_a_response_is_offered_what_is_allowed(allowed: Any, names: list[str]) -> None:
    client = a_client()
    with_server(client, allowed_tools=allowed)
    ask(client)

    assert offered(client) == ["hours", *names]


def test_a_response_waits_for_the_listing_unless_it_may_call_nothing() -> None:
    client = a_client()
    client.lazy = True
    with_server(client)
    ask(client, tool_choice="none", conversation="none")
    thoughts = [order for order in client.orders if isinstance(order, Think)]
    ask(client)
    waiting = [order for order in client.orders if isinstance(order, Think)]
    (listing,) = (order for order in client.orders if isinstance(order, ListTools))
    client.feed(ToolsListed(listing.item_id, (SLOTS,)))

    assert len(thoughts) == len(waiting) == 1
    assert offered(client) == ["hours", "free_slots"]


def test_a_response_may_bring_a_server_of_its_own() -> None:
    client = a_client("free_slots")
    client.setup(output_modalities=["text"])
    events = ask(client, tools=[CALENDAR])

    assert types(events)[:2] == ["conversation.item.added", "mcp_list_tools.in_progress"]
    assert [order.name for order in called(client)] == ["free_slots"]


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({"type": "mcp", "server_label": "calendar", "name": "book"}, "book"),
        ({"type": "mcp", "server_label": "calendar"}, "free_slots"),
    ],
)
def test_a_tool_that_is_chosen_is_called(choice: dict[str, str], name: str) -> None:
    client = a_client()
    client.brain = lambda _: []
    with_server(client)
    ask(client, tool_choice=choice)

    assert [order.name for order in called(client)] == [name]


# --- calls -----------------------------------------------------------------------------------------------------------


def test_a_call_outlasts_its_response_and_is_done_with_its_output() -> None:
    client = a_client("free_slots")
    client.answer_mcp = lambda _: None
    with_server(client)
    events = ask(client)
    (order,) = called(client)
    client.feed(ToolCalled(order.item_id, "9:00"))

    assert mcp_only(client.events[client.events.index(events[0]) :]) == [
        "response.created",
        "response.output_item.added mcp_call",
        "conversation.item.added mcp_call",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_item.done mcp_call",
        "response.mcp_call.in_progress",
        "response.done",
        "response.mcp_call.completed",
        "conversation.item.done mcp_call",
    ]
    assert called(client) == [
        CallTool(done_call(client)["id"], McpTarget("calendar", CALENDAR["server_url"]), "free_slots", '{"day": 1}')
    ]
    assert done_call(client) | {"id": ""} == {
        "id": "",
        "type": "mcp_call",
        "server_label": "calendar",
        "name": "free_slots",
        "arguments": '{"day": 1}',
        "approval_request_id": None,
        "output": "9:00",
        "error": None,
    }


def test_the_next_response_knows_the_result() -> None:
    client = a_client("free_slots")
    with_server(client)
    ask(client)
    ask(client)
    (_, think) = (order for order in client.orders if isinstance(order, Think))

    assert [(line.kind, line.name, line.text) for line in think.conversation] == [
        ("call", "free_slots", '{"day": 1}'),
        ("output", "", "9:00"),
    ]
    assert client.of("response.output_text.done")[-1]["text"] == "There is one at nine."


@pytest.mark.parametrize(
    ("failed", "error"),
    [
        (ToolCallFailed("", "tool_execution_error", "no such day"), {"type": "tool_execution_error"}),
        (ToolCallFailed("", "protocol_error", "no such day", -32602), {"type": "protocol_error", "code": -32602}),
        (ToolCallFailed("", "http_error", "no such day", 502), {"type": "http_error", "code": 502}),
    ],
)
def test_a_call_that_fails_says_why_and_a_brain_reads_it(failed: ToolCallFailed, error: dict[str, Any]) -> None:
    client = a_client("free_slots")
    client.answer_mcp = lambda order: ToolCallFailed(order.item_id, failed.kind, failed.message, failed.code)
    with_server(client)
    events = ask(client)
    ask(client)
    think = [order for order in client.orders if isinstance(order, Think)][-1]

    assert "response.mcp_call.failed" in types(events)
    assert done_call(client)["error"] == error | {"message": "no such day"}
    assert done_call(client)["output"] is None
    assert think.conversation[-1].text == '{"error": "no such day"}'


def test_a_call_under_way_is_nothing_that_a_brain_reads() -> None:
    client = a_client("free_slots")
    with_server(client)
    client.lazy = True
    ask(client)
    (think,) = (order for order in client.orders if isinstance(order, Think))
    client.lazy = False
    client.feed(ToolCalled("nothing", "x"))

    assert think.conversation == ()
    assert client.of("response.mcp_call.completed") == []


@pytest.mark.parametrize("continues", [True, False])
def test_a_server_may_go_on_by_itself(continues: bool) -> None:
    client = a_client("free_slots", options=RealtimeOptions(mcp_continues=continues))
    with_server(client)
    ask(client)

    assert len(client.of("response.done")) == (2 if continues else 1)


def test_a_call_of_no_conversation_is_carried_out_and_stands_nowhere() -> None:
    client = a_client("free_slots")
    with_server(client)
    events = ask(client, conversation="none")

    assert "response.mcp_call.completed" in types(events)
    assert "conversation.item.done mcp_call" not in mcp_only(events)


# --- approval --------------------------------------------------------------------------------------------------------


def asked(client: VirtualClient) -> Any:
    (item,) = (
        event["item"]
        for event in client.of("conversation.item.done")
        if event["item"]["type"] == "mcp_approval_request"
    )
    return item


def answer(client: VirtualClient, request_id: str, approve: bool, **more: Any) -> list[Event]:
    item = {"type": "mcp_approval_response", "id": "approval_1", "approval_request_id": request_id, "approve": approve}
    return client.send(type="conversation.item.create", item=item | more)


def test_a_call_waits_for_its_approval() -> None:
    client = a_client("free_slots")
    with_server(client, require_approval="always")
    events = ask(client)
    before = called(client)
    answered = answer(client, asked(client)["id"], True)

    assert mcp_only(events)[-4:] == [
        "response.output_item.done mcp_call",
        "conversation.item.added mcp_approval_request",
        "conversation.item.done mcp_approval_request",
        "response.done",
    ]
    assert before == []
    assert mcp_only(answered) == [
        "conversation.item.added mcp_approval_response",
        "conversation.item.done mcp_approval_response",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done mcp_call",
    ]
    assert done_call(client)["approval_request_id"] == asked(client)["id"]
    assert {key: asked(client)[key] for key in ("server_label", "name", "arguments")} == {
        "server_label": "calendar",
        "name": "free_slots",
        "arguments": '{"day": 1}',
    }


def test_a_call_that_is_not_approved_is_not_made() -> None:
    client = a_client("free_slots")
    with_server(client, require_approval="always")
    ask(client)
    answer(client, asked(client)["id"], False, reason="not today")

    assert called(client) == []
    assert done_call(client)["error"]["message"] == "The call was not approved: not today"


def test_an_approval_counts_once_and_only_for_what_was_asked() -> None:
    client = a_client("free_slots")
    with_server(client, require_approval="always")
    ask(client)
    request_id = asked(client)["id"]
    (unknown,) = answer(client, "item_999", True)
    answer(client, request_id, True)
    (again,) = answer(client, request_id, True, id="approval_2")

    assert unknown["error"]["param"] == again["error"]["param"] == "item.approval_request_id"
    assert len(called(client)) == 1


@pytest.mark.parametrize(
    ("require", "asks"),
    [
        ("always", True),
        (None, True),
        ("never", False),
        ({"always": {"tool_names": ["free_slots"]}}, True),
        ({"always": {"tool_names": ["book"]}}, False),
        ({"never": {"tool_names": ["free_slots"]}}, False),
        ({"never": {"read_only": True}}, True),
        ({"always": {"tool_names": ["free_slots"]}, "never": {"tool_names": ["free_slots"]}}, True),
        ({}, True),
    ],
)
def test_filters_say_which_calls_are_asked_about(require: Any, asks: bool) -> None:
    client = a_client("free_slots")
    with_server(client, require_approval=require)
    ask(client)

    assert (called(client) == []) is asks
