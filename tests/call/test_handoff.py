"""Handing a call over to another agent: one session, one answer, and the next word is the other agent's."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.handovers import BILLING, DESK, SALES, a_call, asked, handed_over, output
from tests.support.script import Script
from voice_agent.agent import BargeIn, DigitCollection, Limits, ServerVad, Tool
from voice_agent.call.commands import (
    AddToolOutput,
    AgentSaid,
    CallEnded,
    CancelResponse,
    ClosePhone,
    ConfigureSession,
    CreateResponse,
    HandedOver,
    Note,
    RunTool,
    SetTurnFlags,
    ToolAnswered,
)
from voice_agent.call.conversation import Conversation, Resumption, ToolTurn
from voice_agent.call.ending import LAST_WORDS_MS
from voice_agent.call.events import (
    AgentTranscript,
    EndRequested,
    KeyPressed,
    ModelClosed,
    ModelError,
    ResponseCreated,
    SessionCreated,
    SessionUpdated,
    StreamStopped,
    TimerFired,
    ToolFinished,
    ToolRequested,
)
from voice_agent.call.handoff import CONFIRM_MS, MOST_HANDOVERS


def test_the_session_becomes_the_other_agents_when_the_response_that_called_is_done() -> None:
    call = a_call()
    asked(call)
    before = len(call.ordered(ConfigureSession))
    call.response_done()
    update = call.ordered(ConfigureSession)[-1]

    assert before == 1
    assert len(call.ordered(ConfigureSession)) == 2
    assert (update.instructions, update.tools, update.transcription) == (
        BILLING.instructions, BILLING.tools, BILLING.transcription,
    )  # fmt: skip
    assert call.ordered(AddToolOutput) == []


def test_the_other_agent_speaks_next_and_knows_why() -> None:
    call = a_call()
    handed_over(call)

    assert output(call)["you_are_now"] == "billing"
    assert output(call)["handed_over_by"] == "desk"
    assert output(call)["because"] == "an invoice"
    assert call.ordered(CreateResponse)[-1].request.startswith("tool")
    assert call.ordered(CreateResponse)[-1].instructions is None
    assert call.ordered(HandedOver) == [HandedOver("billing")]
    assert len(call.ordered(ToolAnswered)) == 1


def test_digits_that_one_agent_asked_for_are_answered_before_the_other_speaks() -> None:
    pin = Tool("pin", "The PIN.", {}, "collect_digits", digits=DigitCollection(length=4))
    call = a_call(msgspec.structs.replace(DESK, tools=(*DESK.tools, pin)))
    call.feed(ResponseCreated("r0", None), ToolRequested("r0", "f0", "c0", "pin", "{}"))
    call.response_done("r0")
    call.feed(SessionUpdated(), KeyPressed("1"))
    handed_over(call)
    told = [(answer.call_id, msgspec.json.decode(answer.output)) for answer in call.ordered(AddToolOutput)]
    call.agent_speaks("b", 400, response="r2")
    call.response_done("r2")
    order = [type(said) for said in call.said if isinstance(said, AddToolOutput | CreateResponse)]

    assert [call_id for call_id, _ in told] == ["c-r1-1", "c0"]
    assert told[1][1] == {"digits": "1", "ended_by": "hand-over", "wanted": 4}
    assert order == [AddToolOutput, AddToolOutput, CreateResponse]
    assert len(call.ordered(SetTurnFlags)) == 1  # the other agent's were set by its session.update
    assert call.call.conversation().turns[0] == ToolTurn("c0", "pin", "{}", call.ordered(AddToolOutput)[1].output)


def test_a_session_that_has_spoken_keeps_its_voice() -> None:
    call = a_call()
    handed_over(call)

    assert call.ordered(ConfigureSession)[-1].voice == DESK.voice


def test_the_other_agents_voice_is_heard_where_no_word_was_said_before() -> None:
    call = a_call()
    call.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "handoff", '{"to": "billing"}'))
    call.response_done()

    assert call.ordered(ConfigureSession)[-1].voice == BILLING.voice


def test_a_voice_that_comes_too_late_is_given_up_and_not_the_hand_over() -> None:
    call = a_call()
    call.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "handoff", '{"to": "billing"}'))
    call.response_done()
    call.feed(ModelError("cannot_update_voice", "No.", call.ordered(ConfigureSession)[-1].event_id))
    again = call.ordered(ConfigureSession)[-1]
    call.feed(SessionUpdated(request=again.event_id))

    assert (again.voice, again.instructions) == (DESK.voice, BILLING.instructions)
    assert call.ordered(HandedOver) == [HandedOver("billing")]
    assert len(call.ordered(ToolAnswered)) == 1


def test_a_refused_update_is_told_to_the_model_and_the_first_agent_goes_on() -> None:
    call = a_call()
    asked(call)
    call.response_done()
    call.feed(ModelError("invalid_value", "No.", call.ordered(ConfigureSession)[-1].event_id))

    assert call.ordered(HandedOver) == []
    assert "help the caller yourself" in output(call)["error"]
    assert call.ordered(ToolAnswered)[-1].failed
    assert call.ordered(CreateResponse)[-1].request.startswith("tool")
    call.agent_speaks("i2", 200, response="r2")
    call.response_done("r2")
    call.wait(CONFIRM_MS + 20_000)
    assert call.ordered(CallEnded) == []


def test_where_one_was_refused_another_may_be_asked() -> None:
    call = a_call()
    asked(call)
    call.response_done()
    call.feed(ModelError("invalid_value", "No.", call.ordered(ConfigureSession)[-1].event_id))
    handed_over(call, '{"to": "sales"}', "r2")

    assert call.ordered(HandedOver) == [HandedOver("sales")]


def test_a_session_that_confirms_nothing_is_opened_anew_and_asked_once_more() -> None:
    call = a_call()
    asked(call)
    call.response_done()
    call.wait(CONFIRM_MS)
    (told,) = (note for note in call.ordered(Note) if note.what == "the model's session is opened anew")
    call.begin_session()
    call.feed(SessionUpdated(request="handoff-2"))

    assert "session.update" in told.fields["reason"]
    assert [command.event_id for command in call.ordered(ConfigureSession)] == ["", "handoff-1", "", "handoff-2"]
    assert len(call.ordered(HandedOver)) == 1


def test_other_confirmations_are_no_hand_over() -> None:
    call = a_call()
    asked(call)
    call.response_done()
    call.feed(SessionUpdated())
    call.feed(SessionUpdated(request="handoff-9"))

    assert call.ordered(HandedOver) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"to": "legal"}', 'there is no "legal"'),
        ("{}", '"to" is missing'),
        ("", '"to" is missing'),
        ('{"to": ', "cannot be read"),
        ("[]", "cannot be read"),
        ('{"to": "billing", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "cannot be read"),
        ('{"to": "\\ud83d"}', ""),
    ],
)
def test_arguments_that_name_nobody_are_answered_with_what_to_give(arguments: str, told: str) -> None:
    call = a_call()
    asked(call, arguments)
    call.response_done()

    assert told in output(call)["error"]
    assert len(call.ordered(ConfigureSession)) == 1
    assert call.ordered(CreateResponse)


def test_the_only_agent_there_is_needs_no_name() -> None:
    call = a_call(SALES)
    handed_over(call, "{}")

    assert call.ordered(HandedOver) == [HandedOver("billing")]


def test_an_agent_that_the_recording_does_not_hold_cannot_be_reached() -> None:
    call = a_call(others=(SALES,))
    asked(call)

    assert "billing cannot be reached" in output(call)["error"]


def test_two_hand_overs_in_one_response_are_one_and_both_are_answered() -> None:
    call = a_call()
    asked(call)
    call.feed(ToolRequested("r1", "f2", "c2", "handoff", '{"to": "sales"}'))
    call.response_done()
    call.feed(SessionUpdated(request=call.ordered(ConfigureSession)[-1].event_id))

    assert call.ordered(HandedOver) == [HandedOver("billing")]
    assert [answer.failed for answer in call.ordered(ToolAnswered)] == [True, False]
    assert "being handed over to billing already" in call.ordered(ToolAnswered)[0].output
    assert len(call.ordered(CreateResponse)) == 1


def test_a_tool_that_still_runs_belongs_to_the_agent_that_called_it_and_its_result_to_the_next() -> None:
    call = a_call()
    asked(call)
    call.feed(ToolRequested("r1", "f2", "c2", "look_up", "{}"))
    call.response_done()
    call.feed(SessionUpdated(request=call.ordered(ConfigureSession)[-1].event_id))
    early = call.ordered(CreateResponse)
    call.feed(ToolFinished("c2", "42"))

    assert call.ordered(RunTool) == [RunTool("c2", "look_up", "{}")]
    assert early == []
    assert [output.call_id for output in call.ordered(AddToolOutput)] == ["c-r1-1", "c2"]
    assert len(call.ordered(CreateResponse)) == 1


def test_the_tools_are_the_other_agents() -> None:
    call = a_call()
    handed_over(call)
    call.agent_speaks("i2", 200, response="r2", done=False)
    call.feed(ToolRequested("r2", "f2", "c2", "invoice", "{}"), ToolRequested("r2", "f3", "c3", "look_up", "{}"))

    assert call.ordered(RunTool) == [RunTool("c2", "invoice", "{}", "billing")]
    assert output(call) == {"error": "there is no tool named look_up"}


def test_what_was_said_names_the_agent_that_said_it() -> None:
    call = a_call()
    call.agent_speaks("i0", 300, response="r0")
    call.feed(AgentTranscript("r0", "i0", "Hello."))
    call.response_done("r0")
    call.wait(500)
    handed_over(call)
    call.agent_speaks("i2", 400, response="r2")
    call.feed(AgentTranscript("r2", "i2", "Billing here."))
    call.response_done("r2")
    call.wait(2000)

    said = {report.item_id: report.agent for report in call.ordered(AgentSaid)}
    assert said == {"i0": "", "i-r1": "", "i2": "billing"}
    assert call.call.conversation().agent == "billing"


def test_the_limits_are_the_other_agents_from_then_on() -> None:
    call = a_call(others=(msgspec.structs.replace(BILLING, limits=Limits(minutes=5, idle_seconds=0)),))
    call.frames_come = False
    call.wait(4 * 60_000)
    handed_over(call)
    call.agent_speaks("i2", 200, response="r2")
    call.response_done("r2")
    call.wait(5 * 60_000 - 20_000)
    before = [wanted.request for wanted in call.ordered(CreateResponse)]
    call.wait(6000)

    assert not any(request.startswith("goodbye") for request in before)
    assert call.ordered(CreateResponse)[-1].request.startswith("goodbye")
    assert "You are billing." in str(call.ordered(CreateResponse)[-1].instructions)


def test_the_time_that_the_first_agent_has_left_does_not_bind_the_other_one() -> None:
    back = Resumption(Conversation("desk"), "The line is busy.", left_ms=60_000)
    call = Script(DESK, others=(BILLING,), resumed=back).begin()
    handed_over(call)

    assert call.call.resumption().left_ms == 5 * 60_000


def test_whose_time_is_not_up_says_goodbye_once_though_the_first_agent_had_begun_to() -> None:
    minute = Limits(minutes=1, idle_seconds=0)
    call = a_call(msgspec.structs.replace(DESK, limits=minute))
    call.wait(60_000 - LAST_WORDS_MS)
    call.caller_speaks()
    call.caller_stops()
    handed_over(call)
    call.agent_speaks("i2", 200, response="r2")
    call.feed(ToolRequested("r2", "f2", "c2", "hang_up", "{}"))
    call.response_done("r2")
    call.caller_speaks()
    call.caller_stops()
    call.feed(ResponseCreated("r3", None))
    call.agent_speaks("i3", 200, response="r3")
    call.response_done("r3")
    call.wait(6000)

    assert [wanted.request.split("-")[0] for wanted in call.ordered(CreateResponse)] == ["goodbye", "tool"]


def test_a_call_that_shall_end_soon_ends_though_it_is_handed_over() -> None:
    call = a_call()
    call.feed(EndRequested("it costs too much", goodbye=True))
    call.wait(0)
    call.caller_speaks()
    call.caller_stops()
    handed_over(call)
    for item, response in (("i2", "r2"), ("bye", "r3")):
        call.agent_speaks(item, 200, response=response)
        call.response_done(response)
        call.wait(5500)

    assert call.ordered(ClosePhone) == [ClosePhone("it costs too much")]


def test_no_call_is_longer_than_a_session_however_often_it_is_handed_over() -> None:
    hour = Limits(minutes=60, idle_seconds=0)
    call = a_call(msgspec.structs.replace(DESK, limits=hour), (msgspec.structs.replace(BILLING, limits=hour),))
    call.frames_come = False
    call.now_ms = 30 * 60_000
    handed_over(call)
    call.agent_speaks("i2", 200, response="r2")
    call.response_done("r2")
    call.wait(300)
    call.now_ms = 60 * 60_000 - LAST_WORDS_MS
    call.feed(TimerFired())

    assert call.ordered(CreateResponse)[-1].request.startswith("goodbye")


def test_the_other_agent_asks_whether_anybody_is_there_after_its_own_patience() -> None:
    call = a_call()
    handed_over(call)
    call.agent_speaks("i2", 200, response="r2")
    call.response_done("r2")
    call.wait(6500)
    early = [wanted.request for wanted in call.ordered(CreateResponse)]
    call.wait(1500)

    assert not any(request.startswith("idle") for request in early)
    assert call.ordered(CreateResponse)[-1].request.startswith("idle")
    assert "You are billing." in str(call.ordered(CreateResponse)[-1].instructions)


def test_the_other_agents_rules_of_turns_hold() -> None:
    other = msgspec.structs.replace(BILLING, barge_in=BargeIn(after_ms=300), turn_detection=ServerVad(threshold=0.8))
    call = a_call(others=(other,))
    handed_over(call)
    update = call.ordered(ConfigureSession)[-1]
    call.agent_speaks("i2", 3000, response="r2", done=False)
    call.caller_speaks()
    call.wait(280)
    too_short = call.ordered(CancelResponse)
    call.wait(40)

    assert (update.turn_detection, update.interrupt_response, update.create_response) == (
        other.turn_detection, False, False,
    )  # fmt: skip
    assert too_short == []
    assert len(call.ordered(CancelResponse)) == 1


def test_a_caller_who_interrupts_the_word_before_it_is_handed_over_all_the_same() -> None:
    call = a_call()
    asked(call)
    call.wait(100)
    call.caller_speaks()
    call.response_done("r1", "cancelled")
    call.feed(SessionUpdated(request=call.ordered(ConfigureSession)[-1].event_id))
    while_speaking = call.ordered(CreateResponse)
    call.caller_stops()
    call.feed(ResponseCreated("r2", None))
    call.agent_speaks("i2", 200, response="r2")
    call.response_done("r2")
    call.wait(1000)

    assert call.ordered(HandedOver) == [HandedOver("billing")]
    assert while_speaking == []
    assert len(call.ordered(AddToolOutput)) == 1


def test_a_greeting_that_is_protected_is_heard_by_its_own_rules_first() -> None:
    desk = msgspec.structs.replace(DESK, greeting="Hello there.", barge_in=BargeIn(protect_greeting=True))
    call = a_call(desk)
    call.agent_speaks("i0", 2000, response="r0")
    call.response_done("r0")
    call.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "handoff", '{"to": "billing"}'))
    call.response_done("r1")
    early = len(call.ordered(ConfigureSession))
    call.wait(2500)

    assert early == 1
    assert call.ordered(ConfigureSession)[-1].instructions == BILLING.instructions
    assert call.said.index(call.ordered(ConfigureSession)[-1]) > max(
        number for number, command in enumerate(call.said) if type(command).__name__ == "SetTurnFlags"
    )


def test_back_and_forth_ends_after_the_most_hand_overs_and_says_so() -> None:
    call = a_call(SALES, (BILLING, DESK))
    turns = ['{"to": "billing"}', '{"to": "desk"}'] * MOST_HANDOVERS
    turns = turns[: MOST_HANDOVERS + 1]
    for number, to in enumerate(turns, 1):
        asked(call, to, f"r{number}")
        call.response_done(f"r{number}")
        update = call.ordered(ConfigureSession)[-1]
        if update.event_id and len(call.ordered(HandedOver)) < len(call.ordered(ConfigureSession)) - 1:
            call.feed(SessionUpdated(request=update.event_id))

    assert [report.agent for report in call.ordered(HandedOver)] == ["billing", "desk"] * (MOST_HANDOVERS // 2)
    assert "which is the most" in output(call)["error"]
    assert len(call.ordered(ToolAnswered)) == len(turns)


def test_a_call_that_ends_meanwhile_ends_once() -> None:
    call = a_call()
    asked(call)
    call.response_done()
    call.feed(StreamStopped())
    call.feed(SessionUpdated(request=call.ordered(ConfigureSession)[-1].event_id), TimerFired())

    assert len(call.ordered(CallEnded)) == 1
    assert call.ordered(HandedOver) == []


STEPS = st.lists(
    st.sampled_from(["hand over", "hand back", "done", "confirm", "refuse", "speak", "stop", "wait"]), max_size=30
)


@settings(max_examples=60)
@given(STEPS)
def test_every_hand_over_that_is_asked_for_is_answered_once_and_no_more_than_the_most_happen(steps: list[str]) -> None:
    call = a_call()
    requested: list[str] = []
    response = 0
    for step in steps:
        match step:
            case "hand over" | "hand back":
                response += 1
                requested.append(f"c-r{response}-1")
                to = "billing" if step == "hand over" else "desk"
                asked(call, f'{{"to": "{to}"}}', f"r{response}")
            case "done" if response:
                call.response_done(f"r{response}")
            case "confirm":
                call.feed(SessionUpdated(request=call.ordered(ConfigureSession)[-1].event_id))
            case "refuse":
                call.feed(ModelError("invalid_value", "No.", call.ordered(ConfigureSession)[-1].event_id or None))
            case "speak":
                call.caller_speaks(f"u{len(call.said)}")
            case "stop":
                call.caller_stops()
            case "wait":
                call.wait(300)
    for number in range(1, response + 1):
        call.response_done(f"r{number}")
    call.feed(SessionUpdated(request=call.ordered(ConfigureSession)[-1].event_id))

    answered = [answer.call_id for answer in call.ordered(AddToolOutput)]
    assert len(set(answered)) == len(answered)
    assert len(call.ordered(HandedOver)) <= MOST_HANDOVERS
    if not call.ordered(CallEnded) and not any("gone" in str(command) for command in call.said):
        assert set(answered) == set(requested)


def test_a_session_that_is_opened_anew_has_the_voice_that_was_heard_last() -> None:
    call = a_call()
    handed_over(call)
    call.feed(ModelClosed(1006), SessionCreated("sess_2"))

    assert call.ordered(ConfigureSession)[-1].voice == DESK.voice
