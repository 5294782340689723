"""Conferences: rooms in which calls of an account meet, and what became of those who were in them.

Nothing of what they say is kept. https://www.twilio.com/docs/voice/twiml/conference
"""

import asyncio
from itertools import pairwise

import msgspec


class Visit(msgspec.Struct):
    """One call's time in a room; seconds of the loop's clock."""

    call_sid: str
    from_s: float
    to_s: float | None = None


class Conference:
    """One room, until everybody has left it or somebody has ended it."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.ended = asyncio.Event()

    def enter(self, call_sid: str) -> Visit:
        """Take somebody in."""
        visit = Visit(call_sid, asyncio.get_running_loop().time())
        self.visits.append(visit)
        return visit

    def leave(self, visit: Visit, *, ends: bool) -> None:
        """Let somebody out, and everybody if that ends it."""
        visit.to_s = asyncio.get_running_loop().time()
        if ends or all(one.to_s is not None for one in self.visits):
            self.ended.set()

    def longest_alone_s(self) -> float:
        """Tell how long somebody was the only one here, at the longest; only when all have left."""
        moments = sorted({at for visit in self.visits for at in (visit.from_s, visit.to_s) if at is not None})
        alone = 0.0
        for start, end in pairwise(moments):
            there = [v for v in self.visits if v.from_s <= start and (v.to_s is None or v.to_s >= end)]
            if len(there) == 1:
                alone = max(alone, end - start)
        return alone
