import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from voice_agent.agent import Agent
from voice_agent.call.commands import AgentBegan, AgentSaid, CallEnded, CallerSaid, ResponseUsed
from voice_agent.call.events import Usage
from voice_agent.call.setup import CallSetup
from voice_agent.call.summary import Line, Summary
from voice_agent.call.trouble import Trouble
from voice_agent.errors import CommandError
from voice_agent.store.database import Database
from voice_agent.store.history import WAITS_S, History, PastCall, Remark, past_call
from voice_agent.store.search import Search, Wanted

SETUP = CallSetup(
    call_sid="CA0123", agent=Agent(name="reception", instructions=""), caller="+14255550123", called="+14255550100"
)
STARTED_AT = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)


def a_call(call_sid: str = "CA0123", started_at: str = "2026-11-22T10:00:00.250+00:00") -> PastCall:
    summary = Summary()
    summary.take(900, CallerSaid("item_u", "Two people, please."))
    summary.take(1000, AgentBegan("item_1", 640))
    summary.take(2000, AgentSaid("item_1", "At eight?", 1000, 1000, False))
    summary.take(2001, ResponseUsed(Usage(input_tokens=7)))
    summary.take(4500, CallEnded("completed", "goodbye", 4500))
    call = past_call(SETUP, summary, STARTED_AT, Path("data/recordings/one.call"))
    return msgspec.structs.replace(call, call_sid=call_sid, started_at=started_at)


def test_a_call_is_told_by_its_setup_and_its_summary() -> None:
    assert a_call() == PastCall(
        call_sid="CA0123",
        agent="reception",
        caller="+14255550123",
        called="+14255550100",
        started_at="2026-11-22T10:00:00.250+00:00",
        ended_at="2026-11-22T10:00:04.750+00:00",
        outcome="completed",
        reason="goodbye",
        duration_ms=4500,
        recording="data/recordings/one.call",
        transcript=(
            Line(900, "caller", "Two people, please."),
            Line(1000, "agent", "At eight?"),
            Line(4500, "end", "completed", "goodbye"),
        ),
        turns=1,
        interruptions=0,
        tool_calls=0,
        response_ms=(640,),
        usage=Usage(input_tokens=7),
    )


def part(number: int, outcome: str, *, call_sid: str = "CA0123", **fields: object) -> PastCall:
    """One of the parts of a call, in the order in which they began."""
    call = a_call(call_sid, f"2026-11-22T1{number}:00:00.250+00:00")
    return msgspec.structs.replace(call, outcome=outcome, **fields)


BUSY, AWAY = (Trouble(4500, "transfer failed", f"desk, {why}") for why in ("the line is busy", "nobody answered"))
REMARK: Remark = "transfer failed"


def test_whatever_comes_first_each_failed_transfer_stands_with_the_part_that_ended_in_it(place: Path | str) -> None:
    orders = [order for order in permutations("12ba") if order.index("1") < order.index("2")]

    async def work(history: History) -> None:
        for order in orders:
            call_sid = "".join(order)
            told = iter([BUSY, AWAY])  # in their order: the second transfer begins when the first one has failed
            for each in order:
                if each.isdigit():
                    await history.add(part(int(each), "transferred", call_sid=call_sid))
                else:
                    await history.remark(call_sid, REMARK, next(told).what, 1000)
            await history.add(part(3, "completed", call_sid=call_sid))
            await history.add(part(0, "completed", call_sid=call_sid))

            last, second, first, begun = await history.find(call_sid)
            assert (first.trouble, second.trouble) == ((BUSY,), (AWAY,))
            assert not last.trouble
            assert not begun.trouble
        assert await Search(history).count(Wanted(trouble=REMARK)) == 2 * len(orders)

    within(place, work)


def test_a_message_that_was_left_is_told_with_the_part_that_sent_its_caller_there(place: Path | str) -> None:
    async def work(history: History) -> None:
        await history.add(part(0, "completed"))
        await history.remark("CA0123", "message left", "a message", 1000)
        await history.add(part(1, "model_failed", reason=""))
        await history.add(part(2, "model_failed"))
        await history.remark("CA0123", "message left", "another", 1001)

        assert [call.reason for call in await history.latest(5)] == ["goodbye; another", "a message", "goodbye"]

    within(place, work)


