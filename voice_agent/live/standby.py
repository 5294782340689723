"""A leg to the model that stands by while the call talks to another one: it tells whether it could be taken over.

That its socket is open proves nothing: a server that is in trouble may take it and say no word. It must not know what
the texts mean; that there is one is enough.
"""

from functools import partial

from voice_agent.call.events import ModelClosed, ModelRefused, StandbyFailed, StandbyReady
from voice_agent.live.leg import Feed, Leg
from voice_agent.wire.bridge import Input
from voice_agent.wire.texts import ModelText


class Standby:
    """See the module. What it feeds before it is taken over is one `StandbyReady` or `StandbyFailed`."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg
        self._speaks = False
        """Its server says its first word just now."""
        self._taken = self._failed = False

    @property
    def waiting(self) -> int:
        """How many texts wait to be written."""
        return self._leg.waiting

    def take(self) -> bool:
        """Take it over, from its first text on; `False`: it cannot be, except while it feeds `StandbyReady`."""
        self._taken = self._taken or self._speaks
        return self._taken

    def send(self, text: str) -> int | None:
        """Queue one text."""
        return self._leg.send(text)

    def close(self, reason: str) -> None:
        """Close it."""
        self._leg.close(reason)

    async def run(self, feed: Feed) -> None:
        """Connect, and feed; it closes itself where it is not taken over."""
        await self._leg.run(partial(self._hear, feed))

    def _hear(self, feed: Feed, received: Input) -> None:
        if self._taken:
            feed(received)
        elif not self._failed:
            self._offer(feed, received)

    def _offer(self, feed: Feed, received: Input) -> None:
        match received:
            case ModelText():
                self._speaks = True
                feed(StandbyReady())
                self._speaks = False
                if self._taken:
                    feed(received)
                else:
                    self._failed = True
                    self._leg.close("")
            case ModelRefused():
                self._failed = True
                feed(StandbyFailed(received.detail))
            case ModelClosed():
                self._failed = True
                feed(StandbyFailed(f"its socket closed: {received.reason or received.code or 'no close frame'}"))
            case _:
                pass
