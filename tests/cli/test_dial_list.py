"""`voice-agent dial --list` against the emulated account."""

import asyncio
import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.test_dial import AGENTS, Asked, with_account
from tests.support.screen import Screen
from tests.support.tiny_customer import CALLED
from voice_agent.cli.dial import call_list
from voice_agent.cli.dial_list import NO_MODEL, read_list
from voice_agent.cli.dial_watch import MODEL_FAILED
from voice_agent.config.settings import Settings
from voice_agent.emulator.twilio import Callee, EmulatedTwilio
from voice_agent.errors import CommandError
from voice_agent.store.dialled import PLACED, PLACING, Step, journal_path, open_journal
from voice_agent.twilio_api.calls import Course
from voice_agent.twilio_api.dialling import OutboundCall, Wish

ANA, BO, CY = "+14255550123", "+14255550124", "+14255550125"
PEOPLE = f"number,name\n{ANA},Ana\n{BO},Bo\n+1 425 555 0125,\n"
BUSY = Callee(becomes="busy")
NO_COLUMN = (
    '{path}:1: there is no column "number"; '
    "the first line names the columns, separated by commas or semicolons; there are: "
)


def a_list(folder: Path, text: str = PEOPLE) -> Path:
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    return path


def called(
    path: Path, callee: Callee = BUSY, before: Callable[[EmulatedTwilio], None] | None = None
) -> tuple[int, list[str]]:
    """Call a list; give the exit status and whom Twilio was asked to call."""
    statuses: list[int] = []
    numbers: list[str] = []

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        if before is not None:
            before(twilio)
        statuses.append(await call_list(settings, AGENTS, Wish(to=""), path, at_once=2, every_s=0.01))
        numbers.extend(call.order.to for call in twilio.calls.values())

    with_account(work, callee)
    return statuses[0], numbers


def states(path: Path) -> dict[str, str]:
    """The last state of each number."""
    rows = csv.DictReader(journal_path(path).read_text(encoding="utf-8").splitlines())
    return {row["number"]: row["state"] for row in rows}


def test_every_number_is_called_once_and_never_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = a_list(tmp_path)

    status, numbers = called(path)
    assert (status, sorted(numbers)) == (0, [ANA, BO, CY])
    assert states(path) == dict.fromkeys((ANA, BO, CY), "busy")
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "people.csv: 3 numbers, 0 of them called before; journal: people.dialled.csv"
    assert f"[2/3] {BO}     busy" in out
    assert out.splitlines()[-1] == "3 called: 3 busy"

    assert called(path) == (0, [])
    assert "all were called" in capsys.readouterr().out


def test_columns_and_rows_that_a_spreadsheet_leaves_empty_are_nothing(tmp_path: Path) -> None:
    path = a_list(tmp_path, f"number ,name,,\n{ANA},Ana,,\n,,,\n{BO},,,\n\n")

    calls = read_list(path, Wish(to=""), planned, print)

    assert [(call.to, call.agent) for call in calls] == [(ANA, "Ana"), (BO, "")]


def test_a_number_that_was_added_is_called(tmp_path: Path) -> None:
    path = a_list(tmp_path)
    called(path)
    a_list(tmp_path, f"{PEOPLE}+14255550126,Di\n")

    assert called(path) == (0, ["+14255550126"])


def test_the_row_s_values_are_those_of_the_call(tmp_path: Path) -> None:
    path = a_list(tmp_path, f"name;number\nAna;{ANA}\n;{BO}\n")

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        await call_list(settings, AGENTS, Wish(to="", variables={"name": "friend"}), path, at_once=1, every_s=0.01)

    server = with_account(work, Callee())
    assert [asked.fields["var.name"] for asked in server.at("/twilio/voice")] == ["Ana", "friend"]


def test_a_number_that_stands_there_twice_is_called_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = a_list(tmp_path, f"number,name\n{ANA},Ana\n+1 (425) 555-0123,Anna\n")

    assert called(path) == (0, [ANA])
    assert f"people.csv:3: {ANA} is there twice; it is called once" in capsys.readouterr().out


