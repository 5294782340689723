"""What the agent says first, once the session is ready and the caller can hear it: the greeting, or how it goes on."""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.commands import CallStarted, Command
from voice_agent.call.events import Event, StreamStarted
from voice_agent.call.facts import Fact, ModelGone, ResponseWanted, SessionReady
from voice_agent.call.part import Handled


class Greeting:
    """See the module."""

    HANDLES: ClassVar[Handled] = (StreamStarted, SessionReady, ModelGone)

    def __init__(self, agent: Agent, *, resumed: bool = False) -> None:
        """`resumed`: the conversation goes on, and the model knows why."""
        self._agent = agent
        self._resumed = resumed
        self._streaming = False
        self._ready_ms: int | None = None
        """When the session was ready; -1 when there will be none."""
        self._begun = False

    def deadline(self) -> int | None:
        """None: it waits for nothing of its own."""
        return None

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        match event:
            case StreamStarted():
                self._streaming = True
            case SessionReady():
                self._ready_ms = now_ms
            case ModelGone() if self._ready_ms is None:
                self._ready_ms = -1
        if self._begun or not self._streaming or self._ready_ms is None:
            return
        self._begun = True
        yield CallStarted(self._ready_ms)
        agent = self._agent
        if self._ready_ms < 0:
            return
        if self._resumed:
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
