"""`voice-agent dial` against the emulated account, and a server that answers its webhooks in a few lines."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.screen import Screen
from tests.support.tiny_customer import ACCOUNT_SID, CALLED, TOKEN, Customer, customer, xml
from voice_agent.agent import Agent, OnMachine
from voice_agent.cli.dial import EXIT_STATUS, WHAT_TO_DO, call_one, verify_carrier
from voice_agent.cli.main import main as command
from voice_agent.config.agents import Agents
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.emulator.twilio import Callee, EmulatedTwilio, IncomingNumber
from voice_agent.errors import CommandError, PeerError
from voice_agent.live.clock import utc_now
from voice_agent.server.courses import COURSE_PATH
from voice_agent.twilio_api.calls import Course
from voice_agent.twilio_api.dialling import Wish, plan

ANA = "+14255550123"
VOICE = b"\x90" * 8
AGENTS = Agents(
    [
        Agent(
            name="reminder",
            numbers=(CALLED,),
            instructions="Remind {{ name }}.",
            variables={"name": "you"},
            on_machine=OnMachine("hang_up"),
        )
    ]
)

Work = Callable[[Settings, EmulatedTwilio], Awaitable[None]]


class Asked:
    """Somebody who rings for ever; `asked` is set as soon as Twilio has been asked to call them, before it answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def __call__(self, number: str) -> Callee:
        assert number == ANA
        self.asked.set()
        return Callee(rings_ms=60_000)


def with_account(
    work: Work,
    callee: Callee | Asked,
    twiml: str = "<Hangup/>",
    *health: str,
    data: Path = Path("data"),
    course: Course | None = None,
) -> Customer:
    """Run with an account where this callee is at every number, and somebody who answers the webhooks.

    `health`: what they say of themselves, one by one, the last for ever; nothing: that they are ready. `course`: what
    they say of every call; `None`: they know of none.
    """

    async def run() -> Customer:
        numbers = [IncomingNumber(phone_number=CALLED)]
        async with (
            asyncio.timeout(60),
            customer(
                {
                    "/readyz": [(200, "text/plain", said) for said in health or ["ready\n"]],
                    "/twilio/voice": xml(twiml),
                    "/twilio/status": (204, "", ""),
                    "/twilio/amd": (204, "", ""),
                    **(
                        {COURSE_PATH: (200, "application/json", msgspec.json.encode(course).decode())} if course else {}
                    ),
                }
            ) as server,
            EmulatedTwilio(
                ACCOUNT_SID, TOKEN, numbers=numbers, callees=callee if isinstance(callee, Asked) else lambda _: callee
            ) as twilio,
        ):
            settings = Settings(
                public_url=server.url,
                twilio_account_sid=ACCOUNT_SID,
                twilio_auth_token=Secret(TOKEN),
                twilio_api_base_url=twilio.base_url,
                dial_countries=("+1",),
                dial_per_second=50,
                data=data,
            )
            await work(settings, twilio)
            return server

    return asyncio.run(run())


def dialled(callee: Callee, to: str = ANA, **more: Any) -> int:
    """Dial, and give the exit status."""
    statuses: list[int] = []

    async def work(settings: Settings, _: EmulatedTwilio) -> None:
        call = plan(Wish(to=to, variables={"name": "Ana"}), AGENTS, settings, utc_now())
        statuses.append(await call_one(settings, call, every_s=0.01))

    with_account(work, callee, **more)
    return statuses[0]


