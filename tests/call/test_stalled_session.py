"""A session that owes something and gives nothing; what becomes of it is the link's (`test_turns_requests.py`)."""

import pytest

from tests.support.script import an_agent
from voice_agent.agent import Limits
from voice_agent.call.events import (
    AgentTranscript,
    Event,
    McpCalled,
    ModelError,
    ResponseCreated,
    ResponseDone,
    TimerFired,
)
from voice_agent.call.facts import (
    AgentChanged,
    Fact,
    LineClosing,
    ResponseAsked,
    ResponseDropped,
    SessionFailed,
    SessionLost,
)
from voice_agent.call.stalled_session import CREATED_MS, OUTPUT_MS, StalledSession

ASKED = ResponseAsked("turn", "turn-1")
BEGUN = ResponseCreated("r1", "turn-1")


def fed(*events: Event | Fact, tool_seconds: int = 20) -> StalledSession:
    part = StalledSession(an_agent(limits=Limits(tool_seconds=tool_seconds)))
    for event in events:
        assert list(part.feed(0, event)) == []
    return part


def test_a_request_that_is_not_begun_in_time_is_a_stall_that_is_told_once() -> None:
    part = fed(ASKED)

    assert part.deadline() == CREATED_MS
    assert list(part.feed(CREATED_MS - 1, TimerFired())) == []
    assert list(part.feed(CREATED_MS, TimerFired())) == [
        SessionFailed("the model did not begin a response within 4 s; look at the provider's status page")
    ]
    assert list(part.feed(CREATED_MS + 1, TimerFired())) == []


def test_a_response_must_go_on_as_long_as_it_is_open() -> None:
    part = fed(ASKED, BEGUN)

    assert part.deadline() == OUTPUT_MS
    assert list(part.feed(500, AgentTranscript("r1", "a", "Well"))) == []
    assert part.deadline() == OUTPUT_MS + 500
    assert list(part.feed(600, AgentTranscript("r0", "b", "late"))) == []
    assert part.deadline() == OUTPUT_MS + 500
    called = McpCalled("r1", "m1", "s", "t", "{}")
    assert fed(ASKED, BEGUN, called, tool_seconds=5).deadline() == OUTPUT_MS + 5000
    handed_over = AgentChanged(an_agent(limits=Limits(tool_seconds=7)))
    assert fed(handed_over, ASKED, BEGUN, called).deadline() == OUTPUT_MS + 7000


@pytest.mark.parametrize(
    "ended", [ResponseDone("r1", "completed"), ResponseDropped("r1"), SessionLost(), LineClosing()]
)
def test_nothing_is_owed_once_it_is_over(ended: Event | Fact) -> None:
    assert fed(ASKED, BEGUN, ended).deadline() is None


def test_a_refused_request_is_not_waited_for() -> None:
    assert fed(ASKED, ModelError("server_error", "oh", "truncate-a")).deadline() == CREATED_MS
    assert fed(ASKED, ModelError("server_error", "oh", "turn-1")).deadline() is None
