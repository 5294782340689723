"""What a server message means for a call, for those messages that need no memory of earlier ones.

It must not know audio, sessions, or what the call does with an event.
"""

from typing import Any, Literal, assert_never

from voice_agent.call import events
from voice_agent.call.events import CallEvent, Usage
from voice_agent.wire import realtime
from voice_agent.wire.realtime import Problem, Response

MESSAGE_LENGTH = 500
"""Characters of a peer's sentence that are kept: it may quote what we sent."""

MOST_COUNTED = 2**53
"""Of tokens or seconds. Beyond it the readers of JSON do not agree, and a cost may be no number."""

Stateless = (
    realtime.TranscriptDelta
    | realtime.TextDelta
    | realtime.SpeechStarted
    | realtime.SpeechStopped
    | realtime.InputCommitted
    | realtime.TimeoutTriggered
    | realtime.TranscriptionCompleted
    | realtime.TranscriptionFailed
    | realtime.ItemTruncated
    | realtime.ResponseCreated
    | realtime.OutputItemDone
    | realtime.ItemDone
    | realtime.McpCallBegan
    | realtime.McpCallCompleted
    | realtime.McpCallFailed
    | realtime.SessionCreated
    | realtime.ServerError
    | realtime.Ignored
)
"""The messages that `translate` takes."""


def translate(message: Stateless) -> CallEvent | None:
    """Give the event of one message, if it means anything to a call."""
    event: CallEvent | None
    match message:
        case realtime.TranscriptDelta() | realtime.TextDelta():
            event = events.AgentTranscript(message.response_id, message.item_id, message.delta)
        case realtime.SpeechStarted():
            event = events.SpeechStarted(message.item_id, message.audio_start_ms)
        case realtime.SpeechStopped():
            event = events.SpeechStopped(message.item_id, message.audio_end_ms)
        case realtime.InputCommitted():
            event = events.TurnCommitted(message.item_id)
        case realtime.TimeoutTriggered():
            event = events.ServerPrompted(message.item_id)
        case realtime.TranscriptionCompleted():
            event = events.CallerTranscribed(message.item_id, message.transcript, _transcription_usage(message.usage))
        case realtime.TranscriptionFailed():
            event = events.TranscriptionFailed(message.item_id, _sentence(message.error))
        case realtime.ItemTruncated():
            event = events.ItemTruncated(message.item_id, message.audio_end_ms)
        case realtime.ResponseCreated():
            event = events.ResponseCreated(message.response.id, _request(message.response))
        case realtime.OutputItemDone():
            event = _output(message)
        case realtime.ItemDone() | realtime.McpCallBegan() | realtime.McpCallCompleted() | realtime.McpCallFailed():
            event = _mcp(message)
        case realtime.SessionCreated():
            event = created(message)
        case realtime.ServerError():
            event = _error(message.error)
        case realtime.Ignored():
            event = None
        case _:
            assert_never(message)
    return event


def created(message: realtime.SessionCreated) -> events.SessionCreated:
    """Read the beginning of a session."""
    session_id, expires_at = message.session.get("id"), message.session.get("expires_at")
    return events.SessionCreated(
        session_id if isinstance(session_id, str) else "",
        expires_at if isinstance(expires_at, int) else None,
    )


def response_done(response: Response) -> events.ResponseDone:
    """Read the end of a response. A status that the API may invent later counts as `incomplete` and is told."""
    reason = _reason(response.status_details)
    status: Literal["completed", "cancelled", "incomplete", "failed"]
    match response.status:
        case "completed" | "cancelled" | "incomplete" | "failed":
            status = response.status
        case other:
            status = "incomplete"
            reason = ": ".join(filter(None, (f"status {other or 'missing'}"[:MESSAGE_LENGTH], reason)))
    return events.ResponseDone(response.id, status, reason, _usage(response.usage))


def _request(response: Response) -> str | None:
    # The event_id of response.create is not echoed, so the request's name travels in the metadata.
    request = response.metadata.get("request") if isinstance(response.metadata, dict) else None
    return request if isinstance(request, str) else None


def _output(message: realtime.OutputItemDone) -> CallEvent | None:
    """Read what a response holds beside words: calls of functions and of MCP tools, and questions about the latter."""
    item = message.item
    match item.type:
        case "function_call" if item.status in (None, "completed"):
            if item.id is None or item.call_id is None or item.name is None:
                return events.ModelFault("response.output_item.done: a function call without id, call_id or name")
            return events.ToolRequested(message.response_id, item.id, item.call_id, item.name, item.arguments or "")
        case "mcp_call" if item.status in (None, "completed", "in_progress"):
            if item.id is None or item.name is None:
                return events.ModelFault("response.output_item.done: an MCP call without id or name")
            server = item.server_label or ""
            return events.McpCalled(message.response_id, item.id, server, item.name, item.arguments or "")
        case "mcp_approval_request":
            return _approval(item)
        case _:
            return None


