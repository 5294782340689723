"""The tool `handoff`: another agent goes on with the caller, in the same session of the model.

The session keeps the conversation, sound and all; one `session.update` gives it the other agent's instructions, tools,
language and rules of turns. It is sent when the response that called the tool is done, and when the server confirms it
the other agent has the call: the tool's answer tells it why, and it speaks next. A session keeps its voice once it has
spoken (protocol notes 3.1), so the other agent's own is heard only where no word was said before.

A call is handed over `MOST_HANDOVERS` times at most; the tool then says so, and whoever has the call keeps it.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import msgspec

from voice_agent.agent import Agent, Handoff
from voice_agent.call.commands import Command, ConfigureSession, HandedOver
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    Event,
    ModelAudio,
    ModelError,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    TimerFired,
)
from voice_agent.call.facts import (
    AgentChanged,
    Fact,
    LineClosing,
    LineToolAnswered,
    LineToolCalled,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    SessionFailed,
    SessionLost,
    SessionReady,
)
from voice_agent.call.part import Handled

MOST_HANDOVERS = 4
"""Of one call: agents that hand a caller on and on, or back and forth, come to an end."""

CONFIRM_MS = 4000
"""A server that has not confirmed a `session.update` by then is stuck."""

LONGEST_NAME = 64
"""Characters of a name of the model's that are told back to it."""


class _Arguments(msgspec.Struct):
    to: str | None = None
    reason: str = ""


class _Pending(msgspec.Struct):
    """A hand-over that was asked for and is not confirmed."""

    call_id: str
    response_id: str
    agent: Agent
    reason: str
    event_id: str = ""
    """Of the `session.update`; empty: it is not sent yet."""
    voice: str = ""
    """What that asks for."""