def test_what_twilio_refuses_of_one_number_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_list(tmp_path, f"number\n+15005550004\n{ANA}\n")

    assert called(path) == (0, [ANA])
    assert states(path) == {"+15005550004": "refused", ANA: "busy"}
    assert "that number is blocked" in capsys.readouterr().out


def test_what_twilio_refuses_of_the_account_stops_the_list_before_the_next_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_list(tmp_path)

    assert called(path, before=lambda twilio: twilio.holdings.numbers.clear()) == (1, [])
    out = capsys.readouterr().out
    assert "stopped: Twilio refuses: the number to call from is neither bought nor verified" in out
    assert out.splitlines()[-1] == "0 called: none; 3 left: run it again"

    status, numbers = called(path)
    assert (status, sorted(numbers)) == (0, [ANA, BO, CY])  # what was begun is looked up first


def test_a_list_stops_when_the_server_does_and_leaves_nobody_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_list(tmp_path)

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        assert await call_list(settings, AGENTS, Wish(to=""), path, at_once=1, every_s=0.01) == 1
        assert [call.order.to for call in twilio.calls.values()] == [ANA]

    ready = ["ready\n", "ready\nopenai: asked\n"]  # before the list, and before the first number
    with_account(work, BUSY, "<Hangup/>", *ready, "stopping\n")

    assert "so nobody would speak" in capsys.readouterr().out.splitlines()[-2]
    assert states(path) == {ANA: "busy"}


def test_a_list_stops_when_the_model_fails_in_a_call_and_lets_nobody_else_hear_the_apology(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_list(tmp_path)

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        assert await call_list(settings, AGENTS, Wish(to=""), path, at_once=1, every_s=0.01) == 1
        assert [call.order.to for call in twilio.calls.values()] == [ANA]

    with_account(work, BUSY, course=Course("completed", "human", 9, model_failed=True))

    assert f"stopped: {NO_MODEL}" in capsys.readouterr().out
    assert states(path) == {ANA: MODEL_FAILED}


# --- going on after a stop -------------------------------------------------------------------------------------------


def test_a_call_that_was_placed_before_the_stop_is_followed_and_not_placed_again(tmp_path: Path) -> None:
    path = a_list(tmp_path, f"number\n{ANA}\n")

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        screen = Screen()
        async with asyncio.TaskGroup() as tasks:
            calling = call_list(settings, AGENTS, Wish(to=""), path, at_once=1, tell=screen.tell, every_s=0.01)
            task = tasks.create_task(calling)
            await screen.until("ringing")
            assert states(path) == {ANA: PLACED}
            task.cancel()
        assert screen.lines[-1] == "stopped: no further number is called; calls that were placed go on"
        (call,) = twilio.calls.values()
        assert not call.over
        call.hang_up()

        assert await call_list(settings, AGENTS, Wish(to=""), path, at_once=1, every_s=0.01) == 0
        assert list(twilio.calls.values()) == [call]
        assert states(path) == {ANA: "canceled"}

    with_account(work, Callee(rings_ms=60_000))


def test_a_list_that_is_stopped_while_twilio_is_asked_knows_the_call_that_came_of_it(tmp_path: Path) -> None:
    path, ana = a_list(tmp_path, f"number,name\n{ANA},Ana\n"), Asked()

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        async with asyncio.TaskGroup() as tasks:
            listing = tasks.create_task(call_list(settings, AGENTS, Wish(to=""), path, at_once=2, every_s=0.01))
            await ana.asked.wait()
            listing.cancel()
        assert listing.cancelled()
        (call,) = twilio.calls.values()
        assert call.sid in journal_path(path).read_text(encoding="utf-8")
        call.hang_up()

    with_account(work, ana)
    assert states(path) == {ANA: PLACED}


def test_a_call_that_twilio_has_forgotten_does_not_keep_the_others_from_being_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, deleted = a_list(tmp_path), "CA" + "0" * 32
    with open_journal(journal_path(path)) as journal:
        journal.add(Step(at="2026-11-27T00:00:00+00:00", number=ANA, state=PLACED, from_=CALLED, sid=deleted))

    status, numbers = called(path)

    assert (status, sorted(numbers)) == (0, [BO, CY])
    assert states(path) == {ANA: "unknown", BO: "busy", CY: "busy"}
    assert f"{ANA}     Twilio does not know {deleted} any more" in capsys.readouterr().out


@pytest.mark.parametrize("twilio_has_it", [True, False])
def test_a_program_that_died_while_it_asked_finds_out_whether_there_is_a_call(
    tmp_path: Path, twilio_has_it: bool
) -> None:
    path = a_list(tmp_path, f"number\n{ANA}\n")
    with open_journal(journal_path(path)) as journal:
        journal.add(Step(at="2026-11-27T00:00:00+00:00", number=ANA, state=PLACING, from_=CALLED))

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        if twilio_has_it:
            form = [("To", ANA), ("From", CALLED), ("Url", f"{settings.public_url}/twilio/voice")]
            twilio._create(form)
        assert await call_list(settings, AGENTS, Wish(to=""), path, at_once=1, every_s=0.01) == 0
        assert len(twilio.calls) == 1

    with_account(work, BUSY)
    assert states(path) == {ANA: "busy"}


# --- lists that are wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("phone,name\n+14255550123,Ana\n", NO_COLUMN + '"phone", "name"'),
        ("Number\tName\n+14255550123\tAna\n", NO_COLUMN + '"Number\\tName"'),
        ("number\n", "{path}: there is no number in it"),
        ("number,name,name\n+14255550123,Ana,Bo\n", '{path}:1: there are two columns "name"; keep one'),
        ("", NO_COLUMN + "none"),
        (
            "number,name\n+14255550123,Ana\n4255550124,Bo\n+33155550123,Cy\n+14255550123,Di,x\n",
            (
                '{path}:3: "4255550124" is no phone number; write it like +14255550123\n'
                "{path}:4: +33155550123 begins with none of DIAL_COUNTRIES (+1), so nothing is dialled\n"
                "{path}:5: there are more cells than columns with a name\nnothing was dialled"
            ),
        ),
        (
            "number,nme\n+14255550123,Ana\n",
            '{path}:2: agent reminder has no variable "nme"; write "name"\nnothing was dialled',
        ),
    ],
)
def test_a_fault_in_the_list_keeps_everybody_from_being_called(tmp_path: Path, text: str, problem: str) -> None:
    path = a_list(tmp_path, text)

    with pytest.raises(CommandError) as raised:
        called(path)
    assert str(raised.value) == problem.replace("{path}", str(path))
    assert not journal_path(path).exists()


