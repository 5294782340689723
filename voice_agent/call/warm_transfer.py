"""A warm transfer: a colleague is called while the caller holds; the caller goes there once they have accepted.

The caller stays with the agent meanwhile, may speak and is answered, and hears a clip where nobody speaks for a while.
What a colleague who does not take the call says, or that nobody answers, is the answer of the model's tool. It must not
know how anybody is called.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import CallColleague, Command, Destination, Note
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import ColleagueAnswered, Event, ResponseCreated, ResponseDone, TimerFired
from voice_agent.call.facts import (
    AgentChanged,
    CallerHolds,
    CallOver,
    ClipWanted,
    Fact,
    LineClosing,
    LineToolAnswered,
    LineToolCalled,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    TransferAgreed,
    TurnClosed,
    TurnOpened,
)
from voice_agent.call.part import Handled
from voice_agent.call.transfer import chosen, summary_of

HOLD_AFTER_MS = 1500
"""Silence before the clip, and between two of them: short enough that nobody thinks the line is dead."""

LAST_WORDS_MS = 3000
"""Longest wait for the end of what is being said when the colleague has accepted: they are waiting, too."""

HURRIED = "the colleague does not wait any longer for what is being said"

_BEGINS: dict[type[Event | Fact], str] = {TurnOpened: "caller", PlaybackBusy: "agent", ResponseCreated: "response"}
_ENDS: dict[type[Event | Fact], str] = {TurnClosed: "caller", PlaybackIdle: "agent", ResponseDone: "response"}


class _Open(msgspec.Struct):
    """A colleague who is being called or asked."""

    call_id: str
    destination: Destination
    began_ms: int
    agreed: bool = False


class WarmTransfer:
    """See the module. One colleague at a time."""

    HANDLES: ClassVar[Handled] = (
        LineToolCalled,
        ColleagueAnswered,
        *_BEGINS,
        *_ENDS,
        AgentChanged,
        TimerFired,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, agent: Agent, *, rest: bool, clip: str | None) -> None:
        """`rest`: others can be called. `clip`: what the caller hears meanwhile; `None`: nothing."""
        self._equip(agent)
        self._rest = rest
        self._clip = clip
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The next clip, or the end of the patience with last words."""
        self._busy: set[str] = set()
        """Who speaks."""
        self._silent_since_ms = 0
        """When the last sound ended: a model that has been thinking has used some of the silence up."""
        self._clip_plays = False
        """What plays is the clip alone."""
        self._open: _Open | None = None

    def _equip(self, agent: Agent) -> None:
        self._tools = {tool.name: tool.transfer for tool in agent.tools if tool.transfer and tool.transfer.warm}

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        match event:
            case LineToolCalled() if event.name in self._tools:
                yield from self._begin(now_ms, event)
            case ColleagueAnswered() if self._open is not None and event.call_id == self._open.call_id:
                yield from self._settle(now_ms, self._open, event)
            case AgentChanged():
                self._equip(event.agent)
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    if name == "words":
                        yield Note("info", HURRIED)
                        yield from self._leave()
                    elif self._clip is not None:
                        self._clip_plays = True
                        yield ClipWanted(self._clip)
            case ModelGone() | LineClosing() | CallOver():
                self._forget()
            case _:
                yield from self._look_who_speaks(now_ms, event)

    def _begin(self, now_ms: int, called: LineToolCalled) -> Iterator[Command | Fact]:
        destination = chosen(self._tools[called.name], called.arguments)
        if isinstance(destination, str):
            yield _no(called.call_id, destination)
        elif self._open is not None:
            yield _no(called.call_id, "somebody is being called already: wait for the answer")
        elif not self._rest:
            yield Note("error", "a colleague cannot be called", {"problem": "there are no REST credentials"})
            yield _no(called.call_id, "nobody can be called now")
        else:
            self._open = _Open(called.call_id, destination, now_ms)  # in a response, behind whose end the clip comes
            yield CallerHolds(True)
            yield CallColleague(called.call_id, destination, summary_of(called.arguments))

    def _settle(self, now_ms: int, open_: _Open, answered: ColleagueAnswered) -> Iterator[Command | Fact]:
        if not answered.conference:
            self._forget()
            yield CallerHolds(False)
            yield _no(answered.call_id, f"{open_.destination.name}: {answered.problem}")
            return
        open_.destination = msgspec.structs.replace(open_.destination, conference=answered.conference)
        open_.agreed = True
        if self._somebody_speaks():
            self._deadlines.set("words", now_ms + LAST_WORDS_MS)
        else:
            yield from self._leave()

    def _leave(self) -> Iterator[Fact]:
        if self._open is not None:
            open_ = self._open
            self._forget()
            yield TransferAgreed(open_.call_id, open_.began_ms, open_.destination)

    def _forget(self) -> None:
        self._open = None
        self._deadlines.clear_all()

    def _look_who_speaks(self, now_ms: int, event: Event | Fact) -> Iterator[Fact]:
        if (begun := _BEGINS.get(type(event))) is not None:
            self._busy.add(begun)
            self._clip_plays = self._clip_plays and begun == "agent"
        elif (ended := _ENDS.get(type(event))) is not None:
            self._busy.discard(ended)
            if ended != "response":
                self._silent_since_ms = now_ms
            self._clip_plays = False
        if self._open is not None and self._open.agreed and not self._somebody_speaks():
            yield from self._leave()
        elif self._open is not None and not self._open.agreed:
            self._wait(now_ms)

    def _somebody_speaks(self) -> bool:
        return bool(self._busy) and not (self._busy == {"agent"} and self._clip_plays)

    def _wait(self, now_ms: int) -> None:
        if self._busy:
            self._deadlines.clear("hold")
        else:
            self._deadlines.set("hold", max(now_ms, self._silent_since_ms + HOLD_AFTER_MS))

    def __repr__(self) -> str:
        return f"<WarmTransfer {self._open or 'idle'}, {self._deadlines}>"


def _no(call_id: str, problem: str) -> LineToolAnswered:
    error = {"error": f"the caller is not connected: {problem}"}
    return LineToolAnswered(call_id, msgspec.json.encode(error).decode(), failed=True)