def test_of_one_part_the_row_that_tells_more_of_it_stands_whichever_comes_first(place: Path | str) -> None:
    whole = a_call()
    lost = msgspec.structs.replace(whole, outcome="stream_lost", duration_ms=900, transcript=whole.transcript[:1])

    async def work(history: History) -> None:
        for first, second in ((lost, whole), (whole, lost), (whole, whole)):
            await history.add(first)
            await history.add(part(1, "completed"))
            await history.add(second)
            assert await history.latest(5) == [part(1, "completed"), whole]
            await history.forget_before(datetime(2027, 1, 1, tzinfo=UTC))

    within(place, work)


def test_a_remark_and_its_call_may_come_at_once(place: Path | str) -> None:
    async def work(history: History) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(8):
                call = msgspec.structs.replace(a_call(f"CA{number}"), outcome="transferred")
                first, then = history.add(call), history.remark(f"CA{number}", REMARK, BUSY.what, 1000)
                for each in (first, then) if number % 2 else (then, first):
                    tasks.create_task(each)

        assert [call.trouble for call in await history.latest(10)] == [(BUSY,)] * 8

    within(place, work)


def test_a_remark_whose_call_never_comes_is_forgotten(place: Path | str) -> None:
    async def count(history: History) -> object:
        async with history.database.reading() as connection:
            return await connection.scalar(text("SELECT count(*) FROM remarks"))

    async def work(history: History) -> None:
        await history.remark("CA1", REMARK, "", 1000)
        await history.remark("CA2", REMARK, "", 1001 + WAITS_S)
        assert await count(history) == 1
        await history.forget_before(datetime.fromtimestamp(1002 + WAITS_S, UTC))
        assert await count(history) == 0

    within(place, work)


def test_a_call_whose_end_nobody_saw_ends_with_its_last_line() -> None:
    summary = Summary()
    empty = past_call(SETUP, summary, STARTED_AT, None)
    summary.take(900, CallerSaid("item_u", "Hello?"))
    cut = past_call(SETUP, summary, STARTED_AT, None)

    assert (empty.outcome, empty.duration_ms, empty.recording) == ("unknown", 0, None)
    assert (cut.duration_ms, cut.ended_at) == (900, "2026-11-22T10:00:01.150+00:00")


