"""Renewal: a session that nears its longest time is exchanged at a quiet moment, so that none ends in a sentence.

Quiet is when for a while nobody has spoken, nothing plays, and neither a response nor a tool is waited for. Then
another session is to be had, and where it is still quiet when that stands by, the old one is given up for it. Where no
such moment comes, or none is to be had, the session ends by itself, and is opened anew like any that is lost. It must
not know how.
"""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.call.commands import Command
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import Event, ResponseCreated, ResponseDone, StandbyReady, StreamStarted, TimerFired
from voice_agent.call.facts import (
    CallerHolds,
    CallOver,
    CollectionBegan,
    CollectionEnded,
    Fact,
    LineClosing,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    ResponseAsked,
    SessionFailed,
    SessionLost,
    SessionReady,
    StandbyMissed,
    StandbyWanted,
    ToolsBusy,
    TurnClosed,
    TurnOpened,
)
from voice_agent.call.part import Handled

QUIET_MS = 3000
"""Longer than a server takes to answer a turn by itself."""

AGAIN_MS = 30_000
"""From one that is not to be had to the next try: ten minutes are left."""

_BEGINS: dict[type[Event | Fact], str] = {
    TurnOpened: "caller",
    PlaybackBusy: "agent",
    ResponseAsked: "response",
    ResponseCreated: "response",
    CollectionBegan: "keys",
    SessionLost: "session",
}
_ENDS: dict[type[Event | Fact], str] = {
    StreamStarted: "stream",
    SessionReady: "session",
    TurnClosed: "caller",
    PlaybackIdle: "agent",
    ResponseDone: "response",
    CollectionEnded: "keys",
}


class Renewal:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        *_BEGINS,
        *_ENDS,
        ToolsBusy,
        CallerHolds,
        StandbyReady,
        StandbyMissed,
        TimerFired,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, renew_ms: int) -> None:
        """`renew_ms`: how old a session grows."""
        self._renew_ms = renew_ms
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """When the session is old, and then when it has been quiet for long enough."""
        self._busy = {"stream", "session"}
        """Why this is no quiet moment."""
        self._old = False
        """The session should be exchanged."""
        self._asked = False
        """Another one is to be had."""
        self._over = False

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        if self._over:
            return
        match event:
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    if name == "quiet":
                        self._asked = True
                        yield StandbyWanted()
                    self._old = True
            case StandbyReady():
                if self._asked and not self._busy:
                    yield SessionFailed("it nears its longest time", renewed=True)
                self._asked = False
            case StandbyMissed():
                self._wait(now_ms, AGAIN_MS)
            case SessionReady():
                self._wait(now_ms, self._renew_ms)
            case ModelGone() | LineClosing() | CallOver():
                self._over = True
                self._deadlines.clear_all()
                return
        self._note(event)
        if self._busy or self._asked or not self._old:
            self._deadlines.clear("quiet")
        elif not self._deadlines.armed("quiet"):
            self._deadlines.set("quiet", now_ms + QUIET_MS)

    def _note(self, event: Event | Fact) -> None:
        """Know whether this is a quiet moment."""
        match event:
            case ToolsBusy():
                (self._busy.add if event.busy else self._busy.discard)("tools")
            case CallerHolds():
                (self._busy.add if event.holds else self._busy.discard)("hold")
        if (begun := _BEGINS.get(type(event))) is not None:
            self._busy.add(begun)
        elif (ended := _ENDS.get(type(event))) is not None:
            self._busy.discard(ended)

    def _wait(self, now_ms: int, wait_ms: int) -> None:
        self._old = self._asked = False
        self._deadlines.set("old", now_ms + wait_ms)

    def __repr__(self) -> str:
        return f"<Renewal busy {sorted(self._busy)}, {self._deadlines}>"
