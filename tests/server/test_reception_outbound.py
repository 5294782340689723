"""Calls that we placed: which agent their webhook finds."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.server.test_carrier_reports import verdict
from tests.server.test_twilio import a_site
from tests.support.reception import PUBLIC_URL, Desk, at_desk
from tests.support.tiny_twilio import FIELDS, TOKEN
from voice_agent.server import last_resort as lines
from voice_agent.wire import twiml
from voice_agent.wire.signature import sign

AGENTS = """
name: reminder
numbers: ["+14255550100"]
instructions: Remind {{ name }} at {{ caller }} from {{ called }}.
variables: {name: you}
recording: off
"""
ANA, OURS = "+14255550123", "+14255550100"
OUT = FIELDS | {"From": OURS, "To": ANA, "Direction": "outbound-api", "CallStatus": "in-progress"}
QUERY = "agent=reminder&var.name=Ana"


def test_the_person_is_the_caller_of_a_call_that_we_placed(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        assert isinstance(twiml.parse(await desk.reception.receive(OUT, QUERY))[0], twiml.Connect)

    (call,) = at_desk(tmp_path, script, AGENTS).calls

    assert call.setup.agent.instructions == f"Remind Ana at {ANA} from {OURS}."
    assert (call.setup.caller, call.setup.called, call.setup.outbound) == (ANA, OURS, True)
    assert call.setup.given == ("name",)


def test_a_call_that_somebody_else_placed_gets_the_agent_of_its_own_number(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(OUT)

    (call,) = at_desk(tmp_path, script, AGENTS).calls

    assert call.setup.agent.instructions == f"Remind you at {ANA} from {OURS}."


def test_a_call_that_comes_in_cannot_choose_its_agent(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS, QUERY)

    (call,) = at_desk(tmp_path, script, AGENTS).calls

    assert call.setup.agent.instructions.startswith("Remind you")
    assert not call.setup.outbound


@pytest.mark.parametrize(
    ("query", "line", "why"),
    [
        ("agent=nobody", lines.NOBODY_HERE, 'there is no agent "nobody"'),
        ("agent=reminder&var.nme=Ana", lines.CANNOT_ANSWER, 'agent reminder has no variable "nme"'),
    ],
)
def test_an_agent_that_has_changed_meanwhile_is_one_line_and_a_polite_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, query: str, line: str, why: str
) -> None:
    async def script(desk: Desk) -> None:
        assert await desk.reception.receive(OUT, query) == twiml.hang_up(line)

    assert at_desk(tmp_path, script, AGENTS).calls == []
    assert [record.message for record in caplog.records] == [f"a call is not answered: {why}"]


def test_whom_a_call_is_for_is_signed(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_site(tmp_path) as site:
            path = "/twilio/voice"
            query = urlencode({"agent": "reception"})
            signature = sign(TOKEN, f"{PUBLIC_URL}{path}?{query}", list(OUT.items()))
            body = urlencode(OUT).encode()

            assert (await site.post(path, body, signature, query))[0] == 200
            assert (await site.post(path, body, signature, urlencode({"agent": "other"})))[0] == 403
            assert (await site.post("/twilio/amd", urlencode(verdict("human")).encode(), None))[0] == 403
            assert (await site.signed("/twilio/amd", verdict("human")))[0] == 204

    asyncio.run(main())
