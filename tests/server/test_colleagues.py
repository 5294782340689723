"""How a colleague is called, asked and brought together with the caller; the account is a fake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.support.script import an_agent
from voice_agent.agent import Tool, Transfer
from voice_agent.call.commands import CallColleague, Destination
from voice_agent.call.events import ColleagueAnswered
from voice_agent.call.setup import CallSetup
from voice_agent.errors import CommandError, PeerError
from voice_agent.server.colleagues import Colleagues, Patience, asking
from voice_agent.store.database import Database
from voice_agent.store.transfers import Link, Transfers
from voice_agent.wire import twiml

PATIENT = Patience(
    poll_s=0.01, ring_margin_s=600, ask_s=600, join_s=600, redirect_s=600, together_s=0.01, again_s=(0, 0)
)
"""With all that a test does not wait for."""
DESK = Transfer(to={"desk": "+14255550101"}, warm=True)
CALLER = CallSetup(
    call_sid="CA1",
    agent=an_agent(tools=(Tool("transfer", "", {}, "transfer", transfer=DESK),), voice="cedar", language="nl"),
    caller="+14255550199",
    called="+14255550100",
)
ORDER = CallColleague("c1", Destination("desk", "+14255550101", 0), "Ana asks about her bill.")
BACK = "https://phone.example/twilio/after-dial"


class Account:
    """Remembers what it was asked; `fails` says what goes wrong."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str, str, int]] = []
        self.did: list[str] = []
        self.fails: set[str] = set()
        self.gone: set[str] = set()
        self.refusals: dict[str, int] = {}
        """How often what is asked for a call is not done."""
        self.grants = asyncio.Event()
        self.grants.set()
        self.placed = asyncio.Event()
        self._news = asyncio.Event()

    def do(self, what: str) -> None:
        self.did.append(what)
        self._news.set()

    async def has_done(self, count: int) -> None:
        while len(self.did) < count:
            self._news.clear()
            await self._news.wait()

    async def call(self, to: str, from_: str, url: str, status_callback: str, seconds: int) -> str:
        if "call" in self.fails:
            raise PeerError("Twilio refuses: the number is not yours (error 21210)")
        self.calls.append((to, from_, url, status_callback, seconds))
        self.placed.set()
        await self.grants.wait()
        return "CA2"

    async def redirect(self, call_sid: str, *, twiml: str = "", url: str = "") -> str:
        self.do(f"redirect {call_sid} {'to the room' if twiml else url}")
        if twiml and "hangs" in self.fails:
            await asyncio.Event().wait()
        return "the call is over" if call_sid in self.fails else self.refusal(call_sid)

    async def hang_up(self, call_sid: str) -> str:
        self.do(f"hang up {call_sid}")
        return self.refusal(call_sid)

    def refusal(self, call_sid: str) -> str:
        left = self.refusals.get(call_sid, 0)
        self.refusals[call_sid] = left - 1
        return "Twilio is asked too often (error 20429)" if left > 0 else ""

    async def is_in_progress(self, call_sid: str) -> bool | None:
        return call_sid not in self.gone


class Links(Transfers):
    """Those of a store that can be `gone`."""

    gone = False

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked = asyncio.Event()
        """In vain."""

    async def find(self, link_id: str) -> Link | None:
        if self.gone:
            self.asked.set()
            raise CommandError("the database is gone")
        return await super().find(link_id)


class Office:
    def __init__(self, database: Database, patience: Patience = PATIENT) -> None:
        self.account = Account()
        self.links = Links(database)
        self.colleagues = Colleagues(self.links, self.account, lambda: "https://phone.example", patience)

    @property
    def link_id(self) -> str:
        return self.account.calls[0][2].rpartition("/")[2]

    async def picks_up(self) -> CallSetup | None:
        await self.account.placed.wait()
        return await self.colleagues.answered(self.link_id, "CA2")


@asynccontextmanager
async def an_office(folder: Path, patience: Patience = PATIENT) -> AsyncIterator[Office]:
    async with Database(folder / "calls.sqlite") as database:
        yield Office(database, patience)


