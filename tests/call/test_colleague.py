"""The call in which a colleague is asked."""

import pytest

from tests.support.script import CLIPS, Script, an_agent
from voice_agent.agent import DigitsToSend, Tool
from voice_agent.call.commands import (
    AddUserText,
    CallEnded,
    ClosePhone,
    CreateResponse,
    HangUp,
    PlayAudio,
    SettleTransfer,
    ToolAnswered,
)
from voice_agent.call.events import EndRequested, KeyPressed, PhoneClosed, ResponseCreated, StreamStopped, ToolRequested

AGENT = an_agent(
    tools=(Tool("take_call", "Yes.", {}, "take_call"), Tool("decline_call", "No.", {}, "decline_call")),
)


def asked() -> Script:
    return Script(AGENT, rest=True).begin()


def by_tool(script: Script, name: str) -> None:
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", name, "{}"))
    script.response_done()


@pytest.mark.parametrize("way", ["1", "take_call"])
def test_a_colleague_accepts_by_key_or_word_and_stays_until_the_carrier_takes_them(way: str) -> None:
    script = asked()
    if way == "1":
        script.feed(KeyPressed("1"))
    else:
        by_tool(script, way)
    script.wait(3000)
    before = script.ordered(ClosePhone)
    script.feed(StreamStopped(), PhoneClosed(1000))

    assert script.ordered(SettleTransfer) == [SettleTransfer(accepted=True)]
    told = [] if way == "1" else [ToolAnswered("c1", "It is done.", failed=False, took_ms=0)]
    assert script.ordered(ToolAnswered) == told
    assert before == []
    assert [command.audio for command in script.ordered(PlayAudio)] == [CLIPS["moment"]]
    assert [(end.outcome, end.reason) for end in script.ordered(CallEnded)] == [
        ("transferred", "the colleague takes the call")
    ]


@pytest.mark.parametrize("way", ["2", "decline_call"])
def test_a_colleague_who_declines_hears_a_goodbye(way: str) -> None:
    script = asked()
    if way == "2":
        script.feed(KeyPressed("2"))
    else:
        by_tool(script, way)
    (goodbye,) = script.ordered(CreateResponse)

    assert script.ordered(SettleTransfer) == [SettleTransfer(accepted=False)]
    assert goodbye.instructions == ("Be brief.\n\nThe call is ending without them. Thank them and say a short goodbye.")
    script.agent_speaks("bye", 200, response="r2")
    script.response_done("r2")
    script.wait(1000)
    script.feed(StreamStopped())
    assert [(end.outcome, end.reason) for end in script.ordered(CallEnded)] == [
        ("completed", "the colleague does not take the call")
    ]


def test_the_first_decision_counts() -> None:
    script = asked()
    script.feed(KeyPressed("5"), KeyPressed("1"), KeyPressed("2"))
    by_tool(script, "decline_call")

    assert script.ordered(SettleTransfer) == [SettleTransfer(accepted=True)]
    assert [answer.output for answer in script.ordered(ToolAnswered)] == ["It is decided already."]


def test_a_colleague_who_presses_once_more_is_told_goodbye_all_the_same() -> None:
    script = asked()
    script.feed(KeyPressed("2"), KeyPressed("2"))
    script.agent_speaks("bye", 1000)
    script.response_done()
    script.wait(500)
    script.feed(KeyPressed("2"))
    script.wait(800)

    assert len(script.ordered(PlayAudio)) == 5
    assert len(script.ordered(HangUp)) == 1


def test_keys_are_no_words_for_the_model() -> None:
    script = asked()
    script.feed(KeyPressed("7"))
    script.wait(3000)

    assert script.ordered(AddUserText) == []


def test_nobody_takes_a_caller_on_a_line_that_is_being_closed() -> None:
    script = asked()
    script.feed(EndRequested("the caller hung up"), KeyPressed("1"))
    by_tool(script, "take_call")

    assert script.ordered(SettleTransfer) == []


def test_a_menu_before_the_colleague_decides_nothing() -> None:
    menu = Tool("send_digits", "", {}, "send_digits", keys=DigitsToSend())
    script = Script(an_agent(tools=(*AGENT.tools, menu)), rest=True).begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "send_digits", '{"digits": "1"}'))
    script.response_done()
    script.wait(500)

    assert script.ordered(SettleTransfer) == []
    assert [answer.output for answer in script.ordered(ToolAnswered)] == ['{"sent":"1"}']


def test_a_key_after_the_end_decides_nothing() -> None:
    script = asked()
    script.feed(KeyPressed("2"))
    script.agent_speaks("bye", 200)
    script.response_done()
    script.wait(1000)
    script.feed(KeyPressed("1"))

    assert script.ordered(SettleTransfer) == [SettleTransfer(accepted=False)]
