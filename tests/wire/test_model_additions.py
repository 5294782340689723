"""What we add to a model's conversation, held against the vendors' own types for both dialects."""

from typing import Any

import msgspec
import pytest
from openai.types.beta.realtime import RealtimeClientEvent as PreviewClientEvent
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from voice_agent.call.commands import AddAgentText, AddSystemText, AddToolCall
from voice_agent.wire.dialects import GA, PREVIEW, Dialect
from voice_agent.wire.model_additions import Added, added


def written(dialect: Dialect, command: Added) -> Any:
    message = msgspec.to_builtins(added(dialect, command))
    TypeAdapter[Any](RealtimeClientEvent if dialect is GA else PreviewClientEvent).validate_python(message)
    return message


@pytest.mark.parametrize(("dialect", "kind"), [(GA, "output_text"), (PREVIEW, "text")])
def test_what_the_agent_said_before_is_a_text_of_the_assistant(dialect: Dialect, kind: str) -> None:
    assert written(dialect, AddAgentText("e1", "We are open.")) == {
        "type": "conversation.item.create",
        "event_id": "e1",
        "item": {"type": "message", "role": "assistant", "content": [{"type": kind, "text": "We are open."}]},
    }


@pytest.mark.parametrize("dialect", [GA, PREVIEW])
def test_what_was_said_before_all_else_becomes_the_first_item(dialect: Dialect) -> None:
    assert written(dialect, AddAgentText("e1", "Hello.", first=True))["previous_item_id"] == "root"


@pytest.mark.parametrize("dialect", [GA, PREVIEW])
def test_what_happens_beside_the_conversation_is_told_by_the_system(dialect: Dialect) -> None:
    assert written(dialect, AddSystemText("e2", "The line is busy."))["item"] == {
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": "The line is busy."}],
    }


@pytest.mark.parametrize("dialect", [GA, PREVIEW])
def test_a_call_of_a_former_session_is_a_function_call_again(dialect: Dialect) -> None:
    assert written(dialect, AddToolCall("e3", "call_1", "look_up", '{"day":"Monday"}'))["item"] == {
        "type": "function_call",
        "call_id": "call_1",
        "name": "look_up",
        "arguments": '{"day":"Monday"}',
    }
