"""A conversation as a value: what a session has to know to go on where another one was.

Plain data, from `Call.conversation()`. A call whose setup holds a `Resumption` goes on from it: its session is told
the `history`, its own conversation begins with the turns of the former one, and what that one has used of its agent's
limits is used. `Call.resumption()` gives it; why the call goes on is added by whoever knows.
"""

from collections.abc import Iterable, Iterator

import msgspec

from voice_agent.call.commands import AddAgentText, AddSystemText, AddToolCall, AddToolOutput, AddUserText

NOT_TRANSCRIBED = "(The caller said something that was not written down.)"

NOT_ANSWERED = "There is no answer: the session ended first."
"""What an open tool call is answered with; an API may refuse a conversation in which one is not."""


class CallerTurn(msgspec.Struct, frozen=True, tag="caller"):
    """What the caller said; empty when it was not transcribed."""

    item_id: str
    text: str


class AgentTurn(msgspec.Struct, frozen=True, tag="agent"):
    """What the caller heard of the agent."""

    item_id: str
    text: str
    interrupted: bool
    agent: str = ""
    """Who said it, when the call was handed over; empty: the agent that took the call."""


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
    """The name of the agent that has the call."""
    turns: tuple[Turn, ...] = ()

    @property
    def open_tool_calls(self) -> tuple[ToolTurn, ...]:
        """Calls that the model still waits for."""
        return tuple(turn for turn in self.turns if isinstance(turn, ToolTurn) and turn.output is None)


class Resumption(msgspec.Struct, frozen=True):
    """What a call goes on from."""

    conversation: Conversation
    reason: str = ""
    """What happened meanwhile, told to the model in whole sentences; empty: the conversation says it all."""
    left_ms: int | None = None
    """What is left of the agent's longest time; `None`: all of it."""
    transfers: int = 0
    """How many came to nothing so far."""
    pressed: int = 0
    """How often the carrier has pressed keys."""


History = AddUserText | AddAgentText | AddSystemText | AddToolCall | AddToolOutput
"""How a session is told what was said before it began."""


def answered(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Give the turns of a call that is over: nobody answers its open tool calls any more."""
    for turn in turns:
        is_open = isinstance(turn, ToolTurn) and turn.output is None
        yield msgspec.structs.replace(turn, output=NOT_ANSWERED) if is_open else turn


def history(turns: Iterable[Turn], reason: str, *, back: str = "", former: int = 0) -> Iterator[History]:
    """Tell a session that has just been set up all that was said, as heard, and then the reason.

    A tool call that is open is told without an answer, which comes when there is one. Where no reason says why the
    model speaks next, it is what a tool has answered, and that comes last. `back`: why the call went on behind the
    first `former` turns, which is no news any more behind those that followed.
    """
    told = [*turns] if reason or back else _answer_last([*turns])
    reasons = ([back] if back else [], [reason] if reason else [])
    for number, turn in enumerate((*told[:former], *reasons[0], *told[former:], *reasons[1]), 1):
        name = f"history-{number}"
        match turn:
            case str():
                yield AddSystemText(name, turn)
            case CallerTurn():
                yield AddUserText(name, turn.text or NOT_TRANSCRIBED)
            case AgentTurn() if turn.text:  # or nothing of it was heard
                yield AddAgentText(name, turn.text)
            case KeysTurn():
                yield AddUserText(name, keys_text(turn.digits))
            case ToolTurn():
                yield AddToolCall(name, turn.call_id, turn.name, turn.arguments)
                if turn.output is not None:
                    yield AddToolOutput(f"{name}-output", turn.call_id, turn.output)


def _answer_last(turns: list[Turn]) -> list[Turn]:
    """Put the words before the tool call that they came with: they are known when they were heard, the call at once."""
    words: list[Turn] = []
    while turns and isinstance(turns[-1], AgentTurn):
        words.insert(0, turns.pop())
    return [*turns[:-1], *words, turns[-1]] if turns and isinstance(turns[-1], ToolTurn) else [*turns, *words]


def keys_text(digits: str) -> str:
    """Tell the model that keys were pressed."""
    return f"The caller pressed these keys: {' '.join(digits)}"
