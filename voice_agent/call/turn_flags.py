"""The flags of a session that say who decides about barge-in and answers: the server, or we.

The flags are `interrupt_response` and `create_response`, which here are always alike. What is in force at the server is
known by its confirmations, which come in the order of the requests.
"""

from collections.abc import Iterator

from voice_agent.agent import TurnDetection
from voice_agent.call.commands import Command, SetTurnFlags


class TurnFlags:
    """See the module."""

    def __init__(self, in_force: bool) -> None:
        """`in_force`: with what the session begins."""
        self.in_force = in_force
        """Whether the server decides about barge-in and answers."""
        self._sent: list[bool] = []
        """Flags on their way, each confirmed by one `SessionUpdated`."""

    def ask(self, flags: bool, turn_detection: TurnDetection) -> Iterator[Command]:
        """Have them so, unless they are, or soon will be."""
        if flags != (self._sent[-1] if self._sent else self.in_force):
            yield self._send(flags, turn_detection)

    def confirm(self) -> None:
        """Take the server's confirmation."""
        if self._sent:
            self.in_force = self._sent.pop(0)

    def replace(self, flags: bool, turn_detection: TurnDetection) -> Iterator[Command]:
        """Take that the whole session was set up once more; what was sent behind that spoke of the former one."""
        self.in_force = flags
        if self._sent:
            yield self._send(flags, turn_detection)

    def _send(self, flags: bool, turn_detection: TurnDetection) -> SetTurnFlags:
        self._sent.append(flags)
        return SetTurnFlags(turn_detection, interrupt_response=flags, create_response=flags)