def at_office(
    folder: Path,
    colleague: Callable[[Office], Awaitable[None]],
    fails: tuple[str, ...] = (),
    patience: Patience = PATIENT,
) -> tuple[Office, ColleagueAnswered]:
    """Call the desk; `colleague` is what happens meanwhile."""

    async def main() -> tuple[Office, ColleagueAnswered]:
        async with asyncio.timeout(60), an_office(folder, patience) as office:
            office.account.fails.update(fails)
            async with office.colleagues as colleagues, asyncio.TaskGroup() as tasks:
                tasks.create_task(_alongside(colleague, office))
                answered = await colleagues.call(CALLER, ORDER)
        return office, answered

    return asyncio.run(main())


async def _alongside(colleague: Callable[[Office], Awaitable[None]], office: Office) -> None:
    await colleague(office)


async def nobody(office: Office) -> None:
    """Let it ring."""


async def accepts(office: Office) -> None:
    assert await office.picks_up() is not None
    await office.colleagues.settle("CA2", accepted=True)


def test_the_colleague_is_called_from_the_called_number_and_asked_by_an_agent_of_their_own(tmp_path: Path) -> None:
    async def looks(office: Office) -> None:
        setup = await office.picks_up()
        assert setup is not None
        assert (setup.call_sid, setup.caller, setup.called, setup.outbound) == (
            "CA2",
            "+14255550101",
            "+14255550100",
            True,
        )
        assert "Ana asks about her bill." in (setup.agent.greeting or "")
        assert (setup.agent.voice, setup.agent.language) == ("cedar", "nl")
        assert [tool.kind for tool in setup.agent.tools] == ["take_call", "decline_call"]
        await office.colleagues.settle("CA2", accepted=True)

    office, answered = at_office(tmp_path, looks)

    url = f"https://phone.example/twilio/colleague/{office.link_id}"
    assert office.account.calls == [("+14255550101", "+14255550100", url, f"{url}/status", 0)]
    assert answered == ColleagueAnswered("c1", conference=office.link_id)


def test_an_announcement_of_the_file_is_said_instead() -> None:
    transfer = Transfer(to={"desk": "+14255550101"}, warm=True, announcement="Een beller. {{ summary }} Druk op 1.")
    agent = an_agent(tools=(Tool("transfer", "", {}, "transfer", transfer=transfer),))

    assert asking(agent, ORDER).greeting == "Een beller. Ana asks about her bill. Druk op 1."


def test_after_a_hand_over_the_colleague_is_asked_as_the_other_agent_would(tmp_path: Path) -> None:
    transfer = Transfer(to={"desk": "+14255550101"}, warm=True, announcement="Billing here. {{ summary }}")
    billing = an_agent(name="billing", tools=(Tool("connect", "", {}, "transfer", transfer=transfer),))
    setup = msgspec.structs.replace(CALLER, agent=an_agent(), others=(billing,))

    async def main() -> CallSetup | None:
        async with (
            asyncio.timeout(60),
            an_office(tmp_path) as office,
            office.colleagues as colleagues,
            asyncio.TaskGroup() as tasks,
        ):
            job = tasks.create_task(colleagues.call(setup, ORDER))
            asked = await office.picks_up()
            job.cancel()
        return asked

    asked = asyncio.run(main())

    assert asked is not None
    assert (asked.agent.name, asked.agent.greeting) == ("billing", "Billing here. Ana asks about her bill.")


def test_a_phone_that_nobody_answers_is_hung_up_on(tmp_path: Path) -> None:
    office, answered = at_office(tmp_path, nobody, patience=msgspec.structs.replace(PATIENT, ring_margin_s=0.05))

    assert answered == ColleagueAnswered("c1", problem="nobody answered")
    assert office.account.did == ["hang up CA2"]


