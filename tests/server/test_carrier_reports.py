"""What the carrier tells of calls, and which it is taken for."""

import asyncio
from pathlib import Path

import pytest

from tests.support.pump import settle
from tests.support.reception import Desk, a_desk, at_desk, connect_of
from tests.support.tiny_twilio import CALL_SID, FIELDS
from voice_agent.call.commands import CallEnded, Outcome
from voice_agent.call.events import MachineVerdict
from voice_agent.twilio_api.calls import Course
from voice_agent.wire.bridge import Input

CALLED = {**FIELDS, "Direction": "outbound-api", "CallStatus": "in-progress"}


def test_the_status_of_a_call_that_was_never_here_is_a_line_for_the_operator(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS)
        await settle()
        for _ in range(2):
            desk.reception.reports.status({**FIELDS, "CallStatus": "completed"})
        desk.reception.reports.status({"CallSid": "CA" + "9" * 32, "CallStatus": "ringing"})
        desk.reception.reports.status({"CallSid": "CA" + "9" * 32, "CallStatus": "busy"})

    with caplog.at_level("INFO"):
        at_desk(tmp_path, script)
    assert [line for line in caplog.messages if line.startswith("the carrier says")] == [
        "the carrier says busy of a call that was never here"
    ]


@pytest.mark.parametrize(("outcome", "failed"), [("model_failed", True), ("completed", False)])
def test_who_follows_a_placed_call_is_told_that_the_model_failed_in_it(
    tmp_path: Path, outcome: Outcome, failed: bool
) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), a_desk(tmp_path, answer=lambda _: [CallEnded(outcome, "", 0)]) as desk:
            reports = desk.reception.reports
            await reports.course(CALLED)
            await desk.reception.receive(CALLED)
            await settle()
            reports.status({**CALLED, "CallStatus": "completed"})
            await settle()
            await reports.course({**CALLED, "CallStatus": "completed"})
            course = await reports.courses.changed(CALL_SID, Course("in-progress"), 0.01)

            assert course == Course("completed", model_failed=failed)

    asyncio.run(main())


def test_what_the_carrier_complains_about_is_a_line_for_the_operator_and_ends_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(desk: Desk) -> None:
        connect_of(await desk.reception.receive({**FIELDS, "ErrorCode": "11200", "ErrorUrl": "https://other.example"}))
        await settle()
        for event in ("stream-started", "stream-error"):
            about = {"StreamEvent": event, "StreamError": "31920 handshake failed", "CallStatus": "in-progress"}
            await desk.reception.reports.over({**FIELDS, **about})
        await settle()
        assert desk.calls[0].session.ended is None
        assert desk.reception.metrics.get("carrier_errors") == 2

    at_desk(tmp_path, script)

    told = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert [line.partition(":")[0] for line in told] == [
        "the carrier had no answer before this one",
        "the call could not be streamed",
    ]


def test_a_status_that_ends_the_call_ends_it_here_too(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS)
        await settle()
        desk.reception.reports.status({**FIELDS, "CallStatus": "in-progress"})
        await settle()
        assert desk.calls[0].session.ended is None
        desk.reception.reports.status({**FIELDS, "CallStatus": "completed"})
        await settle()
        assert desk.calls[0].session.ended == CallEnded("stopped", "the carrier says completed", 0)

    at_desk(tmp_path, script)


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled", "ringing", "completed"])
def test_a_status_of_a_call_that_never_came_here_does_nothing(tmp_path: Path, status: str) -> None:
    async def script(desk: Desk) -> None:
        for number in ("3", "1", "3"):
            desk.reception.reports.status({"CallSid": CALL_SID, "CallStatus": status, "SequenceNumber": number})

    assert at_desk(tmp_path, script).calls == []


def test_a_late_status_of_the_beginning_does_not_end_a_call(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(CALLED)
        desk.reception.reports.status({"CallSid": CALL_SID, "CallStatus": "ringing", "SequenceNumber": "1"})
        await settle()
        assert CALL_SID in desk.reception.lobby.sessions

    at_desk(tmp_path, script)


# --- the detection ---------------------------------------------------------------------------------------------------


def verdict(answered_by: str, call_sid: str = CALL_SID) -> dict[str, str]:
    return {"CallSid": call_sid, "AccountSid": FIELDS["AccountSid"], "AnsweredBy": answered_by}


async def told(desk: Desk) -> list[Input]:
    await settle()
    return [fed for fed in desk.calls[0].bridge.fed if isinstance(fed, MachineVerdict)]


def test_a_verdict_reaches_its_call_as_often_as_it_comes(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(CALLED)
        desk.reception.reports.detected(verdict("machine_start"))
        await settle()
        desk.reception.reports.detected(verdict("machine_end_beep"))
        desk.reception.reports.detected(verdict("machine_end_beep"))

        assert await told(desk) == [MachineVerdict("machine_start"), *[MachineVerdict("machine_end_beep")] * 2]

    at_desk(tmp_path, script)


def test_a_verdict_before_the_stream_waits_for_the_call_to_begin(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(CALLED)
        desk.reception.reports.detected(verdict("human"))
        assert desk.calls == []
        assert desk.reception.lobby.join(CALL_SID, "MZ1") is not None

        assert await told(desk) == [MachineVerdict("human")]

    at_desk(tmp_path, script, preconnect=False)


def test_a_verdict_for_a_call_that_is_over_or_unknown_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def script(desk: Desk) -> None:
        await desk.reception.receive(CALLED)
        desk.reception.lobby.join(CALL_SID, "MZ1")
        await settle()
        desk.reception.lobby.end(CALL_SID, "the carrier says completed")
        await settle()
        desk.reception.reports.detected(verdict("human"))
        desk.reception.reports.detected(verdict("human", "CA404"))

    at_desk(tmp_path, script)
    line = "the detection says human of a call that is not here, or over"
    assert [record.message for record in caplog.records if "detection" in record.message] == [line, line]


def test_a_verdict_that_nobody_knows_is_one_line_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(CALLED)
        desk.reception.reports.detected(verdict("robot"))
        assert await told(desk) == []

    at_desk(tmp_path, script)
    assert [record.message for record in caplog.records] == [
        "the detection of machines says what nobody knows: 'robot'"
    ]
