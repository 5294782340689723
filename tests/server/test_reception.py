import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from tests.support import tiny_twilio
from tests.support.http_server import server
from tests.support.pump import settle
from tests.support.reception import PUBLIC_URL, RECEPTION, Desk, a_desk
from tests.support.tiny_twilio import CALL_SID, FIELDS
from voice_agent.call.commands import CallEnded, Destination
from voice_agent.call.events import EndRequested
from voice_agent.call.setup import CallSetup
from voice_agent.live.admission import Refusal
from voice_agent.live.session import Session
from voice_agent.server import last_resort as lines
from voice_agent.wire import twilio, twiml
from voice_agent.wire.bridge import Input, Output

Script = Callable[[Desk], Awaitable[None]]

ON_THE_LINE = {**FIELDS, "CallStatus": "in-progress"}


def at_desk(folder: Path, script: Script, agent: str = RECEPTION, *, preconnect: bool = True) -> Desk:
    async def main() -> Desk:
        async with asyncio.timeout(30), a_desk(folder, agent, preconnect=preconnect) as desk:
            await script(desk)
        return desk

    return asyncio.run(main())


def connect_of(xml: str) -> twiml.Connect:
    (verb,) = twiml.parse(xml)
    assert isinstance(verb, twiml.Connect)
    return verb


def started(parameters: dict[str, str], call_sid: str = CALL_SID) -> twilio.Start:
    message = twilio.parse(tiny_twilio.start(parameters, call_sid))
    assert isinstance(message, twilio.Start)
    return message


