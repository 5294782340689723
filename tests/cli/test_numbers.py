"""`voice-agent numbers` against the emulated account."""

import asyncio
import io
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from tests.support.tiny_customer import ACCOUNT_SID, CALLED, CALLER, TOKEN
from tests.support.twilio_rest import fake_rest
from voice_agent.agent import Agent
from voice_agent.cli.main import main as command
from voice_agent.cli.numbers import agreed, answering_agent, point, show, undo
from voice_agent.config.agents import Agents
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.emulator.twilio import EmulatedTwilio, IncomingNumber
from voice_agent.errors import CommandError, PeerError
from voice_agent.store.pointings import Pointings

OTHER = "+14255550101"
NOW = datetime(2026, 11, 27, 1, 2, 3, tzinfo=UTC)
HERE = "https://tunnel.example"

Work = Callable[[Settings, EmulatedTwilio], Awaitable[object]]


def number(**fields: str) -> IncomingNumber:
    return IncomingNumber(phone_number=CALLED, **fields)  # type: ignore[arg-type] # none of them is a date


def with_account(data: Path, work: Work, *numbers: IncomingNumber, public_url: str = HERE) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), EmulatedTwilio(ACCOUNT_SID, TOKEN, numbers=numbers) as twilio:
            settings = Settings(
                public_url=public_url,
                data=data,
                twilio_account_sid=ACCOUNT_SID,
                twilio_auth_token=Secret(TOKEN),
                twilio_api_base_url=twilio.base_url,
            )
            await work(settings, twilio)

    asyncio.run(run())


def yes() -> bool:
    return True


def no() -> bool:
    return False


async def pointed(settings: Settings, agree: Callable[[], bool] = yes, fallback: str | None = None) -> int:
    return await point(settings, CALLED, answering="reception", fallback=fallback, agree=agree, now=NOW)


NET = "<Response><Say>Sorry.</Say></Response>"


async def pointed_with_net(settings: Settings, fallback: str | None = None) -> int:
    return await point(settings, CALLED, answering="reception", fallback=fallback, agree=yes, now=NOW, net=NET)


# --- list ------------------------------------------------------------------------------------------------------------


def test_each_number_is_shown_with_where_it_leads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = [
        IncomingNumber(phone_number="+14255550105", friendly_name="desk", voice_url="https://old.example/"),
        IncomingNumber(phone_number="+14255550104", trunk_sid="TK1"),
        IncomingNumber(phone_number="+14255550103", voice_application_sid="AP1"),
        IncomingNumber(phone_number="+14255550102", voice_url=""),
        IncomingNumber(phone_number=CALLED, voice_url=f"{HERE}/twilio/voice"),
    ]
    with_account(tmp_path, lambda settings, _: show(settings), *numbers)

    assert capsys.readouterr().out.splitlines() == [
        "+14255550100      (425) 555-0100  this server, agent reception",
        "+14255550102      (425) 555-0102  nowhere",
        "+14255550103      (425) 555-0103  TwiML application AP1",
        "+14255550104      (425) 555-0104  SIP trunk TK1",
        "+14255550105      desk            https://old.example/",
    ]


def test_an_account_without_a_number_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_account(tmp_path, lambda settings, _: show(settings))

    assert capsys.readouterr().out.startswith("the account has no phone number; buy one at ")


# --- point and undo --------------------------------------------------------------------------------------------------


def test_a_number_is_pointed_here_after_showing_the_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called = number(voice_url="https://old.example/", voice_method="GET")

    async def work(settings: Settings, _: EmulatedTwilio) -> None:
        assert await pointed(settings, fallback="https://bin.example/sorry") == 0

    with_account(tmp_path, work, called)

    assert (called.voice_url, called.voice_method) == (f"{HERE}/twilio/voice", "POST")
    assert (called.status_callback, called.voice_fallback_url) == (f"{HERE}/twilio/status", "https://bin.example/sorry")
    assert capsys.readouterr().out.splitlines() == [
        "+14255550100  (425) 555-0100",
        "  a call comes in      https://old.example/",
        "                    -> https://tunnel.example/twilio/voice",
        "    by                 GET",
        "                    -> POST",
        "  that handler fails   (nothing)",
        "                    -> https://bin.example/sorry",
        "  the status changes   (nothing)",
        "                    -> https://tunnel.example/twilio/status",
        "+14255550100 leads here now; agent reception answers it. To undo: voice-agent numbers undo +14255550100",
    ]


