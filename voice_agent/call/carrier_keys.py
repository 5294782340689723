"""The tool `send_digits` with `by: call`: keys that the carrier presses, which it can do only without a stream.

So the stream is closed when nobody has anything to say any more, the carrier presses the keys, and the call goes on in
a further stream, whose model knows that they were sent. A voice at the other end is waited for, but not for long: a
menu speaks all the time. It must not know how the carrier is told.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import Command
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import Event, ResponseCreated, ResponseDone, StreamStarted, TimerFired
from voice_agent.call.facts import (
    AgentChanged,
    CallerHolds,
    CallOver,
    CarrierKeysWanted,
    Fact,
    LineClosing,
    LineToolAnswered,
    LineToolCalled,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    ResponseDropped,
    ToolsBusy,
    TurnOpened,
)
from voice_agent.call.part import Handled
from voice_agent.call.send_digits import WAIT, keys_of

MOST = 30
"""So often in one call: each time the model hears nothing for some seconds, and a session more is paid for."""

VOICE_MS = 3000
"""Longest wait for the end of what the other end says, and for the answer: a person gets one, and no menu."""

ENOUGH = "no further keys in this call, they were pressed often enough: say so, and help in another way"


class CarrierKeys:
    """See the module. What is asked for until the stream is closed is pressed together, in that order."""

    HANDLES: ClassVar[Handled] = (
        LineToolCalled,
        StreamStarted,
        ResponseCreated,
        ResponseDropped,
        ResponseDone,
        PlaybackBusy,
        PlaybackIdle,
        ToolsBusy,
        CallerHolds,
        TurnOpened,
        TimerFired,
        AgentChanged,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, agent: Agent, pressed: int) -> None:
        """`pressed`: how often the carrier has pressed keys in this call."""
        self._equip(agent)
        self._pressed = pressed
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The end of the patience with a voice."""
        self._unanswered = False
        """The other end speaks, or has spoken, and is not answered yet."""
        self._was_unanswered = False
        """The same before the last response began."""
        self._busy = {"no stream"}
        """What the stream must not be closed on, and that there is one."""
        self._waiting: list[tuple[str, str]] = []
        """Calls of the tool, each with its keys."""
        self._began_ms = 0

    def _equip(self, agent: Agent) -> None:
        self._tools = {tool.name: tool.keys for tool in agent.tools if tool.keys and tool.keys.by == "call"}

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        match event:
            case LineToolCalled() if event.name in self._tools:
                yield from self._take(now_ms, event)
            case AgentChanged():
                self._equip(event.agent)
            case ModelGone() | LineClosing() | CallOver():
                self._waiting.clear()
            case TurnOpened():
                self._unanswered = True
            case _:
                self._look_who_is_busy(event)
        quiet = bool(self._waiting) and not self._busy
        if quiet and (not self._unanswered or self._deadlines.take_due(now_ms)):
            answers = tuple((call_id, _sent(keys)) for call_id, keys in self._waiting)
            keys = WAIT.join(keys for _, keys in self._waiting)
            self._waiting.clear()
            yield CarrierKeysWanted(keys, answers, self._began_ms)
        elif not quiet or not self._unanswered:
            self._deadlines.clear("voice")
        elif not self._deadlines.armed("voice"):
            self._deadlines.set("voice", now_ms + VOICE_MS)

    def _take(self, now_ms: int, called: LineToolCalled) -> Iterator[Fact]:
        keys, problem = keys_of(self._tools[called.name], called.arguments)
        if not problem and self._pressed >= MOST:
            problem = ENOUGH
        if problem:
            yield LineToolAnswered(called.call_id, msgspec.json.encode({"error": problem}).decode(), failed=True)
            return
        if not self._waiting:
            self._began_ms = now_ms
        self._waiting.append((called.call_id, keys))

    def _look_who_is_busy(self, event: Event | Fact) -> None:
        match event:
            case StreamStarted():
                self._busy.discard("no stream")
            case ResponseCreated():
                self._was_unanswered, self._unanswered = self._unanswered, False
                self._busy.add(f"response {event.response_id}")
            case ResponseDropped():
                self._unanswered = self._was_unanswered  # nobody hears it
            case ResponseDone():
                self._busy.discard(f"response {event.response_id}")
            case PlaybackBusy():
                self._busy.add("playback")
            case PlaybackIdle():
                self._busy.discard("playback")
            case ToolsBusy():
                (self._busy.add if event.busy else self._busy.discard)("tools")
            case CallerHolds():
                (self._busy.add if event.holds else self._busy.discard)("colleague")


def _sent(keys: str) -> str:
    return msgspec.json.encode({"sent": keys}).decode()
