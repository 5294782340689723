"""Calls of MCP tools: what their tests share."""

from tests.support.script import Script, an_agent
from voice_agent.agent import Agent, McpServer
from voice_agent.call.commands import (
    CreateResponse,
    Note,
    ToolAnswered,
)
from voice_agent.call.events import (
    McpAnswered,
    McpApprovalAsked,
    McpCalled,
    McpCallEnded,
    ResponseCreated,
)

CALENDAR = McpServer(server_label="calendar", server_url="https://mcp.example.com/mcp")
ASKING = McpServer(
    server_label="calendar",
    server_url="https://mcp.example.com/mcp",
    require_approval="always",
    approve=("free_slots",),
)
CALLED = McpCalled("r1", "m1", "calendar", "free_slots", '{"day": 1}')
ENDED = McpCallEnded("m1", failed=False)
ANSWERED = McpAnswered("m1", "calendar", "free_slots", '{"day": 1}', "9:00", "")
ASKED = McpApprovalAsked("a1", "calendar", "free_slots", '{"day": 1}')
TOLD = ToolAnswered("m1", "9:00", failed=False, took_ms=0)


def with_server(server: McpServer = CALENDAR, **changes: object) -> Agent:
    return an_agent(mcp=(server,), **changes)


def script(server: McpServer = CALENDAR, **changes: object) -> Script:
    """A call in which the model has begun a response of its own."""
    script = Script(with_server(server, **changes)).begin()
    script.feed(ResponseCreated("r1", None))
    return script


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]


def notes(script: Script) -> list[tuple[str, str]]:
    return [(note.level, note.what) for note in script.ordered(Note)]
