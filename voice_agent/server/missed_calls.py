"""Calls that no agent took: each gets a row of the history, for somebody may want to call its caller back.

It must not know why a call was not taken, nor what its caller hears.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

import msgspec

from voice_agent.recording.redacting import without_digits
from voice_agent.store.history import PastCall

REMEMBERED = 10_000
"""Calls that have their row. Whoever replays a webhook must not fill the history with it."""


class MissedCalls:
    """One for a server."""

    def __init__(self, keep: Callable[[PastCall], Awaitable[None]], *, redacts: bool = False) -> None:
        """`redacts`: of numbers only their length is kept."""
        self._keep = keep
        self._redacts = redacts
        self._kept: OrderedDict[str, None] = OrderedDict()

    async def take(self, call: PastCall) -> None:
        """Keep a call, once however often its webhook comes."""
        if call.call_sid in self._kept:
            return
        self._kept[call.call_sid] = None
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        if self._redacts:
            caller, called = without_digits(call.caller), without_digits(call.called)
            call = msgspec.structs.replace(call, caller=caller, called=called)
        await self._keep(call)
