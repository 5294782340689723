"""What we add to a model's conversation: each command as the item that a session is given.

It must not know what a session has, nor when something is added.
"""

from typing import Any, assert_never

from voice_agent.call.commands import (
    AddAgentText,
    AddSystemText,
    AddToolCall,
    AddToolOutput,
    AddUserText,
    AnswerMcpApproval,
)
from voice_agent.wire.dialects import Dialect
from voice_agent.wire.realtime import ItemCreate

Added = AddUserText | AddAgentText | AddSystemText | AddToolCall | AddToolOutput | AnswerMcpApproval
"""The commands that become one item each."""


def added(dialect: Dialect, command: Added) -> ItemCreate:
    """Write a command; the item stands behind all that are there, unless it says that it was the first."""
    first = isinstance(command, AddAgentText) and command.first
    event_id = command.item_id if isinstance(command, AnswerMcpApproval) else command.event_id
    return ItemCreate(event_id=event_id, item=_item(dialect, command), previous_item_id="root" if first else None)


def _item(dialect: Dialect, command: Added) -> dict[str, Any]:
    match command:
        case AddUserText():
            return _message("user", "input_text", command.text)
        case AddAgentText():
            return _message("assistant", dialect.assistant_text, command.text)
        case AddSystemText():
            return _message("system", "input_text", command.text)
        case AddToolCall():
            call = {"type": "function_call", "call_id": command.call_id}
            return call | {"name": command.name, "arguments": command.arguments}
        case AddToolOutput():
            return {"type": "function_call_output", "call_id": command.call_id, "output": command.output}
        case AnswerMcpApproval():
            answer: dict[str, Any] = {"type": "mcp_approval_response", "id": command.item_id}
            answer |= {"approval_request_id": command.request_id, "approve": command.approve}
            return answer | ({"reason": command.reason} if command.reason else {})
        case _:
            assert_never(command)


def _message(role: str, kind: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