def test_a_call_to_an_agents_number_is_streamed_with_a_token_and_an_action(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect = connect_of(await desk.reception.receive(FIELDS))

        assert connect.url == "wss://phone.example/twilio/media"
        assert connect.action == f"{PUBLIC_URL}/twilio/after-stream"
        assert connect.status_callback == f"{PUBLIC_URL}/twilio/status"
        assert set(connect.parameters) == {"token"}

    (call,) = at_desk(tmp_path, script).calls

    assert call.setup.agent.instructions == "Answer +14255550199."
    assert (call.setup.call_sid, call.setup.caller, call.setup.called) == (CALL_SID, "+14255550199", "+14255550100")
    assert call.webhook == FIELDS


def test_a_webhook_that_is_repeated_keeps_the_session_and_either_token_admits_once(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect_of(await desk.reception.receive(FIELDS))
        second = connect_of(await desk.reception.receive(FIELDS))
        assert len(desk.calls) == 1
        await settle()

        session = await desk.reception.let_in(started(second.parameters))
        assert isinstance(session, Session)
        assert session is desk.calls[0].session
        assert await desk.reception.let_in(started(second.parameters)) is Refusal.TOKEN_USED

    assert at_desk(tmp_path, script).refusals() == {"token used": 1}


WITH_HOURS = (
    RECEPTION
    + """
timezone: America/Los_Angeles
variables: {company: Alder}
hours: {open: {monday: 08:00-12:00}, closed: "{{ company }} is closed."}
"""
)
MONDAY = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
"""9 in the morning at the agent's."""


def test_outside_its_hours_an_agent_s_callers_hear_that_it_is_closed(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        desk.now = lambda: MONDAY
        connect_of(await desk.reception.receive(FIELDS))
        desk.now = lambda: MONDAY + timedelta(days=1)
        assert twiml.parse(await desk.reception.receive(FIELDS)) == [
            twiml.Say("Alder is closed.", "en"),
            twiml.Hangup(),
        ]

    desk = at_desk(tmp_path, script, WITH_HOURS)
    assert len(desk.calls) == 1
    assert desk.reception.metrics.get("closed") == 1
    assert [(row.outcome, row.agent) for row in desk.missed] == [("closed", "reception")]


def test_outside_its_hours_an_agent_s_calls_may_be_left_to_another(tmp_path: Path) -> None:
    (tmp_path / "night.yaml").write_text("name: night\ninstructions: Say that it is night.\n")

    async def script(desk: Desk) -> None:
        desk.now = lambda: MONDAY + timedelta(days=1)
        connect_of(await desk.reception.receive(FIELDS))

    (call,) = at_desk(tmp_path, script, WITH_HOURS.replace('"{{ company }} is closed."', "{agent: night}")).calls
    assert call.setup.agent.name == "night"


KNOWING = """
name: reception
numbers: ["+14255550100"]
instructions: You speak with {{{{ name }}}}.
variables: {{name: somebody}}
recording: off
lookup:
  url: {url}/callers/{{{{ caller }}}}
  allow_private: true
  variables: {{name: customer.name}}
  agent: customer.desk
"""


def looked_up(folder: Path, answer: dict[str, object], agent: str = KNOWING) -> CallSetup:
    """Take a call whose caller is known as `answer` says."""
    (folder / "vip.yaml").write_text("name: vip\ninstructions: You speak with {{ name }}.\nvariables: {name: nobody}\n")

    async def crm(request: web.Request) -> web.StreamResponse:
        assert request.path == "/callers/+14255550199"
        return web.json_response(answer)

    async def main() -> CallSetup:
        async with asyncio.timeout(30), server(crm) as url, a_desk(folder, agent.format(url=url)) as desk:
            connect_of(await desk.reception.receive(FIELDS))
            return desk.calls[0].setup

    return asyncio.run(main())


def test_a_caller_who_is_known_is_spoken_to_by_name(tmp_path: Path) -> None:
    setup = looked_up(tmp_path, {"customer": {"name": "Ana {{ caller }}"}})

    assert (setup.agent.name, setup.agent.instructions) == ("reception", "You speak with Ana {{ caller }}.")


def test_a_lookup_may_choose_the_agent(tmp_path: Path) -> None:
    setup = looked_up(tmp_path, {"customer": {"name": "Ana", "desk": "vip"}})

    assert (setup.agent.name, setup.agent.instructions) == ("vip", "You speak with Ana.")


def test_a_lookup_that_names_an_agent_who_is_not_here_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert looked_up(tmp_path, {"customer": {"desk": "gold"}}).agent.name == "reception"
    assert 'the look-up names an agent "gold" that is not here; reception takes the call' in caplog.text


def test_a_caller_of_whom_nothing_is_found_is_answered_as_the_file_says(tmp_path: Path) -> None:
    assert looked_up(tmp_path, {}).agent.instructions == "You speak with somebody."


def test_without_preconnecting_nothing_begins_before_the_stream(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect = connect_of(await desk.reception.receive(FIELDS))
        assert desk.calls == []
        assert isinstance(await desk.reception.let_in(started(connect.parameters)), Session)

    assert len(at_desk(tmp_path, script, preconnect=False).calls) == 1


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({}, Refusal.TOKEN_MISSING),
        ({"token": "guessed"}, Refusal.TOKEN_FORGED),
    ],
)
def test_a_stream_without_its_token_is_turned_away(tmp_path: Path, change: dict[str, str], refusal: Refusal) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS)
        assert await desk.reception.let_in(started(change)) is refusal

    assert at_desk(tmp_path, script).refusals() == {refusal.value: 1}


def test_a_token_of_another_call_does_not_admit(tmp_path: Path) -> None:
    other = "CA000000000000000000000000000000ff"

    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS)
        connect = connect_of(await desk.reception.receive({**FIELDS, "CallSid": other}))
        assert await desk.reception.let_in(started(connect.parameters)) is Refusal.TOKEN_OF_OTHER_CALL

    at_desk(tmp_path, script)


