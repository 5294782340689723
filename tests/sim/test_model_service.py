"""The model's service in a world: who gets a connection, when, and of whom nothing more is heard."""

import random
from collections.abc import Callable

import pytest

from voice_agent.call.events import ModelClosed, ModelOpened, ModelRefused, StandbyFailed, StandbyReady
from voice_agent.sim import realtime as model
from voice_agent.sim.mishaps import ToolWork
from voice_agent.sim.model_service import Served, Service, tone
from voice_agent.sim.network import Agenda, Network, Timing
from voice_agent.wire.bridge import Input, Unwritten

CONNECT_MS = 300


class Outside:
    """A world of this service alone, in which nothing takes less time than it may."""

    def __init__(self, *faults: str, unreachable: int = 0) -> None:
        self.now_ms = 0
        self.heard: list[tuple[int, Input | Unwritten]] = []
        self.when_ready: Callable[[], None] = lambda: None
        self._agenda = Agenda()
        served = Served(
            mind=lambda _: [],
            speak=None,
            heard=iter(()),
            mcp={},
            options=model.RealtimeOptions(),
            dialects=["ga", "ga"],
            faults=[model.parse_faults(text) for text in faults],
            unreachable=unreachable,
        )
        self.service = Service(
            served,
            self,
            agenda=self._agenda,
            chance=random.Random(1),
            network=Network(model_ms=0),
            timing=Timing(connect_ms=CONNECT_MS),
            direct=True,
        )

    def feed(self, received: Input | Unwritten) -> None:
        if isinstance(received, ModelOpened | ModelRefused | ModelClosed | StandbyReady | StandbyFailed):
            self.heard.append((self.now_ms, received))
        if isinstance(received, StandbyReady):
            self.when_ready()

    def later(self, most_ms: int, happen: Callable[[], None]) -> None:
        self._agenda.at(self.now_ms + most_ms, happen)

    def do(self, work: ToolWork, answer: Callable[[], None]) -> None:
        raise AssertionError(f"no tool is called here: {work} {answer}")

    def run(self, until_ms: int = 20_000) -> list[tuple[int, Input | Unwritten]]:
        while self._agenda.entries and self._agenda.entries[0][0] <= until_ms:
            self.now_ms = self._agenda.entries[0][0]
            self._agenda.step()
        return self.heard


def test_a_standby_that_is_taken_over_when_it_is_ready_begins_a_session_at_once() -> None:
    outside = Outside()
    outside.service.connect(0)
    outside.run()
    outside.when_ready = lambda: outside.service.connect(1)
    outside.service.open_standby()

    assert outside.run()[1:] == [(2 * CONNECT_MS, StandbyReady()), (2 * CONNECT_MS, ModelOpened())]
    assert outside.service.sessions == 2


def test_one_that_is_not_is_gone_and_the_session_stays() -> None:
    outside = Outside()
    outside.service.connect(0)
    outside.run()
    session = outside.service.session
    outside.service.open_standby()
    outside.run()
    stayed = outside.service.session
    outside.service.connect(0)

    assert stayed is session is not None
    assert outside.run()[1:] == [(2 * CONNECT_MS, StandbyReady()), (3 * CONNECT_MS, ModelOpened())]


@pytest.mark.parametrize(
    ("faults", "unreachable", "detail"), [(("", "status-503"), 0, "503"), ((), 1, "the network is unreachable")]
)
def test_a_standby_is_refused_as_a_session_is(faults: tuple[str, ...], unreachable: int, detail: str) -> None:
    outside = Outside(*faults, unreachable=unreachable)
    if faults:
        outside.service.connect(0)
        outside.run()
    outside.service.open_standby()
    _, told = outside.run()[-1]

    assert isinstance(told, StandbyFailed)
    assert detail in told.detail


@pytest.mark.parametrize(
    ("order", "last"),
    [
        (Service.open_standby, StandbyReady()),
        (lambda of: of.connect(0), ModelOpened()),
        (Service.close, ModelClosed(1000)),
    ],
)
def test_of_a_standby_nothing_is_heard_behind_another_order(order: Callable[[Service], None], last: Input) -> None:
    outside = Outside("", "slow-upgrade=1000")
    outside.service.connect(0)
    outside.run()
    outside.service.open_standby()
    outside.run(2 * CONNECT_MS)
    order(outside.service)
    told = [event for _, event in outside.run()[1:]]

    assert told == [last]


def test_a_tone_is_as_long_as_it_is_asked_for() -> None:
    assert [len(tone(ms)) for ms in (0, 20, 60_000)] == [0, 960, 2_880_000]