def within(place: Path | str, work: Callable[[History], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Database(place) as database:
            await work(History(database))

    asyncio.run(main())


async def add_all(history: History, calls: Iterable[PastCall]) -> None:
    for call in calls:
        await history.add(call)


def test_calls_come_back_whole_and_the_latest_first(place: Path | str) -> None:
    calls = [a_call(f"CA{n}", f"2026-11-2{n}T10:00:00.000+00:00") for n in (2, 1, 3)]

    async def work(history: History) -> None:
        await add_all(history, calls)

        assert await history.latest(10) == [calls[2], calls[0], calls[1]]
        assert await history.latest(1) == [calls[2]]

    within(place, work)


def test_a_call_in_which_somebody_wrote_a_zero_character_is_kept(place: Path | str) -> None:
    lines = (Line(0, "agent", "Caf\0 Alder"), Line(9, "tool", "{\0}"))
    call = msgspec.structs.replace(a_call(), caller="client:an\0na", transcript=lines)

    async def work(history: History) -> None:
        await history.add(call)

        (kept,) = await history.latest(5)
        assert kept == msgspec.structs.replace(call, caller="client:an\ufffdna")
        assert await Search(history).count(Wanted(words="alder")) == 1

    within(place, work)


def test_a_call_is_found_by_the_beginning_of_its_sid(place: Path | str) -> None:
    async def work(history: History) -> None:
        later = a_call("CAab12", "2026-11-22T11:00:00.250+00:00")
        await add_all(history, [*map(a_call, ("CAab12", "CAab34", "CAcd_%")), later])

        async def found(beginning: str) -> list[str]:
            return [call.call_sid for call in await history.find(beginning)]

        assert await found("CAab") == ["CAab12", "CAab34", "CAab12"]
        assert await found("caAB34") == ["CAab34"]
        assert await found("CA%") == []
        assert await found("CAcd_%") == ["CAcd_%"]

    within(place, work)


def test_what_calls_have_used_since_a_moment_is_known(place: Path | str) -> None:
    async def work(history: History) -> None:
        await add_all(history, [a_call("CA1", f"2026-11-22T{time}+00:00") for time in ("09:59:59.999", "10:00:00.000")])
        evening_in_tokyo = datetime(2026, 11, 22, 19, 0, tzinfo=timezone(timedelta(hours=9)))
        assert await history.used_since(evening_in_tokyo) == [("", Usage(input_tokens=7))]

    within(place, work)


def test_calls_of_before_a_moment_are_forgotten_with_their_words(place: Path | str) -> None:
    async def work(history: History) -> None:
        await add_all(history, [a_call("CA1", f"2026-11-22T{time}+00:00") for time in ("09:59:59.999", "10:00:00.000")])
        ten = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
        assert await history.recordings_before(ten) == ["data/recordings/one.call"]
        assert [await history.forget_before(ten) for _ in range(2)] == [1, 0]
        assert [call.started_at for call in await history.latest(9)] == ["2026-11-22T10:00:00.000+00:00"]
        await history.forget_before(ten + timedelta(days=1))

    within(place, work)
    if isinstance(place, Path):
        assert b"At eight?" not in place.read_bytes()


def test_the_recordings_of_all_calls_are_known_by_their_names(place: Path | str) -> None:
    async def work(history: History) -> None:
        assert await history.recordings() == set()
        await add_all(history, [a_call(), msgspec.structs.replace(a_call(), recording=None)])

        assert await history.recordings() == {"one.call"}

    within(place, work)


def test_without_a_file_there_are_no_calls_and_none_is_made(tmp_path: Path) -> None:
    async def work(history: History) -> None:
        assert await history.latest(10) == []
        assert await history.find("CA") == []

    within(tmp_path / "calls.sqlite", work)

    assert list(tmp_path.iterdir()) == []


def test_calls_may_be_added_at_once(place: Path | str) -> None:
    async def work(history: History) -> None:
        async with asyncio.TaskGroup() as tasks:
            for n in range(8):
                tasks.create_task(history.add(a_call(f"CA{n}")))

        assert {call.call_sid for call in await history.latest(100)} == {f"CA{n}" for n in range(8)}

    within(place, work)


def test_another_table_in_its_place_is_told_as_the_database_tells_it(place: Path | str) -> None:
    async def work(history: History) -> None:
        async with history.database.writing() as connection:
            await connection.execute(text("DROP TABLE calls"))
        with pytest.raises(CommandError, match=r'no such table: calls|relation "calls" does not exist'):
            await history.latest(1)

    within(place, work)


def test_a_row_that_cannot_be_read_is_named(place: Path | str) -> None:
    async def work(history: History) -> None:
        await history.add(a_call())
        async with history.database.writing() as connection:
            await connection.execute(text("UPDATE calls SET transcript = 'gone'"))
        with pytest.raises(CommandError, match="holds a call that cannot be read"):
            await history.latest(1)

    within(place, work)


FORMER = """
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    call_sid TEXT NOT NULL,
    agent TEXT NOT NULL,
    caller TEXT NOT NULL,
    called TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    recording TEXT,
    transcript TEXT NOT NULL,
    turns INTEGER NOT NULL,
    interruptions INTEGER NOT NULL,
    tool_calls INTEGER NOT NULL,
    response_ms TEXT NOT NULL,
    usage TEXT NOT NULL{more}
);
CREATE INDEX calls_by_sid ON calls (call_sid);
CREATE INDEX calls_by_start ON calls (started_at);
INSERT INTO calls (
    call_sid, agent, caller, called, started_at, ended_at, outcome, reason, duration_ms, recording, transcript, turns,
    interruptions, tool_calls, response_ms, usage
) VALUES (
    'CA0123', 'reception', '+14255550123', '+14255550100', '2026-11-22T10:00:00.250+00:00',
    '2026-11-22T10:00:04.750+00:00', 'completed', 'goodbye', 4500, 'data/recordings/one.call',
    '[{{"at_ms":900,"who":"caller","text":"Two people, please.","remark":"","agent":""}},'
    || '{{"at_ms":1000,"who":"agent","text":"At eight?","remark":"","agent":""}},'
    || '{{"at_ms":4500,"who":"end","text":"completed","remark":"goodbye","agent":""}}]',
    1, 0, 0, '[640]', '{{"input_tokens":7}}'
);
PRAGMA user_version = {version};
"""
_MODEL = ",\n    model TEXT NOT NULL DEFAULT ''"
_TRANSCRIPTION = ",\n    transcription TEXT NOT NULL DEFAULT '{}'"


@pytest.mark.parametrize(("version", "more"), [(1, ""), (2, _MODEL), (3, _MODEL + _TRANSCRIPTION)])
def test_a_file_of_a_former_program_is_taken_over_with_its_calls(tmp_path: Path, version: int, more: str) -> None:
    path = tmp_path / "calls.sqlite"
    with closing(sqlite3.connect(path)) as former:
        former.execute("PRAGMA journal_mode = WAL")
        former.executescript(FORMER.format(version=version, more=more))
    new = msgspec.structs.replace(a_call("CA4", "2026-11-23T10:00:00.250+00:00"), model="gpt-realtime-2.1")

    async def work(history: History) -> None:
        assert await history.latest(10) == [a_call()]
        await history.add(new)
        assert await history.latest(10) == [new, a_call()]

    within(path, work)
    within(path, lambda history: add_all(history, []))


def test_what_went_wrong_in_calls_of_a_former_program_is_read_from_their_transcripts(tmp_path: Path) -> None:
    said = [
        Line(1, "agent", "I", "interrupted: 0.4 s of 3.0 s heard"),
        Line(2, "agent", "I", "interrupted: 3.0 s of 3.0 s heard"),
        Line(3, "tool", 'find {"day": 1}', 'failed in 0.0 s: {"error":"x"}'),
        Line(4, "tool", "book {}", "answered in 0.0 s: {}"),
        Line(5, "tool", "wait {}"),
        Line(6, "note", "the model's session is opened anew", "reason close 1006"),
        Line(7, "note", "a response failed"),
    ]
    path = tmp_path / "calls.sqlite"
    with closing(sqlite3.connect(path)) as former:
        former.executescript(FORMER.format(version=1, more=""))
        transcript = msgspec.json.encode(said).decode()
        change = "UPDATE calls SET transcript = ?, response_ms = '[640,1400]', outcome = 'transferred'"
        former.execute(change, [transcript])
        columns = "call_sid, agent, caller, called, started_at, ended_at, reason, duration_ms, recording, turns, "
        columns += "interruptions, tool_calls, usage"
        broken = f"INSERT INTO calls ({columns}, outcome, transcript, response_ms) SELECT {columns}, 'stream_lost', "
        former.execute(broken + "'no JSON', '[]' FROM calls")
        former.commit()

    async def work(history: History) -> None:
        async with history.database.writing() as connection:
            await connection.execute(text("UPDATE calls SET transcript = '[]' WHERE transcript = 'no JSON'"))
        back, gone = await history.latest(2)
        assert back.trouble == (Trouble(4500, "stream lost"),)
        assert gone.trouble == (
            Trouble(0, "late answer", ms=1400),
            Trouble(1, "words not heard"),
            Trouble(3, "tool failed", "find"),
            Trouble(5, "tool never answered", "wait"),
            Trouble(6, "connection lost"),
            Trouble(7, "fault", "a response failed"),
            Trouble(4500, "transfer failed"),
        )

    within(path, work)
