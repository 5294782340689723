"""What an agent that was handed a call knows and can do, and what the session is asked for."""

import msgspec
import pytest

from tests.support.handovers import BILLING, DESK, SALES, a_call, asked, handed_over, output
from tests.support.script import Script
from voice_agent.agent import BargeIn, DigitCollection, DigitsToSend, Tool
from voice_agent.call.commands import (
    AddToolOutput,
    ClosePhone,
    ConfigureSession,
    HandedOver,
    Note,
    PlayAudio,
    ToolAnswered,
)
from voice_agent.call.events import (
    EndRequested,
    KeyPressed,
    ModelClosed,
    ModelError,
    ResponseCreated,
    SessionUpdated,
    ToolRequested,
)
from voice_agent.call.facts import LineToolCalled, SessionLost
from voice_agent.call.handoff import CONFIRM_MS, HandoffPart

ON_LINE = (
    Tool("pin", "The PIN.", {}, "collect_digits", digits=DigitCollection(length=2)),
    Tool("menu", "Press keys.", {}, "send_digits", keys=DigitsToSend()),
)
TYPIST = msgspec.structs.replace(BILLING, tools=(*BILLING.tools, *ON_LINE))


def updates(call: Script) -> list[ConfigureSession]:
    """What the session was asked for behind its beginning."""
    return call.ordered(ConfigureSession)[1:]


def test_the_other_agent_knows_whose_call_it_takes_and_what_to_do() -> None:
    told, untold = a_call(), a_call()
    handed_over(told)
    handed_over(untold, '{"to": "billing"}')

    knows = {
        "you_are_now": "billing",
        "handed_over_by": "desk",
        "because": "an invoice",
        "next": "Say in a few words who you are, then go on with what the caller wants; do not ask for it again.",
    }
    assert output(told) == knows
    assert output(untold) == {**knows, "because": "the caller asked for it"}


def test_the_other_agents_tools_that_act_on_the_line_are_its_own() -> None:
    call = a_call(others=(TYPIST,))
    handed_over(call)
    call.feed(ResponseCreated("r2", "tool-1"), ToolRequested("r2", "f2", "c2", "pin", "{}"))
    call.feed(ToolRequested("r2", "f3", "c3", "menu", '{"digits": "5"}'))
    call.response_done("r2")
    call.wait(1000)
    call.feed(KeyPressed("1"), KeyPressed("2"))

    given = {answer.call_id: answer.output for answer in call.ordered(AddToolOutput)}
    assert given["c2"] == '{"digits":"12","ended_by":"length"}'
    assert given["c3"] == '{"sent":"5"}'
    assert len(call.ordered(HandedOver)) == 1


def test_a_tool_that_acts_on_the_line_hands_nothing_over() -> None:
    call = a_call(msgspec.structs.replace(DESK, tools=(*DESK.tools, *ON_LINE)))
    call.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "menu", '{"digits": "5"}'))
    call.response_done()
    call.wait(500)

    assert [answer.output for answer in call.ordered(ToolAnswered)] == ['{"sent":"5"}']
    assert len(call.ordered(PlayAudio)) == 1
    assert updates(call) == []


def test_the_server_has_4_s_to_confirm() -> None:
    call = a_call()
    asked(call)
    call.response_done()
    call.wait(CONFIRM_MS - 1)
    call.feed(SessionUpdated(request=updates(call)[-1].event_id))
    silent = a_call()
    asked(silent)
    silent.response_done()
    silent.wait(CONFIRM_MS)

    assert call.ordered(HandedOver) == [HandedOver("billing")]
    assert any("the model did not confirm a session.update within 4 s" in repr(note) for note in silent.ordered(Note))


def test_a_hand_over_whose_session_is_lost_is_asked_of_the_next_one_in_its_own_voice() -> None:
    call = a_call()
    asked(call)
    call.response_done()
    call.wait(CONFIRM_MS - 100)
    call.feed(ModelClosed(1006))
    lost = len(updates(call))
    call.wait(200)
    call.begin_session()
    again = updates(call)[-1]
    call.feed(SessionUpdated(request=again.event_id))

    assert lost == 1
    assert (again.instructions, again.voice) == (BILLING.instructions, BILLING.voice)
    assert call.ordered(HandedOver) == [HandedOver("billing")]
    assert not any("did not confirm" in repr(note) for note in call.ordered(Note))


def test_a_call_of_the_tool_behind_the_end_of_its_response_is_carried_out_at_once() -> None:
    call = a_call()
    call.feed(ToolRequested("r1", "f1", "c1", "handoff", '{"to": "billing"}'))

    assert [update.instructions for update in updates(call)] == [BILLING.instructions]


def test_an_agent_that_protects_a_greeting_it_never_said_hands_over_at_once() -> None:
    call = a_call(msgspec.structs.replace(DESK, barge_in=BargeIn(protect_greeting=True)))
    call.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "handoff", '{"to": "billing"}'))
    call.response_done()

    assert len(updates(call)) == 1


def test_each_request_has_a_name_of_its_own_and_follows_the_policy_of_the_other_agent() -> None:
    call = a_call()
    call.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "handoff", '{"to": "billing"}'))
    call.response_done()
    call.feed(ModelError("cannot_update_voice", "No.", updates(call)[-1].event_id))
    first, second = updates(call)

    assert first.event_id != second.event_id
    assert (first.interrupt_response, first.create_response) == (True, True)


def test_a_session_keeps_the_voice_that_the_first_hand_over_gave_it() -> None:
    call = a_call()
    call.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "handoff", '{"to": "billing"}'))
    call.response_done()
    call.feed(SessionUpdated(request=updates(call)[-1].event_id))
    handed_over(call, '{"to": "desk"}', "r2")

    assert [update.voice for update in updates(call)] == [BILLING.voice, BILLING.voice]


def test_nobody_is_handed_over_on_a_line_that_is_being_closed() -> None:
    call = a_call()
    asked(call)
    call.feed(EndRequested("the operator ended the call"))
    call.response_done()
    call.wait(CONFIRM_MS)

    assert call.ordered(ClosePhone) != []
    assert updates(call) == []


@pytest.mark.parametrize("arguments", ['{"to": "legal"}', '{"to": "desk"}'])
def test_who_may_be_handed_the_call_is_told_by_name(arguments: str) -> None:
    call = a_call()
    asked(call, arguments)

    assert output(call)["error"].endswith("to hand over to; there are: billing, sales")
    assert SALES.name in output(call)["error"]


def test_a_lost_session_confirms_nothing_and_is_not_waited_for() -> None:
    part = HandoffPart(DESK, (BILLING,))
    asked_for = list(part.feed(0, LineToolCalled("c1", "handoff", '{"to": "billing"}')))
    waits = part.deadline()
    list(part.feed(0, SessionLost()))

    assert [type(command) for command in asked_for] == [ConfigureSession]
    assert (waits, part.deadline()) == (CONFIRM_MS, None)
