"""Which stream of which call is let in."""

from pathlib import Path

import pytest

from tests.support.pump import settle
from tests.support.reception import Desk, at_desk, connect_of, started
from tests.support.tiny_twilio import FIELDS
from voice_agent.live.admission import Refusal
from voice_agent.live.session import Session


def test_a_webhook_that_is_repeated_keeps_the_session_and_either_token_admits_once(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect_of(await desk.reception.receive(FIELDS))
        second = connect_of(await desk.reception.receive(FIELDS))
        assert len(desk.calls) == 1
        await settle()

        session = await desk.reception.streams.let_in(started(second.parameters))
        assert isinstance(session, Session)
        assert session is desk.calls[0].session
        assert await desk.reception.streams.let_in(started(second.parameters)) is Refusal.TOKEN_USED

    assert at_desk(tmp_path, script).refusals() == {"token used": 1}


def test_without_preconnecting_nothing_begins_before_the_stream(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect = connect_of(await desk.reception.receive(FIELDS))
        assert desk.calls == []
        assert isinstance(await desk.reception.streams.let_in(started(connect.parameters)), Session)

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
        assert await desk.reception.streams.let_in(started(change)) is refusal

    assert at_desk(tmp_path, script).refusals() == {refusal.value: 1}


def test_a_token_of_another_call_does_not_admit(tmp_path: Path) -> None:
    other = "CA000000000000000000000000000000ff"

    async def script(desk: Desk) -> None:
        await desk.reception.receive(FIELDS)
        connect = connect_of(await desk.reception.receive({**FIELDS, "CallSid": other}))
        assert await desk.reception.streams.let_in(started(connect.parameters)) is Refusal.TOKEN_OF_OTHER_CALL

    at_desk(tmp_path, script)


def test_a_stream_of_another_account_is_turned_away(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        connect = connect_of(await desk.reception.receive({**FIELDS, "AccountSid": "ACother"}))
        assert await desk.reception.streams.let_in(started(connect.parameters)) is Refusal.CALL_UNKNOWN

    at_desk(tmp_path, script)
