"""MCP tools: carried out by the model's server; put together, asked about and spoken of here."""

import itertools

import pytest

from tests.support.mcp_calls import (
    ANSWERED,
    ASKED,
    ASKING,
    CALENDAR,
    CALLED,
    ENDED,
    TOLD,
    notes,
    requests,
    script,
    with_server,
)
from tests.support.script import CLIPS, Script
from voice_agent.agent import Limits, McpServer
from voice_agent.call.commands import (
    AnswerMcpApproval,
    CallEnded,
    ConfigureSession,
    CreateResponse,
    Note,
    PlayAudio,
    RunTool,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.conversation import ToolTurn
from voice_agent.call.events import (
    AgentTranscript,
    CallEvent,
    McpAnswered,
    McpApprovalAsked,
    McpCallBegan,
    McpCalled,
    McpCallEnded,
    McpListingFailed,
    McpToolsListed,
    ModelClosed,
    ModelError,
    ResponseCreated,
    StreamStopped,
    ToolFinished,
    ToolRequested,
)
from voice_agent.call.mcp_calls import LOST


def test_the_session_is_given_the_servers() -> None:
    (order,) = Script(with_server()).begin().ordered(ConfigureSession)

    assert order.mcp == (CALENDAR,)


# --- a call that goes well -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("news", list(itertools.permutations(["response", ENDED, ANSWERED])))
def test_a_call_is_one_beginning_and_one_end_whatever_the_order_of_its_news(news: tuple[CallEvent | str, ...]) -> None:
    call = script()
    call.feed(CALLED, McpCallBegan("m1"))
    for one in news:
        if isinstance(one, str):
            call.response_done("r1")
        else:
            call.feed(one)

    assert call.ordered(ToolStarted) == [ToolStarted("m1", "free_slots", '{"day": 1}', "calendar")]
    assert call.ordered(ToolAnswered) == [TOLD]
    assert call.ordered(RunTool) == []
    assert requests(call) == ["mcp-1"]


def test_a_call_stands_in_the_conversation_like_any_tool() -> None:
    call = script()
    call.feed(CALLED)
    open_ones = call.call.conversation().open_tool_calls
    call.feed(ANSWERED)

    assert open_ones == (ToolTurn("m1", "free_slots", '{"day": 1}', None),)
    assert call.call.conversation().turns == (ToolTurn("m1", "free_slots", '{"day": 1}', "9:00"),)


def test_news_that_come_twice_count_once() -> None:
    call = script()
    call.feed(CALLED, CALLED, ANSWERED, ANSWERED, ENDED)
    call.response_done("r1")

    assert call.ordered(ToolAnswered) == [TOLD]
    assert requests(call) == ["mcp-1"]


def test_a_call_of_which_only_the_end_is_seen_is_told_and_spoken_of() -> None:
    call = Script(with_server()).begin()
    call.feed(ANSWERED)

    assert call.ordered(ToolAnswered) == [TOLD]
    assert requests(call) == ["mcp-1"]


def test_a_server_that_speaks_of_the_result_by_itself_is_not_asked_again() -> None:
    call = script()
    call.feed(CALLED)
    call.caller_speaks()
    call.feed(ANSWERED)
    call.response_done("r1")
    call.caller_stops()
    call.feed(ResponseCreated("r2", None))
    call.response_done("r2")
    call.wait(5000)

    assert requests(call) == []


def test_a_request_that_crosses_the_servers_own_answer_is_not_repeated() -> None:
    call = script()
    call.feed(CALLED)
    call.response_done("r1")
    call.feed(ANSWERED)
    call.feed(ModelError("conversation_already_has_active_response", "", "mcp-1"), ResponseCreated("r2", None))
    call.response_done("r2")
    call.wait(5000)

    assert requests(call) == ["mcp-1"]


def test_a_response_that_goes_on_with_the_result_needs_no_further_one() -> None:
    call = script()
    call.feed(AgentTranscript("r1", "i1", "Let me look. "), CALLED)
    call.wait(9000)
    call.feed(ANSWERED, AgentTranscript("r1", "i2", "There is one at nine."))
    call.response_done("r1")

    assert requests(call) == []
    assert call.ordered(CallEnded) == []


def test_a_further_call_of_a_response_that_spoke_of_the_first_is_spoken_of_too() -> None:
    call = script()
    call.feed(CALLED, ANSWERED, AgentTranscript("r1", "i2", "There is one at nine. I book it."))
    call.feed(McpCalled("r1", "m2", "calendar", "book", "{}"), McpAnswered("m2", "calendar", "book", "{}", "done", ""))
    call.response_done("r1")

    assert requests(call) == ["mcp-1"]


def test_a_call_takes_as_long_as_from_its_beginning_to_its_end() -> None:
    call = script()
    call.wait(100)
    call.feed(CALLED)
    call.wait(200)
    call.feed(ANSWERED)

    assert [answer.took_ms for answer in call.ordered(ToolAnswered)] == [200]


def test_once_a_call_has_ended_silence_counts_again() -> None:
    call = script(limits=Limits(minutes=10, idle_seconds=5))
    call.feed(CALLED, ANSWERED)
    call.response_done("r1")
    call.feed(ResponseCreated("r2", "mcp-1"))
    call.response_done("r2")
    call.wait(5000)

    assert requests(call) == ["mcp-1", "idle-2"]


def test_its_state_is_told_in_one_line() -> None:
    call = script()
    call.feed(CALLED)
    (part,) = (part for part in call.call._parts if type(part).__name__ == "McpCalls")

    assert repr(part) == "<McpCalls ['m1'], Deadlines({'m1': 20000})>"


def test_calls_of_both_kinds_in_one_response_are_spoken_of_together() -> None:
    call = script()
    call.feed(CALLED, ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    call.response_done("r1")
    call.feed(ToolFinished("c1", "42"))
    before = requests(call)
    call.feed(ANSWERED)

    assert before == []
    assert requests(call) == ["tool-1"]


def test_one_of_ours_beside_one_that_never_ends_is_spoken_of_with_it() -> None:
    call = script(limits=Limits(minutes=10, idle_seconds=0, tool_seconds=4))
    call.feed(CALLED, ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    call.response_done("r1")
    call.feed(ToolFinished("c1", "42"))
    call.wait(4000)
    call.feed(ResponseCreated("r2", "mcp-1"))
    call.response_done("r2")

    assert requests(call) == ["mcp-1"]


def test_a_result_of_ours_that_waits_with_one_of_a_server_is_asked_for_under_its_own_name() -> None:
    call = script()
    call.feed(CALLED)
    call.response_done("r1")
    call.feed(ResponseCreated("r2", None), ToolRequested("r2", "f1", "c1", "look_up", "{}"))
    call.response_done("r2")
    call.feed(ResponseCreated("r3", None), ANSWERED, ToolFinished("c1", "42"))
    call.response_done("r3")

    assert requests(call) == ["tool-1"]


def test_the_caller_hears_a_sign_of_life_while_a_call_runs() -> None:
    call = script()
    call.feed(CALLED)
    call.response_done("r1")
    call.fresh()

    assert PlayAudio(CLIPS["moment"]) in call.wait(2600)


def test_a_silent_caller_is_not_asked_while_a_call_runs() -> None:
    call = script(limits=Limits(minutes=10, idle_seconds=5))
    call.feed(CALLED)
    call.response_done("r1")
    call.wait(9000)

    assert requests(call) == []


# --- a call that does not --------------------------------------------------------------------------------------------


def test_a_call_that_fails_is_told_to_the_operator_and_the_conversation_goes_on() -> None:
    call = script()
    call.feed(CALLED)
    call.response_done("r1")
    call.feed(McpCallEnded("m1", failed=True))
    call.feed(McpAnswered("m1", "calendar", "free_slots", '{"day": 1}', "", "tool_execution_error: no such day"))

    fields = {"server": "calendar", "tool": "free_slots", "problem": "tool_execution_error: no such day"}
    assert call.ordered(Note) == [Note("warning", "an MCP call failed", fields)]
    assert call.ordered(ToolAnswered) == [
        ToolAnswered("m1", "tool_execution_error: no such day", failed=True, took_ms=0)
    ]
    assert requests(call) == ["mcp-1"]


@pytest.mark.parametrize("failed", [True, False])
def test_the_news_of_an_end_suffices_when_the_item_does_not_come(failed: bool) -> None:
    call = script()
    call.feed(CALLED)
    call.response_done("r1")
    call.feed(McpCallEnded("m1", failed))
    call.wait(999)
    before = requests(call)
    call.wait(1)

    fields = {"server": "calendar", "tool": "free_slots", "problem": "no reason given"}
    assert before == []
    assert call.ordered(ToolAnswered) == [ToolAnswered("m1", "", failed, took_ms=1000)]
    assert call.ordered(Note) == ([Note("warning", "an MCP call failed", fields)] if failed else [])
    assert requests(call) == ["mcp-1"]


def test_a_call_that_never_ends_is_given_up_and_the_caller_is_told() -> None:
    call = script(limits=Limits(minutes=10, idle_seconds=0, tool_seconds=4))
    call.feed(CALLED)
    call.response_done("r1")
    call.wait(4000)
    (request,) = call.ordered(CreateResponse)
    call.feed(ANSWERED)

    call.feed(ResponseCreated("r2", request.request))
    call.response_done("r2")

    told = "Be brief.\n\nThe tool free_slots does not answer. Say so in one short sentence, and go on."
    fields = {"server": "calendar", "tool": "free_slots", "problem": "no answer within 4 s"}
    assert call.ordered(CreateResponse) == [CreateResponse("mcp-1", told, "none")]
    assert [answer.failed for answer in call.ordered(ToolAnswered)] == [True]
    assert call.ordered(Note) == [Note("warning", "an MCP call failed", fields)]


def test_a_response_may_wait_for_its_call_as_long_as_a_tool_may_take() -> None:
    call = script(limits=Limits(minutes=10, idle_seconds=0, tool_seconds=20))
    call.feed(CALLED)
    call.wait(19_000)

    assert ("error", "the model is gone") not in notes(call)


def test_nothing_is_owed_when_the_call_is_over() -> None:
    call = script()
    call.feed(CALLED, StreamStopped())
    call.wait(60_000)

    assert len(call.ordered(CallEnded)) == 1


# --- listing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "tools", "note"),
    [
        (
            None,
            ("book", "free_slots"),
            Note("info", "an MCP server's tools are known", {"server": "calendar", "tools": "book, free_slots"}),
        ),
        (None, (), Note("warning", "an MCP server has no tools", {"server": "calendar"})),
        (
            ("book", "cancel", "free_slots"),
            ("free_slots",),
            Note(
                "warning",
                "an MCP server lacks tools that are allowed",
                {"server": "calendar", "tools": "free_slots", "missing": "book, cancel"},
            ),
        ),
    ],
)
def test_what_a_server_has_is_told(allowed: tuple[str, ...] | None, tools: tuple[str, ...], note: Note) -> None:
    server = McpServer(server_label="calendar", server_url="https://mcp.example.com/mcp", allowed_tools=allowed)
    call = script(server)
    call.feed(McpToolsListed("calendar", tools))

    assert call.ordered(Note) == [note]


def test_a_listing_that_fails_is_told_and_the_call_goes_on() -> None:
    call = script()
    call.feed(McpListingFailed("calendar"))

    assert call.ordered(Note) == [Note("warning", "an MCP server could not list its tools", {"server": "calendar"})]
    assert call.ordered(CallEnded) == []


def test_nothing_of_a_server_is_told_or_answered_once_the_model_is_gone() -> None:
    call = script(ASKING)
    call.feed(CALLED, ModelClosed(4000))

    assert call.feed(ASKED, ANSWERED, McpToolsListed("calendar", ("book",)), McpListingFailed("calendar")) == []


def test_a_server_that_the_agent_does_not_name_gets_no_approval() -> None:
    call = script(ASKING)
    call.feed(McpApprovalAsked("a1", "elsewhere", "free_slots", "{}"))

    assert [answer.approve for answer in call.ordered(AnswerMcpApproval)] == [False]


def test_an_agent_without_servers_is_deaf_to_their_news() -> None:
    assert Script().begin().feed(CALLED, ASKED, ANSWERED) == []


def test_a_result_that_came_after_the_turn_is_not_asked_for_behind_the_servers_own_answer() -> None:
    call = script()
    call.feed(CALLED)
    call.response_done("r1")
    call.caller_speaks()
    call.caller_stops()
    call.feed(ANSWERED, ResponseCreated("r2", None))
    call.response_done("r2")
    call.wait(3000)

    assert requests(call) == []


def test_a_call_whose_session_is_lost_is_over_and_spoken_of_by_the_next_one() -> None:
    call = script()
    call.feed(CALLED, ModelClosed(1006))
    call.begin_session()

    assert call.ordered(ToolAnswered) == [ToolAnswered("m1", LOST, failed=True, took_ms=0)]
    failed = {"server": "calendar", "tool": "free_slots", "problem": "its session was lost"}
    assert Note("warning", "an MCP call failed", failed) in call.said
    assert requests(call) == ["mcp-1"]


def test_who_was_promised_a_call_that_was_not_begun_hears_of_it_from_the_next_session() -> None:
    call = script(ASKING)
    call.feed(ASKED)
    call.response_done("r1")
    call.feed(ModelClosed(1006))
    call.begin_session()

    assert requests(call) == ["mcp-1"]