class HandoffPart:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        LineToolCalled,
        ResponseCreated,
        ResponseDone,
        ModelAudio,
        SessionUpdated,
        ModelError,
        PlaybackBusy,
        PlaybackIdle,
        SessionLost,
        SessionReady,
        TimerFired,
        ModelGone,
        LineClosing,
    )

    def __init__(self, agent: Agent, others: Iterable[Agent]) -> None:
        """`others`: those that the call can be handed over to, by `agent` or by one of them."""
        self._agents = {each.name: each for each in (*others, agent)}
        self._agent = agent
        self._voice = agent.voice
        """What the session has."""
        self._spoken = False
        """The model has made sound."""
        self._busy = False
        self._open: set[str] = set()
        """Responses that have begun and not ended."""
        self._pending: _Pending | None = None
        self._handed_over = 0
        self._updates = 0
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The end of the wait for the server."""
        self._ready = True
        """There is a session; no tool is called before there is one."""

    def feed(self, now_ms: int, event: Event | Fact) -> Iterable[Command | Fact]:
        """Take one event or fact."""
        if isinstance(event, ModelAudio):
            self._spoken = True
            return ()
        return self._take(now_ms, event)

    def _take(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        match event:
            case LineToolCalled():
                yield from self._consider(now_ms, event)
            case ResponseCreated():
                self._open.add(event.response_id)
            case ResponseDone():
                self._open.discard(event.response_id)
                yield from self._ask(now_ms)
            case PlaybackBusy():
                self._busy = True
            case PlaybackIdle():
                self._busy = False
                yield from self._ask(now_ms)
            case SessionUpdated() if (pending := self._asked_by(event.request)) is not None:
                yield from self._hand_over(pending)
            case ModelError() if (pending := self._asked_by(event.event_id)) is not None:
                yield from self._refused(now_ms, pending)
            case TimerFired():
                if self._deadlines.take_due(now_ms):
                    yield SessionFailed(f"the model did not confirm a session.update within {CONFIRM_MS // 1000} s")
            case SessionLost():
                self._lose_session()
            case SessionReady():
                self._ready = True
                yield from self._ask(now_ms)
            case ModelGone() | LineClosing():
                self._pending = None
                self._deadlines.clear_all()

    def _lose_session(self) -> None:
        """Begin with the next session as it begins with us: with the agent that has the call."""
        self._ready = self._spoken = False
        if self._pending is not None:
            self._pending.event_id = ""
        self._deadlines.clear("confirmed")

    def _asked_by(self, event_id: str | None) -> _Pending | None:
        """Give the hand-over that an answer of the server is about, if it is about one."""
        return self._pending if event_id and self._pending and event_id == self._pending.event_id else None

    def _consider(self, now_ms: int, called: LineToolCalled) -> Iterator[Command | Fact]:
        handoff = {tool.name: tool.handoff for tool in self._agent.tools}.get(called.name)
        if handoff is None:
            return
        chosen = _chosen(handoff, called.arguments)
        if isinstance(chosen, str):
            yield _failed(called.call_id, chosen)
        elif self._pending is not None:
            yield _failed(called.call_id, f"the call is being handed over to {self._pending.agent.name} already")
        elif self._handed_over >= MOST_HANDOVERS:
            problem = f"this call was handed over {MOST_HANDOVERS} times, which is the most: help the caller yourself"
            yield _failed(called.call_id, problem)
        elif (agent := self._agents.get(chosen[0])) is None:
            yield _failed(called.call_id, f"{chosen[0]} cannot be reached: help the caller yourself")
        else:
            self._pending = _Pending(called.call_id, called.response_id, agent, chosen[1])
            yield from self._ask(now_ms)

    def _ask(self, now_ms: int) -> Iterator[Command]:
        """Send the update as soon as that may be; done already, or nothing to do: nothing."""
        pending = self._pending
        if pending is None or pending.event_id or pending.response_id in self._open or not self._ready:
            return
        if self._busy and self._agent.barge_in.protect_greeting:
            return  # it may be what plays: until it was heard, the rules of turns are the greeting's
        free = not self._spoken and not self._open
        yield self._update(now_ms, pending, pending.agent.voice if free else self._voice)

    def _update(self, now_ms: int, pending: _Pending, voice: str) -> ConfigureSession:
        self._updates += 1
        pending.event_id = f"handoff-{self._updates}"
        pending.voice = voice
        self._deadlines.set("confirmed", now_ms + CONFIRM_MS)
        flags = pending.agent.barge_in.after_ms == 0
        return ConfigureSession.for_agent(
            pending.agent,
            interrupt_response=flags,
            create_response=flags,
            voice=voice,
            event_id=pending.event_id,
        )

    def _hand_over(self, pending: _Pending) -> Iterator[Command | Fact]:
        self._pending = None
        self._deadlines.clear("confirmed")
        former, self._agent = self._agent, pending.agent
        self._voice = pending.voice
        self._handed_over += 1
        yield HandedOver(pending.agent.name)
        yield AgentChanged(pending.agent, pending.voice)
        told = {
            "you_are_now": pending.agent.name,
            "handed_over_by": former.name,
            "because": pending.reason or "the caller asked for it",
            "next": "Say in a few words who you are, then go on with what the caller wants; do not ask for it again.",
        }
        yield LineToolAnswered(pending.call_id, _json(told))

    def _refused(self, now_ms: int, pending: _Pending) -> Iterator[Command | Fact]:
        self._deadlines.clear("confirmed")
        if pending.voice != self._voice:
            # The two crossed: the session has begun to speak, and keeps its voice.
            yield self._update(now_ms, pending, self._voice)
            return
        self._pending = None
        yield _failed(pending.call_id, f"{pending.agent.name} cannot be reached: help the caller yourself")

    def __repr__(self) -> str:
        return f"<HandoffPart {self._agent.name} has the call, pending {self._pending}, {self._deadlines}>"


def _chosen(handoff: Handoff, arguments: str) -> tuple[str, str] | str:
    """Give whom the model asks for and why, or what is wrong for it to read; the only agent there is needs no name."""
    names = ", ".join(handoff.to)
    try:
        chosen = msgspec.json.decode(arguments or "{}", type=_Arguments)
    except (ValueError, RecursionError):  # no JSON, no Unicode, nested beyond reason
        return f'the arguments cannot be read: give an object whose "to" is one of {names}'
    if chosen.to is None and len(handoff.to) == 1:
        chosen.to = handoff.to[0]
    if chosen.to is None:
        return f'"to" is missing: give one of {names}'
    if chosen.to not in handoff.to:
        return f'there is no "{chosen.to[:LONGEST_NAME]}" to hand over to; there are: {names}'
    return chosen.to, chosen.reason


def _failed(call_id: str, problem: str) -> LineToolAnswered:
    return LineToolAnswered(call_id, _json({"error": problem}), failed=True)


def _json(told: dict[str, str]) -> str:
    return msgspec.json.encode(told).decode()
