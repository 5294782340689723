import asyncio
import logging
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from tests.support.pump import FakeBridge, FakeLeg, FakeWork, settle
from voice_agent.agent import Agent
from voice_agent.call.commands import CallEnded
from voice_agent.call.conversation import Conversation, Resumption
from voice_agent.call.events import EndRequested, MachineVerdict
from voice_agent.call.setup import CallSetup
from voice_agent.call.summary import Summary
from voice_agent.live.clock import utc_now
from voice_agent.live.lobby import EXPECTED_SECONDS, REMEMBERED, SOON_SECONDS, EndedCall, HeldCall, Lobby
from voice_agent.live.metrics import Metrics
from voice_agent.live.session import Session
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import PhoneText

AGENT = Agent(name="test", instructions="")


class FakeCall:
    """Ends when the test says so, or at once when it is asked to."""

    def __init__(self, broken: bool = False, deaf: bool = False, transferred: bool = False, slow: bool = False) -> None:
        self.written = asyncio.Event()
        self.kept = False
        self._transferred = transferred
        self._slow = slow
        self.bridge = FakeBridge(self._answer)
        self.session = Session(self.bridge, FakeWork())
        self.setup = CallSetup(call_sid="CA1", agent=AGENT)
        self.summary = Summary()
        self.started_at = utc_now()
        self._broken = broken
        self._deaf = deaf

    def _answer(self, received: Input) -> Sequence[Output]:
        if isinstance(received, EndRequested) and not self._deaf:
            return [CallEnded("transferred" if self._transferred else "stopped", received.reason, 0)]
        return [CallEnded("caller_hung_up", "", 0)] if isinstance(received, PhoneText) else []

    def cost(self) -> float | None:
        return 0.25

    def resumption(self) -> Resumption:
        return Resumption(Conversation("test"))

    async def run(self) -> None:
        if self._broken:
            raise AssertionError("a bug")
        await self.session.run()
        if self._slow:
            await self.written.wait()
        self.kept = True


class Office:
    """A lobby whose calls are fakes."""

    def __init__(self, **call: bool) -> None:
        self.calls: list[FakeCall] = []
        self.webhooks: list[Mapping[str, str]] = []
        self.metrics = Metrics()
        self.now_s = 0
        self._call = call
        self.lobby = Lobby(self._open, self.metrics, lambda: self.now_s)

    def _open(self, setup: CallSetup, webhook: Mapping[str, str]) -> HeldCall:
        assert setup.agent is AGENT
        self.calls.append(FakeCall(**self._call))
        self.webhooks.append(webhook)
        return self.calls[-1]

    def expect(self, call_sid: str = "CA1", *, preconnect: bool = True, caller: str = "") -> None:
        self.lobby.expect(
            CallSetup(call_sid=call_sid, agent=AGENT, preconnect=preconnect, caller=caller), {"From": caller}
        )

    def preconnects(self) -> dict[str, int]:
        counts = {each: self.metrics.get("preconnect", outcome=each) for each in ("adopted", "missed", "orphaned")}
        return {outcome: count for outcome, count in counts.items() if count}


def test_a_preconnected_call_begins_at_its_webhook_and_is_adopted_by_its_stream() -> None:
    async def main() -> Office:
        office = Office()
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect()
            office.expect()
            assert len(office.calls) == 1
            session = lobby.join("CA1", "MZ1")
            assert session is office.calls[0].session
            await session.serve(FakeLeg(), ["start"])
        return office

    office = asyncio.run(main())

    assert office.preconnects() == {"adopted": 1}
    assert office.lobby.sessions == {}


def test_without_preconnecting_a_call_begins_with_its_stream() -> None:
    async def main() -> Office:
        office = Office()
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect(preconnect=False, caller="+1")
            assert office.calls == []
            session = lobby.join("CA1", "MZ1")
            assert session is not None
            await session.serve(FakeLeg(), ["start"])
        return office

    office = asyncio.run(main())

    assert office.webhooks == [{"From": "+1"}]
    assert office.preconnects() == {}


