"""Keys that the carrier presses: when the stream is given up for them, and what the next one goes on from."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.support.any_call import AnyCall, steps
from tests.support.script import Script, an_agent
from voice_agent.agent import DigitsToSend, Tool, Transfer
from voice_agent.call.carrier_keys import ENOUGH, MOST, VOICE_MS, CarrierKeys
from voice_agent.call.commands import (
    AddSystemText,
    AddToolOutput,
    CallEnded,
    CancelResponse,
    ClosePhone,
    CreateResponse,
    HangUp,
    PlayAudio,
    ToolAnswered,
)
from voice_agent.call.conversation import Conversation, Resumption, ToolTurn
from voice_agent.call.events import (
    CallEvent,
    ColleagueAnswered,
    Event,
    ModelClosed,
    PhoneClosed,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStopped,
    StreamStarted,
    StreamStopped,
    ToolFinished,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.facts import (
    AgentChanged,
    CarrierKeysWanted,
    Fact,
    LineToolCalled,
    PlaybackBusy,
    PlaybackIdle,
    TurnOpened,
)
from voice_agent.call.setup import CallSetup

PRESS = Tool("press", "", {}, "send_digits", keys=DigitsToSend(by="call"))
TOOLS = (
    PRESS,
    Tool("hang_up", "", {}, "hang_up"),
    Tool("look_up", "", {}, "python", "m:f"),
    Tool("desk", "", {}, "transfer", transfer=Transfer(to={"desk": "+14255550101"}, warm=True)),
)


def a_call(resumed: Resumption | None = None) -> Script:
    return Script(an_agent(tools=TOOLS), rest=True, resumed=resumed).begin()


def ask(script: Script, *calls: tuple[str, str], words_ms: int = 0, response: str = "r1", done: bool = True) -> None:
    """The model says something and calls tools, each with its digits, as c1, c2 and so on."""
    script.feed(ResponseCreated(response, None))
    script._responses.add(response)
    if words_ms:
        script.agent_speaks("a", words_ms, response=response)
    for number, (name, digits) in enumerate(calls, 1):
        arguments = json.dumps({"digits": digits})
        script.feed(ToolRequested(response, f"i{number}", f"c{number}", name, arguments))
    if done:
        script.feed(ResponseDone(response, "completed"))


def answers(script: Script) -> list[tuple[str, Any]]:
    found = [(one.call_id, one.output) for one in script.ordered(AddToolOutput)]
    return [(call_id, json.loads(output) if output.startswith("{") else output) for call_id, output in found]


def closed(script: Script) -> list[CallEnded]:
    """The socket closes, as it was asked for."""
    assert script.ordered(ClosePhone) == [ClosePhone("the carrier presses keys")]
    script.feed(PhoneClosed(1000))
    return script.ordered(CallEnded)


def test_the_stream_ends_at_once_where_nobody_speaks_and_the_end_says_what_is_pressed() -> None:
    script = a_call()
    ask(script, ("press", "1 2-3#"))

    assert answers(script) == [("c1", {"sent": "123#"})]
    assert closed(script) == [CallEnded("keys_sent", "the carrier presses keys", 0, keys="123#")]
    assert script.ordered(PlayAudio) == []
    assert script.ordered(HangUp) == []
    # The next session answers.
    assert script.ordered(CreateResponse) == []


def test_what_is_being_said_is_heard_first() -> None:
    script = a_call()
    script.wait(100)
    ask(script, ("press", "5"), words_ms=1000)
    script.wait(999)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert before == []
    assert [answer.took_ms for answer in script.ordered(ToolAnswered)] == [1000]
    assert closed(script)[0].keys == "5"


def test_a_response_that_goes_on_behind_its_call_of_the_tool_is_heard_too() -> None:
    script = a_call()
    ask(script, ("press", "5"), done=False)
    script.agent_speaks("a", 1000)
    before = script.ordered(ClosePhone)
    script.response_done()
    script.wait(1000)

    assert before == []
    assert closed(script)[0].keys == "5"


def test_a_menu_that_speaks_all_the_time_does_not_keep_the_keys_back_for_long() -> None:
    script = a_call()
    ask(script, ("press", "5"), words_ms=2000)
    script.wait(500)
    script.caller_speaks()
    script.wait(VOICE_MS - 1)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert before == []
    assert closed(script)[0].keys == "5"


def test_a_person_who_speaks_is_heard_and_answered_first() -> None:
    script = a_call()
    ask(script, ("press", "5"), words_ms=2000)
    script.wait(500)
    script.caller_speaks()
    script.wait(1000)
    script.feed(SpeechStopped("u1", 0), TurnCommitted("u1"))
    script.wait(300)
    script.feed(ResponseCreated("r2", None))
    script._responses.add("r2")
    script.agent_speaks("b", 2000, response="r2")
    script.response_done("r2")
    script.wait(1999)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert before == []
    assert closed(script)[0].keys == "5"


def test_nor_does_an_answer_that_must_not_be_heard_let_the_keys_go_past_a_person_who_speaks() -> None:
    script = a_call()
    ask(script, ("look_up", ""))
    script.feed(ToolFinished("c1", "42"))
    script.caller_speaks()
    script.feed(ResponseCreated("r2", "tool-1"))  # it has crossed the caller's voice
    script.feed(ToolRequested("r2", "i2", "c2", "press", '{"digits": "5"}'))
    script.response_done("r2")
    script.wait(VOICE_MS - 1)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert [type(cancelled) for cancelled in script.ordered(CancelResponse)] == [CancelResponse]
    assert before == []
    assert closed(script)[0].keys == "5"


def test_another_tool_of_the_response_is_answered_first() -> None:
    script = a_call()
    ask(script, ("press", "5"), ("look_up", ""))
    before = script.ordered(ClosePhone)
    script.feed(ToolFinished("c2", "found"))

    assert before == []
    assert answers(script) == [("c2", "found"), ("c1", {"sent": "5"})]
    assert closed(script)[0].keys == "5"


def test_a_colleague_who_is_being_asked_is_heard_first() -> None:
    script = a_call()
    script.feed(ResponseCreated("r0", None), ToolRequested("r0", "i9", "c9", "desk", "{}"))
    script.feed(ResponseDone("r0", "completed"))
    ask(script, ("press", "5"))
    before = script.ordered(ClosePhone)
    script.feed(ColleagueAnswered("c9", problem="the line is busy"))

    assert before == []
    assert closed(script)[0].keys == "5"


def test_several_are_pressed_together_with_a_wait_between_them() -> None:
    script = a_call()
    ask(script, ("press", "1"), ("press", "2W#"))

    assert answers(script) == [("c1", {"sent": "1"}), ("c2", {"sent": "2W#"})]
    assert closed(script)[0].keys == "1w2W#"


def test_who_hangs_up_in_the_same_breath_presses_first_and_is_told_so() -> None:
    script = a_call()
    ask(script, ("press", "5"), ("hang_up", ""), words_ms=500)
    script.wait(500)

    assert answers(script) == [("c1", {"sent": "5"}), ("c2", "The keys are pressed first. Call it again behind them.")]
    assert closed(script)[0].keys == "5"


@pytest.mark.parametrize("gone", [StreamStopped(), PhoneClosed(1006)])
def test_who_hangs_up_before_the_keys_ends_the_call(gone: StreamStopped | PhoneClosed) -> None:
    script = a_call()
    ask(script, ("press", "5"), words_ms=1000)
    script.wait(500)
    script.feed(gone)
    (end,) = script.ordered(CallEnded)

    assert (end.outcome == "keys_sent", end.keys) == (False, None)


def test_a_model_that_is_lost_before_the_keys_ends_in_its_apology() -> None:
    script = a_call()
    ask(script, ("press", "5"), words_ms=1000)
    script.feed(ModelClosed(4000))
    script.wait(3000)
    script.feed(PhoneClosed(1000))

    assert [(end.outcome, end.keys) for end in script.ordered(CallEnded)] == [("model_failed", None)]


def test_a_farewell_whose_model_is_lost_ends_the_call_and_presses_nothing() -> None:
    script = a_call()
    ask(script, ("press", "5"), ("hang_up", ""), words_ms=1000)
    script.feed(ModelClosed(4000))
    script.wait(1500)
    script.feed(PhoneClosed(1000))

    assert [(end.outcome, end.keys) for end in script.ordered(CallEnded)] == [("completed", None)]


def test_a_clip_of_ours_ends_the_wait_for_a_voice_and_behind_it_the_whole_wait_begins() -> None:
    part = CarrierKeys(an_agent(tools=TOOLS), 0)
    happenings: list[tuple[int, Event | Fact]] = [
        (0, StreamStarted("MZ1", "CA1")),
        (0, TurnOpened(overheard=False)),
        (0, LineToolCalled("c1", "press", '{"digits":"5"}')),
        (1000, ResponseDone("r0", "cancelled")),
        (2000, PlaybackBusy()),
        (2500, PlaybackIdle()),
    ]
    waited = [(list(part.feed(now_ms, happening)), part.deadline())[1] for now_ms, happening in happenings]

    assert waited == [None, None, VOICE_MS, VOICE_MS, None, 2500 + VOICE_MS]


def test_another_agent_s_tool_is_the_carrier_s_from_the_hand_over_on() -> None:
    part = CarrierKeys(an_agent(), 0)
    called = LineToolCalled("c1", "press", '{"digits":"5"}')
    happenings: list[Event | Fact] = [StreamStarted("MZ1", "CA1"), called, AgentChanged(an_agent(tools=TOOLS)), called]

    assert [output for happening in happenings for output in part.feed(0, happening)] == [
        CarrierKeysWanted("5", (("c1", '{"sent":"5"}'),), 0)
    ]


@pytest.mark.parametrize("in_response", [True, False])
def test_a_session_that_is_lost_before_the_keys_does_not_keep_them_back(in_response: bool) -> None:
    script = a_call()
    ask(script, ("press", "5"), words_ms=1000, done=not in_response)
    script.feed(ModelClosed(1011))
    script.wait(1500)
    (end,) = closed(script)

    assert (end.outcome, end.keys) == ("keys_sent", "5")
    told = ToolTurn("c1", "press", '{"digits": "5"}', '{"sent":"5"}')
    assert told in script.call.resumption().conversation.turns


@pytest.mark.parametrize("digits", ["", "12a", "1" * 33])
def test_what_cannot_be_pressed_is_answered_and_the_stream_stays(digits: str) -> None:
    script = a_call()
    ask(script, ("press", digits))
    script.wait(1000)

    ((_, output),) = answers(script)
    assert output["error"].startswith('"digits" must be 1 to 32 of 0-9')
    assert [answer.failed for answer in script.ordered(ToolAnswered)] == [True]
    assert script.ordered(ClosePhone) == []


def test_the_next_stream_s_model_knows_that_the_keys_were_sent_and_goes_on() -> None:
    script = a_call()
    ask(script, ("press", "5"))
    closed(script)
    resumption = script.call.resumption()
    next_one = a_call(resumption)

    assert resumption == Resumption(
        Conversation("test", (ToolTurn("c1", "press", '{"digits": "5"}', '{"sent":"5"}'),)),
        left_ms=600_000,
        pressed=1,
    )
    assert next_one.ordered(AddToolOutput) == [AddToolOutput("history-1-output", "c1", '{"sent":"5"}')]
    assert next_one.ordered(AddSystemText) == []
    # As behind any tool: with its own instructions, and it may call the next one.
    assert [(one.instructions, one.tool_choice) for one in next_one.ordered(CreateResponse)] == [(None, "auto")]


def test_keys_are_pressed_only_so_often_in_one_call() -> None:
    last = a_call(Resumption(Conversation("test"), pressed=MOST - 1))
    ask(last, ("press", "5"))
    closed(last)
    script = a_call(last.call.resumption())
    ask(script, ("press", "5"))
    script.wait(1000)

    assert last.call.resumption().pressed == MOST
    assert answers(script)[-1] == ("c1", {"error": ENOUGH})
    assert script.ordered(ClosePhone) == []


def test_a_tool_that_sends_tones_is_not_the_carrier_s() -> None:
    tones = msgspec.structs.replace(PRESS, name="tones", keys=DigitsToSend())
    script = Script(an_agent(tools=(*TOOLS, tones))).begin()
    ask(script, ("tones", "5"))
    script.wait(300)

    assert answers(script) == [("c1", {"sent": "5"})]
    assert script.ordered(ClosePhone) == []


PRESSES = st.tuples(st.integers(0, 40), st.sampled_from(["5", "1w2", "x"]))


@given(steps(20), st.lists(PRESSES, min_size=1, max_size=3))
def test_whatever_happens_keys_break_no_rule_and_are_pressed_as_the_model_was_told(
    happenings: list[tuple[CallEvent, int]], presses: list[tuple[int, str]]
) -> None:
    events = list(happenings)
    for number, (at, digits) in enumerate(presses):
        name = f"p{number}"
        asked = ToolRequested(name, name, name, "press", json.dumps({"digits": digits}))
        response: list[CallEvent] = [ResponseCreated(name, None), asked, ResponseDone(name, "completed")]
        events[at:at] = [(one, 100) for one in response]
    call = AnyCall(CallSetup(call_sid="CA1", agent=an_agent(tools=TOOLS), rest=True))
    call.run([SessionCreated("s"), SessionUpdated(), StreamStarted("MZ1", "CA1")], [*events, (PhoneClosed(1000), 9000)])

    answers = [one.output for one in call.said if isinstance(one, ToolAnswered) and one.call_id.startswith("p")]
    sent = [json.loads(one)["sent"] for one in answers if "sent" in one]
    pressed = [one.keys for one in call.said if isinstance(one, CallEnded) and one.keys is not None]
    event("pressed" if pressed else "not pressed")
    assert call.broken == []
    assert pressed == (["w".join(sent)] if sent else [])
