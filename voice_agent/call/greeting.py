"""The greeting: what the agent says first, once the session is ready and the caller can hear it."""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.commands import CallStarted, Command
from voice_agent.call.events import Event, StreamStarted
from voice_agent.call.facts import Fact, ResponseWanted, SessionReady
from voice_agent.call.part import Handled


class Greeting:
    """See the module."""

    HANDLES: ClassVar[Handled] = (StreamStarted, SessionReady)

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._streaming = False
        self._ready_ms: int | None = None

    def deadline(self) -> int | None:
        """None: it waits for nothing of its own."""
        return None

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        if isinstance(event, StreamStarted):
            self._streaming = True
        else:
            self._ready_ms = now_ms
        if not self._streaming or self._ready_ms is None:
            return
        yield CallStarted(self._ready_ms)
        agent = self._agent
        if agent.greeting is not None:
            yield ResponseWanted(
                "greeting",
                # A response's instructions replace the session's, so what matters is repeated.
                f'{agent.instructions}\n\nThe call has just begun. Say exactly: "{agent.greeting}"',
                "none",
                keep=agent.barge_in.protect_greeting,
            )
