"""Mutual silence."""

import pytest

from tests.support.script import Script, an_agent
from voice_agent.agent import Limits
from voice_agent.call.commands import CallEnded, ClosePhone, CreateResponse
from voice_agent.call.events import (
    CallEvent,
    KeyPressed,
    ModelClosed,
    PhoneClosed,
    ResponseCreated,
    ServerPrompted,
    SpeechStarted,
    StreamStopped,
    ToolFinished,
    ToolRequested,
)


def requests(script: Script) -> list[str]:
    return [command.request.rsplit("-", 1)[0] for command in script.ordered(CreateResponse)]


def patient(seconds: int = 20) -> Script:
    return Script(an_agent(limits=Limits(minutes=10, idle_seconds=seconds))).begin()


def asks(script: Script, response: str = "r1") -> None:
    """The agent asks what it was told to; half a second long."""
    script.agent_speaks(f"item-{response}", 500, response=response)
    script.response_done(response)
    script.wait(500)


def test_a_silent_caller_is_asked_once_and_then_told_goodbye() -> None:
    script = patient()
    script.wait(19_999)
    before = requests(script)
    script.wait(1)
    asked = requests(script)
    asks(script)
    script.wait(19_999)
    still = requests(script)
    script.wait(1)
    asks(script, "r2")
    script.wait(400)
    script.feed(PhoneClosed(1000))

    assert before == []
    assert asked == still == ["idle"]
    assert requests(script) == ["idle", "goodbye"]
    assert [(end.outcome, end.reason) for end in script.ordered(CallEnded)] == [("completed", "the caller was silent")]


def test_a_question_of_the_server_counts_as_ours() -> None:
    script = patient()
    script.wait(8000)
    script.feed(ServerPrompted(), ResponseCreated("r1", None))
    asks(script)
    script.wait(19_999)
    before = requests(script)
    script.wait(1)

    assert before == []
    assert requests(script) == ["goodbye"]


def test_a_server_that_would_ask_for_ever_is_followed_by_the_goodbye() -> None:
    script = patient()
    script.wait(8000)
    script.feed(ServerPrompted(), ResponseCreated("r1", None))
    asks(script)
    script.wait(8000)
    script.feed(ServerPrompted(), ResponseCreated("r2", None))
    during = requests(script)
    asks(script, "r2")

    assert during == []
    assert requests(script) == ["goodbye"]


def test_neither_question_nor_goodbye_calls_tools() -> None:
    script = patient()
    script.wait(20_000)
    asks(script)
    script.wait(20_000)

    assert script.ordered(CreateResponse) == [
        CreateResponse(
            "idle-1",
            "Be brief.\n\nThe caller has been silent for a while. "
            "Ask in one short sentence whether they are still there.",
            tool_choice="none",
        ),
        CreateResponse(
            "goodbye-2",
            "Be brief.\n\nThe caller does not answer any more. Say a short goodbye.",
            tool_choice="none",
        ),
    ]


def test_a_caller_who_answers_has_all_patience_again() -> None:
    script = patient()
    script.wait(20_000)
    asks(script)
    script.wait(10_000)
    script.caller_speaks()
    script.wait(30_000)  # a long story
    script.caller_stops()
    script.feed(ResponseCreated("r2", None))
    asks(script, "r2")
    script.wait(20_000)

    assert requests(script) == ["idle", "idle"]


def test_a_key_is_a_sign_of_life() -> None:
    script = patient()
    script.wait(20_000)
    asks(script)
    script.wait(10_000)
    script.feed(KeyPressed("1"))
    script.wait(1500)
    asks(script, "r2")
    script.wait(20_000)

    assert requests(script) == ["idle", "keys", "idle"]


def test_a_caller_who_speaks_into_the_goodbye_keeps_the_call() -> None:
    script = patient()
    script.wait(20_000)
    asks(script)
    script.wait(20_000)
    script.agent_speaks("bye", 2000, response="r2")
    script.wait(500)
    script.caller_speaks()
    script.response_done("r2", "cancelled")
    script.wait(500)
    script.caller_stops()
    script.feed(ResponseCreated("r3", None))
    asks(script, "r3")
    script.wait(1000)

    assert requests(script) == ["idle", "goodbye"]
    assert script.ordered(ClosePhone) == []


def test_a_tool_that_runs_is_no_silence() -> None:
    script = patient(5)
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done()
    script.wait(15_000)
    during = requests(script)
    script.feed(ToolFinished("c1", "42"))

    assert during == []
    assert requests(script) == ["tool"]


def test_once_all_tools_have_answered_silence_counts_again() -> None:
    script = patient(5)
    script.feed(ResponseCreated("r1", None))
    script.feed(ToolRequested("r1", "f1", "c1", "look_up", "{}"), ToolRequested("r1", "f2", "c2", "look_up", "{}"))
    script.response_done()
    script.feed(ToolFinished("c1", "42"))
    script.wait(10_000)
    script.feed(ToolFinished("c2", "43"))
    asks(script)
    during = requests(script)
    script.wait(5000)

    assert during == ["tool"]
    assert requests(script) == ["tool", "idle"]


def test_an_agent_that_speaks_is_no_silence() -> None:
    script = patient(5)
    script.agent_speaks("a", 15_000)
    script.response_done()
    script.wait(19_999)
    during = requests(script)
    script.wait(1)

    assert during == []
    assert requests(script) == ["idle"]


def test_a_question_that_came_too_late_is_not_asked_behind_another_answer() -> None:
    script = patient(3)
    script.feed(KeyPressed("1"))
    script.wait(1500)
    script.wait(3100)  # the answer to the key is slow, and patience ends
    asks(script)

    assert requests(script) == ["keys"]


def test_before_both_sides_can_speak_there_is_no_silence() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=1)))
    script.begin_session()
    script.wait(5000)

    assert requests(script) == []


@pytest.mark.parametrize("seconds", [0, 5])
@pytest.mark.parametrize("event", [ModelClosed(4000), StreamStopped()])
def test_nobody_is_asked_when_there_is_nobody_to_ask_or_to_answer(seconds: int, event: CallEvent) -> None:
    script = patient(seconds)
    script.feed(event)
    script.wait(20_000)

    assert requests(script) == []


def test_a_patience_of_0_never_ends() -> None:
    script = patient(0)
    script.feed(SpeechStarted("u1", 0))
    script.caller_stops()
    script.feed(ResponseCreated("r1", None))
    script.response_done()
    script.wait(100_000)

    assert requests(script) == []


def test_a_tool_that_runs_without_a_sign_of_life_is_no_silence_either() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=5)), clips={}).begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done()
    script.wait(15_000)
    during = requests(script)
    script.feed(ToolFinished("c1", "42"), ResponseCreated("r2", "tool-1"))
    script.response_done("r2")
    script.wait(5000)

    assert during == []
    assert requests(script) == ["tool", "idle"]


def test_patience_ends_with_the_model() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=5)), clips={}).begin()
    (part,) = (part for part in script.call._parts if type(part).__name__ == "Idle")
    before = part.deadline()
    script.feed(ModelClosed(4000))
    after = part.deadline()
    script.feed(KeyPressed("1"))

    assert before == 5000
    assert (after, part.deadline()) == (None, None)
