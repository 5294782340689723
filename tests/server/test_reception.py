import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.http_server import server
from tests.support.reception import PUBLIC_URL, RECEPTION, Desk, a_desk, at_desk, connect_of, started
from tests.support.tiny_twilio import CALL_SID, FIELDS
from voice_agent.call.setup import CallSetup
from voice_agent.live.session import Session
from voice_agent.server import last_resort as lines
from voice_agent.wire import twiml


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


def looked_up(folder: Path, answer: dict[str, object], caller: str = FIELDS["From"], path: str = "") -> CallSetup:
    """Take a call whose caller is known as `answer` says; `path`: at which the look-up asks for them."""
    (folder / "vip.yaml").write_text("name: vip\ninstructions: You speak with {{ name }}.\nvariables: {name: nobody}\n")

    async def crm(request: web.Request) -> web.StreamResponse:
        assert request.path == f"/callers/{path or caller}"
        return web.json_response(answer)

    async def main() -> CallSetup:
        async with asyncio.timeout(30), server(crm) as url, a_desk(folder, KNOWING.format(url=url)) as desk:
            connect_of(await desk.reception.receive({**FIELDS, "From": caller}))
            return desk.calls[0].setup

    return asyncio.run(main())


def test_a_caller_who_is_known_is_spoken_to_by_name(tmp_path: Path) -> None:
    setup = looked_up(tmp_path, {"customer": {"name": "Ana {{ caller }}"}})

    assert (setup.agent.name, setup.agent.instructions) == ("reception", "You speak with Ana {{ caller }}.")


def test_nobody_is_looked_up_by_the_number_that_stands_for_a_hidden_one(tmp_path: Path) -> None:
    setup = looked_up(tmp_path, {"customer": {}}, caller="+266696687", path="unknown")

    assert setup.agent.instructions == "You speak with somebody."
    assert setup.caller == "+266696687"


def test_a_lookup_may_choose_the_agent(tmp_path: Path) -> None:
    setup = looked_up(tmp_path, {"customer": {"name": "Ana", "desk": "vip"}})

    assert (setup.agent.name, setup.agent.instructions) == ("vip", "You speak with Ana.")


def test_a_lookup_that_names_an_agent_who_is_not_here_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert looked_up(tmp_path, {"customer": {"desk": "gold"}}).agent.name == "reception"
    assert 'the look-up names an agent "gold" that is not here; reception takes the call' in caplog.text


def test_a_caller_of_whom_nothing_is_found_is_answered_as_the_file_says(tmp_path: Path) -> None:
    assert looked_up(tmp_path, {}).agent.instructions == "You speak with somebody."


def test_nobody_is_looked_up_for_a_webhook_that_is_refused(tmp_path: Path) -> None:
    asked: list[str] = []

    async def crm(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response({})

    async def main() -> Desk:
        async with asyncio.timeout(30), server(crm) as url, a_desk(tmp_path, KNOWING.format(url=url)) as desk:
            connect = connect_of(await desk.reception.receive(FIELDS))
            assert isinstance(await desk.reception.streams.let_in(started(connect.parameters)), Session)
            for refused in (FIELDS, {**FIELDS, "CallSid": "CA1"}):
                assert twiml.parse(await desk.reception.receive(refused))[-1] == twiml.Hangup()
        return desk

    assert asyncio.run(main()).refusals() == {"webhook replayed": 1, "call unknown": 1}
    assert asked == ["/callers/+14255550199"]


def test_a_call_whose_caller_was_being_looked_up_when_the_server_stopped_is_left_to_another(tmp_path: Path) -> None:
    desks: list[Desk] = []

    async def crm(request: web.Request) -> web.StreamResponse:
        desks[0].reception.stopping.closing = True
        return web.json_response({})

    async def main() -> None:
        async with asyncio.timeout(30), server(crm) as url, a_desk(tmp_path, KNOWING.format(url=url)) as desk:
            desks.append(desk)
            answer = twiml.parse(await desk.reception.receive(FIELDS))
            assert answer == [twiml.Pause(1), twiml.Redirect(f"{PUBLIC_URL}/twilio/voice")]
            assert desk.calls == []

    asyncio.run(main())


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
        desk.reception.stopping.closing = True
        assert not desk.reception.turns_away(FIELDS)
        assert desk.reception.turns_away({**FIELDS, "CallSid": CALL_SID[:-1] + "f"})

    assert at_desk(tmp_path, script).refusals() == {"stopping": 1}


def test_a_server_whose_place_is_taken_has_a_call_come_again_instead_of_turning_it_away(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        reception = desk.reception
        reception.stopping.closing = reception.stopping.succeeded = True
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
