"""What the model is still to be asked for, in order: the greeting is first, plain requests are one, others wait."""

from collections.abc import Callable, Sequence

from voice_agent.call.facts import ResponseWanted

RESULTS = frozenset({"tool", "keys"})
"""What is wanted because we gave the conversation something: a response begun before that does not know it. What came
of an MCP call the server knew before we did, so a response that it begins behind the news of it knows it, too."""

FIRST_WORDS = frozenset({"greeting", "goodbye"})
"""All that is said before it is known who answered; the goodbye is what a machine is told."""

WITHDRAWN = ResponseWanted("retry")
"""Stands for what was asked for and is not wanted any more: refused or failed, it is not asked for again."""


def queued(waiting: Sequence[ResponseWanted], wanted: ResponseWanted) -> list[ResponseWanted]:
    """Add one to those that wait, unless another stands for it."""
    if any(one.purpose == wanted.purpose for one in waiting):
        return [*waiting]
    if wanted.instructions is not None:
        return [*waiting, wanted]
    # Plain requests are one: whatever the model says next answers all that it was given. Only what the server's own
    # answer may not know must be asked for under its own name.
    kept = [one for one in waiting if one.purpose != "mcp"] if wanted.purpose in RESULTS else [*waiting]
    return kept if any(one.instructions is None for one in kept) else [wanted, *kept]


class Requests:
    """What is still to be asked for, what was asked for and is not begun, and what the open response was asked for."""

    def __init__(self) -> None:
        self.waiting: list[ResponseWanted] = []
        self.requested: tuple[str, ResponseWanted] | None = None
        """Our name for it, and what it is."""
        self.active: ResponseWanted | None = None
        """`None` when the server began the response by itself, or there is none."""
        self._count = 0

    def want(self, wanted: ResponseWanted) -> None:
        """Let it wait, see `queued`; behind the greeting, whatever happened before that was heard."""
        self.waiting = sorted(queued(self.waiting, wanted), key=lambda one: one.purpose != "greeting")

    def keep(self, holds: Callable[[ResponseWanted], bool]) -> None:
        """Forget what waits, but for that of which this holds."""
        self.waiting = [waiting for waiting in self.waiting if holds(waiting)]

    def comes(self, purpose: str) -> bool:
        """Whether something of this purpose waits or is asked for."""
        return any(one.purpose == purpose for one in (*self.waiting, *(self.requested or ())[1:]))

    @property
    def greets(self) -> bool:
        """Whether the greeting is still to be said, or is being."""
        return self.comes("greeting") or (self.active is not None and self.active.purpose == "greeting")

    def put_back(self, wanted: ResponseWanted | None, *, anyway: bool) -> None:
        """Let a response that must not be heard now wait again, if it is kept. `anyway`: also if it is not."""
        # What a server begins by itself is not lost either, if it is behind a call of its own.
        wanted = wanted or ResponseWanted("mcp")
        if wanted.keep or (anyway and wanted is not WITHDRAWN):
            self.want(wanted)

    def give_up_open(self, response_id: str | None) -> ResponseWanted | None:
        """Give what the open response was asked for, to be asked for again; `None` if that is not wanted, or none is.

        `response_id`: the open response.
        """
        wanted, self.active = self.active, WITHDRAWN
        if wanted is None and response_id is not None:
            return ResponseWanted("mcp")  # the server's own, as above
        return None if wanted is WITHDRAWN else wanted

    def ask(self, wanted: ResponseWanted) -> str:
        """Take that one of those which wait is asked for now; give our name for it."""
        self.waiting.remove(wanted)
        self._count += 1
        request = f"{wanted.purpose}-{self._count}"
        self.requested = (request, wanted)
        return request

    def settle(self, request: str | None) -> ResponseWanted | None:
        """Take that a request is begun or refused; give what it was, `None` if it is none of ours."""
        if self.requested is None or request != self.requested[0]:
            return None
        wanted, self.requested = self.requested[1], None
        return wanted

    def lose(self, *, with_open: bool) -> None:
        """Take that the session is lost: what it was asked for waits again. `with_open`: the open response, too."""
        lost = [self.active] if self.active is not None and with_open else []
        if self.requested is not None:
            lost.append(self.requested[1])
        self.active = self.requested = None
        for wanted in lost:
            if wanted is not WITHDRAWN:
                self.want(wanted)

    def withdraw(self, purpose: str) -> None:
        """Forget what is of this purpose; what was asked for already is not asked for again."""
        self.keep(lambda waiting: waiting.purpose != purpose)
        if self.requested is not None and self.requested[1].purpose == purpose:
            self.requested = (self.requested[0], WITHDRAWN)
        if self.active is not None and self.active.purpose == purpose:
            self.active = WITHDRAWN

    def withdraw_all(self) -> None:
        """Forget everything, in the same way."""
        self.waiting.clear()
        if self.requested is not None:
            self.requested = (self.requested[0], WITHDRAWN)
        if self.active is not None:
            self.active = WITHDRAWN

    def __repr__(self) -> str:
        return f"{[wanted.purpose for wanted in self.waiting]}"
