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
        """By how much three quarters of the last wake-ups were late at most; 0 until there are enough of them.

        A server that has just started is late because it starts, which is over before its calls need it.
        """
        return sorted(self._late_ms)[SAMPLES * 3 // 4] if len(self._late_ms) == SAMPLES else 0

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
