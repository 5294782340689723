"""Until when a call may last: at its time limit it ends, whoever speaks; the limit may be brought forward."""

from voice_agent.agent import Agent
from voice_agent.call.ending import LAST_WORDS_MS, SHORTEST_MS
from voice_agent.call.events import CallEvent, EndRequested, StreamStarted
from voice_agent.call.setup import CallSetup

STEP_MS = 20
"""Of one that is over already, somebody else has the call by then."""


class TimeLimit:
    """Watches one call."""

    def __init__(self, setup: CallSetup) -> None:
        left_ms = None if setup.resumed is None else setup.resumed.left_ms
        self._longest_ms = _longest_ms(setup.agent) if left_ms is None else max(left_ms, SHORTEST_MS)
        self._limit_ms: int | None = None
        """`None`: there is no stream yet."""
        self._former_ms: list[int] = []
        """That of the agent who had the call before; it stands if its last words were asked for already."""
        self._brought_forward = False
        """Whoever gets the call has no time of their own any more."""

    def watch(self, now_ms: int, event: CallEvent) -> None:
        """Look at what happens."""
        match event:
            case StreamStarted():
                self._limit_ms = now_ms + self._longest_ms
            case EndRequested(goodbye=True, to="") if not self._brought_forward and self._limit_ms is not None:
                self._brought_forward = True
                self._limit_ms = now_ms + LAST_WORDS_MS

    def hand_over(self, now_ms: int, agent: Agent) -> None:
        """Give the call to another agent."""
        if not self._brought_forward:
            self._former_ms.append(self._limit_ms or 0)
            self._limit_ms = now_ms + _longest_ms(agent)

    def is_over(self, now_ms: int) -> bool:
        """Whether the time is over, or was just before somebody else had the call, or for one who was hanging up."""
        if self._limit_ms is not None and now_ms >= self._limit_ms:
            return True
        return any(0 <= now_ms - limit_ms < STEP_MS for limit_ms in self._former_ms)


def _longest_ms(agent: Agent) -> int:
    return agent.limits.minutes * 60_000
