"""The one shape of all parts of a call."""

from collections.abc import Iterable
from typing import ClassVar, Protocol

from voice_agent.call.commands import Command
from voice_agent.call.events import Event
from voice_agent.call.facts import Fact

Handled = tuple[type[Event | Fact], ...]
"""What a part wants to see."""


class Part(Protocol):
    """One concern of a call. It sees only the events and facts that it names, and knows no other part."""

    HANDLES: ClassVar[Handled]

    def feed(self, now_ms: int, event: Event | Fact) -> Iterable[Command | Fact | Event]:
        """Take one event or fact; give commands and facts, in order. Never awaits, never raises for a peer's fault."""
        ...

    def deadline(self) -> int | None:
        """When this part wants a `TimerFired`."""
        ...
