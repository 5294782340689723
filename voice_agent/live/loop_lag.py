"""How late the event loop is: the one thing that tells whether the calls of a process still get their frames in time.

It must not know what is done about it.
"""

import asyncio
from collections import deque

EVERY_S = 0.1
SAMPLES = 40
"""Four seconds: one slow step is no overload."""


class LoopLag:
    """Measures, as long as `run` runs."""

    def __init__(self) -> None:
        self._late_ms: deque[int] = deque(maxlen=SAMPLES)

    @property
    def ms(self) -> int:
        """By how much three quarters of the last wake-ups were late at most."""
        in_order = sorted(self._late_ms)
        return in_order[len(in_order) * 3 // 4] if in_order else 0

    def note(self, late_s: float) -> None:
        """Take one measurement."""
        self._late_ms.append(max(0, round(late_s * 1000)))

    async def run(self) -> None:
        """Measure until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self.note(loop.time() - due)