def test_who_calls_while_no_server_is_there_hears_an_apology(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh, named = number(), number(voice_fallback_url="https://bin.example/sorry")
    for one in (fresh, named):
        with_account(tmp_path, lambda settings, _: pointed_with_net(settings), one)

    echoed = urlsplit(fresh.voice_fallback_url)
    assert (echoed.hostname, echoed.path, parse_qs(echoed.query)) == ("twimlets.com", "/echo", {"Twiml": [NET]})
    assert fresh.voice_fallback_method == "GET"
    assert named.voice_fallback_url == "https://bin.example/sorry"
    assert capsys.readouterr().out.count(NET) == 1


def test_an_apology_that_has_changed_is_put_in_place_of_the_old_one_and_may_be_taken_away(tmp_path: Path) -> None:
    called = number(voice_fallback_url="https://twimlets.com/echo?Twiml=old", voice_fallback_method="GET")
    with_account(tmp_path, lambda settings, _: pointed_with_net(settings), called)
    assert "Sorry" in called.voice_fallback_url

    with_account(tmp_path, lambda settings, _: pointed_with_net(settings, "none"), called)
    assert (called.voice_fallback_url, called.voice_fallback_method) == ("", "POST")


def test_who_says_no_changes_nothing(tmp_path: Path) -> None:
    called = number()
    before = called.resource(ACCOUNT_SID)

    async def work(settings: Settings, _: EmulatedTwilio) -> None:
        assert await pointed(settings, no) == 1

    with_account(tmp_path, work, called)

    assert called.resource(ACCOUNT_SID) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"voice_url": "https://old.example/", "voice_method": "GET", "voice_fallback_url": "https://b.example/"},
        {"trunk_sid": "TK1"},
        {"voice_application_sid": "AP1", "status_callback": "https://old.example/s"},
    ],
)
def test_what_was_there_is_restored(tmp_path: Path, fields: dict[str, str]) -> None:
    called = number(**fields)
    before = called.resource(ACCOUNT_SID)

    async def work(settings: Settings, _: EmulatedTwilio) -> None:
        await pointed(settings)
        assert called.resource(ACCOUNT_SID) != before
        assert (called.trunk_sid, called.voice_application_sid) == ("", "")
        assert await undo(settings, CALLED, no) == 1
        assert await undo(settings, CALLED, yes) == 0
        with pytest.raises(CommandError, match="nothing is known of where"):
            await undo(settings, CALLED, yes)

    with_account(tmp_path, work, called)

    assert {**called.resource(ACCOUNT_SID), "date_updated": ""} == {**before, "date_updated": ""}


def test_changes_are_undone_one_after_the_other(tmp_path: Path) -> None:
    called = number(voice_url="https://old.example/")

    async def work(settings: Settings, _: EmulatedTwilio) -> None:
        await pointed(settings)
        await pointed(settings, fallback="https://bin.example/")
        await undo(settings, CALLED, yes)
        assert (called.voice_url, called.voice_fallback_url) == (f"{HERE}/twilio/voice", "")
        await undo(settings, CALLED, yes)

    with_account(tmp_path, work, called)

    assert called.voice_url == "https://old.example/"


def test_a_number_that_leads_here_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def work(settings: Settings, _: EmulatedTwilio) -> None:
        await pointed(settings)
        capsys.readouterr()
        assert await pointed(settings, no) == 0

    with_account(tmp_path, work, number())

    assert capsys.readouterr().out == "+14255550100 leads here already; agent reception answers it\n"


def test_a_change_that_twilio_refuses_is_not_kept(tmp_path: Path) -> None:
    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        with pytest.raises(PeerError, match="21402"):
            await pointed(settings)
        with pytest.raises(CommandError, match="nothing is known of where"):
            await undo(settings, CALLED, yes)

    with_account(tmp_path, work, number(), public_url="https://bad host.example")


def test_what_was_there_is_kept_when_the_answer_is_lost(tmp_path: Path) -> None:
    """The change may have been made, so that it must be possible to undo it."""
    listed = {"incoming_phone_numbers": [{"sid": "PN1", "phone_number": CALLED, "voice_url": "https://old.example/"}]}
    settings = Settings(public_url=HERE, data=tmp_path, twilio_account_sid=ACCOUNT_SID, twilio_auth_token=Secret(TOKEN))
    with fake_rest() as rest:
        rest.body = listed  # which is no answer to an update
        known = msgspec.structs.replace(settings, twilio_api_base_url=rest.url)
        with pytest.raises(PeerError, match="does not answer as Twilio does"):
            asyncio.run(pointed(known))

    state = Pointings(tmp_path, CALLED).last()
    assert state is not None
    assert state.fields["voice_url"] == "https://old.example/"