def test_of_many_faults_the_first_are_shown(tmp_path: Path) -> None:
    path = a_list(tmp_path, "number\n" + "1\n" * 30)

    with pytest.raises(CommandError) as raised:
        called(path)
    assert str(raised.value).splitlines()[-2:] == ["10 more", "nothing was dialled"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_list_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "people.csv"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CommandError, match=r"people\.csv: (No such file|not UTF-8)"):
        called(path)


def test_a_quote_that_is_never_closed_is_a_line(tmp_path: Path) -> None:
    path = a_list(tmp_path, f'number,name\n{ANA},"Ana\n' + f"{BO},Bo\n" * 9000)

    with pytest.raises(
        CommandError, match=r"people.csv:2: field larger than field limit .*; is a quote never closed\?"
    ):
        read_list(path, Wish(to=""), unplanned, print)


def planned(wish: Wish) -> OutboundCall:
    return OutboundCall(
        to=wish.to,
        from_=CALLED,
        agent=wish.variables.get("name", ""),
        url="",
        status_callback="",
        detection_callback="",
    )


def unplanned(wish: Wish) -> OutboundCall:
    raise CommandError(f"{wish.to} is not called here")


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["number", "name", ",", ";", "\n", "\r", '"', "+14255550123", "\x00", "\ufeff"])).map(
        "".join
    )
)
def test_any_list_is_calls_or_lines(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8", errors="replace")

    with pytest.raises(CommandError):
        read_list(path, Wish(to=""), unplanned, print)
