"""Whom the model means, and how a caller gets on the way there."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.script import Script, an_agent
from voice_agent.agent import Limits, Tool, Transfer
from voice_agent.call.commands import (
    CallEnded,
    ClosePhone,
    CreateResponse,
    Destination,
    HangUp,
    Note,
    ToolAnswered,
)
from voice_agent.call.conversation import Conversation, Resumption, ToolTurn
from voice_agent.call.events import (
    EndRequested,
    KeyPressed,
    ModelClosed,
    PhoneClosed,
    ResponseCreated,
    ResponseDone,
    ToolRequested,
)
from voice_agent.call.states import Phase
from voice_agent.call.transfer import ENOUGH, chosen

DESK, NIGHT = "+14255550101", "sip:night@pbx.example.com"
TRANSFER = Transfer(to={"front_desk": DESK, "night_desk": NIGHT}, seconds=15, caller_id="+14255550100")
AGENT = an_agent(
    tools=(
        Tool("hang_up", "End the call.", {}, "hang_up"),
        Tool("transfer", "Connect the caller.", {}, "transfer", transfer=TRANSFER),
    )
)
TO_DESK = '{"to":"front_desk"}'
WHERE = Destination("front_desk", DESK, 15, "+14255550100")


# --- whom ------------------------------------------------------------------------------------------------------------


def test_a_name_stands_for_the_address_in_the_file() -> None:
    assert chosen(TRANSFER, TO_DESK) == WHERE
    assert chosen(TRANSFER, '{"to":"night_desk","why":"late"}') == Destination("night_desk", NIGHT, 15, "+14255550100")


@pytest.mark.parametrize("arguments", ["", "{}", '{"to":null}'])
def test_the_only_one_there_is_needs_no_name(arguments: str) -> None:
    assert chosen(Transfer(to={"desk": DESK}), arguments) == Destination("desk", DESK, 20)
    assert chosen(TRANSFER, arguments) == '"to" is missing: give one of front_desk, night_desk'


@pytest.mark.parametrize("name", [DESK, "sales", "front desk", ""])
def test_a_number_or_name_that_the_file_does_not_have_is_nobody(name: str) -> None:
    told = chosen(TRANSFER, msgspec.json.encode({"to": name}).decode())

    assert told == f'there is nobody named "{name}" to transfer to; there are: front_desk, night_desk'


NESTED = '{"to":"front_desk","x":' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize("arguments", ["front_desk", '["front_desk"]', '{"to":5}', '{"to":', "\udcff", NESTED])
def test_arguments_that_cannot_be_read_are_told_how_they_should_be(arguments: str) -> None:
    told = chosen(TRANSFER, arguments)

    assert told == 'the arguments cannot be read: give an object whose "to" is one of front_desk, night_desk'


@given(st.text() | st.from_type(dict[str, str]).map(lambda value: msgspec.json.encode(value).decode()))
def test_whatever_the_model_writes_nobody_else_is_called(arguments: str) -> None:
    found = chosen(TRANSFER, arguments)

    assert isinstance(found, str) or found.address in TRANSFER.to.values()


# --- how -------------------------------------------------------------------------------------------------------------


def transfers(script: Script, response: str = "r1", *, words_ms: int = 1000, arguments: str = TO_DESK) -> None:
    """The model says that it will, and calls the tool in the same response."""
    script.feed(ResponseCreated(response, None))
    script._responses.add(response)
    if words_ms:
        script.agent_speaks(f"bye-{response}", words_ms, response=response)
    script.feed(ToolRequested(response, f"f-{response}", f"c-{response}", "transfer", arguments))
    script.feed(ResponseDone(response, "completed"))


def answers(script: Script) -> list[tuple[str, bool]]:
    return [(answer.output, answer.failed) for answer in script.ordered(ToolAnswered)]


def test_the_caller_hears_the_farewell_whole_and_is_then_on_the_way() -> None:
    script = Script(AGENT, rest=True).begin()
    transfers(script, words_ms=2000)
    script.wait(2200)
    before = script.ordered(ClosePhone)
    script.wait(200)
    script.feed(PhoneClosed(1000))

    assert before == []
    # By the `<Connect action>`, so that the carrier's REST API is not needed; it would end the call.
    assert script.ordered(HangUp) == []
    assert script.ordered(ClosePhone) == [ClosePhone("transferred to front_desk")]
    assert answers(script) == [("The caller is being connected with front_desk.", False)]
    assert script.said[-1] == CallEnded("transferred", "transferred to front_desk", script.now_ms, WHERE)
    told = ToolTurn("c-r1", "transfer", TO_DESK, "The caller is being connected with front_desk.")
    assert told in script.call.conversation().turns


def test_a_caller_who_speaks_into_the_farewell_keeps_the_call() -> None:
    script = Script(AGENT).begin()
    transfers(script, words_ms=2000)
    script.wait(1000)
    script.caller_speaks()
    script.caller_stops()
    script.wait(5000)

    assert script.call.phase is Phase.TALKING
    assert answers(script) == [("The caller spoke: the call goes on.", False)]


def test_a_transfer_that_was_taken_back_does_not_decide_how_the_call_ends() -> None:
    script = Script(AGENT).begin()
    transfers(script)
    script.wait(500)
    script.feed(KeyPressed("1"))
    script.feed(ResponseCreated("r2", None))
    script.agent_speaks("bye", 1000, response="r2")
    script.feed(ToolRequested("r2", "f2", "c2", "hang_up", "{}"), ResponseDone("r2", "completed"))
    script.wait(2000)
    script.feed(PhoneClosed(1000))

    assert script.said[-1] == CallEnded("completed", "the agent hung up", script.now_ms)


def test_a_transfer_that_was_taken_back_takes_nobody_anywhere_at_the_time_limit() -> None:
    script = Script(msgspec.structs.replace(AGENT, limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(40_000)
    transfers(script)
    script.caller_speaks()
    script.caller_stops()
    for item, response in (("a", "r2"), ("bye", "r3")):
        script.agent_speaks(item, 1000, response=response)
        script.response_done(response)
        script.wait(5000)
    script.feed(PhoneClosed(1000))

    assert script.ordered(CallEnded) == [CallEnded("completed", "the time limit was reached", 50_000)]


def test_a_transfer_without_a_word_is_told_to_the_caller_first() -> None:
    script = Script(AGENT).begin()
    transfers(script, words_ms=0)
    (asked,) = script.ordered(CreateResponse)
    script.agent_speaks("bye", 1000, response="r2")
    script.response_done("r2")
    script.wait(1400)
    script.feed(PhoneClosed(1000))

    assert asked.instructions == ("Be brief.\n\nThe call is being transferred. Tell the caller so in a few words.")
    assert answers(script) == [("Tell the caller now that you are connecting them with front_desk.", False)]
    assert [end.destination for end in script.ordered(CallEnded)] == [WHERE]


@pytest.mark.parametrize("heard_ms", [0, 500])
def test_a_model_that_is_lost_in_the_farewell_does_not_hold_the_caller_back(heard_ms: int) -> None:
    script = Script(AGENT).begin()
    script.feed(ResponseCreated("r1", None))
    script._responses.add("r1")
    if heard_ms:
        script.agent_speaks("bye", heard_ms, done=False)
    script.feed(ToolRequested("r1", "f1", "c1", "transfer", TO_DESK), ModelClosed(4000))
    script.wait(1000)
    script.feed(PhoneClosed(1000))

    assert [end.destination for end in script.ordered(CallEnded)] == [WHERE]
    assert script.ordered(ClosePhone) == [ClosePhone("transferred to front_desk")]


def test_a_farewell_that_takes_too_long_ends_in_the_transfer() -> None:
    script = Script(AGENT).begin()
    script.agent_speaks("bye", 40_000, done=False)
    script.feed(ToolRequested("r1", "f1", "c1", "transfer", TO_DESK))
    script.wait(30_000)
    script.feed(PhoneClosed(1000))

    assert Note("warning", "the goodbye took too long") in script.said
    assert [end.outcome for end in script.ordered(CallEnded)] == ["transferred"]


def test_a_caller_who_hangs_up_in_the_farewell_is_not_transferred() -> None:
    script = Script(AGENT).begin()
    transfers(script)
    script.wait(500)
    script.feed(PhoneClosed(1000))

    assert [(end.outcome, end.destination) for end in script.ordered(CallEnded)] == [("stream_lost", None)]


@pytest.mark.parametrize("arguments", ['{"to":"+14255550199"}', "now"])
def test_a_transfer_to_nobody_is_answered_honestly_and_the_agent_goes_on(arguments: str) -> None:
    script = Script(AGENT).begin()
    transfers(script, arguments=arguments)
    script.wait(1000)

    ((output, failed),) = answers(script)
    assert failed
    assert "front_desk" in msgspec.json.decode(output)["error"]
    assert script.call.phase is Phase.TALKING
    assert [asked.request for asked in script.ordered(CreateResponse)] == ["tool-1"]


# --- how often -------------------------------------------------------------------------------------------------------


def test_each_transfer_that_comes_to_nothing_is_counted_over_all_streams_of_the_call() -> None:
    resumed = None
    for tries in (1, 2, 3):
        script = Script(AGENT, resumed=resumed).begin()
        transfers(script)
        script.wait(1500)
        script.feed(PhoneClosed(1000))
        resumed = script.call.resumption()

        assert [end.destination for end in script.ordered(CallEnded)] == [WHERE]
        assert resumed.transfers == tries

    script = Script(AGENT, resumed=resumed).begin()
    transfers(script)
    script.wait(1000)

    assert script.call.phase is Phase.TALKING
    assert answers(script) == [(msgspec.json.encode({"error": ENOUGH}).decode(), True)]
    assert script.call.resumption().transfers == 3


def test_a_farewell_that_is_taken_back_is_no_try() -> None:
    script = Script(an_agent(tools=AGENT.tools, limits=Limits(minutes=10, idle_seconds=0, transfers=1))).begin()
    transfers(script, words_ms=2000)
    script.wait(1000)
    script.caller_speaks()
    script.caller_stops()
    transfers(script, "r2")
    script.wait(1500)
    script.feed(PhoneClosed(1000))

    assert [end.outcome for end in script.ordered(CallEnded)] == ["transferred"]


def test_what_a_call_goes_on_from_has_nothing_counted_that_was_not_tried() -> None:
    script = Script(AGENT).begin()
    script.feed(PhoneClosed(1000))

    assert script.call.resumption() == Resumption(Conversation("test"), left_ms=600_000)


def test_a_farewell_that_does_not_end_is_cut_off_by_the_time_limit_and_the_caller_is_on_the_way() -> None:
    script = Script(msgspec.structs.replace(AGENT, limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(44_000)
    transfers(script, words_ms=60_000)
    script.wait(16_000)
    script.feed(PhoneClosed(1000))

    assert script.ordered(CallEnded) == [CallEnded("transferred", "transferred to front_desk", 60_000, WHERE)]


# --- at somebody else's wish -----------------------------------------------------------------------------------------


def test_a_caller_who_is_handed_over_from_outside_is_connected_at_once() -> None:
    script = Script(AGENT).begin()
    script.agent_speaks("i1", 60_000)
    script.feed(EndRequested("the operator hands over", to="front_desk"))
    script.feed(PhoneClosed(1000))

    assert script.said[-1] == CallEnded("transferred", "transferred to front_desk", script.now_ms, WHERE)


def test_a_goodbye_that_was_begun_becomes_the_hand_over() -> None:
    script = Script(AGENT).begin()
    transfers(script, arguments='{"to":"night_desk"}')
    script.feed(EndRequested("the operator hands over", to="front_desk"))
    script.feed(PhoneClosed(1000))

    (answered,) = script.ordered(ToolAnswered)
    assert answered.output == "The caller is being connected with front_desk."
    assert script.said[-1] == CallEnded("transferred", "transferred to front_desk", script.now_ms, WHERE)


def test_a_caller_whose_model_is_gone_may_still_be_handed_over() -> None:
    script = Script(AGENT).begin()
    script.feed(ModelClosed(4000), EndRequested("the operator hands over", to="front_desk"), PhoneClosed(1000))

    assert script.said[-1] == CallEnded("transferred", "transferred to front_desk", script.now_ms, WHERE)


@pytest.mark.parametrize("name", ["nobody", DESK, "front desk"])
def test_nobody_is_called_whom_the_file_does_not_name_and_the_call_goes_on(name: str) -> None:
    script = Script(AGENT).begin()
    script.feed(EndRequested("the operator hands over", to=name))

    assert script.call.phase is Phase.TALKING


def test_a_call_without_a_stream_waits_for_it_and_one_that_is_over_stays_so() -> None:
    script = Script(AGENT)
    script.feed(EndRequested("the operator hands over", to="front_desk"))
    assert script.call.phase is Phase.WAITING

    script = Script(AGENT).begin()
    script.feed(EndRequested("drained"), EndRequested("the operator hands over", to="front_desk"), PhoneClosed(1000))
    assert script.said[-1] == CallEnded("stopped", "drained", script.now_ms)
