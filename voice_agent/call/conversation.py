"""A conversation as a value: what a session would have to know to go on where this one is.

Plain data, from `Call.conversation()`; the history of calls is made from it.
"""

import msgspec


class CallerTurn(msgspec.Struct, frozen=True, tag="caller"):
    """What the caller said; empty when it was not transcribed."""

    item_id: str
    text: str


class AgentTurn(msgspec.Struct, frozen=True, tag="agent"):
    """What the caller heard of the agent."""

    item_id: str
    text: str
    interrupted: bool


class KeysTurn(msgspec.Struct, frozen=True, tag="keys"):
    """Keys that the caller pressed."""

    digits: str


class ToolTurn(msgspec.Struct, frozen=True, tag="tool"):
    """A tool call; `output` is `None` while it is open."""

    call_id: str
    name: str
    arguments: str
    output: str | None


Turn = CallerTurn | AgentTurn | KeysTurn | ToolTurn


class Conversation(msgspec.Struct, frozen=True):
    """Everything said so far, as heard, in order."""

    agent: str
    """The agent's name."""
    turns: tuple[Turn, ...] = ()

    @property
    def open_tool_calls(self) -> tuple[ToolTurn, ...]:
        """Calls that the model still waits for."""
        return tuple(turn for turn in self.turns if isinstance(turn, ToolTurn) and turn.output is None)
