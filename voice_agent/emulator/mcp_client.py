"""The client of MCP servers that the local Realtime server lists and calls tools with: Streamable HTTP, each time anew.

A connection of its own for each listing and call costs some milliseconds and needs nobody who watches over it. The
official `mcp` package does the work; it takes half a second and 50 MB to import, so only whoever needs it imports this
module.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from voice_agent.config.variables import is_loopback
from voice_agent.errors import PeerError
from voice_agent.sim.realtime import (
    CallTool,
    ListTools,
    McpTarget,
    McpToolInfo,
    ToolCalled,
    ToolCallFailed,
    ToolsListed,
)

LIST_SECONDS = 5.0
"""Longest listing: responses wait for it, and clients give up on a response that says nothing for some seconds."""

CALL_SECONDS = 60.0
"""Longest call. Clients should give up earlier; the services' own limit is not documented."""

MOST_PAGES = 50
"""A server that pages its tools for ever has them cut off."""


async def list_tools(order: ListTools) -> ToolsListed:
    """List the tools of a server. Raises `PeerError` with one line for the log."""
    tools: list[McpToolInfo] = []
    try:
        async with asyncio.timeout(LIST_SECONDS), _connected(order.server) as client:
            cursor = None
            for _ in range(MOST_PAGES):
                page = await client.list_tools(cursor=cursor)
                for tool in page.tools:
                    annotations = None
                    if tool.annotations is not None:
                        annotations = tool.annotations.model_dump(by_alias=True, exclude_none=True)
                    tools.append(
                        McpToolInfo(
                            name=tool.name,
                            description=tool.description or "",
                            input_schema=tool.input_schema,
                            annotations=annotations,
                        )
                    )
                cursor = page.next_cursor
                if not cursor:
                    break
    except TimeoutError:
        raise PeerError(f"no answer within {LIST_SECONDS:g} s") from None
    except Exception as error:
        raise PeerError(_line(_first(error))) from error
    return ToolsListed(order.item_id, tuple(tools))


async def call_tool(order: CallTool, seconds: float = CALL_SECONDS) -> ToolCalled | ToolCallFailed:
    """Call a tool; whatever goes wrong is an answer."""
    try:
        arguments = json.loads(order.arguments or "{}")
        if not isinstance(arguments, dict):
            return ToolCallFailed(order.item_id, "tool_execution_error", "the arguments are no JSON object")
        async with asyncio.timeout(seconds), _connected(order.server) as client:
            result = await client.call_tool(order.name, arguments)
    except json.JSONDecodeError as error:
        return ToolCallFailed(order.item_id, "tool_execution_error", f"the arguments are no JSON: {error}")
    except TimeoutError:
        return ToolCallFailed(order.item_id, "http_error", f"no answer within {seconds:g} s", 504)
    except Exception as error:  # noqa: BLE001 - the package raises groups of whatever its transport raises
        return _failure(order.item_id, _first(error))
    text = _text(result)
    if result.is_error:
        return ToolCallFailed(order.item_id, "tool_execution_error", text or "no reason given")
    return ToolCalled(order.item_id, text)


@asynccontextmanager
async def _connected(server: McpTarget) -> AsyncIterator[Client]:
    headers = dict(server.headers)
    if server.authorization:
        headers["Authorization"] = f"Bearer {server.authorization}"
    # A proxy of the environment leads away from this machine.
    async with (
        httpx2.AsyncClient(headers=headers, timeout=CALL_SECONDS, trust_env=not is_loopback(server.url)) as http,
        Client(streamable_http_client(server.url, http_client=http)) as client,
    ):
        yield client


def _failure(item_id: str, error: BaseException) -> ToolCallFailed:
    if isinstance(error, MCPError):
        return ToolCallFailed(item_id, "protocol_error", error.message, error.code)
    status = error.response.status_code if isinstance(error, httpx2.HTTPStatusError) else 502
    return ToolCallFailed(item_id, "http_error", _line(error), status)


def _first(error: BaseException) -> BaseException:
    """Give the first error of a group of groups: the others follow from it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _text(result: CallToolResult) -> str:
    """Give the texts of a result; one that has only structure is written as JSON."""
    texts = [part.text for part in result.content if isinstance(part, TextContent)]
    if not texts and result.structured_content is not None:
        return json.dumps(result.structured_content)
    return "\n".join(texts)
