"""The sign of life: a caller who is owed sound and hears none for a while is told that somebody is there.

Owed is the session of a call that has begun, the answer to a turn, what a running tool was asked for, and a sound for
who holds while a colleague is called. Mutual silence is no fault. It must not know what is said, nor what becomes of a
model that stays silent.
"""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.call.commands import Command
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import Event, ResponseCreated, ResponseDone, StreamStarted, TimerFired
from voice_agent.call.facts import (
    AgentChanged,
    CallerHolds,
    CallOver,
    ClipWanted,
    Fact,
    LineClosing,
    MachineReached,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    ResponseAsked,
    ResponseWanted,
    SessionLost,
    SessionReady,
    ToolsBusy,
    TurnClosed,
    TurnOpened,
    TurnUnanswered,
)
from voice_agent.call.part import Handled

SILENCE_MS = 2500
"""Longest silence towards a caller who waits: a call promises less than 3 s, of which the way to the ear takes some."""

LOST_MS = 1500
"""The same where the session was lost: another is most often there by then, and if not, it may take longer.

Also where a call goes on in another stream, whose caller has waited since the end of the former one. How long is not
known: what the carrier asks then may lie in a backlog, and does not say since when.
"""


class SignOfLife:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        StreamStarted,
        SessionLost,
        SessionReady,
        TurnOpened,
        TurnClosed,
        ResponseWanted,
        ResponseAsked,
        TurnUnanswered,
        ResponseCreated,
        ResponseDone,
        CallerHolds,
        AgentChanged,
        ToolsBusy,
        PlaybackBusy,
        PlaybackIdle,
        TimerFired,
        MachineReached,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, *, can_sign: bool, wanted: bool = True, resumed: bool) -> None:
        """`can_sign`: there is a clip `moment`. `wanted`: by the agent that has the call.

        `resumed`: the call had a stream before.
        """
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The end of the silence."""
        self._signs = wanted
        self._over = not can_sign
        self._ready = False
        self._has_waited = resumed
        """Nobody has spoken in this stream so far, but before it."""
        self._overheard = False
        self._owed: set[str] = set()
        """Why the caller waits for sound."""
        self._wanted = False
        """Something is to be asked for that nobody can ask for now."""
        self._heard: set[str] = set()
        """Who is speaking."""
        self._silent_since_ms: int | None = None
        """Since when the caller waits in silence; `None`: somebody speaks."""
        self._settled_ms = -1
        """When nothing was owed any more; what is owed again at that moment was owed all the time."""

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        if self._over:
            return
        match event:
            case TimerFired():
                if self._deadlines.take_due(now_ms):
                    yield ClipWanted("moment")
                return
            case AgentChanged():
                self._signs = event.agent.hold_sound
            case MachineReached() | ModelGone() | LineClosing() | CallOver():
                self._over = True
                self._deadlines.clear_all()
                return
            case ResponseWanted():
                # Nothing is settled by it: most often it is asked for at this very moment.
                self._wanted = True
                return
            case PlaybackBusy():
                self._heard.add("agent")
                self._has_waited = False
            case PlaybackIdle():
                self._heard.discard("agent")
            case TurnOpened() | TurnClosed():
                self._take_turn(event)
            case _:
                self._owe(event)
        self._rearm(now_ms)

    def _take_turn(self, event: Event | Fact) -> None:
        match event:
            case TurnOpened():
                self._heard.add("caller")
                self._has_waited = False
                self._overheard = event.overheard
            case TurnClosed():
                self._heard.discard("caller")
                if not self._overheard:
                    self._owed.add("answer")

    def _owe(self, event: Event | Fact) -> None:
        match event:
            case StreamStarted() if not self._ready:
                self._owed.add("session")
            case SessionLost():
                self._owed.add("session")
                # What was open is heard again by the next session; until then nobody knows who speaks, and a caller who
                # has long finished waits.
                unanswered = "caller" in self._heard and not self._overheard
                if "response" in self._owed or self._wanted or unanswered:
                    self._owed.add("answer")
                self._heard.discard("caller")
            case SessionReady():
                self._ready = True
                self._owed.discard("session")
            case ResponseAsked() | TurnUnanswered():
                self._owed.add("answer")
            case ResponseCreated():
                self._wanted = False
                self._owed.discard("answer")
                self._owed.add("response")
            case ResponseDone():
                self._owed.discard("response")
                if event.status == "failed":
                    self._owed.add("answer")  # it is asked for once more, or something is that was asked for already
            case CallerHolds():
                (self._owed.add if event.holds else self._owed.discard)("hold")
            case ToolsBusy():
                (self._owed.add if event.busy else self._owed.discard)("tools")

    def _rearm(self, now_ms: int) -> None:
        if self._heard:
            self._silent_since_ms = None
            self._deadlines.clear("sign")
        elif not self._owed:
            self._settled_ms = now_ms
            self._deadlines.clear("sign")
        else:
            if self._silent_since_ms is None or self._settled_ms not in (-1, now_ms):
                self._silent_since_ms = now_ms
            self._settled_ms = -1
            lost = self._has_waited or (self._ready and "session" in self._owed)
            if not self._signs:
                self._deadlines.clear("sign")
                return
            self._deadlines.set("sign", max(now_ms, self._silent_since_ms + (LOST_MS if lost else SILENCE_MS)))

    def __repr__(self) -> str:
        return f"<SignOfLife owed {sorted(self._owed)}, heard {sorted(self._heard)}, {self._deadlines}>"
