"""Whole calls with an MCP server on the virtual clock, both ways in which the model's server may go on after a call."""

import random
from collections.abc import Mapping

import pytest

from tests.support.scenes import Asker, an_agent
from voice_agent.agent import Agent, McpServer
from voice_agent.call.commands import AgentSaid, CallEnded, Note, ToolAnswered, ToolStarted
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.sim.model_service import Mind
from voice_agent.sim.network import Timing
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World
from voice_agent.wire.texts import ModelText

CALENDAR = McpServer(server_label="calendar", server_url="https://mcp.example.com/mcp")

ASKING = McpServer(
    server_label="calendar",
    server_url="https://mcp.example.com/mcp",
    require_approval="always",
    approve=("free_slots",),
)


def clerk(asked: Think) -> list[ThoughtText | ThoughtCall]:
    """Look up a time, tell it, and hang up."""
    last = asked.conversation[-1] if asked.conversation else None
    names = {tool["name"] for tool in asked.tools}
    if last is not None and last.kind == "output":
        return [
            ThoughtText(asked.response_id, f"It says: {last.text}. Goodbye."),
            ThoughtCall(asked.response_id, "hang_up", "{}"),
        ]
    if last is not None and last.kind == "user" and "free_slots" in names and asked.tool_choice != "none":
        return [ThoughtCall(asked.response_id, "free_slots", '{"day": "monday"}')]
    return [ThoughtText(asked.response_id, "What can I do for you?")]


def held(
    seed: int,
    server: McpServer = CALENDAR,
    mcp: Mapping[str, Mapping[str, str]] | None = None,
    *,
    continues: bool = False,
    tool_ms: int = 500,
    mind: Mind = clerk,
) -> World:
    agent: Agent = an_agent(mcp=(server,))
    world = World(
        CallSetup(call_sid=f"CA{seed:032}", agent=agent, model=ModelSetup(audio="g711")),
        caller=Asker(1),
        mind=mind,
        chance=random.Random(seed),
        timing=Timing(tool_ms=tool_ms),
        clips={"apology": b"\x90" * 8000, "moment": b"\x91" * 4000},
        mcp={"calendar": {"free_slots": "nine", "book": "done"}} if mcp is None else mcp,
        mcp_continues=continues,
    )
    return world.run(120_000)


def said(world: World) -> str:
    return " ".join(report.text for _, report in world.reports if isinstance(report, AgentSaid))


def approvals(world: World) -> int:
    return sum(
        isinstance(output, ModelText) and '"mcp_approval_response"' in output.text
        for _, _, outputs in world.log
        for output in outputs
    )


@pytest.mark.parametrize("continues", [False, True])
@pytest.mark.parametrize("server", [CALENDAR, ASKING], ids=["not asked", "asked"])
def test_a_caller_hears_once_what_an_mcp_server_says(continues: bool, server: McpServer) -> None:
    for seed in range(5):
        world = held(seed, server, continues=continues)

        assert world.invariants.finish() == []
        assert said(world).count("It says: nine.") == 1
        assert next(use.told for _, use in world.reports if isinstance(use, ToolStarted)) == "free_slots (calendar)"
        assert world.ended == CallEnded("completed", "the agent hung up", world.ended.duration_ms if world.ended else 0)
        assert approvals(world) == (1 if server is ASKING else 0)


def test_a_slow_server_is_bridged_by_a_sign_of_life() -> None:
    world = held(3, tool_ms=9000)

    assert world.invariants.finish() == []
    assert "It says: nine." in said(world)


@pytest.mark.parametrize(
    ("mcp", "note"),
    [
        ({}, "an MCP server could not list its tools"),
        ({"calendar": {}}, "an MCP server has no tools"),
        ({"calendar": {"free_slots": ""}}, "an MCP call failed"),
    ],
)
def test_what_fails_is_noted_and_the_call_goes_on(mcp: Mapping[str, Mapping[str, str]], note: str) -> None:
    world = held(1, mcp=mcp)

    assert note in [report.what for _, report in world.reports if isinstance(report, Note)]
    assert "What can I do for you?" in said(world) or "it has no answer" in said(world)
    assert [note.what for _, note in world.reports if isinstance(note, Note) and note.level == "error"] == []


def test_a_call_that_is_refused_is_told_to_the_model() -> None:
    server = McpServer(
        server_label="calendar", server_url="https://mcp.example.com/mcp", require_approval="always", approve=("book",)
    )
    world = held(2, server)

    assert next(answer.failed for _, answer in world.reports if isinstance(answer, ToolAnswered))
    assert "not allowed on this line" in said(world)
