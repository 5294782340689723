"""Keys: DTMF digits that no tool waits for, given to the model as text once the caller has stopped pressing."""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.call.commands import AddUserText, Command, KeysPressed, Note
from voice_agent.call.conversation import keys_text
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import Event, TimerFired
from voice_agent.call.facts import (
    CallOver,
    CollectionBegan,
    Fact,
    KeyLeft,
    KeysAhead,
    LineClosing,
    ModelGone,
    ResponseWanted,
    SessionLost,
    SessionReady,
)
from voice_agent.call.part import Handled

BETWEEN_KEYS_MS = 1500
"""Longest pause within one number; people look for the next key."""


class Keys:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        KeyLeft,
        CollectionBegan,
        SessionLost,
        SessionReady,
        TimerFired,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self) -> None:
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The end of the number."""
        self._digits = ""
        self._ready = False
        self._gone = False
        self._count = 0

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        match event:
            case KeyLeft() if not self._gone:
                self._digits += event.digit
                self._deadlines.set("last key", now_ms + BETWEEN_KEYS_MS)
            case CollectionBegan() if self._digits:
                digits, self._digits = self._digits, ""
                self._deadlines.clear("last key")
                # What was pressed in the open is no secret; told now, it would sound like the answer.
                yield Note("info", "keys before a secret number are dropped") if event.secret else KeysAhead(digits)
            case SessionLost() | SessionReady():
                self._ready = isinstance(event, SessionReady)
            case TimerFired():
                if self._deadlines.take_due(now_ms):
                    yield from self._give(now_ms)
            case ModelGone() | LineClosing() | CallOver():
                self._gone = True
                self._deadlines.clear("last key")

    def _give(self, now_ms: int) -> Iterator[Command | Fact]:
        if not self._ready:
            self._deadlines.set("last key", now_ms + BETWEEN_KEYS_MS)
            return
        digits, self._digits = self._digits, ""
        self._count += 1
        # Not `keys-…`: so `turns` names the request that follows, and an error names one of the two.
        yield AddUserText(f"pressed-{self._count}", keys_text(digits))
        yield KeysPressed(digits)
        yield ResponseWanted("keys")
