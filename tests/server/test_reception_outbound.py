"""Calls that we placed: which agent their webhook finds, and what the detection of machines tells whom."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.server.test_twilio import a_site
from tests.support.pump import settle
from tests.support.reception import PUBLIC_URL, Desk, a_desk
from tests.support.tiny_twilio import CALL_SID, FIELDS, TOKEN
from voice_agent.call.events import MachineVerdict
from voice_agent.server import last_resort as lines
from voice_agent.wire import twiml
from voice_agent.wire.bridge import Input
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


def at_desk(folder: Path, script: Callable[[Desk], Awaitable[None]], *, preconnect: bool = True) -> Desk:
    async def main() -> Desk:
        async with asyncio.timeout(30), a_desk(folder, AGENTS, preconnect=preconnect) as desk:
            await script(desk)
        return desk

    return asyncio.run(main())


def test_the_person_is_the_caller_of_a_call_that_we_placed(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        assert isinstance(twiml.parse(await desk.reception.receive(OUT, QUERY))[0], twiml.Connect)

    (call,) = at_desk(tmp_path, script).calls

    assert call.setup.agent.instructions == f"Remind Ana at {ANA} from {OURS}."
    assert (call.setup.caller, call.setup.called, call.setup.outbound) == (ANA, OURS, True)


def test_a_call_that_somebody_else_placed_gets_the_agent_of_its_own_number(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(OUT)

    (call,) = at_desk(tmp_path, script).calls

    assert call.setup.agent.instructions == f"Remind you at {ANA} from {OURS}."


def test_a_call_that_comes_in_cannot_choose_its_agent(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS, QUERY)

    (call,) = at_desk(tmp_path, script).calls

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

    assert at_desk(tmp_path, script).calls == []
    assert [record.message for record in caplog.records] == [f"a call is not answered: {why}"]


# --- the detection ---------------------------------------------------------------------------------------------------


def verdict(answered_by: str, call_sid: str = CALL_SID) -> dict[str, str]:
    return {"CallSid": call_sid, "AccountSid": OUT["AccountSid"], "AnsweredBy": answered_by}


async def told(desk: Desk) -> list[Input]:
    await settle()
    return [fed for fed in desk.calls[0].bridge.fed if isinstance(fed, MachineVerdict)]


def test_a_verdict_reaches_its_call_as_often_as_it_comes(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(OUT, QUERY)
        desk.reception.detected(verdict("machine_start"))
        await settle()
        desk.reception.detected(verdict("machine_end_beep"))
        desk.reception.detected(verdict("machine_end_beep"))

        assert await told(desk) == [MachineVerdict("machine_start"), *[MachineVerdict("machine_end_beep")] * 2]

    at_desk(tmp_path, script)


def test_a_verdict_before_the_stream_waits_for_the_call_to_begin(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(OUT, QUERY)
        desk.reception.detected(verdict("human"))
        assert desk.calls == []
        assert desk.reception.lobby.join(CALL_SID) is not None

        assert await told(desk) == [MachineVerdict("human")]

    at_desk(tmp_path, script, preconnect=False)


def test_a_verdict_for_a_call_that_is_over_or_unknown_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def script(desk: Desk) -> None:
        await desk.reception.receive(OUT, QUERY)
        desk.reception.lobby.join(CALL_SID)
        await settle()
        desk.reception.lobby.end(CALL_SID, "the carrier says completed")
        await settle()
        desk.reception.detected(verdict("human"))
        desk.reception.detected(verdict("human", "CA404"))

    at_desk(tmp_path, script)
    line = "the detection says human of a call that is not here, or over"
    assert [record.message for record in caplog.records if "detection" in record.message] == [line, line]


def test_a_verdict_that_nobody_knows_is_one_line_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(OUT, QUERY)
        desk.reception.detected(verdict("robot"))
        assert await told(desk) == []

    at_desk(tmp_path, script)
    assert [record.message for record in caplog.records] == [
        "the detection of machines says what nobody knows: 'robot'"
    ]


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled", "ringing", "completed"])
def test_a_status_of_a_call_that_never_came_here_does_nothing(tmp_path: Path, status: str) -> None:
    async def script(desk: Desk) -> None:
        for number in ("3", "1", "3"):
            desk.reception.status({"CallSid": CALL_SID, "CallStatus": status, "SequenceNumber": number})

    assert at_desk(tmp_path, script).calls == []


def test_a_late_status_of_the_beginning_does_not_end_a_call(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(OUT, QUERY)
        desk.reception.status({"CallSid": CALL_SID, "CallStatus": "ringing", "SequenceNumber": "1"})
        await settle()
        assert CALL_SID in desk.reception.lobby.sessions

    at_desk(tmp_path, script)


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
