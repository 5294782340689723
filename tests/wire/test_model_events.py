import json
from typing import Any

import pytest

from tests.support import realtime_samples as samples
from voice_agent.call import events
from voice_agent.call.events import CallEvent, Usage
from voice_agent.wire import realtime
from voice_agent.wire.model_events import Stateless, response_done, translate
from voice_agent.wire.realtime import Item, Problem, Response

MEANINGS: list[tuple[str, CallEvent | None]] = [
    (
        "error",
        events.ModelError("invalid_event", "The 'type' field is missing.", "event_567"),
    ),
    ("session.created", events.SessionCreated("sess_C9G5QPteg4UIbotdKLoYQ", 1756324625)),
    ("input_audio_buffer.speech_started", events.SpeechStarted("msg_003", 1000)),
    ("input_audio_buffer.speech_stopped", events.SpeechStopped("msg_003", 2000)),
    ("input_audio_buffer.committed", events.TurnCommitted("msg_002")),
    (
        "conversation.item.input_audio_transcription.completed",
        events.CallerTranscribed(
            "item_CCXGQ4e1ht4cOraEYcuR2", "Hey, can you hear me?", events.TranscriptionUsage(13, 9)
        ),
    ),
    (
        "conversation.item.input_audio_transcription.failed",
        events.TranscriptionFailed("msg_003", "audio_unintelligible: The audio could not be transcribed."),
    ),
    ("conversation.item.truncated", events.ItemTruncated("msg_004", 1500)),
    ("response.created", events.ResponseCreated("resp_C9G8p7IH2WxLbkgPNouYL", None)),
    ("response.output_audio_transcript.delta", events.AgentTranscript("resp_001", "msg_008", "Hello, how can I a")),
    ("response.audio_transcript.delta", events.AgentTranscript("resp_001", "msg_008", "Hello, how can I a")),
    ("response.output_text.delta", events.AgentTranscript("resp_001", "msg_007", "Sure, I can h")),
    (
        "response.output_item.done",
        events.ToolRequested("resp_002", "fc_001", "call_001", "get_weather", '{"location": "San Francisco"}'),
    ),
    ("conversation.item.done", None),
    ("response.mcp_call.in_progress", events.McpCallBegan("mcp_call_001")),
    ("response.mcp_call.completed", events.McpCallEnded("mcp_call_001", failed=False)),
    ("response.mcp_call.failed", events.McpCallEnded("mcp_call_001", failed=True)),
    ("rate_limits.updated", None),
]


@pytest.mark.parametrize(("name", "event"), MEANINGS)
def test_a_published_event_means_what_it_says(name: str, event: CallEvent | None) -> None:
    message = realtime.parse(samples.text("server", name))

    assert isinstance(message, Stateless)
    assert translate(message) == event


# --- MCP -------------------------------------------------------------------------------------------------------------

MCP_CALL = {"id": "m1", "type": "mcp_call", "server_label": "calendar", "name": "book", "arguments": '{"day": 1}'}
APPROVAL = {"id": "a1", "type": "mcp_approval_request", "server_label": "calendar", "name": "book", "arguments": "{}"}
HTTP_ERROR = {"type": "http_error", "code": 502, "message": "bad gateway"}


def meaning(kind: str, item: dict[str, Any], **fields: Any) -> CallEvent | None:
    message = realtime.parse(json.dumps({"type": kind, "event_id": "e", "item": item, **fields}))
    assert isinstance(message, Stateless)
    return translate(message)


def test_an_mcp_call_begins_in_its_response_and_is_answered_in_the_conversation() -> None:
    begun = meaning("response.output_item.done", MCP_CALL, response_id="r1", output_index=0)

    assert begun == events.McpCalled("r1", "m1", "calendar", "book", '{"day": 1}')
    assert meaning("conversation.item.done", MCP_CALL | {"output": "booked", "error": None}) == (
        events.McpAnswered("m1", "calendar", "book", '{"day": 1}', "booked", "")
    )


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (HTTP_ERROR, "http_error: 502: bad gateway"),
        ({"type": "tool_execution_error", "message": "no such day"}, "tool_execution_error: no such day"),
        ({}, "no reason given"),
        ("broken", "broken"),
        (None, ""),
    ],
)
def test_a_failed_mcp_call_says_why(error: Any, problem: str) -> None:
    answered = meaning("conversation.item.done", MCP_CALL | {"output": None, "error": error})

    assert answered == events.McpAnswered("m1", "calendar", "book", '{"day": 1}', "", problem)