def test_a_stream_of_another_account_is_turned_away(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect = connect_of(await desk.reception.receive({**FIELDS, "AccountSid": "ACother"}))
        assert await desk.reception.let_in(started(connect.parameters)) is Refusal.CALL_UNKNOWN

    at_desk(tmp_path, script)


def test_a_call_to_no_agents_number_is_told_so(tmp_path: Path) -> None:
    two = tmp_path / "two"
    two.mkdir()
    (two / "other.yaml").write_text('name: other\nnumbers: ["+14255550101"]\ninstructions: x\nrecording: off\n')

    async def script(desk: Desk) -> None:
        answer = await desk.reception.receive({**FIELDS, "To": "+14255559999"})
        assert twiml.parse(answer) == [twiml.Say(lines.NOBODY_HERE), twiml.Hangup()]
        assert desk.reception.metrics.get("unanswered") == 1

    desk = at_desk(two, script)
    assert desk.calls == []
    assert [(row.outcome, row.called, row.agent) for row in desk.missed] == [("unanswered", "+14255559999", "")]


def test_an_agent_whose_text_fails_for_this_call_answers_politely(tmp_path: Path) -> None:
    agent = RECEPTION.replace("{{ caller }}", "{{ 1 / (0 if caller == '+14255550199' else 1) }}")

    async def script(desk: Desk) -> None:
        answer = await desk.reception.receive(FIELDS)
        assert twiml.parse(answer) == [twiml.Say(lines.CANNOT_ANSWER), twiml.Hangup()]

    desk = at_desk(tmp_path, script, agent)
    assert desk.calls == []
    assert [row.outcome for row in desk.missed] == ["unanswered"]


def test_a_consent_line_is_said_by_the_carrier_before_the_stream(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        say, connect = twiml.parse(await desk.reception.receive(FIELDS))
        assert say == twiml.Say("This call is recorded.", "en")
        assert isinstance(connect, twiml.Connect)

    at_desk(tmp_path, script, f"{RECEPTION}consent: This call is recorded.\n")


@pytest.mark.parametrize("call_sid", ["", "CA1", "../../etc/passwd", "CA" + "G" * 32])
def test_a_call_sid_of_another_form_is_refused_for_it_names_a_file(tmp_path: Path, call_sid: str) -> None:
    async def script(desk: Desk) -> None:
        answer = await desk.reception.receive({**FIELDS, "CallSid": call_sid})
        assert twiml.parse(answer)[-1] == twiml.Hangup()

    assert at_desk(tmp_path, script).calls == []


def test_a_server_that_stops_takes_no_more_calls(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS)
        desk.reception.closing = True
        assert not desk.reception.turns_away(FIELDS)
        assert desk.reception.turns_away({**FIELDS, "CallSid": CALL_SID[:-1] + "f"})

    assert at_desk(tmp_path, script).refusals() == {"stopping": 1}


def test_a_server_whose_place_is_taken_has_a_call_come_again_instead_of_turning_it_away(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        reception = desk.reception
        reception.closing = reception.succeeded = True
        assert not reception.turns_away(FIELDS)
        again = [twiml.parse(await reception.receive(FIELDS, query)) for query in ("", "agent=desk&x=1")]
        at = f"{PUBLIC_URL}/twilio/voice"
        assert again == [
            [twiml.Pause(1), twiml.Redirect(at)], [twiml.Pause(1), twiml.Redirect(f"{at}?agent=desk&x=1")]
        ]  # fmt: skip

    assert at_desk(tmp_path, script).calls == []


def test_a_changed_agent_serves_the_next_call_and_a_broken_one_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(desk: Desk) -> None:
        (tmp_path / "reception.yaml").write_text("nonsense: true\n")
        connect_of(await desk.reception.receive(FIELDS))

    at_desk(tmp_path, script)

    assert "the last good ones stay" in caplog.text


def test_the_status_of_a_call_that_was_never_here_is_a_line_for_the_operator(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS)
        await settle()
        for _ in range(2):
            desk.reception.status({**FIELDS, "CallStatus": "completed"})
        desk.reception.status({"CallSid": "CA" + "9" * 32, "CallStatus": "ringing"})
        desk.reception.status({"CallSid": "CA" + "9" * 32, "CallStatus": "busy"})

    with caplog.at_level("INFO"):
        at_desk(tmp_path, script)
    assert [line for line in caplog.messages if line.startswith("the carrier says")] == [
        "the carrier says busy of a call that was never here"
    ]


def test_what_the_carrier_complains_about_is_a_line_for_the_operator_and_ends_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(desk: Desk) -> None:
        connect_of(await desk.reception.receive({**FIELDS, "ErrorCode": "11200", "ErrorUrl": "https://other.example"}))
        await settle()
        for event in ("stream-started", "stream-error"):
            about = {"StreamEvent": event, "StreamError": "31920 handshake failed", "CallStatus": "in-progress"}
            await desk.reception.over({**FIELDS, **about})
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
        desk.reception.status({**FIELDS, "CallStatus": "in-progress"})
        await settle()
        assert desk.calls[0].session.ended is None
        desk.reception.status({**FIELDS, "CallStatus": "completed"})
        await settle()
        assert desk.calls[0].session.ended == CallEnded("stopped", "the carrier says completed", 0)

    at_desk(tmp_path, script)


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
            desk.reception.status({**FIELDS, "CallStatus": "completed"})
            verbs = twiml.parse(await desk.reception.after_stream(FIELDS))

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
            desk.reception.status({**FIELDS, "CallStatus": "completed"})
            said, record, _ = twiml.parse(await desk.reception.after_stream(FIELDS))
            assert isinstance(record, twiml.Record)
            thanks = twiml.parse(await desk.reception.after_stream({**FIELDS, "RecordingSid": "RE0"}))

        assert said == twiml.Say("Es tut uns leid.", "de")
        assert record.action == f"{desk.reception.terms.public_url}/twilio/after-stream"
        assert thanks == [twiml.Say("Thank you. Goodbye."), twiml.Hangup()]
        assert desk.reception.metrics.get("messages_left") == 1

    asyncio.run(main())


def test_a_call_that_nobody_knows_any_more_is_ended_politely(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        verbs = twiml.parse(await desk.reception.after_stream(FIELDS))
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
            play, connect = twiml.parse(await desk.reception.after_stream(ON_THE_LINE))
            assert play == twiml.Play(digits=written)
            assert isinstance(connect, twiml.Connect)
            await settle()
            assert (len(desk.calls) == 2) is preconnects
            assert isinstance(await desk.reception.let_in(started(connect.parameters)), Session)
            desk.reception.last = "ends"
            desk.calls[1].session.end("")
            assert twiml.parse(await desk.reception.after_stream(ON_THE_LINE)) == [
                twiml.Say(lines.STOPPED),
                twiml.Hangup(),
            ]
        return desk

    first, second = asyncio.run(main()).calls
    assert second.setup == msgspec.structs.replace(first.setup, resumed=first.resumption(), preconnect=preconnects)


# --- transfers -------------------------------------------------------------------------------------------------------

DESK = Destination("front_desk", "+14255550101", 15, "+14255550100")


def transferred(folder: Path, script: Script) -> Desk:
    """Have a call end in a transfer, then do what the test wants."""

    def answer(received: Input) -> Sequence[Output]:
        transferred = CallEnded("transferred", "transferred to front_desk", 0, DESK)
        return [transferred] if isinstance(received, EndRequested) else []

    async def main() -> Desk:
        async with asyncio.timeout(30), a_desk(folder, answer=answer) as desk:
            await desk.reception.receive(FIELDS)
            await settle()
            desk.calls[0].session.end("the farewell was heard")
            (dial,) = twiml.parse(await desk.reception.after_stream(ON_THE_LINE))
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
        assert twiml.parse(await desk.reception.after_dial(fields)) == [twiml.Hangup()]

    assert len(transferred(tmp_path, script).calls) == 1


def test_a_transfer_that_comes_to_nothing_brings_the_caller_back_to_an_agent_who_knows_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields = {**ON_THE_LINE, "DialCallStatus": "busy", "DialSipResponseCode": "486"}

    async def script(desk: Desk) -> None:
        connect = connect_of(await desk.reception.after_dial(fields))
        await settle()
        assert isinstance(await desk.reception.let_in(started(connect.parameters)), Session)

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


def test_a_transfer_of_a_call_that_nobody_knows_any_more_ends_politely(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        fields = {**ON_THE_LINE, "DialCallStatus": "no-answer"}
        verbs = twiml.parse(await desk.reception.after_dial({**fields, "CallSid": CALL_SID[:-1] + "f"}))
        assert verbs == [twiml.Say(lines.NOT_CONNECTED), twiml.Hangup()]

    transferred(tmp_path, script)
