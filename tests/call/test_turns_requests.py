"""What becomes of a request for a response: begun, refused, failed, or not wanted any more."""

import pytest

from tests.support.script import Script, an_agent
from voice_agent.agent import Limits
from voice_agent.call.commands import CreateResponse
from voice_agent.call.events import (
    CallEvent,
    KeyPressed,
    ModelError,
    ResponseCreated,
    ResponseDone,
    ToolRequested,
)

BUSY = "conversation_already_has_active_response"


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]


@pytest.mark.parametrize(
    "failing",
    [
        (ModelError("server_error", "try again", "goodbye-1"),),
        (ModelError(BUSY, "busy", "goodbye-1"),),
        (ResponseCreated("r2", "goodbye-1"), ResponseDone("r2", "failed", "server_error")),
    ],
)
def test_a_goodbye_that_was_taken_back_is_not_asked_for_again_when_it_fails(failing: tuple[CallEvent, ...]) -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.feed(KeyPressed("1"))  # the caller keeps the call
    script.feed(*failing)
    script.wait(2000)
    script.feed(ResponseCreated("r3", "keys-2"))
    script.response_done("r3")

    assert requests(script) == ["goodbye-1", "keys-2"]


def test_a_goodbye_that_is_taken_back_while_it_is_made_is_not_asked_for_again_when_it_fails() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.feed(ResponseCreated("r2", "goodbye-1"), KeyPressed("1"), ResponseDone("r2", "failed", "server_error"))
    script.wait(2000)

    assert requests(script) == ["goodbye-1", "keys-2"]


def test_a_silent_caller_is_not_asked_behind_the_servers_own_answer() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=5))).begin()
    script.wait(5000)
    script.feed(ResponseCreated("r1", None), ModelError(BUSY, "busy", "idle-1"))
    script.response_done()
    script.wait(2000)

    assert requests(script) == ["idle-1"]
