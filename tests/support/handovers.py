"""Calls that are handed over: what their tests share."""

import json
from collections.abc import Sequence

from tests.support.script import Script, an_agent
from voice_agent.agent import Agent, Limits, Tool, Transcription
from voice_agent.call.commands import (
    AddToolOutput,
    ConfigureSession,
)
from voice_agent.call.events import (
    SessionUpdated,
    ToolRequested,
)
from voice_agent.config.handoff_tools import handoff_tool

HANG_UP = Tool("hang_up", "End the call.", {}, "hang_up")
DESK = an_agent(
    name="desk",
    instructions="You are the desk.",
    tools=(HANG_UP, Tool("look_up", "Look it up.", {}, "python", "m:f"), handoff_tool(("billing", "sales"))),
)
BILLING = an_agent(
    name="billing",
    instructions="You are billing.",
    voice="ash",
    limits=Limits(minutes=5, idle_seconds=7),
    transcription=Transcription(language="es"),
    tools=(HANG_UP, Tool("invoice", "Find one.", {}, "python", "m:g"), handoff_tool(("desk",))),
)
SALES = an_agent(name="sales", instructions="You are sales.", tools=(HANG_UP, handoff_tool(("billing",))))


def a_call(agent: Agent = DESK, others: Sequence[Agent] = (BILLING, SALES)) -> Script:
    return Script(agent, others=others).begin()


def asked(
    call: Script, to: str = '{"to": "billing", "reason": "an invoice"}', response: str = "r1", n: int = 1
) -> None:
    """Let the model say a word and hand the call over; the response is not done."""
    call.agent_speaks(f"i-{response}", 400, response=response)
    call.feed(ToolRequested(response, f"f-{response}-1", f"c-{response}-1", "handoff", to))


def handed_over(call: Script, to: str = '{"to": "billing", "reason": "an invoice"}', response: str = "r1") -> None:
    asked(call, to, response)
    call.response_done(response)
    call.feed(SessionUpdated(request=call.ordered(ConfigureSession)[-1].event_id))


def output(call: Script) -> dict[str, str]:
    """The newest answer of a tool."""
    return dict(json.loads(call.ordered(AddToolOutput)[-1].output))
