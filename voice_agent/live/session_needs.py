"""What a session needs of what it works with: the bridge, the recorder, the slow work of its call."""

from collections.abc import Sequence
from typing import Protocol

from voice_agent.call.commands import CallColleague, KeepDigits, RunTool
from voice_agent.call.events import ColleagueAnswered, HangUpFinished, ToolFinished
from voice_agent.live.leg import Leg
from voice_agent.wire.bridge import Input, Output


class Recorder(Protocol):
    """What a session needs of a recording; both return at once."""

    def record(self, now_ms: int, received: Input | None, outputs: Sequence[Output], /) -> None:
        """Take one step, `received` being `None` for the beginning, before its outputs are carried out."""
        ...

    def remark(self, now_ms: int, what: str, /) -> None:
        """Take what no step tells: that an output was never written."""
        ...


class CallBridge(Protocol):
    """What a session needs of a `Bridge`."""

    def start(self) -> list[Output]:
        """Begin at 0 ms."""
        ...

    def feed(self, now_ms: int, received: Input) -> list[Output]:
        """Take one input."""
        ...

    def deadline(self) -> int | None:
        """When to feed `TimerFired`."""
        ...


class Work(Protocol):
    """The slow work of one call, off the audio path. A failure is an answer too; nothing is raised."""

    def model_leg(self, endpoint: int) -> Leg:
        """Make a leg to the model, to which of the call's endpoints; its `run` connects."""
        ...

    async def run_tool(self, order: RunTool) -> ToolFinished:
        """Run one tool within its limits."""
        ...

    def keep_digits(self, order: KeepDigits) -> None:
        """Hold secret digits for the tools that are given their name."""
        ...

    async def hang_up(self) -> HangUpFinished:
        """End the call by REST."""
        ...

    async def call_colleague(self, order: CallColleague) -> ColleagueAnswered:
        """Call somebody who shall take the caller over, and ask them; cancelled when the caller's call ends."""
        ...

    async def settle_transfer(self, accepted: bool) -> None:
        """Tell the caller's call what the colleague says, who is spoken to in this one."""
        ...

    async def is_in_progress(self) -> bool | None:
        """Ask by REST whether the carrier still has the call; `None`: it cannot be known."""
        ...
