"""Who has answered a call that we placed: a person, or a machine, as the carrier's detection finds out meanwhile.

    nothing known yet     only the greeting is said, whatever is heard; after `HELD_MS` the conversation opens anyhow
    a person, or a key    the conversation opens: what was said meanwhile is answered
    a machine             what plays is cut; the call ends without a word, or when the machine listens with a message

Where a message is to be left, a machine is known by the end of its own greeting only; so whoever goes on talking is
not taken for a person as long as there is no pause. A verdict that comes later is obeyed if no word or key came so far:
a person who is in a conversation is never hung up on. It must not know how the carrier is told to look.
"""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.agent import Agent, OnMachine
from voice_agent.call.commands import Command, Note
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import CallerTranscribed, Event, KeyPressed, MachineVerdict, StreamStarted, TimerFired
from voice_agent.call.facts import (
    ConversationOpened,
    Fact,
    GoodbyeWanted,
    LineClosing,
    MachineReached,
    TurnClosed,
    TurnOpened,
)
from voice_agent.call.part import Handled

HELD_MS = 4000
"""Longest wait for the verdict: a person who has said hello twice hangs up."""

PAUSE_MS = 2000
"""Silence that a machine's greeting does not have: the carrier itself takes 1.2 s as its end."""

LONGEST_GREETING_MS = 30_000
"""After this nobody waits any more for a verdict, nor for the end of a greeting. The carrier's own limit."""


class AnsweringMachine:
    """See the module. Only in calls that we placed, with an agent that says what to do about machines."""

    HANDLES: ClassVar[Handled] = (
        StreamStarted,
        MachineVerdict,
        TurnOpened,
        TurnClosed,
        CallerTranscribed,
        KeyPressed,
        TimerFired,
        LineClosing,
    )

    def __init__(self, agent: Agent, wish: OnMachine) -> None:
        self._wish = wish
        self._instructions = agent.instructions
        self._counts_turns = agent.transcription is None
        """Nothing is transcribed, so a turn is taken for words."""
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """When the conversation opens without a verdict, or the message is left without a machine's end."""
        self._streaming = False
        self._early: str | None = None
        """A verdict that came before the stream."""
        self._open = not self.holds
        self._caller_speaks = False
        self._quiet_since_ms = 0
        self._words = False
        """The callee has said something that was transcribed, or pressed a key, which no recorded greeting does."""
        self._machine = False
        self._closing = False

    @property
    def holds(self) -> bool:
        """Whether the conversation waits for the verdict."""
        return self._wish.do != "continue"

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        if self._closing:
            return
        match event:
            case StreamStarted():
                yield from self._begin(now_ms)
            case MachineVerdict():
                yield from self._judge(now_ms, event.answered_by)
            case TurnOpened():
                self._caller_speaks = True
            case TurnClosed():
                self._caller_speaks = False
                self._quiet_since_ms = now_ms
                self._words = self._words or self._counts_turns
            case CallerTranscribed():
                self._words = self._words or bool(event.text.strip())
            case KeyPressed() if not self._machine:
                self._words = True
                yield from self._open_conversation()
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    yield from self._due(now_ms, name)
            case LineClosing():
                self._closing = True
                self._deadlines.clear_all()

    def _begin(self, now_ms: int) -> Iterator[Command | Fact]:
        self._streaming = True
        if not self._open:
            self._deadlines.set("open", now_ms + HELD_MS)
            self._deadlines.set("longest", now_ms + LONGEST_GREETING_MS)
        if self._early is not None:
            yield from self._judge(now_ms, self._early)

    def _judge(self, now_ms: int, answered_by: str) -> Iterator[Command | Fact]:
        if not self._streaming:
            self._early = answered_by
            return
        machine = answered_by.startswith("machine") or answered_by == "fax"
        yield Note("info", "the carrier says who answered", {"answered_by": answered_by, "late": self._open})
        if self._machine:
            if answered_by.startswith("machine_end"):
                yield from self._leave_message()
        elif not machine:
            yield from self._open_conversation()
        elif not self.holds:
            pass  # it is told, and that is all
        elif self._open and self._words:
            yield Note("warning", "a late verdict on who answered is not obeyed")
        else:
            yield from self._take_for_machine(now_ms, answered_by)

    def _take_for_machine(self, now_ms: int, answered_by: str) -> Iterator[Command | Fact]:
        self._machine = True
        self._deadlines.clear_all()
        leaves = self._wish.do == "leave" and answered_by != "fax"
        yield MachineReached(answered_by, hangs_up=not leaves)
        if leaves and answered_by.startswith("machine_end"):
            yield from self._leave_message()
        elif leaves:
            self._deadlines.set("longest", now_ms + LONGEST_GREETING_MS)

    def _leave_message(self) -> Iterator[Fact]:
        self._deadlines.clear_all()
        yield GoodbyeWanted(
            "a message was left",
            f'{self._instructions}\n\nAn answering machine is recording. Say exactly: "{self._wish.text}"',
        )

    def _open_conversation(self) -> Iterator[Fact]:
        if not self._open:
            self._open = True
            self._deadlines.clear_all()
            yield ConversationOpened()

    def _due(self, now_ms: int, name: str) -> Iterator[Command | Fact]:
        quiet_from_ms = now_ms if self._caller_speaks else self._quiet_since_ms
        match name:
            case "longest" if self._machine:
                yield from self._leave_message()
            case "open" if self._wish.do == "leave" and now_ms < quiet_from_ms + PAUSE_MS:
                self._deadlines.set("open", quiet_from_ms + PAUSE_MS)
            case "open" | "longest":
                yield from self._open_conversation()

    def __repr__(self) -> str:
        state = "machine" if self._machine else "open" if self._open else "held"
        return f"<AnsweringMachine {state}, {self._deadlines}>"
