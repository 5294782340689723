"""MCP tools: the calls that the model's server asks about first."""

import msgspec
import pytest

from tests.support.handovers import BILLING, DESK, a_call, handed_over
from tests.support.mcp_calls import ANSWERED, ASKED, ASKING, CALLED, ENDED, TOLD, requests, script
from voice_agent.call.commands import (
    AnswerMcpApproval,
    Note,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.events import (
    McpApprovalAsked,
    McpCallBegan,
    McpCalled,
    ResponseCreated,
)


def test_a_question_is_answered_once_however_often_it_comes() -> None:
    call = script(ASKING)
    call.feed(CALLED, ASKED, ASKED)
    call.response_done("r1")
    call.feed(ASKED)

    assert call.ordered(AnswerMcpApproval) == [AnswerMcpApproval("approval_1", "a1", approve=True)]
    assert call.ordered(Note) == [
        Note("info", "an MCP call was approved", {"server": "calendar", "tool": "free_slots"})
    ]


def test_each_answer_has_a_name_of_its_own() -> None:
    call = script(ASKING)
    call.feed(ASKED, McpApprovalAsked("a2", "calendar", "book", "{}"))

    assert [answer.item_id for answer in call.ordered(AnswerMcpApproval)] == ["approval_1", "approval_2"]


def test_an_approved_call_is_spoken_of_when_it_has_ended() -> None:
    call = script(ASKING)
    call.feed(CALLED, ASKED)
    call.response_done("r1")
    call.feed(McpCallBegan("m1"))
    call.wait(5000)
    before = requests(call)
    call.feed(ENDED, ANSWERED)

    assert before == []
    assert requests(call) == ["mcp-1"]


def test_a_call_that_is_named_only_after_the_approval_is_told_then() -> None:
    call = script(ASKING)
    call.feed(ASKED)
    call.response_done("r1")
    call.feed(CALLED, ANSWERED)
    call.wait(5000)

    assert call.ordered(ToolAnswered) == [TOLD]
    assert requests(call) == ["mcp-1"]


def test_a_server_that_does_nothing_after_an_approval_is_asked_for_a_response() -> None:
    call = script(ASKING)
    call.feed(CALLED, ASKED)
    call.response_done("r1")
    call.wait(1999)
    before = requests(call)
    call.wait(1)

    assert before == []
    assert requests(call) == ["mcp-1"]


@pytest.mark.parametrize("known", [True, False])
def test_a_call_that_is_not_approved_is_refused_told_and_spoken_of(known: bool) -> None:
    call = script(ASKING)
    if known:
        call.feed(McpCalled("r1", "m1", "calendar", "book", "{}"))
    call.feed(McpApprovalAsked("a1", "calendar", "book", "{}"))
    call.response_done("r1")

    assert call.ordered(AnswerMcpApproval) == [
        AnswerMcpApproval("approval_1", "a1", approve=False, reason="not allowed on this line")
    ]
    assert [(start.name, start.server) for start in call.ordered(ToolStarted)] == [("book", "calendar")]
    assert [answer.failed for answer in call.ordered(ToolAnswered)] == [True]
    assert call.ordered(Note) == [Note("warning", "an MCP call was refused", {"server": "calendar", "tool": "book"})]
    assert requests(call) == ["mcp-1"]
    call.feed(ResponseCreated("r2", "mcp-1"))
    call.response_done("r2")
    call.wait(60_000)  # and waited for no longer
    assert requests(call) == ["mcp-1"]


def test_the_result_of_an_approved_call_shows_that_it_was_begun() -> None:
    call = script(ASKING)
    call.feed(CALLED, ASKED, ANSWERED)
    call.response_done("r1")
    call.feed(ResponseCreated("r2", "mcp-1"))
    call.response_done("r2")
    call.wait(60_000)

    assert requests(call) == ["mcp-1"]


def test_which_calls_are_approved_is_the_file_of_the_agent_that_has_the_call() -> None:
    book = McpApprovalAsked("a1", "calendar", "book", "{}")
    careful = msgspec.structs.replace(BILLING, mcp=(ASKING,))
    call = a_call(msgspec.structs.replace(DESK, mcp=(msgspec.structs.replace(ASKING, approve="all"),)), (careful,))
    call.feed(book)
    handed_over(call)
    call.feed(msgspec.structs.replace(book, request_id="a2"))

    assert [(answer.request_id, answer.approve) for answer in call.ordered(AnswerMcpApproval)] == [
        ("a1", True), ("a2", False),
    ]  # fmt: skip
