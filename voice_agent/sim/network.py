"""A virtual clock's agenda, and the ways by which messages travel in it."""

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

NEVER = 1 << 60


class Chance(Protocol):
    """What decides: a seeded `random.Random`."""

    def randint(self, a: int, b: int, /) -> int:
        """Return an integer from a to b, both included."""

    def random(self) -> float:
        """Return a number from 0 to 1."""


class Stall(msgspec.Struct, frozen=True, kw_only=True):
    """A while in which nothing arrives that is sent, either way; then all of it comes at once, as TCP has it."""

    leg: Literal["phone", "model", "both"]
    at_ms: int
    length_ms: int


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """One-way delays. A way keeps the order of its messages, as a TCP connection does."""

    phone_up_ms: int = 40
    phone_down_ms: int = 40
    phone_jitter_ms: int = 0
    """Each message takes up to so much longer."""
    model_ms: int = 30
    model_jitter_ms: int = 0
    stalls: tuple[Stall, ...] = ()


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long slow work takes: uniformly up to these."""

    stream_ms: int = 300
    """From the webhook to the stream's start; exact."""
    connect_ms: int = 300
    recognise_ms: int = 200
    think_ms: int = 300
    speak_ms: int = 100
    tool_ms: int = 500
    hang_up_ms: int = 200
    """The carrier's answer to a hang-up by REST."""


Message = TypeVar("Message")


Entry = tuple[int, int, Callable[..., None], list[Any] | None]
"""When, which by the order of asking, what, and to which messages if it is done to any."""


class Agenda:
    """What is going to happen: at one moment in the order of asking."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        """A heap: what is next comes first, by its time. Its messages may grow until then."""
        self.numbers = count()
        """Of the entries, in the order of asking."""
        self._happening: Entry | None = None

    def at(self, at_ms: int, happen: Callable[[], None]) -> None:
        """Let something happen."""
        heappush(self.entries, (at_ms, next(self.numbers), happen, None))

    def step(self) -> None:
        """Let happen what comes first; something does."""
        self._happening = entry = heappop(self.entries)
        _, _, happen, messages = entry
        if messages is None:
            happen()
        else:
            for message in messages:
                happen(message)

    def forget(self, take: Callable[[Any], None]) -> None:
        """Let nothing come in any more that is on its way to this very taker."""
        happening = () if self._happening is None else (self._happening,)
        for _, _, taker, messages in (*happening, *self.entries):
            if taker is take and messages is not None:
                messages.clear()


class Way(Generic[Message]):
    """One direction of one connection: later messages do not overtake earlier ones."""

    def __init__(
        self, agenda: Agenda, chance: Chance, delay_ms: int, jitter_ms: int, deliver: Callable[[Message], None]
    ) -> None:
        """`jitter_ms`: up to so much is added to the delay of each moment's messages."""
        self._agenda = agenda
        self._chance = chance
        self._delay_ms = delay_ms
        self._jitter_ms = jitter_ms
        self._deliver = partial(deliver)
        """Of this way alone: what is on it is known by it, whoever else takes what comes by another."""
        self._drawn_ms = self._sent_ms = -1
        self._arrival_ms = 0
        self._together: list[Message] = []
        """The messages of the last moment."""

    def arrival(self, now_ms: int) -> int:
        """When a message that is sent now arrives."""
        if now_ms != self._drawn_ms:
            self._drawn_ms = now_ms
            arrival_ms = now_ms + self._delay_ms
            if self._jitter_ms:
                arrival_ms += int(self._chance.random() * (self._jitter_ms + 1))
            if arrival_ms > self._arrival_ms:
                self._arrival_ms = arrival_ms
        return self._arrival_ms

    def stall(self, until_ms: int) -> None:
        """Let nothing that is sent from now on arrive before."""
        self._arrival_ms = max(self._arrival_ms, until_ms)

    def cut(self) -> None:
        """Lose what is on its way: the connection is another one from now on."""
        self._agenda.forget(self._deliver)

    def send(self, now_ms: int, message: Message) -> None:
        """Deliver a message when it arrives; what is sent at one moment travels together."""
        if now_ms == self._sent_ms and now_ms < self._arrival_ms:
            self._together.append(message)
            return
        self._sent_ms = now_ms
        self._together = together = [message]
        # `arrival` and `Agenda.at`, without steps of their own: nearly all that ever happens is a message.
        if now_ms != self._drawn_ms:
            self._drawn_ms = now_ms
            arrival_ms = now_ms + self._delay_ms
            if self._jitter_ms:
                arrival_ms += int(self._chance.random() * (self._jitter_ms + 1))
            if arrival_ms > self._arrival_ms:
                self._arrival_ms = arrival_ms
        agenda = self._agenda
        entry: Entry = (self._arrival_ms, next(agenda.numbers), self._deliver, together)
        heappush(agenda.entries, entry)
