"""The tool `collect_digits`: keys that the caller presses become its answer, not text for the model.

It ends with the length it wants, with its terminator, or when no key has come for its time, in which neither side
speaks: the caller hears the question out, and may talk meanwhile. A hand-over ends it, too: the other agent did not
ask. It is answered once, whatever else happens, and further keys are the model's again. Keys pressed shortly before it
was called, and not told yet, are its first ones: people who know the question do not wait for it.

Of a *secret* number the model learns the length and a name, which stands for it in the arguments of other tools. From
the call of the tool until the caller types no more every key is secret, whether it counts or not. Keys from before, and
from so soon that their sound is not held back yet, do not count: they were pressed in the open.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from voice_agent.agent import Agent, DigitCollection
from voice_agent.call.commands import Command, HideKeys, KeepDigits, ShowKeys
from voice_agent.call.conversation import Resumption, ToolTurn
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import Event, KeyPressed, ResponseCreated, ResponseDone, TimerFired
from voice_agent.call.facts import (
    AgentChanged,
    CollectionBegan,
    CollectionEnded,
    Fact,
    KeyLeft,
    KeysAhead,
    LineToolAnswered,
    LineToolCalled,
    PlaybackBusy,
    PlaybackIdle,
    SecrecyEnded,
    TurnClosed,
    TurnOpened,
)
from voice_agent.call.hidden_audio import BEFORE_MS
from voice_agent.call.part import Handled

HABIT_MS = 1500
"""A terminator that follows a number which had its length already is a habit, and nobody's key. Behind a secret number
all keys are nobody's until none has come for so long."""

_BEGINS: dict[type[Event | Fact], str] = {TurnOpened: "caller", PlaybackBusy: "agent", ResponseCreated: "response"}
_ENDS: dict[type[Event | Fact], str] = {TurnClosed: "caller", PlaybackIdle: "agent", ResponseDone: "response"}
"""While one of these lasts, nobody is expected to press a key."""


class _Open(msgspec.Struct):
    """A call of the tool that is not answered yet."""

    call_id: str
    wanted: DigitCollection
    digits: str = ""


class CollectDigits:
    """See the module. One collection at a time: a new one ends the one before."""

    HANDLES: ClassVar[Handled] = (
        KeyPressed,
        KeysAhead,
        LineToolCalled,
        AgentChanged,
        *_BEGINS,
        *_ENDS,
        TimerFired,
    )

    def __init__(self, agent: Agent, resumed: Resumption | None = None) -> None:
        """`resumed`: its secret numbers are known no more, but their names are taken."""
        self._equip(agent)
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The end of the patience with a caller who presses nothing."""
        self._busy: set[str] = set()
        """Who speaks."""
        self._open: _Open | None = None
        self._habit: str | None = None
        """The terminator that may still follow."""
        self._hidden_from_ms: int | None = None
        """Keys are hidden, and from then on they count; `None`: they are not hidden."""
        turns = () if resumed is None else resumed.conversation.turns
        self._kept = sum(isinstance(turn, ToolTurn) and '"${digits_' in str(turn.output) for turn in turns)
        """How many secret numbers there were."""

    def _equip(self, agent: Agent) -> None:
        self._tools = {tool.name: tool.digits for tool in agent.tools if tool.digits is not None}

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        match event:
            case KeyPressed():
                yield from self._take_key(now_ms, event.digit)
            case KeysAhead():
                yield from self._take_ahead(now_ms, event.digits)
            case LineToolCalled() if event.name in self._tools:
                yield from self._begin(now_ms, event)
            case AgentChanged():
                self._equip(event.agent)
                yield from self._hand_over(now_ms)
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    if name == "key":
                        yield from self._end("timeout")
                    else:
                        self._habit = None
                        yield from self._show()
            case _:
                self._look_who_speaks(now_ms, event)

    def _look_who_speaks(self, now_ms: int, event: Event | Fact) -> None:
        if (begun := _BEGINS.get(type(event))) is not None:
            self._busy.add(begun)
        elif (ended := _ENDS.get(type(event))) is not None:
            self._busy.discard(ended)
        self._wait(now_ms)

    def _wait(self, now_ms: int) -> None:
        if self._open is None or self._busy:
            self._deadlines.clear("key")
        else:
            self._deadlines.set("key", now_ms + self._open.wanted.timeout_seconds * 1000)

    def _begin(self, now_ms: int, called: LineToolCalled) -> Iterator[Command | Fact]:
        yield from self._end("another call")
        yield from self._show()
        self._habit = None
        self._deadlines.clear("habit")
        self._open = _Open(called.call_id, self._tools[called.name])
        self._wait(now_ms)
        secret = self._open.wanted.secret
        if secret:
            self._hidden_from_ms = now_ms + BEFORE_MS
            yield HideKeys(self._open.wanted.terminator)
        yield CollectionBegan(secret)

    def _hand_over(self, now_ms: int) -> Iterator[Command | Fact]:
        if self._open is not None and self._open.wanted.secret:
            self._deadlines.set("habit", now_ms + HABIT_MS)  # they may be in the middle of typing it
        yield from self._end("hand-over")

    def _show(self) -> Iterator[Command | Fact]:
        if self._hidden_from_ms is not None:
            self._hidden_from_ms = None
            yield ShowKeys()
            yield SecrecyEnded()

    def _take_ahead(self, now_ms: int, digits: str) -> Iterator[Command | Fact]:
        for digit in digits:
            yield from self._take_key(now_ms, digit)

    def _take_key(self, now_ms: int, digit: str) -> Iterator[Command | Fact]:
        collection = self._open
        if self._hidden_from_ms is not None and (collection is None or now_ms < self._hidden_from_ms):
            if collection is None:
                self._deadlines.set("habit", now_ms + HABIT_MS)
            return
        if collection is None:
            habit, self._habit = self._habit, None
            if digit != habit:
                yield KeyLeft(digit)
            return
        wanted = collection.wanted
        self._wait(now_ms)
        if digit != wanted.terminator:
            collection.digits += digit
            if len(collection.digits) != wanted.length:
                return
            self._habit = wanted.terminator
        self._deadlines.set("habit", now_ms + HABIT_MS)
        yield from self._end("terminator" if digit == wanted.terminator else "length")

    def _end(self, ended_by: str) -> Iterator[Command | Fact]:
        if self._open is None:
            return
        collection, self._open = self._open, None
        name = ""
        if collection.wanted.secret and collection.digits:
            self._kept += 1
            name = f"digits_{self._kept}"
            yield KeepDigits(name, collection.digits)
        yield CollectionEnded()
        yield LineToolAnswered(collection.call_id, _told(collection, ended_by, name))
        if not self._deadlines.armed("habit"):
            yield from self._show()

    def __repr__(self) -> str:
        return f"<CollectDigits {'collecting' if self._open else 'idle'}, {self._deadlines}>"


def _told(collection: _Open, ended_by: str, name: str) -> str:
    """Say it to the model: what was pressed, why it ended and, if it is less than was asked for, how much that was."""
    length, pressed = collection.wanted.length, len(collection.digits)
    answer: dict[str, str | int] = {"digits": collection.digits}
    if collection.wanted.secret:
        answer = {"received": pressed, **({"digits": f"${{{name}}}"} if name else {})}
    answer["ended_by"] = ended_by
    if length is not None and pressed != length:
        answer["wanted"] = length
    return msgspec.json.encode(answer).decode()
