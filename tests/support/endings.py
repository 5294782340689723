"""Calls that come to their end: what their tests share."""

from tests.support.script import Script
from voice_agent.call.commands import (
    AddToolOutput,
    CallEnded,
    CreateResponse,
)
from voice_agent.call.events import (
    ResponseCreated,
    ToolRequested,
)


def hangs_up(script: Script, response: str = "r1", *, words_ms: int = 1000) -> None:
    """The model says goodbye and calls `hang_up` in the same response."""
    script.feed(ResponseCreated(response, None))
    script._responses.add(response)
    if words_ms:
        script.agent_speaks(f"bye-{response}", words_ms, response=response)
    script.feed(ToolRequested(response, f"f-{response}", f"c-{response}", "hang_up", "{}"))
    script.response_done(response)


def answers(script: Script) -> list[str]:
    return [command.output for command in script.ordered(AddToolOutput)]


def ends(script: Script) -> list[tuple[str, str]]:
    return [(end.outcome, end.reason) for end in script.ordered(CallEnded)]


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]
