"""A conversation as a value."""

import msgspec

from voice_agent.call.conversation import AgentTurn, CallerTurn, Conversation, KeysTurn, ToolTurn

TURNS = (
    AgentTurn("a", "Hello.", interrupted=False),
    CallerTurn("u1", "Is it open?"),
    KeysTurn("4"),
    ToolTurn("c1", "look_up", "{}", "yes"),
    ToolTurn("c2", "look_up", "{}", None),
)


def test_tool_calls_without_an_answer_are_open() -> None:
    conversation = Conversation("test", TURNS)

    assert conversation.open_tool_calls == (ToolTurn("c2", "look_up", "{}", None),)


def test_a_conversation_is_plain_data_that_survives_being_stored() -> None:
    conversation = Conversation("test", TURNS)
    stored = msgspec.json.encode(conversation)

    assert msgspec.json.decode(stored, type=Conversation) == conversation