def test_a_question_about_an_mcp_call_is_understood_wherever_it_stands() -> None:
    asked = events.McpApprovalAsked("a1", "calendar", "book", "{}")

    assert meaning("conversation.item.done", APPROVAL) == asked
    assert meaning("response.output_item.done", APPROVAL, response_id="r1", output_index=1) == asked


def test_the_tools_of_an_mcp_server_are_told_by_name() -> None:
    tools = [{"name": "book", "input_schema": {}}, {"name": "free_slots", "input_schema": {}, "description": "x"}]
    item = {"id": "l1", "type": "mcp_list_tools", "server_label": "calendar", "tools": tools}

    assert meaning("conversation.item.done", item) == events.McpToolsListed("calendar", ("book", "free_slots"))
    assert meaning("conversation.item.done", item | {"tools": None}) == events.McpToolsListed("calendar", ())


@pytest.mark.parametrize("item", [MCP_CALL, APPROVAL])
@pytest.mark.parametrize("kind", ["response.output_item.done", "conversation.item.done"])
def test_an_mcp_item_without_a_name_is_a_fault(kind: str, item: dict[str, Any]) -> None:
    nameless = {key: value for key, value in item.items() if key != "name"}

    assert isinstance(meaning(kind, nameless, response_id="r1"), events.ModelFault)


def test_an_mcp_call_that_was_cut_is_none() -> None:
    assert meaning("response.output_item.done", MCP_CALL | {"status": "incomplete"}, response_id="r1") is None


# --- tools -----------------------------------------------------------------------------------------------------------


def requested(**item: Any) -> CallEvent | None:
    given = {"type": "function_call", "id": "fc", "call_id": "call", "name": "hours", "arguments": "{}"} | item
    return translate(realtime.OutputItemDone("resp", Item(**given)))


def test_a_call_without_a_status_is_complete() -> None:
    assert requested() == events.ToolRequested("resp", "fc", "call", "hours", "{}")


@pytest.mark.parametrize("status", ["incomplete", "in_progress", "cancelled"])
def test_a_call_that_was_cut_is_not_made(status: str) -> None:
    assert requested(status=status) is None


def test_a_spoken_item_is_no_call() -> None:
    assert requested(type="message", status="completed") is None


def test_a_call_without_arguments_has_empty_ones() -> None:
    assert requested(arguments=None) == events.ToolRequested("resp", "fc", "call", "hours", "")


@pytest.mark.parametrize("field", ["id", "call_id", "name"])
def test_a_call_that_cannot_be_answered_is_a_fault(field: str) -> None:
    assert isinstance(requested(**{field: None}), events.ModelFault)


# --- requests and errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "request_name"),
    [({"request": "r1"}, "r1"), ({"request": 1}, None), ({}, None), (None, None), ("r1", None)],
)
def test_a_response_says_who_asked_for_it(metadata: Any, request_name: str | None) -> None:
    message = realtime.ResponseCreated(Response("resp", metadata=metadata))

    assert translate(message) == events.ResponseCreated("resp", request_name)


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (Problem("server_error", None, "Sorry"), events.ModelError("server_error", "Sorry")),
        (Problem(None, 429, None, "e1"), events.ModelError("429", "", "e1")),
        (Problem(), events.ModelError(None, "")),
        ("broken", events.ModelError(None, "broken")),
        (None, events.ModelError(None, "no reason given")),
    ],
)
def test_an_error_is_told_as_far_as_it_is_known(error: Problem | str | None, event: CallEvent) -> None:
    assert translate(realtime.ServerError(error)) == event


