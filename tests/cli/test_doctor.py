import asyncio
from pathlib import Path

import pytest

from tests.support.twilio_rest import fake_rest
from tests.support.web import http_server
from voice_agent.agent import Agent
from voice_agent.cli.check_live import Finding
from voice_agent.cli.doctor import examine, look_at_lists, look_at_numbers, run, tell
from voice_agent.config.agents import Agents
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.emulator.twilio import EmulatedTwilio, IncomingNumber
from voice_agent.errors import CommandError

SID = "AC" + "0" * 32
PHONE = "https://phone.example"


def test_settings_that_are_wrong_are_told_before_all_else(tmp_path: Path) -> None:
    findings = asyncio.run(examine({"PORT": "many", "MAX_CALLS": "0"}, tmp_path / ".env"))

    assert [(found.verdict, found.what) for found in findings] == [
        ("wrong", "settings"), ("wrong", "settings"), ("not tried", "all else"),
    ]  # fmt: skip
    assert "PORT" in findings[0].remark


def test_agents_that_are_wrong_are_told_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text("name: desk\ninstruction: x\n")
    environ = {"AGENTS": str(tmp_path / "desk.yaml"), "DATA": str(tmp_path / "data"), "PORT": "0"}

    async def main() -> list[Finding]:
        async with http_server() as url:
            return await examine({**environ, "TWILIO_API_BASE_URL": url}, tmp_path / ".env")

    findings = asyncio.run(main())
    told = [found.remark for found in findings if (found.verdict, found.what) == ("wrong", "agents")]

    assert any("instruction" in line for line in told)
    assert {"the store", "DATA", "PORT", "open files", "clock", "PUBLIC_URL", "REALTIME_PROVIDER"} <= {
        found.what for found in findings
    }


def test_lists_that_a_server_would_not_start_with_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text("models")
    (tmp_path / "words.txt").write_text("Alder\n")
    settings = Settings(prices=tmp_path / "prices.toml", redact_words=tmp_path / "words.txt")

    prices, words = look_at_lists(settings)

    assert (prices.verdict, prices.what) == ("wrong", "PRICES")
    assert prices.remark.startswith(f"{tmp_path / 'prices.toml'} is not TOML")
    assert words == Finding("ok", "REDACT_WORDS", f"{tmp_path / 'words.txt'} can be read")
    assert not list(look_at_lists(Settings()))


def test_of_every_number_of_an_agent_it_is_told_where_it_leads() -> None:
    owned = [
        IncomingNumber(phone_number="+14255550100", voice_url=f"{PHONE}/twilio/voice"),
        IncomingNumber(phone_number="+14255550101", voice_url="https://demo.example/"),
        IncomingNumber(phone_number="+14255550102", voice_url=f"{PHONE}/twilio/voice", voice_method="GET"),
        IncomingNumber(phone_number="+14255550103", voice_url=f"{PHONE}/twilio/voice", trunk_sid=f"TK{'1' * 32}"),
        IncomingNumber(
            phone_number="+14255550104", voice_url=f"{PHONE}/twilio/voice", voice_application_sid=f"AP{'1' * 32}"
        ),
        IncomingNumber(phone_number="+14255550105", voice_url=""),
    ]

    numbers = (*(number.phone_number for number in owned), "+14255550106")
    agent = Agent(name="desk", instructions="", numbers=numbers)

    async def main() -> list[Finding]:
        async with EmulatedTwilio(SID, "a" * 32, numbers=owned) as twilio:
            settings = Settings(
                public_url=PHONE,
                twilio_account_sid=SID,
                twilio_auth_token=Secret("a" * 32),
                twilio_api_base_url=twilio.base_url,
            )
            return await look_at_numbers(settings, Agents([agent]))

    ours, *others, missing = asyncio.run(main())

    assert ours == Finding("ok", "+14255550100", "leads here")
    assert [(other.verdict, other.remark.partition(";")[0]) for other in others] == [
        ("wrong", "leads to https://demo.example/"),
        ("wrong", f"leads to {PHONE}/twilio/voice by HTTP GET"),
        ("wrong", f"leads to SIP trunk TK{'1' * 32}"),
        ("wrong", f"leads to TwiML application AP{'1' * 32}"),
        ("wrong", "leads nowhere"),
    ]
    assert others[0].remark.endswith("; run voice-agent numbers point +14255550101")
    assert (missing.verdict, "no such number" in missing.remark) == ("wrong", True)


def test_a_number_that_takes_no_calls_is_no_number_of_an_agent() -> None:
    agent = Agent(name="desk", instructions="", numbers=("+14255550100",))
    number = {"sid": "PN1", "phone_number": "+14255550100", "voice_url": f"{PHONE}/twilio/voice"}
    with fake_rest() as rest:
        rest.body = {"incoming_phone_numbers": [{**number, "capabilities": {"voice": False, "sms": True}}]}
        settings = Settings(
            public_url=PHONE,
            twilio_account_sid=SID,
            twilio_auth_token=Secret("a" * 32),
            twilio_api_base_url=rest.url,
        )
        (found,) = asyncio.run(look_at_numbers(settings, Agents([agent])))

    assert found == Finding("wrong", "+14255550100", "takes no calls; choose a number with the capability Voice")


def test_without_an_account_no_number_is_looked_at() -> None:
    (finding,) = asyncio.run(look_at_numbers(Settings(), Agents([])))

    assert finding.verdict == "not tried"


@pytest.mark.parametrize(
    ("findings", "status", "last"),
    [
        ([Finding("ok", "a", "x"), Finding("not tried", "b", "y")], 0, "nothing wrong, 1 not tried"),
        ([Finding("ok", "a", "x"), Finding("wrong", "b", "y")], 1, "1 wrong, 0 not tried"),
    ],
)
def test_the_exit_status_tells_whether_anything_is_wrong(
    findings: list[Finding], status: int, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(findings) == status
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.parametrize(
    "remote",
    ["phone.example", "ftp://phone.example", "https://", "", "https://a..b", "https://me:secret@phone.example"],
)
def test_a_remote_that_is_no_address_is_one_line(remote: str) -> None:
    with pytest.raises(CommandError, match="is no address"):
        run(remote)


def test_a_remote_where_nobody_is_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("http://127.0.0.1:1/some/path") == 1
    assert "cannot be reached" in capsys.readouterr().out
