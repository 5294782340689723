"""What was refused, counted and told: one line each, as long as they are few.

Whoever may not in could otherwise fill the log, and the disk with it. It must not know why somebody is refused.
"""

import logging
from collections import Counter
from collections.abc import Callable

from voice_agent.live.admission import Refusal
from voice_agent.live.clock import seconds
from voice_agent.live.metrics import Metrics

logger = logging.getLogger(__name__)

LINES_A_MINUTE = 20
"""Of one reason; what is beyond is only counted."""

DETAIL_CHARACTERS = 200


class Refusals:
    """One for a server."""

    def __init__(self, metrics: Metrics, now_s: Callable[[], int] = seconds) -> None:
        """`now_s`: monotonic seconds."""
        self._metrics = metrics
        self._now_s = now_s
        self._minute = 0
        self._lines: Counter[Refusal] = Counter()

    def tell(self, refusal: Refusal, detail: str, call_sid: str = "") -> None:
        """Count and log one."""
        self._metrics.add("refused", reason=refusal.value)
        minute = self._now_s() // 60
        if minute != self._minute:
            self._minute = minute
            self._lines.clear()
        self._lines[refusal] += 1
        if self._lines[refusal] > LINES_A_MINUTE:
            return
        more = "; further ones in this minute are only counted" if self._lines[refusal] == LINES_A_MINUTE else ""
        logger.warning(
            "refused (%s): %s%s", refusal.value, detail[:DETAIL_CHARACTERS], more, extra={"call": call_sid[:64]}
        )

    def not_answered(self, why: str, call_sid: str) -> None:
        """Tell of a call that was to be answered, and cannot be."""
        self._metrics.add("unanswered")
        logger.error("a call is not answered: %s", why, extra={"call": call_sid})

    def turned_out(self, refusal: Refusal) -> None:
        """Tell of a connection that had to go before it was known whose it is."""
        self.tell(refusal, "a connection was closed")
