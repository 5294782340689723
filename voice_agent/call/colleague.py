"""The call with a colleague who is asked to take a caller: a key or a word decides, once.

Key 1 or the tool `take_call` accepts: the line is kept until the carrier takes it to the caller. Key 2 or the tool
`decline_call` declines, and the call ends with a goodbye. It must not know the caller's own call.
"""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.commands import AddToolOutput, Command, SettleTransfer, ToolAnswered
from voice_agent.call.events import Event, KeyPressed
from voice_agent.call.facts import CallTaken, ClipWanted, Fact, GoodbyeWanted, LineClosing, LineToolCalled
from voice_agent.call.part import Handled

_KEYS = {"1": True, "2": False}


def asks_colleague(agent: Agent) -> bool:
    """Whether the agent asks somebody to take a caller."""
    return any(tool.kind == "take_call" for tool in agent.tools)


class Colleague:
    """See the module."""

    HANDLES: ClassVar[Handled] = (KeyPressed, LineToolCalled, LineClosing)

    def __init__(self, agent: Agent, *, can_sign: bool) -> None:
        """`can_sign`: there is a clip `moment`."""
        self._instructions = agent.instructions
        self._tools = {tool.name: tool.kind for tool in agent.tools if tool.kind in {"take_call", "decline_call"}}
        self._can_sign = can_sign
        self._decided = False
        self._closing = False

    def deadline(self) -> int | None:
        """None: whoever waits for the answer has the patience."""
        return None

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        del now_ms
        if self._closing:
            return
        match event:
            case KeyPressed() if event.digit in _KEYS:
                yield from self._decide(_KEYS[event.digit])
            case LineToolCalled() if event.name in self._tools:
                told = "It is decided already." if self._decided else "It is done."
                yield AddToolOutput(f"output-{event.call_id}", event.call_id, told)
                yield ToolAnswered(event.call_id, told, failed=False, took_ms=0)
                yield from self._decide(self._tools[event.name] == "take_call")
            case LineClosing():
                self._closing = True

    def _decide(self, accepted: bool) -> Iterator[Command | Fact]:
        if self._decided:
            return
        self._decided = True
        yield SettleTransfer(accepted)
        if accepted:
            yield CallTaken()
            if self._can_sign:
                yield ClipWanted("moment")
        else:
            yield GoodbyeWanted(
                "the colleague does not take the call",
                f"{self._instructions}\n\nThe call is ending without them. Thank them and say a short goodbye.",
            )
