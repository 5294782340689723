"""The calls of this process, by CallSid: those that wait for their stream, those in progress, and how others ended.

With preconnecting a call begins at its webhook and waits here, its model already connected; the stream with the same
CallSid joins it. Its own deadline ends it when none comes. A call's surroundings (its recording, history, log) belong
to whatever `open_call` makes; the lobby must not know them, nor what was checked before a call got here.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from voice_agent.agent import Agent
from voice_agent.call.commands import CallEnded
from voice_agent.call.conversation import Resumption
from voice_agent.call.events import MachineVerdict
from voice_agent.call.setup import CallSetup
from voice_agent.call.summary import Summary
from voice_agent.live.clock import seconds
from voice_agent.live.metrics import Metrics
from voice_agent.live.session import Session

logger = logging.getLogger(__name__)

REMEMBERED = 1000
"""Ended calls whose outcome is kept for the `<Connect action>`, which Twilio asks within seconds."""

EXPECTED_SECONDS = 120
"""How long a webhook's call is expected: its stream's token is valid no longer."""

SOON_SECONDS = 30
"""How long a webhook's call counts though its stream does not come: a consent line is said before."""


COMES_BACK = frozenset({"transferred", "keys_sent"})
"""Outcomes after which a call may have another stream."""

UNJOINED_SECONDS = 0.2
"""How long a call may take to end whose stream has ended before it came here."""

KEPT_SECONDS = 15.0
"""How long what is left of calls that have ended may take: a redaction, e.g. Supervisors give a stop a minute."""

LOOK_SECONDS = 0.05
"""Between two looks whether calls that were asked to end are over."""


class HeldCall(Protocol):
    """A call with its surroundings."""

    session: Session
    setup: CallSetup
    summary: Summary
    """Of all reports so far."""
    started_at: datetime
    """In UTC."""

    def cost(self) -> float | None:
        """Say what the model's tokens cost so far; `None`: nobody knows."""
        ...

    async def run(self) -> None:
        """Hold the call to its end, then see to its surroundings; raises only for a fault of our own."""
        ...

    def resumption(self) -> Resumption:
        """Give what another stream of the call would go on from."""
        ...


OpenCall = Callable[[CallSetup, Mapping[str, str]], HeldCall]
"""Makes a call from its settings and the fields of its webhook."""


@dataclass(frozen=True)
class EndedCall:
    """What is remembered of a call, or of one of its streams."""

    ended: CallEnded | None
    """`None`: it broke off by a fault of ours."""
    setup: CallSetup
    resumption: Resumption | None
    """What its next stream goes on from; `None`: there will be none."""
    had_by: str = ""
    """Which agent had it at last; empty: the first one."""

    @property
    def agent(self) -> Agent:
        """That agent."""
        agents = (self.setup.agent, *self.setup.others)
        return next((agent for agent in agents if agent.name == self.had_by), self.setup.agent)


@dataclass(eq=False)
class _Held:
    call: HeldCall
    setup: CallSetup
    stream_sid: str = ""
    """Empty: its stream has not come."""

    @property
    def over(self) -> bool:
        """It has ended, though its recording may still be written."""
        return self.call.session.ended is not None

    def remembered(self) -> EndedCall:
        """Give what is remembered of it."""
        ended = self.call.session.ended
        goes_on = ended is not None and ended.outcome in COMES_BACK
        resumption = self.call.resumption()
        return EndedCall(ended, self.setup, resumption if goes_on else None, resumption.conversation.agent)


@dataclass(frozen=True)
class _Expected:
    setup: CallSetup
    webhook: Mapping[str, str]
    since_s: int
    verdict: MachineVerdict | None = None
    """It came before the call began."""


