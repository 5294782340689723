import asyncio
from pathlib import Path

import pytest

from tests.support.reception import RECEPTION, Desk, a_desk
from tests.support.tiny_twilio import FIELDS
from voice_agent.call.events import EndRequested
from voice_agent.live.capacity import Capacity, Limits
from voice_agent.live.loop_lag import LoopLag
from voice_agent.live.spending import Spending
from voice_agent.server import last_resort as lines
from voice_agent.wire import twiml


def call(number: int, caller: str = "+14255550199", **fields: str) -> dict[str, str]:
    return {**FIELDS, "CallSid": f"CA{number:032x}", "From": caller, **fields}


def full_desk(
    folder: Path, *calls: dict[str, str], agent: str = RECEPTION, **limits: int
) -> tuple[Desk, list[twiml.Verb]]:
    """Let these call, one after another; give what the last one is answered with, to its last verb."""

    async def main() -> tuple[Desk, list[twiml.Verb]]:
        async with asyncio.timeout(30), a_desk(folder, agent) as desk:
            lobby, spending = desk.reception.lobby, Spending(per_day=10)
            within = Limits(**{"calls": 2, "lag_ms": 100} | limits)
            desk.reception.capacity = Capacity(within, lambda: lobby.taken, LoopLag(), spending)
            for fields in calls:
                spending.add(float(fields.get("cost", "0")))
                answer = await desk.reception.receive(fields)
            return desk, twiml.parse(answer)

    return asyncio.run(main())


def test_who_comes_when_all_lines_are_busy_is_told_so_and_costs_no_session(tmp_path: Path) -> None:
    desk, verbs = full_desk(tmp_path, call(1), call(2), call(3))

    assert verbs == [twiml.Say(lines.ALL_BUSY), twiml.Hangup()]
    assert [one.setup.call_sid[-1] for one in desk.calls] == ["1", "2"]
    assert desk.refusals() == {"too many calls": 1}


def test_who_finds_no_room_goes_where_the_agent_s_file_says_that_a_caller_goes_without_a_model(tmp_path: Path) -> None:
    agent = RECEPTION + 'last_resort: {say: "Sorry, {{ caller }}.", then: {transfer: "+14255550101"}}\n'
    _, verbs = full_desk(tmp_path, call(1), call(2), call(3), agent=agent)

    say, dial, hang_up = verbs
    assert say == twiml.Say("Sorry, +14255550199.", "en")
    assert isinstance(dial, twiml.Dial)
    assert dial.number == "+14255550101"
    assert hang_up == twiml.Hangup()


def test_a_webhook_that_is_repeated_is_not_another_call(tmp_path: Path) -> None:
    _, verbs = full_desk(tmp_path, call(1), call(2), call(2))

    assert isinstance(verbs[-1], twiml.Connect)


def test_a_caller_who_calls_too_often_hears_a_busy_line_which_costs_nothing(tmp_path: Path) -> None:
    desk, verbs = full_desk(tmp_path, call(1), call(2), calls_of_caller=1)

    assert verbs == [twiml.Reject("busy")]
    assert desk.refusals() == {"caller calls too often": 1}


def test_when_the_day_s_money_is_spent_callers_are_told_to_try_later(tmp_path: Path) -> None:
    desk, verbs = full_desk(tmp_path, call(1), call(2, cost="10"))

    assert verbs == [twiml.Say(lines.CANNOT_ANSWER), twiml.Hangup()]
    assert desk.refusals() == {"the day's money is spent": 1}
    # Who speaks already goes on.
    assert desk.calls[0].bridge.fed == [EndRequested("the test is over")]


def test_whom_we_have_called_is_never_sent_away(tmp_path: Path) -> None:
    placed = call(3, "+14255550100", To="+14255550199", Direction="outbound-api")
    _, verbs = full_desk(tmp_path, call(1), call(2), placed)

    assert isinstance(verbs[-1], twiml.Connect)


def test_a_full_house_asks_nobody_who_is_calling(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    agent = (
        RECEPTION
        + "variables: {name: you}\nlookup: {url: 'http://127.0.0.1:9/', variables: {name: n}, allow_private: true}\n"
    )
    full_desk(tmp_path, call(1), call(2), call(3), agent=agent)

    assert len([record for record in caplog.records if "look-up" in record.getMessage()]) == 2


def test_what_a_refused_caller_calls_themselves_does_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    full_desk(tmp_path, call(1), call(2), call(3, "x" * 5000))

    assert len(caplog.records[-1].getMessage()) < 200