def test_a_long_complaint_is_cut() -> None:
    event = translate(realtime.ServerError(Problem(message="x" * 9000)))

    assert event == events.ModelError(None, "x" * 500)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Problem("server_error", None, "failed"), "server_error: failed"),
        (Problem("t", 7), "7"),
        (Problem(), "no reason given"),
        (None, "no reason given"),
        ("why", "why"),
    ],
)
def test_a_failed_transcription_says_why(error: Problem | str | None, problem: str) -> None:
    assert translate(realtime.TranscriptionFailed("item", error)) == events.TranscriptionFailed("item", problem)


@pytest.mark.parametrize("session", [{}, {"id": 7, "expires_at": "soon"}])
def test_a_session_may_say_nothing_of_itself(session: dict[str, Any]) -> None:
    assert translate(realtime.SessionCreated(session)) == events.SessionCreated("", None)


# --- the end of a response -------------------------------------------------------------------------------------------


def ended(status: str | None, details: Any = None) -> tuple[str, str]:
    done = response_done(Response("resp", status, details))
    return done.status, done.reason


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        ("completed", None, ("completed", "")),
        ("cancelled", {"type": "cancelled", "reason": "turn_detected"}, ("cancelled", "turn_detected")),
        ("cancelled", "client_cancelled", ("cancelled", "client_cancelled")),
        ("incomplete", {"reason": "max_output_tokens"}, ("incomplete", "max_output_tokens")),
        (
            "failed",
            {"type": "failed", "error": {"type": "server_error", "code": None, "message": "Sorry"}},
            ("failed", "server_error: Sorry"),
        ),
        ("failed", {"error": {"code": "rate_limit_exceeded"}}, ("failed", "rate_limit_exceeded")),
        ("failed", {"error": "broken"}, ("failed", "broken")),
        ("failed", [1], ("failed", "")),
        ("paused", {"reason": "tired"}, ("incomplete", "status paused: tired")),
        ("in_progress", None, ("incomplete", "status in_progress")),
        (None, None, ("incomplete", "status missing")),
    ],
)
def test_a_response_ends_in_one_of_four_ways(status: str | None, details: Any, expected: tuple[str, str]) -> None:
    assert ended(status, details) == expected


def test_tokens_are_counted() -> None:
    message = realtime.parse(samples.text("server", "response.done"))

    assert isinstance(message, realtime.ResponseDone)
    assert response_done(message.response).usage == Usage(
        input_tokens=132,
        output_tokens=121,
        cached_tokens=64,
        input_audio_tokens=13,
        output_audio_tokens=91,
        cached_audio_tokens=0,
    )


@pytest.mark.parametrize("usage", [None, "much", []])
def test_usage_may_be_missing(usage: Any) -> None:
    assert response_done(Response("resp", "failed", usage=usage)).usage is None


def test_counts_that_are_missing_are_none() -> None:
    usage = {"input_tokens": None, "output_tokens": 1.5, "input_token_details": None, "output_token_details": 3}

    assert response_done(Response("resp", "completed", usage=usage)).usage == Usage()


@pytest.mark.parametrize("count", [-1, 2**53 + 1, 10**400])
def test_counts_that_nothing_can_have_are_none(count: int) -> None:
    details = {"input_tokens": count, "output_tokens": 7, "input_token_details": {"cached_tokens": count}}
    words = realtime.TranscriptionCompleted("u1", "Hello.", {"input_tokens": count, "seconds": count})

    assert response_done(Response("resp", "completed", usage=details)).usage == Usage(output_tokens=7)
    assert translate(words) == events.CallerTranscribed("u1", "Hello.", events.TranscriptionUsage())


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"type": "duration", "seconds": 2.5}, events.TranscriptionUsage(audio_ms=2500)),
        ({"type": "duration", "seconds": 3}, events.TranscriptionUsage(audio_ms=3000)),
        ({"type": "duration", "seconds": "3"}, events.TranscriptionUsage()),
        ({"type": "tokens", "input_tokens": None}, events.TranscriptionUsage()),
        ("much", None),
        (None, None),
    ],
)
def test_what_words_are_billed_by_is_read_in_either_form(usage: object, read: events.TranscriptionUsage | None) -> None:
    message = realtime.TranscriptionCompleted("u1", "Hello.", usage)

    assert translate(message) == events.CallerTranscribed("u1", "Hello.", read)
