"""A call at whose every step the invariants look."""

from collections.abc import Mapping

from voice_agent.call.call import Call
from voice_agent.call.commands import CallCommand
from voice_agent.call.events import CallEvent
from voice_agent.call.setup import CallSetup
from voice_agent.sim.invariants import Invariants


class WatchedCall(Call):
    """See the module."""

    def __init__(self, setup: CallSetup, clips: Mapping[str, bytes], invariants: Invariants) -> None:
        super().__init__(setup, clips)
        self._invariants = invariants
        self._feed = super().feed

    def feed(self, now_ms: int, event: CallEvent) -> list[CallCommand]:
        """See `Call.feed`."""
        commands = self._feed(now_ms, event)
        self._invariants.watch(now_ms, event, commands)
        return commands
