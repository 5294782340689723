"""Fakes around a session: a bridge that answers by a script, legs without sockets, work without a network."""

import asyncio
from collections.abc import Callable, Sequence

from voice_agent.call.commands import CallColleague, KeepDigits, RunTool
from voice_agent.call.events import ColleagueAnswered, HangUpFinished, ToolFinished
from voice_agent.live.leg import Feed
from voice_agent.live.outbox import Outbox
from voice_agent.wire.bridge import Input, Output

Answer = Callable[[Input], Sequence[Output]]


class FakeBridge:
    """Answers each input by a function; keeps what it was fed."""

    def __init__(self, answer: Answer, first: Sequence[Output] = ()) -> None:
        self.fed: list[Input] = []
        self.times: list[int] = []
        self.due_ms: int | None = None
        self._answer = answer
        self._first = list(first)

    def start(self) -> list[Output]:
        return self._first

    def feed(self, now_ms: int, received: Input) -> list[Output]:
        self.fed.append(received)
        self.times.append(now_ms)
        return list(self._answer(received))

    def deadline(self) -> int | None:
        return self.due_ms


class FakeLeg:
    """A leg whose peer is the test: `hear` makes it say something, `sent` is what the session sent."""

    def __init__(self, limit: int = 100, last: Input | None = None) -> None:
        self.sent: list[str] = []
        self.closed: str | None = None
        self.answers_ping = True
        self._outbox = Outbox(limit)
        self._last = last
        self._incoming: asyncio.Queue[Input | None] = asyncio.Queue()

    @property
    def waiting(self) -> int:
        return len(self._outbox)

    def send(self, text: str) -> int | None:
        result = self._outbox.put(text)
        if result is not None:
            self.sent.append(text)
        return result

    def close(self, reason: str) -> None:
        if self.closed is None:
            self.closed = reason
            self._incoming.put_nowait(None)

    def hear(self, received: Input) -> None:
        self._incoming.put_nowait(received)

    async def run(self, feed: Feed) -> None:
        while (received := await self._incoming.get()) is not None:
            feed(received)
        if self._last is not None:
            feed(self._last)

    async def ping(self) -> bool:
        return self.answers_ping


class FakeWork:
    """Slow work that is done at once, in the way that the test says."""

    def __init__(self, model: FakeLeg | None = None, in_progress: bool | None = None) -> None:
        self.models = [model] if model is not None else []
        self.legs: list[FakeLeg] = []
        self.endpoints: list[int] = []
        """Which was asked for each of them."""
        self.ran: list[RunTool] = []
        self.kept: list[KeepDigits] = []
        self.hung_up = 0
        self.called: list[CallColleague] = []
        self.settled: list[bool] = []
        self.never = asyncio.Event()
        self.tool_hangs = False
        self.cause = ""
        """Why tools fail; empty: they do not."""
        self._in_progress = in_progress

    def model_leg(self, endpoint: int) -> FakeLeg:
        self.endpoints.append(endpoint)
        self.legs.append(self.models.pop(0) if self.models else FakeLeg())
        return self.legs[-1]

    async def run_tool(self, order: RunTool) -> ToolFinished:
        self.ran.append(order)
        if self.tool_hangs:
            await self.never.wait()
        return ToolFinished(order.call_id, "done", bool(self.cause), self.cause)

    def keep_digits(self, order: KeepDigits) -> None:
        self.kept.append(order)

    async def call_colleague(self, order: CallColleague) -> ColleagueAnswered:
        self.called.append(order)
        return ColleagueAnswered(order.call_id, problem="nobody answered")

    async def settle_transfer(self, accepted: bool) -> None:
        self.settled.append(accepted)

    async def hang_up(self) -> HangUpFinished:
        self.hung_up += 1
        return HangUpFinished()

    async def is_in_progress(self) -> bool | None:
        return self._in_progress


async def settle() -> None:
    """Let every task that can run do so: a few rounds of the loop, no time."""
    for _ in range(20):
        await asyncio.sleep(0)
