"""A server's reception whose calls are fakes: everything that is decided before a session, without one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from tests.support import tiny_twilio
from tests.support.pump import FakeBridge, FakeWork
from tests.support.tiny_twilio import CALL_SID, TOKEN
from voice_agent.call.commands import CallEnded
from voice_agent.call.conversation import CallerTurn, Conversation, Resumption
from voice_agent.call.events import EndRequested
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.call.summary import Summary
from voice_agent.config.agents import AgentFolder
from voice_agent.live.admission import StreamTokens
from voice_agent.live.clock import utc_now
from voice_agent.live.kept_greetings import KeptGreetings
from voice_agent.live.lobby import Lobby
from voice_agent.live.metrics import Metrics
from voice_agent.live.session import Session
from voice_agent.server.continuing import Continuing
from voice_agent.server.missed_calls import MissedCalls
from voice_agent.server.reception import Reception
from voice_agent.server.terms import Terms
from voice_agent.store.history import PastCall
from voice_agent.wire import twilio, twiml
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import PhoneText

PUBLIC_URL = "https://phone.example"
SECOND_TOKEN = "fedcba9876543210fedcba9876543210"

RECEPTION = """
name: reception
numbers: ["+14255550100"]
instructions: Answer {{ caller }}.
recording: off
"""

Answer = Callable[[Input], Sequence[Output]]


def ends_on_request(received: Input) -> Sequence[Output]:
    """Go on until somebody asks for the end, or the stream says "end"."""
    match received:
        case EndRequested(reason):
            return [CallEnded("stopped", reason, 0)]
        case PhoneText("end"):
            return [CallEnded("caller_hung_up", "", 0)]
        case _:
            return []


GREETINGS = "greetings"
"""The folder of kept greetings, below that of the agents."""


class FakeCall:
    """A call whose bridge is a function."""

    def __init__(self, setup: CallSetup, webhook: Mapping[str, str], answer: Answer) -> None:
        self.setup = setup
        self.webhook = webhook
        self.bridge = FakeBridge(answer)
        self.summary = Summary()
        self.started_at = utc_now()
        self.session = Session(self.bridge, FakeWork(), observers=[self.summary.take])
        self.kept = asyncio.Event()
        """Its recording and its row are written; so they are at once, unless this is cleared."""
        self.kept.set()

    def cost(self) -> float | None:
        return 0.25

    def resumption(self) -> Resumption:
        return Resumption(Conversation("reception", (CallerTurn("u1", "Is Ana there?"),)), left_ms=60_000, transfers=1)

    async def run(self) -> None:
        await self.session.run()
        await self.kept.wait()


class Desk:
    """A reception, and the calls that it let in."""

    def __init__(
        self,
        lobby: Lobby,
        metrics: Metrics,
        calls: list[FakeCall],
        agents: Path,
        terms: Terms,
        *,
        continuing: Continuing | None,
    ) -> None:
        self.calls = calls
        self.now = utc_now
        self.missed: list[PastCall] = []
        self.reception = Reception(
            terms,
            AgentFolder(agents),
            lobby,
            StreamTokens(b"0" * 16),
            metrics,
            now=self._look_at_the_clock,
            greetings=KeptGreetings(agents / GREETINGS),
            continuing=continuing,
            missed=MissedCalls(self._miss),
        )

    async def _miss(self, call: PastCall) -> None:
        self.missed.append(call)

    def _look_at_the_clock(self) -> datetime:
        return self.now()

    def refusals(self) -> dict[str, int]:
        samples = [sample for metric in self.reception.metrics.registry.collect() for sample in metric.samples]
        told = (each for each in samples if each.name == "voice_agent_refused_total" and each.value)
        return {each.labels["reason"]: int(each.value) for each in told}


@asynccontextmanager
async def a_desk(
    folder: Path,
    agent: str = RECEPTION,
    answer: Answer = ends_on_request,
    *,
    preconnect: bool = True,
    can_apologise: bool = True,
    fallbacks: Sequence[ModelSetup] = (),
    continuing: Continuing | None = None,
) -> AsyncIterator[Desk]:
    """Open the reception; calls that are left at the end are ended."""
    (folder / "reception.yaml").write_text(agent)
    calls: list[FakeCall] = []
    metrics = Metrics()

    def open_call(setup: CallSetup, webhook: Mapping[str, str]) -> FakeCall:
        calls.append(FakeCall(setup, webhook, answer))
        return calls[-1]

    terms = Terms(
        public_url=PUBLIC_URL,
        tokens=(TOKEN, SECOND_TOKEN),
        model=ModelSetup(),
        fallbacks=tuple(fallbacks),
        preconnect=preconnect,
        rest=False,
        can_apologise=can_apologise,
    )
    async with Lobby(open_call, metrics) as lobby:
        yield Desk(lobby, metrics, calls, folder, terms, continuing=continuing)
        await lobby.end_all("the test is over", 1)


Script = Callable[[Desk], Awaitable[None]]


def at_desk(folder: Path, script: Script, agent: str = RECEPTION, *, preconnect: bool = True) -> Desk:
    """Do what a test wants at such a reception; gives it, closed."""

    async def main() -> Desk:
        async with asyncio.timeout(30), a_desk(folder, agent, preconnect=preconnect) as desk:
            await script(desk)
        return desk

    return asyncio.run(main())


def connect_of(xml: str) -> twiml.Connect:
    """Give the stream that TwiML orders, and nothing else."""
    (verb,) = twiml.parse(xml)
    assert isinstance(verb, twiml.Connect)
    return verb


def started(parameters: dict[str, str], call_sid: str = CALL_SID) -> twilio.Start:
    """Give the first message of an ordered stream."""
    message = twilio.parse(tiny_twilio.start(parameters, call_sid))
    assert isinstance(message, twilio.Start)
    return message
