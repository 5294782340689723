"""Calls that we placed, and a machine has answered."""

import pytest

from tests.support.placed_calls import LEAVE, calling, flags, greeted, notes, purposes, say
from tests.support.script import Script, an_agent
from voice_agent.agent import Limits
from voice_agent.call.answering_machine import HELD_MS, LONGEST_GREETING_MS, PAUSE_MS
from voice_agent.call.commands import (
    AddToolOutput,
    CallEnded,
    CancelResponse,
    ClearPlayback,
    ClosePhone,
    CreateResponse,
    HangUp,
    Note,
    PlayAudio,
)
from voice_agent.call.events import (
    AnsweredBy,
    CallerTranscribed,
    EndRequested,
    HangUpFinished,
    KeyPressed,
    MachineVerdict,
    ModelClosed,
    ResponseCreated,
    ResponseDone,
    StreamStopped,
    ToolRequested,
)


@pytest.mark.parametrize("answered_by", ["machine_start", "machine_end_beep", "fax"])
def test_a_machine_is_cut_off_and_hung_up_on(answered_by: AnsweredBy) -> None:
    script = calling().begin()
    script.agent_speaks("greeting", 3000, done=False)
    script.wait(500)
    told = script.feed(MachineVerdict(answered_by))

    assert {type(one) for one in told} >= {ClearPlayback, CancelResponse, HangUp}
    script.feed(HangUpFinished(), StreamStopped())
    (ended,) = script.ordered(CallEnded)
    assert (ended.outcome, ended.reason) == ("machine", f"answered by {answered_by}")


def test_without_rest_the_stream_is_closed() -> None:
    script = greeted(calling(rest=False))

    assert [one for one in script.feed(MachineVerdict("machine_start")) if isinstance(one, ClosePhone)] != []


def test_the_message_is_said_when_the_machine_listens_and_heard_before_the_line_is_closed() -> None:
    script = greeted(calling(LEAVE))
    script.caller_speaks()
    script.wait(9000)
    script.caller_stops()
    script.feed(CallerTranscribed("u1", "Please leave a message after the tone."))
    told = script.feed(MachineVerdict("machine_end_beep"))

    assert purposes(told) == ["goodbye"]
    instructions = 'Be brief.\n\nAn answering machine is recording. Say exactly: "Please call us back."'
    assert script.ordered(CreateResponse)[-1].instructions == instructions
    script.agent_speaks("message", 2000, response="r2")
    script.response_done("r2")
    script.wait(1900)
    assert script.ordered(HangUp) == []
    script.wait(600)
    assert len(script.ordered(HangUp)) == 1
    script.feed(HangUpFinished(), StreamStopped())
    (ended,) = script.ordered(CallEnded)
    assert (ended.outcome, ended.reason) == ("machine", "a message was left")


def test_what_the_machine_does_meanwhile_takes_no_message_back() -> None:
    script = greeted(calling(LEAVE))
    script.feed(MachineVerdict("machine_end_silence"))
    script.agent_speaks("message", 2000, response="r2")
    script.response_done("r2")
    say(script, "beep", "", 300)
    script.feed(KeyPressed("#"))
    script.wait(2500)

    assert len(script.ordered(HangUp)) == 1
    assert len(script.ordered(ClearPlayback)) == 0


def test_a_machine_that_sounds_on_behind_the_message_is_hung_up_on_all_the_same() -> None:
    script = greeted(calling(LEAVE))
    script.feed(MachineVerdict("machine_end_silence"))
    script.agent_speaks("message", 1000, response="r2")
    script.response_done("r2")
    script.caller_speaks()
    script.wait(1500)

    assert len(script.ordered(HangUp)) == 1


def test_a_machine_whose_greeting_goes_on_is_waited_for() -> None:
    script = calling(LEAVE).begin()
    script.agent_speaks("greeting", 3000)
    script.response_done()
    script.wait(500)
    assert ClearPlayback() in script.feed(MachineVerdict("machine_start"))
    script.wait(9000)
    assert purposes(script.said) == ["greeting"]

    assert purposes(script.feed(MachineVerdict("machine_end_beep"))) == ["goodbye"]
    assert purposes(script.feed(MachineVerdict("machine_end_beep"), MachineVerdict("machine_start"))) == []


def test_a_greeting_without_an_end_gets_the_message_in_the_end() -> None:
    script = greeted(calling(LEAVE))
    script.feed(MachineVerdict("machine_start"))
    script.wait(LONGEST_GREETING_MS)

    assert purposes(script.said) == ["greeting", "goodbye"]


def test_a_fax_gets_no_message() -> None:
    assert HangUp() in greeted(calling(LEAVE)).feed(MachineVerdict("fax"))


def test_somebody_who_talks_on_is_no_person_yet_where_a_message_is_to_be_left() -> None:
    script = greeted(calling(LEAVE))
    for item in ("u1", "u2", "u3"):
        say(script, item, "You have reached the dentist.", 3000)
        script.wait(PAUSE_MS - 100)

    assert purposes(script.said) == ["greeting"]
    script.wait(200)
    assert flags(script) == [False, True]


def test_where_a_message_is_to_be_left_silence_is_not_waited_for_twice() -> None:
    script = greeted(calling(LEAVE))
    script.wait(HELD_MS - 1700)
    assert flags(script) == [False]
    script.wait(200)

    assert flags(script) == [False, True]


def test_nobody_talks_on_for_ever() -> None:
    script = greeted(calling(LEAVE))
    script.caller_speaks()
    script.wait(LONGEST_GREETING_MS - 1700)
    assert flags(script) == [False]
    script.wait(200)

    assert flags(script) == [False, True]


