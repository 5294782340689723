"""MCP servers of a session: whose tools are listed, which of them a response is offered, how their calls go on.

The order of events is that of the vendor's examples and live tests (openai-ruby, openai-dotnet, 2026): a response ends
with the call's arguments, the call goes on after it, and its item is done when it has an output. Listing and calling
are orders, whose results come back as inputs. Where an approval is asked for is the session's affair, too.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from voice_agent.sim.realtime.items import Conversation, Item
from voice_agent.sim.realtime.messages import CallTool, ListTools, McpTarget, McpToolInfo
from voice_agent.sim.realtime.outbox import Outbox
from voice_agent.sim.realtime.refusals import ClientError

NO_SUCH_REQUEST = "Approval request with id '{}' does not exist, or was answered already."


class RemoteTool(msgspec.Struct, frozen=True):
    """A tool of an MCP server, as a response is offered it."""

    target: McpTarget
    info: McpToolInfo
    asks: bool
    """A call of it wants an approval."""

    def wire(self) -> dict[str, Any]:
        """Show it as a brain knows tools."""
        shown = {"type": "function", "name": self.info.name, "parameters": self.info.input_schema}
        return shown | ({"description": self.info.description} if self.info.description else {})


class _Call(msgspec.Struct):
    item: Item
    tool: RemoteTool
    output_index: int
    in_conversation: bool


class McpServers:
    """Those of one session."""

    def __init__(self, conversation: Conversation, outbox: Outbox) -> None:
        self._conversation = conversation
        self._outbox = outbox
        self._listing: dict[str, McpTarget] = {}
        """Listings under way, by their items."""
        self._tools: dict[McpTarget, tuple[McpToolInfo, ...]] = {}
        """What is known; empty after a failure."""
        self._calls: dict[str, _Call] = {}
        """Calls that go on or wait for an approval, by their items."""
        self._asked: dict[str, _Call] = {}
        """Calls that wait for an approval, by the question's item."""

    # --- listing -----------------------------------------------------------------------------------------------------

    def learn(self, tools: list[dict[str, Any]]) -> None:
        """Have the tools of all servers listed that are new."""
        for target in _targets(tools):
            if target in self._tools or target in self._listing.values():
                continue
            item = Item(id=self._outbox.new_id("item"), type="mcp_list_tools", server_label=target.label)
            self._listing[item.id] = target
            previous = self._conversation.insert(item)
            self._outbox.send("conversation.item.added", previous_item_id=previous, item=item.wire())
            self._outbox.send("mcp_list_tools.in_progress", item_id=item.id)
            self._outbox.order(ListTools(item.id, target))

    def listed(self, item_id: str, tools: tuple[McpToolInfo, ...]) -> None:
        """Take what a server has."""
        self._tools[self._listing.pop(item_id)] = tools
        item = self._conversation.find(item_id)
        if item is not None:
            item.tools = [tool.wire() for tool in tools]
            self._tell_done(item)
        self._outbox.send("mcp_list_tools.completed", item_id=item_id)

    def listing_failed(self, item_id: str) -> None:
        """Do without a server; the API does not tell its clients why."""
        self._tools[self._listing.pop(item_id)] = ()
        self._outbox.send("mcp_list_tools.failed", item_id=item_id)

    def is_listing(self, tools: list[dict[str, Any]]) -> bool:
        """Whether it is not known yet what a response could be offered."""
        return any(target in self._listing.values() for target in _targets(tools))

    def offered(self, tools: list[dict[str, Any]]) -> dict[str, RemoteTool]:
        """Give the tools of the servers that are allowed, by name; of two with one name the first."""
        found: dict[str, RemoteTool] = {}
        for tool in tools:
            if tool["type"] == "mcp":
                target = _target(tool)
                for info in self._tools.get(target, ()):
                    if _allowed(tool.get("allowed_tools"), info):
                        asks = _asks(tool.get("require_approval") or "always", info)
                        found.setdefault(info.name, RemoteTool(target, info, asks))
        return found

    # --- calls -------------------------------------------------------------------------------------------------------

    def begin(self, item: Item, tool: RemoteTool, output_index: int, *, in_conversation: bool) -> None:
        """Carry out a call that a response made, or ask first whether it may be made."""
        call = _Call(item, tool, output_index, in_conversation)
        self._calls[item.id] = call
        if not tool.asks:
            self._order(call)
            return
        request = Item(
            id=self._outbox.new_id("item"),
            type="mcp_approval_request",
            server_label=item.server_label,
            name=item.name,
            arguments=item.arguments,
        )
        self._asked[request.id] = call
        item.approval_request_id = request.id
        previous = self._conversation.insert(request)
        self._outbox.send("conversation.item.added", previous_item_id=previous, item=request.wire())
        self._outbox.send("conversation.item.done", previous_item_id=previous, item=request.wire())

    def examine_answer(self, answer: Item) -> None:
        """Look whether an approval is answered that was asked for; raises `ClientError`."""
        if answer.approval_request_id not in self._asked:
            raise ClientError(
                "invalid_value",
                NO_SUCH_REQUEST.format(answer.approval_request_id),
                "item.approval_request_id",
            )

    def take_answer(self, answer: Item) -> None:
        """Carry a call out, or end it, as the client says."""
        call = self._asked.pop(answer.approval_request_id or "")
        if answer.approve:
            self._order(call)
        else:
            reason = f": {answer.reason}" if answer.reason else ""
            problem = {"type": "tool_execution_error", "message": f"The call was not approved{reason}"}
            self.called(call.item.id, None, problem)

    def called(self, item_id: str, output: str | None, error: dict[str, Any] | None) -> bool:
        """Take what came of a call; whether it stands in the conversation, so that a response can speak of it."""
        call = self._calls.pop(item_id, None)
        if call is None:
            return False
        call.item.output = output or ""
        call.item.error = error
        call.item.settled = True
        kind = "completed" if error is None else "failed"
        self._outbox.send(f"response.mcp_call.{kind}", item_id=item_id, output_index=call.output_index)
        if call.in_conversation and self._conversation.find(item_id) is not None:
            self._tell_done(call.item)
        return call.in_conversation

    def _order(self, call: _Call) -> None:
        self._outbox.send("response.mcp_call.in_progress", item_id=call.item.id, output_index=call.output_index)
        self._outbox.order(CallTool(call.item.id, call.tool.target, call.item.name, call.item.arguments))

    def _tell_done(self, item: Item) -> None:
        previous = self._conversation.before(item)
        self._outbox.send("conversation.item.done", previous_item_id=previous, item=item.wire())


def _targets(tools: list[dict[str, Any]]) -> Iterator[McpTarget]:
    return (_target(tool) for tool in tools if tool["type"] == "mcp")


def _target(tool: dict[str, Any]) -> McpTarget:
    headers = tuple(sorted((tool.get("headers") or {}).items()))
    return McpTarget(tool["server_label"], tool["server_url"], tool.get("authorization") or "", headers)


def _allowed(allowed: list[str] | dict[str, Any] | None, tool: McpToolInfo) -> bool:
    if allowed is None:
        return True
    return tool.name in allowed if isinstance(allowed, list) else _matches(allowed, tool)


def _matches(given: dict[str, Any], tool: McpToolInfo) -> bool:
    """Whether a tool fits a filter: every part of it that is there."""
    names, read_only = given.get("tool_names"), given.get("read_only")
    return (names is None or tool.name in names) and (read_only is None or tool.read_only is read_only)


def _asks(require: str | dict[str, Any], tool: McpToolInfo) -> bool:
    if isinstance(require, str):
        return require == "always"
    always, never = require.get("always"), require.get("never")
    if always is not None and _matches(always, tool):
        return True
    # With one filter alone, the rest is the other way.
    return not _matches(never, tool) if never is not None else always is None