def test_a_stream_that_comes_after_its_session_was_given_up_gets_a_new_one() -> None:
    async def main() -> Office:
        office = Office()
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect()
            await settle()
            lobby.end("CA1", "no stream")
            await settle()
            session = lobby.join("CA1", "MZ1")
            assert session is office.calls[1].session
            await session.serve(FakeLeg(), ["start"])
        return office

    assert asyncio.run(main()).preconnects() == {"orphaned": 1, "missed": 1}


def test_a_call_has_one_stream_and_a_stranger_none() -> None:
    async def main() -> None:
        office = Office()
        async with asyncio.timeout(30), office.lobby as lobby, asyncio.TaskGroup() as tasks:
            office.expect()
            await settle()
            session = lobby.join("CA1", "MZ1")
            assert session is not None
            tasks.create_task(session.serve(FakeLeg(), []))
            await settle()

            assert lobby.join("CA1", "MZ1") is None
            assert lobby.join("CA2", "MZ1") is None
            lobby.end("CA1", "over")
            lobby.end("CA2", "never was")

    asyncio.run(main())


def test_the_outcome_of_a_call_is_known_when_it_has_ended_and_soon_after() -> None:
    async def main() -> list[EndedCall | None]:
        office = Office()
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect()
            await settle()
            outcomes = [await lobby.outcome("CA1", 0.01), await lobby.outcome("CA2", 0.01)]
            lobby.end("CA1", "over")
            outcomes.append(await lobby.outcome("CA1", 5))
            await settle()
            outcomes.append(await lobby.outcome("CA1", 5))
        return outcomes

    ended = EndedCall(CallEnded("stopped", "over", 0), CallSetup(call_sid="CA1", agent=AGENT), None, AGENT.name)
    assert asyncio.run(main()) == [None, None, ended, ended]


def test_whose_words_a_caller_hears_at_the_end_is_up_to_the_agent_who_had_the_call() -> None:
    other = msgspec.structs.replace(AGENT, name="billing")
    setup = CallSetup(call_sid="CA1", agent=AGENT, others=(other,))

    assert EndedCall(None, setup, None, "billing").agent == other
    assert EndedCall(None, setup, None).agent == AGENT


def test_of_a_caller_who_was_transferred_the_conversation_is_kept() -> None:
    async def main() -> EndedCall | None:
        office = Office(transferred=True)
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect()
            await settle()
            lobby.end("CA1", "to the front desk")
            await settle()
            return await lobby.outcome("CA1", 5)

    known = asyncio.run(main())

    assert known is not None
    assert known.resumption == Resumption(Conversation("test"))


def test_a_call_that_comes_again_while_its_recording_is_still_written_begins_anew() -> None:
    async def main() -> tuple[Office, list[str]]:
        office = Office(slow=True)
        told: list[str] = []
        async with asyncio.timeout(30), office.lobby as lobby:
            for preconnect in (True, False):
                office.expect(preconnect=preconnect)
                await settle()
                session = lobby.join("CA1", "MZ1")
                assert session is office.calls[-1].session
                await session.serve(FakeLeg(), ["start"])
            for call in office.calls[::-1]:
                # The first one is through last, and is not what is remembered.
                call.written.set()
                await settle()
                known = await lobby.outcome("CA1", 5)
                assert known is not None
                told.append(f"preconnect {known.setup.preconnect}")
            assert lobby.sessions == {}
        return office, told

    office, told = asyncio.run(main())

    assert len(office.calls) == 2
    assert told == ["preconnect False", "preconnect False"]


def test_what_is_told_while_a_recording_is_still_written_is_for_the_stream_that_comes() -> None:
    verdict = MachineVerdict("human")

    async def main() -> tuple[list[Input], list[bool]]:
        office = Office(slow=True)
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect()
            lobby.join("CA1", "MZ1")
            await settle()
            lobby.end("CA1", "over")
            await settle()
            known = [lobby.tell("CA1", verdict)]
            office.expect(preconnect=False)
            known.append(lobby.tell("CA1", verdict))
            session = lobby.join("CA1", "MZ2")
            assert session is not None
            await settle()
            session.end("")
            for call in office.calls:
                call.written.set()
        return office.calls[1].bridge.fed, known

    received, known = asyncio.run(main())

    assert verdict in received
    assert known == [False, True]


