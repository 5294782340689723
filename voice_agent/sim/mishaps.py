"""What goes wrong around a call beside the model's own faults: on the phone's line, at the REST API, in tools.

Data, and the line that obeys it. It must not know what the messages mean, beyond telling a mark from a frame.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from voice_agent.wire.twilio import FromTwilio, Mark, Media


class Percent(Protocol):
    """What decides: a seeded `random.Random`."""

    def randint(self, a: int, b: int, /) -> int:
        """Return an integer from a to b, both included."""


class ToolWork(msgspec.Struct, frozen=True):
    """What one tool does when it is called."""

    output: str = "null"
    failed: bool = False
    after_ms: int | None = None
    """How long it takes; `None`: as long as the `Timing` draws."""
    answers: bool = True
    """Otherwise nothing ever comes of it: the runner itself is stuck."""


Tool = str | ToolWork | Callable[[str], str | ToolWork]
"""What a tool answers, whatever it is asked or by its arguments (JSON)."""


def work_of(tool: Tool, arguments: str) -> ToolWork:
    """Say what a tool does when it is asked this."""
    work = tool(arguments) if callable(tool) else tool
    return ToolWork(work) if isinstance(work, str) else work


class Gap(msgspec.Struct, frozen=True):
    """A stretch of the caller's audio that is lost on its way to the bridge."""

    at_ms: int
    length_ms: int


class Mishaps(msgspec.Struct, frozen=True, kw_only=True):
    """All times are the call's milliseconds."""

    no_stream: bool = False
    """The stream never comes: the caller has hung up before it."""
    dead_at_ms: int | None = None
    """From then on nothing passes on the line, and nobody closes it; asked, the carrier says that it is dead."""
    lost_marks_percent: int = 0
    doubled_marks_percent: int = 0
    gaps: tuple[Gap, ...] = ()
    hang_up_problem: str = ""
    """The carrier's answer to a hang-up by REST that it refuses; empty: it hangs up."""
    end_requested_ms: int | None = None
    """The operator ends the call."""
    end_with_goodbye: bool = False
    """The agent shall say goodbye first."""
    end_to: str = ""
    """Instead, the caller shall be connected with whoever has this name."""
    unreachable: int = 0
    """So many attempts to connect the model get no answer at all."""


class Line:
    """The way from the carrier to the bridge, with what it loses and doubles."""

    def __init__(self, mishaps: Mishaps, chance: Percent) -> None:
        self.mishaps = mishaps
        self._chance = chance
        self._loses = bool(mishaps.lost_marks_percent or mishaps.doubled_marks_percent)
        self.sound = not (self._loses or mishaps.gaps or mishaps.dead_at_ms is not None)
        """Everything passes, once."""

    def dead(self, now_ms: int) -> bool:
        """Whether nothing passes any more."""
        return self.mishaps.dead_at_ms is not None and now_ms >= self.mishaps.dead_at_ms

    def copies(self, now_ms: int, message: FromTwilio) -> int:
        """How many times a message arrives that the carrier sends now."""
        if self.dead(now_ms):
            return 0
        if isinstance(message, Media) and any(0 <= now_ms - gap.at_ms < gap.length_ms for gap in self.mishaps.gaps):
            return 0
        if self._loses and isinstance(message, Mark):
            drawn = self._chance.randint(0, 99)
            if drawn < self.mishaps.lost_marks_percent:
                return 0
            return 2 if drawn >= 100 - self.mishaps.doubled_marks_percent else 1
        return 1
