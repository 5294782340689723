"""Colleagues who answer: what their call begins with, also while the server waits for its last calls."""

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from tests.server.test_colleagues import CALLER, ORDER, an_office
from tests.support.reception import a_desk
from tests.support.tiny_twilio import CALL_SID, FIELDS
from voice_agent.wire import twiml


def answered(
    folder: Path, call_sid: str = CALL_SID, *, last: Literal["", "ends"] = "", closing: bool = False
) -> twiml.Verb:
    """Have a colleague answer; give the first verb that their call gets."""

    async def main() -> twiml.Verb:
        async with (
            asyncio.timeout(30),
            an_office(folder) as office,
            office.colleagues as colleagues,
            a_desk(folder) as desk,
            asyncio.TaskGroup() as tasks,
        ):
            desk.reception.colleagues = colleagues
            calling = tasks.create_task(colleagues.call(CALLER, ORDER))
            await office.account.placed.wait()
            desk.reception.stopping.closing, desk.reception.stopping.last = closing, last
            first, *_ = twiml.parse(
                await desk.reception.answer_colleague(office.link_id, {**FIELDS, "CallSid": call_sid})
            )
            assert (call_sid in desk.reception.lobby.sessions) is isinstance(first, twiml.Connect)
            calling.cancel()
        return first

    return asyncio.run(main())


@pytest.mark.parametrize("closing", [False, True])
def test_a_colleague_is_asked_as_long_as_the_caller_s_call_may_go_on(tmp_path: Path, closing: bool) -> None:
    assert isinstance(answered(tmp_path, closing=closing), twiml.Connect)


def test_a_colleague_is_let_go_when_the_server_ends_its_calls(tmp_path: Path) -> None:
    assert answered(tmp_path, last="ends", closing=True) == twiml.Hangup()


def test_a_colleague_whose_call_is_none_is_not_asked(tmp_path: Path) -> None:
    assert answered(tmp_path, "CA1") == twiml.Hangup()