def test_a_colleague_who_does_not_decide_is_hung_up_on(tmp_path: Path) -> None:
    async def hesitates(office: Office) -> None:
        await office.picks_up()

    office, answered = at_office(tmp_path, hesitates, patience=msgspec.structs.replace(PATIENT, ask_s=0.05))

    assert answered == ColleagueAnswered("c1", problem="they did not say whether they take the call")
    assert office.account.did == ["hang up CA2"]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("busy", "the line is busy"),
        ("no-answer", "nobody answered"),
        ("failed", "the number cannot be reached"),
        ("completed", "they hung up"),
    ],
)
def test_how_the_carrier_says_it_ended_is_told_and_nothing_is_hung_up(tmp_path: Path, status: str, why: str) -> None:
    async def ends(office: Office) -> None:
        await office.account.placed.wait()
        await office.colleagues.progress(office.link_id, {"CallStatus": "in-progress"})
        await office.colleagues.progress(office.link_id, {"CallStatus": status})

    office, answered = at_office(tmp_path, ends)

    assert answered == ColleagueAnswered("c1", problem=why)
    assert office.account.did == []


def test_a_refusal_of_the_carrier_is_a_line_for_the_operator(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, answered = at_office(tmp_path, nobody, fails=("call",))

    assert answered == ColleagueAnswered("c1", problem="the call could not be placed")
    assert "desk is not called: Twilio refuses: the number is not yours (error 21210)" in caplog.text


def test_a_colleague_who_accepted_and_whose_caller_does_not_come_is_hung_up_on(tmp_path: Path) -> None:
    async def waits(office: Office) -> None:
        await accepts(office)
        await office.account.has_done(1)

    office, answered = at_office(tmp_path, waits, patience=msgspec.structs.replace(PATIENT, join_s=0.1))

    assert answered.conference
    assert office.account.did == ["hang up CA2"]


def test_whoever_answers_too_late_or_twice_is_not_asked(tmp_path: Path) -> None:
    async def twice(office: Office) -> None:
        await office.picks_up()
        assert await office.picks_up() is None
        assert await office.colleagues.answered("nonsense", "CA2") is None
        await office.colleagues.settle("CA9", accepted=True)
        await office.colleagues.settle("CA2", accepted=False)
        await office.colleagues.settle("CA2", accepted=True)

    _, answered = at_office(tmp_path, twice)

    assert answered == ColleagueAnswered("c1", problem="they do not take the call")


def test_a_caller_who_is_gone_ends_the_second_call(tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with (
            asyncio.timeout(60),
            an_office(tmp_path) as office,
            office.colleagues as colleagues,
            asyncio.TaskGroup() as tasks,
        ):
            job = tasks.create_task(colleagues.call(CALLER, ORDER))
            await office.picks_up()
            job.cancel()
        return office.account.did

    assert asyncio.run(main()) == ["hang up CA2"]


def test_a_caller_who_goes_while_twilio_is_still_asked_leaves_nobody_s_phone_ringing(tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with asyncio.timeout(60), an_office(tmp_path) as office:
            office.account.grants.clear()
            async with office.colleagues as colleagues, asyncio.TaskGroup() as tasks:
                job = tasks.create_task(colleagues.call(CALLER, ORDER))
                await office.account.placed.wait()
                job.cancel()
                await asyncio.wait({job})
                office.account.grants.set()
        return office.account.did

    assert asyncio.run(main()) == ["hang up CA2"]


@pytest.mark.parametrize(("refusals", "tries", "told"), [(1, 2, False), (2, 3, False), (9, 3, True)])
def test_who_is_not_needed_any_more_is_hung_up_on_though_twilio_refuses_at_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, refusals: int, tries: int, told: bool
) -> None:
    async def decides_nothing(office: Office) -> None:
        office.account.refusals["CA2"] = refusals
        await office.picks_up()

    office, _ = at_office(tmp_path, decides_nothing, patience=msgspec.structs.replace(PATIENT, ask_s=0.05))

    assert office.account.did == ["hang up CA2"] * tries
    assert ("a call of a transfer stays as it is" in caplog.text) is told


def test_a_colleague_who_accepts_when_the_caller_is_gone_is_hung_up_on(tmp_path: Path) -> None:
    async def accepts_late(office: Office) -> None:
        await office.picks_up()
        await office.links.close(office.link_id, "the caller is gone")
        await office.colleagues.settle("CA2", accepted=True)

    office, _ = at_office(tmp_path, accepts_late)

    assert office.account.did == ["hang up CA2"]


def joined(folder: Path, fails: tuple[str, ...] = (), gone: tuple[str, ...] = ()) -> list[str]:
    async def joins(office: Office) -> None:
        office.account.gone.update(gone)
        await accepts(office)
        office.colleagues.join(office.link_id, "CA1", BACK)
        await office.account.has_done(3 if fails else 2 if gone else 1)

    patience = msgspec.structs.replace(PATIENT, redirect_s=0.05) if "hangs" in fails else PATIENT
    office, _ = at_office(folder, joins, fails, patience)
    (room,) = twiml.parse(office.colleagues.meeting(office.link_id, BACK))
    assert room == twiml.Dial(conference=office.link_id, ends_conference=True, action=BACK)
    return office.account.did


def test_the_colleague_is_brought_to_the_room_when_the_caller_is_on_the_way(tmp_path: Path) -> None:
    assert joined(tmp_path) == ["redirect CA2 to the room"]


def test_a_caller_whose_colleague_cannot_be_brought_comes_back(tmp_path: Path) -> None:
    first, *others = joined(tmp_path, fails=("CA2",))

    assert first == "redirect CA2 to the room"
    assert sorted(others) == ["hang up CA2", f"redirect CA1 {BACK}"]


def test_a_caller_does_not_wait_alone_for_a_carrier_that_does_not_answer(tmp_path: Path) -> None:
    first, *others = joined(tmp_path, fails=("hangs",))

    assert first == "redirect CA2 to the room"
    assert sorted(others) == ["hang up CA2", f"redirect CA1 {BACK}"]


def test_a_caller_does_not_stay_alone_when_the_carrier_has_trouble_for_a_moment(tmp_path: Path) -> None:
    async def joins(office: Office) -> None:
        await accepts(office)
        office.account.refusals |= {"CA1": 1, "CA2": 2}
        office.colleagues.join(office.link_id, "CA1", BACK)
        await office.account.has_done(5)

    did = at_office(tmp_path, joins)[0].account.did

    assert sorted(did) == ["hang up CA2"] * 2 + [f"redirect CA1 {BACK}"] * 2 + ["redirect CA2 to the room"]


def test_a_colleague_whose_caller_left_on_the_way_is_hung_up_on(tmp_path: Path) -> None:
    assert joined(tmp_path, gone=("CA1",)) == ["redirect CA2 to the room", "hang up CA2"]


def test_a_caller_whose_colleague_left_on_the_way_comes_back(tmp_path: Path) -> None:
    assert joined(tmp_path, gone=("CA2",)) == ["redirect CA2 to the room", f"redirect CA1 {BACK}"]


def test_a_caller_whose_colleague_the_store_cannot_name_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def joins(office: Office) -> None:
        await accepts(office)
        office.colleagues.join("another", "CA1", BACK)
        await office.account.has_done(1)
        office.links.gone = True
        office.colleagues.join(office.link_id, "CA1", BACK)
        await office.account.has_done(2)

    office, _ = at_office(tmp_path, joins)

    assert office.account.did == [f"redirect CA1 {BACK}"] * 2
    assert "the colleague does not come: the database is gone" in caplog.text


def test_a_store_that_is_gone_while_a_colleague_is_waited_for_ends_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(60),
            an_office(tmp_path, msgspec.structs.replace(PATIENT, join_s=0.01)) as office,
            office.colleagues as colleagues,
        ):
            calling = asyncio.ensure_future(colleagues.call(CALLER, ORDER))
            await accepts(office)
            assert (await calling).conference
            office.links.gone = True
            await office.links.asked.wait()
            assert await colleagues.answered(office.link_id, "CA2") is None

    asyncio.run(main())


def test_what_the_carrier_says_while_the_store_is_gone_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with an_office(tmp_path) as office:
            (tmp_path / "calls.sqlite").write_bytes(b"no database" * 200)
            await office.colleagues.progress("a", {"CallSid": "CA2", "CallStatus": "busy"})

    asyncio.run(main())

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "is damaged or no call history" in caplog.text