def test_all_calls_end_when_they_are_told_to() -> None:
    async def main() -> list[CallEnded | None]:
        office = Office()
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect("CA1")
            office.expect("CA2")
            await settle()
            await lobby.end_all("the server stops", 5)
            assert lobby.sessions == {}
        return [call.session.ended for call in office.calls]

    assert asyncio.run(main()) == [CallEnded("stopped", "the server stops", 0)] * 2


def test_calls_that_others_take_up_end_one_after_another() -> None:
    async def main() -> list[int]:
        office = Office()
        over: list[int] = []
        async with asyncio.timeout(30), office.lobby as lobby:
            for number in range(3):
                office.expect(f"CA{number}")
            await settle()
            ending = asyncio.ensure_future(lobby.end_all("the server stops", 5, 0.05))
            for call in office.calls:
                await call.session.finished()
                over.append(sum(other.session.ended is not None for other in office.calls))
            await ending
        return over

    assert asyncio.run(main()) == [1, 2, 3]


def test_a_call_that_does_not_end_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        office = Office(deaf=True)
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect()
            await settle()
            await lobby.end_all("the server stops", 0.01)

    asyncio.run(main())

    assert "1 calls did not end" in caplog.text


def test_what_is_left_of_calls_that_are_over_has_a_time_of_its_own() -> None:
    async def main() -> Office:
        office = Office(slow=True)
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect()
            await settle()
            office.calls[0].session.end("goodbye")
            await settle()
            ending = asyncio.ensure_future(lobby.end_all("the server stops", 0, kept_seconds=60))
            await settle()
            assert not ending.done()
            office.calls[0].written.set()
            await ending
        return office

    assert asyncio.run(main()).calls[0].kept


def test_what_is_left_of_a_call_is_given_up_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Office:
        office = Office(slow=True)
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect()
            await settle()
            await lobby.end_all("the server stops", 30, kept_seconds=0.01)
        return office

    assert not asyncio.run(main()).calls[0].kept
    assert "what is left of 1 calls was not put away within 0 s" in caplog.text


def test_a_fault_in_one_call_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Office:
        office = Office(broken=True)
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect()
            await settle()
            known = await lobby.outcome("CA1", 5)
            assert known is not None
            assert known.ended is None
        return office

    with caplog.at_level(logging.ERROR):
        office = asyncio.run(main())

    assert office.metrics.get("calls_broken") == 1
    assert "AssertionError" in caplog.text


def test_what_is_remembered_is_bounded() -> None:
    async def main() -> None:
        office = Office()
        async with asyncio.timeout(60), office.lobby as lobby:
            for number in range(REMEMBERED + 1):
                office.expect(f"CA{number}")
            await settle()
            await lobby.end_all("over", 5)

            assert await lobby.outcome("CA0", 0) is None
            assert await lobby.outcome(f"CA{REMEMBERED}", 0) is not None

    asyncio.run(main())


def test_an_error_around_the_lobby_ends_its_calls_and_stays_itself() -> None:
    async def main() -> None:
        office = Office(deaf=True)
        async with asyncio.timeout(30), office.lobby:
            office.expect()
            await settle()
            raise KeyError("elsewhere")

    with pytest.raises(KeyError):
        asyncio.run(main())


def test_a_webhook_is_forgotten_when_its_stream_can_no_longer_come() -> None:
    async def main() -> None:
        office = Office()
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect("CA1", preconnect=False)
            office.now_s = EXPECTED_SECONDS + 1
            office.expect("CA2", preconnect=False)

            assert lobby.webhook("CA1") is None
            assert lobby.webhook("CA2") == {"From": ""}
            assert lobby.join("CA1", "MZ1") is None

    asyncio.run(main())


def test_calls_count_from_their_webhook_to_their_end_and_a_stream_that_does_not_come_no_longer() -> None:
    async def main() -> None:
        office = Office()
        async with asyncio.timeout(30), office.lobby as lobby:
            office.expect("CA1", preconnect=True)
            office.expect("CA1", preconnect=True)
            office.expect("CA2", preconnect=False)
            assert (lobby.taken, lobby.knows("CA1"), lobby.knows("CA2"), lobby.knows("CA3")) == (2, True, True, False)
            office.now_s = SOON_SECONDS
            assert lobby.taken == 1
            await lobby.end_all("the test is over", 1)
            assert lobby.taken == 0

    asyncio.run(main())