@pytest.mark.parametrize(
    ("typed", "agrees"), [(b"y\n", True), (b"Yes\n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)]
)
def test_who_is_asked_agrees_by_a_word_and_by_nothing_else(typed: bytes, agrees: bool) -> None:
    keyboard, terminal = os.openpty()
    with os.fdopen(keyboard, "wb", buffering=0) as keys, os.fdopen(terminal) as given:
        keys.write(typed)
        assert agreed(given) is agrees


def test_where_nobody_can_be_asked_that_is_said() -> None:
    with pytest.raises(CommandError, match="say --yes"):
        agreed(io.StringIO("y\n"))


@pytest.mark.parametrize(
    ("public_url", "numbers", "fallback", "problem"),
    [
        (HERE, [IncomingNumber(phone_number=OTHER)], None, r"the account has no number \+14255550100; voice-agent num"),
        (HERE, [number()], "sorry", "--fallback must be an https address"),
    ],
)
def test_what_cannot_be_pointed_is_one_line(
    tmp_path: Path, public_url: str, numbers: list[IncomingNumber], fallback: str | None, problem: str
) -> None:
    async def work(settings: Settings, _: EmulatedTwilio) -> None:
        with pytest.raises(CommandError, match=problem):
            await pointed(settings, fallback=fallback)

    with_account(tmp_path, work, *numbers, public_url=public_url)


def test_a_server_that_twilio_cannot_reach_is_no_place_to_point_to(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, twilio_account_sid=ACCOUNT_SID, twilio_auth_token=Secret(TOKEN))

    with pytest.raises(CommandError, match="PUBLIC_URL is not public"):
        asyncio.run(pointed(settings))


def test_a_pointed_number_rings_here(tmp_path: Path) -> None:
    """The voice URL that is set is the one that `serve` answers at, so what differs is only the host."""

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        await pointed(settings)
        call = twilio.ring(CALLED, CALLER)
        await call.ended()
        assert f"{HERE}/twilio/voice" in [entry.detail for entry in call.timeline if entry.what == "webhook"]

    with_account(tmp_path, work, number())


# --- which agent -----------------------------------------------------------------------------------------------------

DESK = Agent(name="desk", instructions="", numbers=(CALLED,))
TABLE = Agent(name="table", instructions="", numbers=(OTHER,))


@pytest.mark.parametrize("wanted", [None, "desk"])
def test_the_agent_that_names_the_number_answers_it(wanted: str | None) -> None:
    assert answering_agent(Agents([DESK, TABLE]), CALLED, wanted) == "desk"


@pytest.mark.parametrize(
    ("called", "wanted", "problem"),
    [
        (CALLED, "front", 'there is no agent "front"; there are: desk, table'),
        (CALLED, "table", 'agent desk answers +14255550100; add it to the "numbers" of table instead'),
        (CALLER, None, 'no agent answers +14255550199; add it to the "numbers" of one (desk, table)'),
        (CALLER, "desk", 'no agent answers +14255550199; add it to the "numbers" of one (desk, table)'),
    ],
)
def test_an_agent_that_would_not_answer_is_one_line(called: str, wanted: str | None, problem: str) -> None:
    with pytest.raises(CommandError) as caught:
        answering_agent(Agents([DESK, TABLE]), called, wanted)

    assert str(caught.value) == problem


# --- as a user types it ----------------------------------------------------------------------------------------------


def test_the_command_reads_settings_and_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called = number(voice_url="https://old.example/")
    monkeypatch.chdir(tmp_path)

    async def work(_: Settings, twilio: EmulatedTwilio) -> None:
        monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
        monkeypatch.setenv("TWILIO_API_BASE_URL", twilio.base_url)
        monkeypatch.setenv("DATA", str(tmp_path))

        async def typed(*words: str) -> int:
            return await asyncio.to_thread(command, ["numbers", *words])

        assert await typed() == 0
        assert await typed("point", "+1 (425) 555-0100", "--agent", "reception", "--yes") == 0
        assert called.voice_url == "http://127.0.0.1:8080/twilio/voice"
        assert await typed("list") == 0
        assert await typed("undo", CALLED) == 2
        assert await typed("undo", CALLED, "--yes") == 0
        assert called.voice_url == "https://old.example/"
        assert await typed("point", "reception", "--yes") == 2

    with_account(tmp_path, work, called)
    captured = capsys.readouterr()

    assert "this server, agent reception" in captured.out
    assert captured.err.splitlines() == [
        "voice-agent: nobody can be asked here; say --yes",
        'voice-agent: "reception" is no phone number; write it like +14255550100',
    ]


def test_without_credentials_it_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    assert command(["numbers"]) == 2
    assert "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN must be set" in capsys.readouterr().err
