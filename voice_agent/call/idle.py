"""Mutual silence: the agent asks once whether anybody is there; the second time it says goodbye.

A server with an idle timeout of its own (`turn_detection.idle_timeout_ms`) asks by itself, and would do so for ever:
its question counts as ours, and when its second one was heard the goodbye follows.
"""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.commands import Command
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    Event,
    KeyPressed,
    ResponseCreated,
    ResponseDone,
    ServerPrompted,
    StreamStarted,
    TimerFired,
)
from voice_agent.call.facts import (
    AgentChanged,
    CallOver,
    CollectionBegan,
    CollectionEnded,
    ConversationOpened,
    Fact,
    GoodbyeWanted,
    LineClosing,
    MachineReached,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    ResponseWanted,
    SessionLost,
    SessionReady,
    ToolsBusy,
    TurnClosed,
    TurnOpened,
)
from voice_agent.call.part import Handled

_BEGINS: dict[type[Event | Fact], str] = {
    TurnOpened: "caller",
    PlaybackBusy: "agent",
    ResponseCreated: "response",
    CollectionBegan: "keys",
    SessionLost: "session",
}
_ENDS: dict[type[Event | Fact], str] = {
    StreamStarted: "stream",
    SessionReady: "session",
    ConversationOpened: "verdict",
    TurnClosed: "caller",
    PlaybackIdle: "agent",
    ResponseDone: "response",
    CollectionEnded: "keys",
}
"""What is no mutual silence, from where to where. The tools tell theirs in one fact."""


class Idle:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        StreamStarted,
        SessionLost,
        SessionReady,
        KeyPressed,
        ResponseCreated,
        ResponseDone,
        ServerPrompted,
        PlaybackBusy,
        PlaybackIdle,
        TurnOpened,
        TurnClosed,
        ToolsBusy,
        CollectionBegan,
        CollectionEnded,
        AgentChanged,
        TimerFired,
        ConversationOpened,
        MachineReached,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, agent: Agent, *, held: bool) -> None:
        """`held`: it is not known yet who answered."""
        self._follow(agent)
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The end of the patience."""
        self._busy: set[str] = {"stream", "session", *(("verdict",) if held else ())}
        """Why this is no mutual silence."""
        self._asked = False
        self._asked_again = False
        """The server asked a second time by itself: when that was heard, the goodbye follows."""
        self._over = False

    def _follow(self, agent: Agent) -> None:
        self._instructions = agent.instructions
        self._idle_ms = agent.limits.idle_seconds * 1000
        self._asked = self._asked_again = False

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        if self._over:
            return
        match event:
            case AgentChanged():
                self._follow(event.agent)
            case TurnOpened() | KeyPressed():
                self._asked = self._asked_again = False
            case ServerPrompted():
                self._asked_again = self._asked
                self._asked = True
            case ToolsBusy():
                (self._busy.add if event.busy else self._busy.discard)("tools")
            case TimerFired():
                if self._deadlines.take_due(now_ms):
                    yield self._speak()
                return
            case MachineReached() | ModelGone() | LineClosing() | CallOver():
                self._over = True
                self._deadlines.clear("idle")
                return
        if (begun := _BEGINS.get(type(event))) is not None:
            self._busy.add(begun)
        elif (ended := _ENDS.get(type(event))) is not None:
            self._busy.discard(ended)
        heard_out = self._asked_again and isinstance(event, PlaybackIdle | ResponseDone)
        self._rearm(now_ms, 0 if heard_out else self._idle_ms)

    def _rearm(self, now_ms: int, patience_ms: int) -> None:
        if self._busy or self._idle_ms == 0:
            self._deadlines.clear("idle")
        else:
            self._deadlines.set("idle", now_ms + patience_ms)

    def _speak(self) -> Fact:
        if not self._asked:
            self._asked = True
            return ResponseWanted(
                "idle",
                f"{self._instructions}\n\nThe caller has been silent for a while. "
                "Ask in one short sentence whether they are still there.",
                "none",
            )
        return GoodbyeWanted(
            "the caller was silent",
            f"{self._instructions}\n\nThe caller does not answer any more. Say a short goodbye.",
        )
