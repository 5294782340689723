"""Which endpoints gave no session lately: calls go past them, so that a dead one costs one caller a second, not all.

An endpoint that a call has given up rests for `REST_S`. Then one call tries it first again, while the others go past it
for `TRIAL_S` more: a session that opens there ends the rest for all. It must not know why an endpoint was given up, nor
does it forbid one: where all rest, they are asked in their order.
"""

from collections.abc import Callable, Sequence

from voice_agent.call.setup import ModelSetup
from voice_agent.live.clock import seconds

REST_S = 30
"""Longer than a blip, shorter than anybody's patience with a region that is back."""

TRIAL_S = 5
"""How long one call may take to find out."""


class EndpointHealth:
    """What is known in this process."""

    def __init__(self, now_s: Callable[[], int] = seconds) -> None:
        """`now_s`: monotonic seconds."""
        self._now_s = now_s
        self._rests_until: dict[str, int] = {}

    def gave_none(self, name: str) -> None:
        """Take that a call has given an endpoint up."""
        self._rests_until[name] = self._now_s() + REST_S

    def opened(self, name: str) -> None:
        """Take that a session was opened there."""
        self._rests_until.pop(name, None)

    def rests_s(self, name: str) -> int:
        """How many seconds an endpoint still rests; 0: it does not."""
        return max(0, self._rests_until.get(name, 0) - self._now_s())

    def in_order(self, models: Sequence[ModelSetup]) -> list[ModelSetup]:
        """Give a new call's endpoints in the order in which it should ask them."""
        resting = [model for model in models if self.rests_s(model.name)]
        good = [model for model in models if model not in resting]
        if good and good[0].name in self._rests_until:
            # Its rest is over: this call finds out.
            self._rests_until[good[0].name] = self._now_s() + TRIAL_S
        return good + resting
