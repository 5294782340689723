"""What becomes of callers after their stream, or after a transfer."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.support.pump import settle
from tests.support.reception import PUBLIC_URL, RECEPTION, Desk, Script, a_desk, at_desk, connect_of, started
from tests.support.tiny_twilio import CALL_SID, FIELDS
from voice_agent.call.commands import CallEnded, Destination
from voice_agent.call.events import EndRequested
from voice_agent.call.setup import ModelSetup
from voice_agent.live.session import Session
from voice_agent.server import last_resort as lines
from voice_agent.wire import twiml
from voice_agent.wire.bridge import Input, Output

ON_THE_LINE = {**FIELDS, "CallStatus": "in-progress"}


@pytest.mark.parametrize(
    ("outcome", "can_apologise", "line"),
    [
        ("completed", True, None),
        ("caller_hung_up", True, None),
        ("transferred", True, None),
        ("no_stream", True, None),
        ("model_failed", True, None),
        ("model_failed", False, lines.MODEL_FAILED),
        ("stream_lost", True, lines.STREAM_LOST),
        ("stopped", True, lines.STOPPED),
    ],
)
def test_what_follows_a_stream_depends_on_how_its_call_ended(
    tmp_path: Path, outcome: str, can_apologise: bool, line: str | None
) -> None:
    def answer(received: Input) -> Sequence[Output]:
        return [CallEnded(outcome, "", 0)]  # type: ignore[arg-type] # the table above

    async def main() -> None:
        async with asyncio.timeout(30), a_desk(tmp_path, answer=answer, can_apologise=can_apologise) as desk:
            await desk.reception.receive(FIELDS)
            await settle()
            desk.reception.reports.status({**FIELDS, "CallStatus": "completed"})
            verbs = twiml.parse(await desk.reception.afterwards.after_stream(FIELDS))

            assert verbs == [*([twiml.Say(line)] if line else []), twiml.Hangup()]

    asyncio.run(main())


def test_a_caller_for_whom_no_model_can_be_had_may_leave_a_message_and_is_thanked(tmp_path: Path) -> None:
    def answer(received: Input) -> Sequence[Output]:
        return [CallEnded("model_failed", "", 0)]

    async def main() -> None:
        agent = f"{RECEPTION}language: de\nlast_resort: {{say: Es tut uns leid., then: voicemail}}\n"
        async with (
            asyncio.timeout(30),
            a_desk(tmp_path, agent, answer) as desk,
        ):
            await desk.reception.receive(FIELDS)
            await settle()
            desk.reception.reports.status({**FIELDS, "CallStatus": "completed"})
            said, record, _ = twiml.parse(await desk.reception.afterwards.after_stream(FIELDS))
            assert isinstance(record, twiml.Record)
            thanks = twiml.parse(await desk.reception.afterwards.after_stream({**FIELDS, "RecordingSid": "RE0"}))

        assert said == twiml.Say("Es tut uns leid.", "de")
        assert record.action == f"{desk.reception.terms.public_url}/twilio/after-stream"
        assert thanks == [twiml.Say("Thank you. Goodbye."), twiml.Hangup()]
        assert desk.reception.metrics.get("messages_left") == 1

    asyncio.run(main())


def test_a_call_that_nobody_knows_any_more_is_ended_politely(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        verbs = twiml.parse(await desk.reception.afterwards.after_stream(FIELDS))
        assert verbs == [twiml.Say(lines.STREAM_LOST), twiml.Hangup()]

    at_desk(tmp_path, script)


# --- keys that the carrier presses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "written", "preconnects"), [("12#", "12#", True), ("1" + "W" * 10, "1" + "ww" * 10, False)]
)
def test_keys_are_pressed_before_a_further_stream_whose_session_does_not_wait_for_long(
    tmp_path: Path, keys: str, written: str, preconnects: bool
) -> None:
    def answer(received: Input) -> Sequence[Output]:
        return (
            [CallEnded("keys_sent", "the carrier presses keys", 0, keys=keys)] if received == EndRequested("") else []
        )

    async def main() -> Desk:
        async with asyncio.timeout(30), a_desk(tmp_path, answer=answer) as desk:
            await desk.reception.receive(FIELDS)
            await settle()
            desk.calls[0].session.end("")
            play, connect = twiml.parse(await desk.reception.afterwards.after_stream(ON_THE_LINE))
            assert play == twiml.Play(digits=written)
            assert isinstance(connect, twiml.Connect)
            await settle()
            assert (len(desk.calls) == 2) is preconnects
            assert isinstance(await desk.reception.streams.let_in(started(connect.parameters)), Session)
            desk.reception.stopping.last = "ends"
            desk.calls[1].session.end("")
            assert twiml.parse(await desk.reception.afterwards.after_stream(ON_THE_LINE)) == [
                twiml.Say(lines.STOPPED),
                twiml.Hangup(),
            ]
        return desk

    first, second = asyncio.run(main()).calls
    assert second.setup == msgspec.structs.replace(first.setup, resumed=first.resumption(), preconnect=preconnects)


def test_a_caller_who_is_gone_gets_no_keys_and_no_further_session(tmp_path: Path) -> None:
    def answer(received: Input) -> Sequence[Output]:
        return [CallEnded("keys_sent", "", 0, keys="1")] if isinstance(received, EndRequested) else []

    async def main() -> Desk:
        async with asyncio.timeout(30), a_desk(tmp_path, answer=answer) as desk:
            await desk.reception.receive(FIELDS)
            await settle()
            desk.calls[0].session.end("")
            after = await desk.reception.afterwards.after_stream({**FIELDS, "CallStatus": "completed"})
            assert twiml.parse(after) == [twiml.Hangup()]
        return desk

    assert len(asyncio.run(main()).calls) == 1


# --- transfers -------------------------------------------------------------------------------------------------------

DESK = Destination("front_desk", "+14255550101", 15, "+14255550100")


def transferred(folder: Path, script: Script, *fallbacks: ModelSetup) -> Desk:
    """Have a call end in a transfer, then do what the test wants."""

    def answer(received: Input) -> Sequence[Output]:
        transferred = CallEnded("transferred", "transferred to front_desk", 0, DESK)
        return [transferred] if isinstance(received, EndRequested) else []

    async def main() -> Desk:
        async with asyncio.timeout(30), a_desk(folder, answer=answer, fallbacks=fallbacks) as desk:
            await desk.reception.receive(FIELDS)
            await settle()
            desk.calls[0].session.end("the farewell was heard")
            (dial,) = twiml.parse(await desk.reception.afterwards.after_stream(ON_THE_LINE))
            assert dial == twiml.Dial(
                number=DESK.address, action=f"{PUBLIC_URL}/twilio/after-dial", timeout_s=15, caller_id="+14255550100"
            )
            await script(desk)
        return desk

    return asyncio.run(main())


@pytest.mark.parametrize(
    "fields",
    [
        {**ON_THE_LINE, "DialCallStatus": "completed"},
        {**ON_THE_LINE, "DialCallStatus": "answered"},
        {**FIELDS, "CallStatus": "completed", "DialCallStatus": "canceled"},
    ],
)
def test_after_they_have_spoken_or_the_caller_is_gone_the_call_ends(tmp_path: Path, fields: dict[str, str]) -> None:
    async def script(desk: Desk) -> None:
        assert twiml.parse(await desk.reception.afterwards.after_dial(fields)) == [twiml.Hangup()]

    assert len(transferred(tmp_path, script).calls) == 1


def test_a_transfer_that_comes_to_nothing_brings_the_caller_back_to_an_agent_who_knows_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields = {**ON_THE_LINE, "DialCallStatus": "busy", "DialSipResponseCode": "486"}

    async def script(desk: Desk) -> None:
        connect = connect_of(await desk.reception.afterwards.after_dial(fields))
        await settle()
        assert isinstance(await desk.reception.streams.let_in(started(connect.parameters)), Session)

    first, second = transferred(tmp_path, script).calls

    assert second.setup == msgspec.structs.replace(
        first.setup,
        resumed=msgspec.structs.replace(
            first.resumption(),
            reason="The transfer to front_desk came to nothing: the line is busy. "
            "The caller is back on the line with you.",
        ),
    )
    assert second.webhook == fields
    assert "the transfer to front_desk came to nothing: busy (SIP 486)" in caplog.text


def test_who_was_taken_back_from_a_conference_is_told_of_in_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(desk: Desk) -> None:
        connect_of(await desk.reception.afterwards.after_dial(ON_THE_LINE))

    desk = transferred(tmp_path, script)

    assert "the transfer to front_desk came to nothing: colleague-not-brought" in caplog.text
    assert desk.reception.metrics.get("transfers_failed", status="colleague-not-brought") == 1


def test_a_caller_who_comes_back_is_not_kept_waiting_by_an_endpoint_that_has_failed_meanwhile(tmp_path: Path) -> None:
    second = ModelSetup(name="second")

    async def script(desk: Desk) -> None:
        desk.reception.terms.health.gave_none("")
        connect_of(await desk.reception.afterwards.after_dial({**ON_THE_LINE, "DialCallStatus": "busy"}))

    first, back = transferred(tmp_path, script, second).calls

    assert (first.setup.model, first.setup.fallbacks) == (ModelSetup(), (second,))
    assert (back.setup.model, back.setup.fallbacks) == (second, (ModelSetup(),))


def test_a_transfer_of_a_call_that_nobody_knows_any_more_ends_politely(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        fields = {**ON_THE_LINE, "DialCallStatus": "no-answer"}
        verbs = twiml.parse(await desk.reception.afterwards.after_dial({**fields, "CallSid": CALL_SID[:-1] + "f"}))
        assert verbs == [twiml.Say(lines.NOT_CONNECTED), twiml.Hangup()]

    transferred(tmp_path, script)