def test_a_machine_is_not_answered_by_what_was_asked_before_it_was_known() -> None:
    script = calling()
    script.begin_session()
    script.begin_stream()  # the greeting is asked for, and not begun
    script.feed(MachineVerdict("machine_start"))
    script.feed(ResponseCreated("r1", "greeting-1"))
    script.agent_speaks("greeting", 1000)

    assert script.ordered(PlayAudio) == []


# --- late, repeated, out of order ------------------------------------------------------------------------------------


def test_a_late_verdict_is_obeyed_if_no_word_was_heard() -> None:
    script = greeted(calling())
    script.wait(HELD_MS)
    assert flags(script) == [False, True]

    assert HangUp() in script.feed(MachineVerdict("machine_start"))
    assert flags(script) == [False, True, False]


def test_a_late_verdict_never_ends_a_conversation() -> None:
    script = greeted(calling())
    script.wait(HELD_MS)
    say(script, "u1")

    script.feed(MachineVerdict("machine_start"))
    script.wait(1000)
    assert script.ordered(HangUp) == []
    assert "a late verdict on who answered is not obeyed" in notes(script)
    late = Note("info", "the carrier says who answered", {"answered_by": "machine_start", "late": True})
    assert late in script.said


def test_a_sound_without_words_is_no_conversation() -> None:
    script = greeted(calling())
    script.wait(HELD_MS)
    say(script, "u1", " ")

    assert HangUp() in script.feed(MachineVerdict("machine_start"))


def test_where_nothing_is_transcribed_a_turn_counts_as_words() -> None:
    script = greeted(calling(transcription=None))
    script.wait(HELD_MS)
    script.caller_speaks()
    script.wait(400)
    script.caller_stops()

    script.feed(MachineVerdict("machine_start"))
    assert script.ordered(HangUp) == []


def test_a_verdict_that_is_repeated_changes_nothing() -> None:
    script = greeted(calling())
    say(script, "u1")
    script.feed(MachineVerdict("human"))
    assert purposes(script.feed(MachineVerdict("human"), MachineVerdict("unknown"))) == []
    assert flags(script) == [False, True]


def test_a_machine_does_not_become_a_person() -> None:
    script = greeted(calling(LEAVE))
    script.feed(MachineVerdict("machine_start"))
    say(script, "u1")
    script.feed(MachineVerdict("human"))
    script.wait(1000)

    assert flags(script) == [False]
    assert purposes(script.said) == ["greeting"]


# --- with other endings ----------------------------------------------------------------------------------------------


def test_a_machine_hears_no_excuse_for_a_message_that_the_provider_has_withheld() -> None:
    agent = an_agent(greeting="Hello.", on_machine=LEAVE)
    script = greeted(Script(agent, outbound=True, rest=True, clips={"withheld": b"\x82" * 400}))
    script.feed(MachineVerdict("machine_end_beep"), ResponseCreated("r2", "goodbye-2"))
    told = script.feed(ResponseDone("r2", "incomplete", "content_filter"))

    assert [one for one in told if isinstance(one, PlayAudio)] == []


def test_a_machine_hears_no_apology_for_a_lost_model() -> None:
    script = greeted(calling(LEAVE))
    script.feed(MachineVerdict("machine_start"))
    told = script.feed(ModelClosed(4000, "gone"))

    script.feed(StreamStopped())

    assert [one for one in told if isinstance(one, PlayAudio)] == []
    assert [one for one in told if isinstance(one, ClosePhone)] != []
    assert [end.outcome for end in script.ordered(CallEnded)] == ["model_failed"]


def test_an_apology_to_a_machine_is_broken_off() -> None:
    script = greeted(calling())
    script.feed(ModelClosed(4000, "gone"))
    script.feed(MachineVerdict("machine_start"))
    script.feed(StreamStopped())

    assert script.ordered(CallEnded)[0].outcome == "model_failed"


def test_a_goodbye_that_is_being_said_gives_way_to_the_message() -> None:
    script = greeted(calling(LEAVE, limits=Limits(minutes=1, idle_seconds=0)))
    script.wait(45_000)
    assert purposes(script.said) == ["greeting", "goodbye"]
    script.agent_speaks("bye", 5000, response="r2")
    script.response_done("r2")
    script.wait(500)
    told = script.feed(MachineVerdict("machine_end_other"))

    assert ClearPlayback() in told
    assert purposes(told) == ["goodbye"]


def test_the_operator_may_end_the_call_before_the_verdict() -> None:
    script = greeted(calling())
    script.feed(EndRequested("the operator ended the call"))
    assert script.feed(MachineVerdict("human"), StreamStopped())[-1] == CallEnded(
        "stopped", "the operator ended the call", script.now_ms
    )


def test_a_verdict_on_a_line_that_is_being_closed_changes_nothing() -> None:
    script = greeted(calling())
    script.feed(EndRequested("the operator ended the call"))

    assert script.feed(MachineVerdict("machine_start")) == []


def test_a_hang_up_that_crosses_the_news_of_a_machine_does_not_keep_the_message_from_being_left() -> None:
    script = calling(LEAVE).begin()
    script.agent_speaks("greeting", 4000)
    script.wait(1000)
    script.feed(MachineVerdict("machine_start"), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done(status="cancelled")
    script.wait(5000)
    script.feed(MachineVerdict("machine_end_beep"))
    script.wait(100)

    assert purposes(script.ordered(CreateResponse)) == ["greeting", "goodbye"]
    assert [answer.call_id for answer in script.ordered(AddToolOutput)] == ["c1"]
