"""Mutual silence: the agent asks once whether anybody is there; the second time it says goodbye."""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.commands import Command
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import Event, KeyPressed, ResponseCreated, ResponseDone, StreamStarted, TimerFired
from voice_agent.call.facts import (
    CallOver,
    Fact,
    GoodbyeWanted,
    LineClosing,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    ResponseWanted,
    SessionReady,
    ToolsBusy,
    TurnClosed,
    TurnOpened,
)
from voice_agent.call.part import Handled


class Idle:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        StreamStarted,
        SessionReady,
        KeyPressed,
        ResponseCreated,
        ResponseDone,
        PlaybackBusy,
        PlaybackIdle,
        TurnOpened,
        TurnClosed,
        ToolsBusy,
        TimerFired,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, agent: Agent) -> None:
        self._instructions = agent.instructions
        self._idle_ms = agent.limits.idle_seconds * 1000
        self._deadlines = Deadlines()
        self._busy: set[str] = {"stream", "session"}
        """Why this is no mutual silence."""
        self._asked = False
        self._over = self._idle_ms == 0

    def deadline(self) -> int | None:
        """The end of the patience."""
        return self._deadlines.earliest()

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        if self._over:
            return
        match event:
            case StreamStarted():
                self._busy.discard("stream")
            case SessionReady():
                self._busy.discard("session")
            case TurnOpened():
                self._asked = False
                self._busy.add("caller")
            case TurnClosed():
                self._busy.discard("caller")
            case KeyPressed():
                self._asked = False
            case PlaybackBusy():
                self._busy.add("agent")
            case PlaybackIdle():
                self._busy.discard("agent")
            case ResponseCreated():
                self._busy.add("response")
            case ResponseDone():
                self._busy.discard("response")
            case ToolsBusy():
                (self._busy.add if event.busy else self._busy.discard)("tools")
            case TimerFired():
                if self._deadlines.take_due(now_ms):
                    yield self._speak()
                return
            case ModelGone() | LineClosing() | CallOver():
                self._over = True
                self._deadlines.clear("idle")
                return
        self._rearm(now_ms)

    def _rearm(self, now_ms: int) -> None:
        if self._busy:
            self._deadlines.clear("idle")
        else:
            self._deadlines.set("idle", now_ms + self._idle_ms)

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