def _mcp(
    message: realtime.ItemDone | realtime.McpCallBegan | realtime.McpCallCompleted | realtime.McpCallFailed,
) -> CallEvent | None:
    """Read what has to do with MCP servers: items as they stay, and how their calls go on."""
    match message:
        case realtime.McpCallBegan():
            return events.McpCallBegan(message.item_id)
        case realtime.McpCallCompleted() | realtime.McpCallFailed():
            return events.McpCallEnded(message.item_id, failed=isinstance(message, realtime.McpCallFailed))
    item = message.item
    match item.type:
        case "mcp_list_tools":
            return events.McpToolsListed(item.server_label or "", tuple(tool.name for tool in item.tools or ()))
        case "mcp_call":
            if item.id is None or item.name is None:
                return events.ModelFault("conversation.item.done: an MCP call without id or name")
            server, problem = item.server_label or "", _mcp_problem(item.error)
            return events.McpAnswered(item.id, server, item.name, item.arguments or "", item.output or "", problem)
        case "mcp_approval_request":
            return _approval(item)
        case _:
            return None


def _approval(item: realtime.Item) -> CallEvent:
    if item.id is None or item.name is None:
        return events.ModelFault("an MCP approval request without id or name")
    return events.McpApprovalAsked(item.id, item.server_label or "", item.name, item.arguments or "")


def _mcp_problem(error: Any) -> str:
    """Say why an MCP call failed: the API's kind of error, its code where it has one, and its words."""
    if not isinstance(error, dict):
        return str(error or "")[:MESSAGE_LENGTH]
    told = (error.get("type"), error.get("code"), error.get("message"))
    return ": ".join(str(part) for part in told if part is not None)[:MESSAGE_LENGTH] or "no reason given"


def _error(error: Problem | str | None) -> events.ModelError:
    if not isinstance(error, Problem):
        return events.ModelError(None, _sentence(error))
    # server_error and its like come as the type, the code null.
    code = error.type if error.code is None else str(error.code)
    return events.ModelError(code, (error.message or "")[:MESSAGE_LENGTH], error.event_id)


def _sentence(error: Problem | str | None) -> str:
    if isinstance(error, Problem):
        word = error.code if error.code is not None else error.type
        error = ": ".join(str(part) for part in (word, error.message) if part is not None)
    return (error or "no reason given")[:MESSAGE_LENGTH]


def _reason(details: Any) -> str:
    """Say in words why a response ended as it did; empty when nothing is told."""
    if isinstance(details, str):
        return details[:MESSAGE_LENGTH]
    if not isinstance(details, dict):
        return ""
    error = details.get("error")
    if isinstance(error, dict):
        told: tuple[object, ...] = (error.get("code") or error.get("type"), error.get("message"))
    else:
        told = (details.get("reason"), error)
    return ": ".join(str(part) for part in told if part)[:MESSAGE_LENGTH]


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    return Usage(
        input_tokens=_tokens(usage, "input_tokens"),
        output_tokens=_tokens(usage, "output_tokens"),
        cached_tokens=_tokens(usage, "input_token_details", "cached_tokens"),
        input_audio_tokens=_tokens(usage, "input_token_details", "audio_tokens"),
        output_audio_tokens=_tokens(usage, "output_token_details", "audio_tokens"),
        cached_audio_tokens=_tokens(usage, "input_token_details", "cached_tokens_details", "audio_tokens"),
    )


def _transcription_usage(usage: Any) -> events.TranscriptionUsage | None:
    """Read either form: `{type: tokens, input_tokens, output_tokens}` or `{type: duration, seconds}`."""
    if not isinstance(usage, dict):
        return None
    seconds = usage.get("seconds")
    if not isinstance(seconds, int | float) or not 0 <= seconds <= MOST_COUNTED:
        seconds = 0
    return events.TranscriptionUsage(
        input_tokens=_tokens(usage, "input_tokens"),
        output_tokens=_tokens(usage, "output_tokens"),
        audio_ms=round(seconds * 1000),
    )


def _tokens(usage: Any, *path: str) -> int:
    """Read one count; 0 where it is missing, null, no whole number, or none that anything can have.

    Some gateways say -1 for what they do not know.
    """
    for key in path:
        usage = usage.get(key) if isinstance(usage, dict) else None
    return usage if isinstance(usage, int) and 0 <= usage <= MOST_COUNTED else 0