class Lobby:
    """Usage: `async with` it around the server; leaving it waits for all calls, so `end_all` comes first."""

    def __init__(self, open_call: OpenCall, metrics: Metrics, now_s: Callable[[], int] = seconds) -> None:
        """`now_s`: monotonic seconds."""
        self._open_call = open_call
        self._metrics = metrics
        self._now_s = now_s
        self._expected: OrderedDict[str, _Expected] = OrderedDict()
        self._held: dict[str, _Held] = {}
        self._ended: OrderedDict[str, EndedCall] = OrderedDict()
        self._tasks = asyncio.TaskGroup()
        self._jobs: dict[asyncio.Task[None], _Held] = {}

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for job in self._jobs:
                job.cancel()
        # The group is not told of the error: it would wrap it into a group.
        await self._tasks.__aexit__(None, None, None)

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Calls in progress by CallSid, waiting ones included."""
        return {call_sid: held.call.session for call_sid, held in self._held.items()}

    @property
    def calls(self) -> Mapping[str, HeldCall]:
        """The same calls with their surroundings."""
        return {call_sid: held.call for call_sid, held in self._held.items()}

    @property
    def taken(self) -> int:
        """How many calls there are: in progress, or with a webhook whose stream will come at once."""
        late_s = self._now_s() - SOON_SECONDS
        coming = sum(
            expected.since_s > late_s and self._current(call_sid) is None
            for call_sid, expected in self._expected.items()
        )
        return coming + sum(not held.over for held in self._held.values())

    def knows(self, call_sid: str) -> bool:
        """Tell whether a call is in progress or expected."""
        return call_sid in self._expected or self._current(call_sid) is not None

    def announce(self, setup: CallSetup, webhook: Mapping[str, str]) -> None:
        """Count a call whose webhook was valid, before it is known whether it is to be expected."""
        if self._current(setup.call_sid) is None:
            self._expected.setdefault(setup.call_sid, _Expected(setup, webhook, self._now_s()))

    def retract(self, call_sid: str) -> None:
        """Expect a call no more that was announced."""
        self._expected.pop(call_sid, None)

    def expect(self, setup: CallSetup, webhook: Mapping[str, str]) -> None:
        """Take a call whose webhook was valid; with `setup.preconnect` it begins now, once a CallSid.

        A webhook that is repeated while its call waits or goes on changes nothing. A call whose stream has ended may
        come again, e.g. from a transfer that failed.
        """
        call_sid = setup.call_sid
        if self._current(call_sid) is not None:
            return
        self._forget_old()
        expected = _Expected(setup, webhook, self._now_s())
        self._expected.pop(call_sid, None)
        self._expected[call_sid] = expected
        if setup.preconnect:
            self._begin(expected)

    def join(self, call_sid: str, stream_sid: str) -> Session | None:
        """Give the session that the admitted stream of this CallSid belongs to.

        `None`: nothing is known of the call, or it has a stream already.
        """
        session = self._awaiting(call_sid)
        if session is not None:
            self._held[call_sid].stream_sid = stream_sid
        return session

    def _awaiting(self, call_sid: str) -> Session | None:
        expected = self._expected.pop(call_sid, None)
        held = self._current(call_sid)
        if held is not None:
            session = held.call.session
            if session.joined:
                return None
            self._metrics.add("preconnect", outcome="adopted")
            return session
        if expected is None:
            return None
        if expected.setup.preconnect:
            # It waited, was given up, and now its stream comes after all: begin again.
            self._metrics.add("preconnect", outcome="missed")
        return self._begin(expected)

    def has_left(self, call_sid: str, stream_sid: str) -> bool:
        """Tell whether a call goes on in another stream than that one."""
        held = self._current(call_sid)
        return held is not None and bool(held.stream_sid and stream_sid) and held.stream_sid != stream_sid

    def webhook(self, call_sid: str) -> Mapping[str, str] | None:
        """Give the webhook's fields of a call whose stream is expected; `None`: there is no such call."""
        expected = self._expected.get(call_sid)
        return None if expected is None else expected.webhook

    def tell(self, call_sid: str, verdict: MachineVerdict) -> bool:
        """Tell a call who has answered it, also one whose stream is expected; `False`: there is none."""
        held = self._current(call_sid)
        if held is not None:
            held.call.session.tell(verdict)
            return True
        expected = self._expected.get(call_sid)
        if expected is not None:
            self._expected[call_sid] = replace(expected, verdict=verdict)
        return expected is not None

    def end(self, call_sid: str, reason: str) -> bool:
        """Ask a call to end, if it is in progress; `False`: nothing is known of it."""
        if call_sid in self._held:
            self._held[call_sid].call.session.end(reason)
            return True
        return call_sid in self._ended

    async def outcome(self, call_sid: str, patience_seconds: float) -> EndedCall | None:
        """Tell how a call ended, waiting a little for one that is just ending; `None`: it is not known."""
        held = self._held.get(call_sid)
        if held is not None:
            try:
                async with asyncio.timeout(patience_seconds):
                    await held.call.session.finished()
            except TimeoutError:
                return None
            return held.remembered()
        return self._ended.get(call_sid)

    async def outcome_after_stream(self, call_sid: str, patience_seconds: float) -> EndedCall | None:
        """Tell how a call ended whose stream the carrier has ended: one that does not know that yet is told."""
        held = self._held.get(call_sid)
        joined = held is not None and held.call.session.joined
        known = await self.outcome(call_sid, patience_seconds if joined else min(patience_seconds, UNJOINED_SECONDS))
        if known is None and held is not None and joined:
            held.call.session.lose()
            known = await self.outcome(call_sid, patience_seconds)
        return known

    async def dismiss(self, call_sid: str, patience_seconds: float) -> None:
        """End a call whose stream did not come, so that it may be expected anew."""
        if self._current(call_sid) is not None:
            self._held[call_sid].call.session.end("its stream did not come")
            await self.outcome(call_sid, patience_seconds)

    async def end_all(
        self, reason: str, patience_seconds: float, apart_seconds: float = 0, kept_seconds: float = KEPT_SECONDS
    ) -> None:
        """Ask every call to end, one after another, and give up on those that take longer than `patience_seconds`.

        `kept_seconds`: how long their surroundings may take then.
        """
        for held in [*self._held.values()]:
            held.call.session.end(reason)
            await asyncio.sleep(apart_seconds)
        try:
            async with asyncio.timeout(patience_seconds):
                while going := self._going:
                    await asyncio.wait(going, timeout=LOOK_SECONDS)
        except TimeoutError:
            logger.warning("%d calls did not end within %.0f s", len(self._going), patience_seconds)
            for job in self._going:
                job.cancel()
        try:
            async with asyncio.timeout(kept_seconds):
                while self._jobs:
                    await asyncio.wait(self._jobs)
        except TimeoutError:
            logger.warning("what is left of %d calls was not put away within %.0f s", len(self._jobs), kept_seconds)
            for job in self._jobs:
                job.cancel()

    @property
    def _going(self) -> list[asyncio.Task[None]]:
        return [job for job, held in self._jobs.items() if not held.over]

    def _current(self, call_sid: str) -> _Held | None:
        held = self._held.get(call_sid)
        return None if held is None or held.over else held

    def _begin(self, expected: _Expected) -> Session:
        call_sid = expected.setup.call_sid
        held = _Held(self._open_call(expected.setup, expected.webhook), expected.setup)
        self._held[call_sid] = held
        if expected.verdict is not None:
            held.call.session.tell(expected.verdict)
        job = self._tasks.create_task(self._hold(call_sid, held))
        self._jobs[job] = held
        job.add_done_callback(self._jobs.pop)
        return held.call.session

    async def _hold(self, call_sid: str, held: _Held) -> None:
        try:
            await held.call.run()
        except Exception:
            # A fault of ours in one call must not end the others.
            logger.exception("the call broke off by a fault of this program", extra={"call": call_sid})
            self._metrics.add("calls_broken")
        finally:
            self._settle(call_sid, held)

    def _settle(self, call_sid: str, held: _Held) -> None:
        session = held.call.session
        if not session.joined:
            self._metrics.add("preconnect", outcome="orphaned")
        if session.unsent:
            self._metrics.add("unsent_messages", session.unsent)
        if session.dropped:
            self._metrics.add("dropped_messages", session.dropped)
        if self._held.get(call_sid) is not held:
            return  # the call has come again meanwhile
        del self._held[call_sid]
        self._ended.pop(call_sid, None)
        self._ended[call_sid] = held.remembered()
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

    def _forget_old(self) -> None:
        """Drop calls whose stream can no longer come; they stand in the order of their webhooks."""
        oldest_s = self._now_s() - EXPECTED_SECONDS
        while self._expected and next(iter(self._expected.values())).since_s < oldest_s:
            self._expected.popitem(last=False)
