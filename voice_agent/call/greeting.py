"""What the agent says first, once the session is ready and the caller can hear it: the greeting, or how it goes on.

A greeting that was kept from a former call needs no session: it is played when the stream begins, and the session is
told afterwards what was heard of it, as the first item. Until the session is ready nobody hears the caller, so that
only a short one is kept (`LONGEST_KEPT_MS`).
"""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.commands import AddAgentText, CallStarted, Command
from voice_agent.call.conversation import Resumption
from voice_agent.call.events import Event, StreamStarted
from voice_agent.call.facts import (
    CallOver,
    Fact,
    LineClosing,
    ModelGone,
    OwnSpeechHeard,
    OwnSpeechWanted,
    ResponseWanted,
    SessionReady,
)
from voice_agent.call.part import Handled

LONGEST_KEPT_MS = 4000
"""A caller who speaks into it is heard so late at most."""

KEPT_ITEM = "kept-greeting"
"""What it is called beside the items of the session."""


class Greeting:
    """See the module."""

    HANDLES: ClassVar[Handled] = (StreamStarted, SessionReady, OwnSpeechHeard, ModelGone, LineClosing, CallOver)

    def __init__(self, agent: Agent, kept: bytes | None, resumed: Resumption | None) -> None:
        """`kept`: the greeting as it was said before. `resumed`: the conversation goes on, and the model knows why."""
        self._agent = agent
        self._resumed = resumed
        self._streaming = False
        self._ready_ms: int | None = None
        """When the session was ready; -1 when there will be none."""
        self._begun = False
        self._over = False
        """There is nobody left who could be told anything."""
        self._kept = kept
        self._untold = ""
        """What was heard of the kept greeting, while the session cannot be told."""

    def deadline(self) -> int | None:
        """None: it waits for nothing of its own."""
        return None

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        match event:
            case StreamStarted() if not self._streaming:
                self._streaming = True
                if self._kept is not None and self._agent.greeting is not None:
                    yield OwnSpeechWanted(KEPT_ITEM, self._agent.greeting, self._kept)
            case OwnSpeechHeard():
                self._untold = event.text
            case SessionReady():
                self._ready_ms = now_ms
            case ModelGone() if self._ready_ms is None:
                self._ready_ms = -1
            case ModelGone() | LineClosing() | CallOver():
                self._over = True
        if self._untold and self._ready_ms is not None and self._ready_ms >= 0 and not self._over:
            yield AddAgentText("greeting-heard", self._untold, first=True)
            self._untold = ""
        if self._begun or not self._streaming or self._ready_ms is None:
            return
        self._begun = True
        yield CallStarted(self._ready_ms)
        agent = self._agent
        if self._ready_ms < 0 or self._kept is not None:
            return
        if self._resumed is not None and not self._resumed.reason:
            # What the conversation ends with is to be answered, e.g. that keys were sent.
            yield ResponseWanted("tool")
        elif self._resumed is not None:
            yield ResponseWanted(
                "greeting",
                f"{agent.instructions}\n\nThe call goes on. Tell the caller in a sentence what happened, and go on.",
                "none",
            )
        elif agent.greeting is not None:
            yield ResponseWanted(
                "greeting",
                # A response's instructions replace the session's, so what matters is repeated.
                f'{agent.instructions}\n\nThe call has just begun. Say exactly: "{agent.greeting}"',
                "none",
                keep=agent.barge_in.protect_greeting,
            )