@pytest.mark.parametrize("becomes", ["busy", "no-answer", "failed"])
def test_a_call_that_nobody_takes_says_so_by_its_exit_status(becomes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert dialled(Callee(becomes=becomes, rings_ms=50)) == EXIT_STATUS[becomes]

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"calling {ANA} from {CALLED}, agent reminder"
    assert [line.split(" s  ")[1] for line in lines[1:-1]] == ["ringing", becomes]
    assert lines[-1].startswith(f"{becomes}: CA")


def test_a_conversation_that_is_over_is_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert dialled(Callee(rings_ms=50), twiml="<Say>Hello</Say>") == 0

    said = [line.split(" s  ")[1] for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert said == ["ringing", "answered", "completed"]


def test_a_machine_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    callee = Callee(is_a="machine", greeting=VOICE * 50)

    assert dialled(callee, twiml="<Say>Hello there</Say>") == EXIT_STATUS["machine"]
    assert "answered by a machine (machine_start)" in capsys.readouterr().out


def test_the_webhook_of_the_answered_call_is_told_whom_it_is_for() -> None:
    async def work(settings: Settings, _: EmulatedTwilio) -> None:
        call = plan(Wish(to=ANA, variables={"name": "Ana"}), AGENTS, settings, utc_now())
        await call_one(settings, call, every_s=0.01)

    (asked,) = with_account(work, Callee()).at("/twilio/voice")
    assert asked.signed
    assert (asked.fields["agent"], asked.fields["var.name"]) == ("reminder", "Ana")


def test_a_refusal_of_twilio_says_what_it_means() -> None:
    with pytest.raises(PeerError, match="this account may not call that country"):
        dialled(Callee(), to="+15005550003")


@pytest.mark.parametrize("health", ["", "stopping\n", "a page of somebody else's\n"])
def test_nobody_is_called_while_no_server_would_hold_the_call(health: str) -> None:
    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        call = plan(Wish(to=ANA), AGENTS, settings, utc_now())
        with pytest.raises(CommandError, match="so nobody would speak; run voice-agent serve"):
            await call_one(settings, call)
        assert twilio.calls == {}

    with_account(work, Callee(), "<Hangup/>", health)


def test_ctrl_c_ends_the_call() -> None:
    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        call = plan(Wish(to=ANA), AGENTS, settings, utc_now())
        screen = Screen()
        async with asyncio.TaskGroup() as tasks:
            dialling = tasks.create_task(call_one(settings, call, screen.tell, every_s=0.01))
            await screen.until("ringing")
            dialling.cancel()
        assert dialling.cancelled()
        assert screen.lines[-1].endswith("is being ended")
        (placed,) = twilio.calls.values()
        await placed.ended()
        assert placed.status == "canceled"

    with_account(work, Callee(rings_ms=60_000))


def test_ctrl_c_while_twilio_is_still_asked_ends_the_call_that_comes_of_it() -> None:
    ana = Asked()

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        call = plan(Wish(to=ANA), AGENTS, settings, utc_now())
        screen = Screen()
        async with asyncio.TaskGroup() as tasks:
            dialling = tasks.create_task(call_one(settings, call, screen.tell, every_s=0.01))
            await ana.asked.wait()
            dialling.cancel()
        ((sid, placed),) = twilio.calls.items()
        assert dialling.cancelled()
        # It was not even known that it rings.
        assert screen.lines[1:] == [f"{sid} is being ended"]
        await placed.ended()
        assert placed.status == "canceled"

    with_account(work, ana)


def test_ctrl_c_before_anybody_was_called_says_so() -> None:
    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        call = plan(Wish(to="+15005550003"), AGENTS, settings, utc_now())
        screen = Screen()
        async with asyncio.TaskGroup() as tasks:
            dialling = tasks.create_task(call_one(settings, call, screen.tell, every_s=0.01))
            await screen.until("calling")
            dialling.cancel()
        assert dialling.cancelled()
        assert screen.lines[1].startswith("Twilio has taken no call, as far as it says")
        assert twilio.calls == {}

    with_account(work, Callee())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "say one number to call, or a --list of them"),
        ([ANA, "--list", "people.csv"], "say one number to call, or a --list of them"),
        (["--list", "people.csv", "--at-once", "0"], "--at-once must be 1 or more"),
        ([ANA, "--var", "name"], "--var name: write NAME=VALUE"),
        ([ANA, "--var", "=Ana"], "--var =: write NAME=VALUE"),
        (["Ana"], '"Ana" is no phone number; write it like +14255550123'),
        ([ANA], "say which agent calls: "),
        ([ANA, "--agent", "x"], 'there is no agent "x"; there are: '),
        (["+33155550123", "--agent", "reception"], "+33155550123 begins with none of DIAL_COUNTRIES (+1), so nothing"),
    ],
)
def test_what_cannot_be_dialled_is_one_line(
    words: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIAL_COUNTRIES", "+1")

    assert command(["dial", *words]) == 2
    assert capsys.readouterr().err.startswith(f"voice-agent: {problem}")


def test_without_credentials_nothing_can_be_dialled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DIAL_COUNTRIES": "+1",
        "TWILIO_PHONE_NUMBER": CALLED,
        "PUBLIC_URL": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TWILIO_API_BASE_URL", "http://127.0.0.1:9")

    assert command(["dial", ANA, "--agent", "reception"]) == 2
    assert "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN must be set" in capsys.readouterr().err


CALLS = Path(__file__).parent.parent / "calls"


def verified(recorded: str, folder: Path, becomes: Any = "answers") -> tuple[int, list[str]]:
    """Verify by a call whose recording is one of those that are kept; give the exit status and what was told."""
    statuses: list[int] = []
    lines: list[str] = []

    async def work(settings: Settings, twilio: EmulatedTwilio) -> None:
        call = plan(Wish(to=ANA), AGENTS, settings, utc_now())

        def tell(line: str) -> None:
            lines.append(line)
            for sid in twilio.calls:
                (folder / f"recordings/20261127T000000-{sid}.call").write_bytes((CALLS / recorded).read_bytes())

        (folder / "recordings").mkdir()
        statuses.append(await verify_carrier(settings, call, tell, every_s=0.01))

    with_account(work, Callee(becomes=becomes, rings_ms=50), data=folder)
    return statuses[0], lines


def test_a_call_to_a_phone_in_the_hand_tells_what_is_so_of_the_carrier(tmp_path: Path) -> None:
    status, lines = verified("interrupted.call", tmp_path)

    assert status == 0
    assert tuple(lines[: len(WHAT_TO_DO)]) == WHAT_TO_DO
    assert any(line.startswith("confirmed  clear echoes the marks") for line in lines)
    assert lines[-1].startswith(f"kept: {tmp_path}")


def test_what_is_not_so_of_the_carrier_is_an_exit_status(tmp_path: Path) -> None:
    status, lines = verified("interrupted-no-frames.call", tmp_path)

    assert status == 1
    assert any(line.startswith("refuted    frames come in silence, too") for line in lines)


def test_a_phone_that_is_not_taken_tells_nothing_of_the_carrier(tmp_path: Path) -> None:
    status, lines = verified("interrupted.call", tmp_path, "busy")

    assert status == EXIT_STATUS["busy"]
    assert not any("carrier" in line for line in lines[len(WHAT_TO_DO) :])


def test_only_one_phone_is_in_the_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["dial", "--verify", "--list", str(tmp_path / "people.csv")]) == 2
    assert "--verify is for one number" in capsys.readouterr().err
