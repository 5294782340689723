import asyncio
from pathlib import Path

import pytest

from tests.support.web import http_server
from voice_agent.agent import Agent
from voice_agent.cli.check_live import Finding
from voice_agent.cli.doctor import examine, look_at_numbers, run, tell
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


def test_of_every_number_of_an_agent_it_is_told_where_it_leads() -> None:
    agent = Agent(name="desk", instructions="", numbers=("+14255550100", "+14255550101", "+14255550102"))
    owned = [
        IncomingNumber(phone_number="+14255550100", voice_url=f"{PHONE}/twilio/voice"),
        IncomingNumber(phone_number="+14255550101", voice_url="https://demo.example/"),
    ]

    async def main() -> list[Finding]:
        async with EmulatedTwilio(SID, "a" * 32, numbers=owned) as twilio:
            settings = Settings(
                public_url=PHONE,
                twilio_account_sid=SID,
                twilio_auth_token=Secret("a" * 32),
                twilio_api_base_url=twilio.base_url,
            )
            return await look_at_numbers(settings, Agents([agent]))

    ours, elsewhere, missing = asyncio.run(main())

    assert ours == Finding("ok", "+14255550100", "leads here")
    assert "leads to https://demo.example/; run voice-agent numbers point +14255550101" in elsewhere.remark
    assert (missing.verdict, "no such number" in missing.remark) == ("wrong", True)


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


@pytest.mark.parametrize("remote", ["phone.example", "ftp://phone.example", "https://", ""])
def test_a_remote_that_is_no_address_is_one_line(remote: str) -> None:
    with pytest.raises(CommandError, match="is no address"):
        run(remote)


def test_a_remote_where_nobody_is_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("http://127.0.0.1:1/some/path") == 1
    assert "cannot be reached" in capsys.readouterr().out
