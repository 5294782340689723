"""Calls that we placed: who has answered, and what may be said before that is known."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.any_call import AnyCall, steps
from tests.support.script import Script, an_agent
from voice_agent.agent import Agent, BargeIn, Limits, OnMachine
from voice_agent.call.answering_machine import HELD_MS, LONGEST_GREETING_MS, PAUSE_MS
from voice_agent.call.commands import (
    CallCommand,
    CallEnded,
    CancelResponse,
    ClearPlayback,
    ClosePhone,
    ConfigureSession,
    CreateResponse,
    HangUp,
    Note,
    PlayAudio,
    SetTurnFlags,
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
    SessionUpdated,
    StreamStopped,
)
from voice_agent.call.setup import CallSetup

LEAVE, HANG_UP, CONTINUE = OnMachine("leave", "Please call us back."), OnMachine("hang_up"), OnMachine("continue")


def calling(on_machine: OnMachine | None = HANG_UP, *, rest: bool = True, **changes: object) -> Script:
    agent = an_agent(**{"greeting": "Hello, this is Alder Dental.", "on_machine": on_machine} | changes)
    return Script(agent, outbound=True, rest=rest)


def purposes(commands: list[CallCommand]) -> list[str]:
    """What the model is asked to say."""
    return [command.request.split("-")[0] for command in commands if isinstance(command, CreateResponse)]


def notes(script: Script) -> list[str]:
    return [note.what for note in script.ordered(Note)]


def flags(script: Script) -> list[bool]:
    """Who decides about turns, from the beginning on: the server or we."""
    beginning = [command.create_response for command in script.ordered(ConfigureSession)]
    return beginning + [command.create_response for command in script.ordered(SetTurnFlags)]


def greeted(script: Script, ms: int = 1500) -> Script:
    """The greeting has been heard to its end."""
    script.begin()
    script.agent_speaks("greeting", ms)
    script.response_done()
    script.wait(ms + 100)
    return script


def say(script: Script, item: str, words: str = "Hello?", ms: int = 400) -> None:
    """The callee says something."""
    script.caller_speaks(item)
    script.wait(ms)
    script.caller_stops(item)
    script.feed(CallerTranscribed(item, words))


# --- nothing is known yet --------------------------------------------------------------------------------------------


def test_until_it_is_known_who_answered_only_the_greeting_is_said() -> None:
    script = calling().begin()

    assert flags(script) == [False]
    assert purposes(script.said) == ["greeting"]
    script.agent_speaks("greeting", 1000)
    script.response_done()
    say(script, "u1")
    script.wait(1500)
    say(script, "u2")

    assert purposes(script.said) == ["greeting"]
    assert script.ordered(ClearPlayback) == []


def test_a_person_is_answered_once_whatever_they_said_meanwhile() -> None:
    script = greeted(calling())
    say(script, "u1")
    say(script, "u2")

    assert purposes(script.feed(MachineVerdict("human"))) == ["turn"]
    assert flags(script) == [False, True]
    assert script.call.deadline() is not None
    script.feed(SessionUpdated())
    script.agent_speaks("answer", 400, response="r2")
    script.response_done("r2")
    script.wait(8000)
    assert purposes(script.said) == ["greeting", "turn"]


def test_a_hello_before_the_greeting_is_answered_by_it() -> None:
    script = calling()
    script.begin_session()
    script.begin_stream()
    script.caller_speaks()
    script.feed(ResponseCreated("r0", "greeting-1"))  # it crossed, and is cancelled unheard
    assert script.ordered(CancelResponse) != []
    script.response_done("r0", "cancelled")
    script.wait(300)
    assert purposes(script.caller_stops()) == ["greeting"]
    script.agent_speaks("greeting", 800)
    script.response_done()
    script.feed(MachineVerdict("human"))
    script.wait(3000)

    assert purposes(script.said) == ["greeting", "greeting"]


def test_what_plays_to_a_machine_is_cut_before_the_line_is_closed() -> None:
    script = calling(rest=False).begin()
    script.agent_speaks("greeting", 3000)
    said = script.feed(MachineVerdict("machine_start"))

    assert [type(one) for one in said if isinstance(one, ClearPlayback | ClosePhone)] == [ClearPlayback, ClosePhone]


def test_a_greeting_that_is_late_is_said_to_whoever_outlasts_the_sign_of_life() -> None:
    agent = an_agent(greeting="Hello, this is Alder Dental.", on_machine=HANG_UP)
    script = Script(agent, outbound=True, clips={"moment": b"\x81" * 4000}).begin()
    script.feed(ResponseCreated("r1", "greeting-1"))
    script.wait(2700)
    script.caller_speaks()
    script.wait(800)

    assert len(script.ordered(PlayAudio)) == 1
    assert script.ordered(CancelResponse) == []


def test_a_greeting_that_is_begun_and_not_heard_yet_lets_the_hello_pass() -> None:
    script = calling().begin()
    script.feed(ResponseCreated("r1", "greeting-1"))
    script.caller_speaks()
    script.agent_speaks("greeting", 800)
    assert script.ordered(PlayAudio) == []
    script.response_done("r1", "cancelled")
    script.wait(300)
    assert purposes(script.caller_stops()) == ["greeting"]

    script.agent_speaks("again", 800, response="r2")
    script.response_done("r2")
    script.feed(MachineVerdict("human"))
    script.wait(2000)
    assert purposes(script.said) == ["greeting", "greeting"]


def test_what_was_said_into_the_greeting_is_answered_when_both_are_through() -> None:
    script = calling().begin()
    script.agent_speaks("greeting", 3000)
    script.response_done()
    say(script, "u1")
    script.feed(MachineVerdict("human"))
    script.wait(500)
    assert purposes(script.said) == ["greeting"]

    script.wait(3000)
    assert purposes(script.said) == ["greeting", "turn"]


def test_once_a_person_is_known_their_voice_stops_the_greeting_as_ever() -> None:
    script = calling().begin()
    script.agent_speaks("greeting", 5000)
    script.response_done()
    script.wait(200)
    script.feed(MachineVerdict("human"), SessionUpdated())
    script.caller_speaks()

    assert len(script.ordered(ClearPlayback)) == 1


def test_a_greeting_that_is_protected_stays_so() -> None:
    script = calling(barge_in=BargeIn(protect_greeting=True)).begin()
    script.agent_speaks("greeting", 5000)
    script.response_done()
    script.wait(200)
    script.feed(MachineVerdict("human"))
    script.caller_speaks()

    assert script.ordered(ClearPlayback) == []
    assert flags(script) == [False]
    script.wait(5000)
    assert flags(script) == [False, True]


def test_without_a_verdict_the_conversation_opens_after_a_while() -> None:
    script = calling().begin()
    script.agent_speaks("greeting", 500)
    script.response_done()
    say(script, "u1")
    script.wait(HELD_MS - 500 - 400)
    assert purposes(script.said) == ["greeting"]

    script.wait(600)
    assert purposes(script.said) == ["greeting", "turn"]
    assert flags(script) == [False, True]


def test_a_session_that_comes_later_than_the_verdict_is_open() -> None:
    script = calling()
    script.begin_stream()
    script.feed(MachineVerdict("human"))
    script.begin_session()

    assert flags(script) == [False, True]


def test_a_verdict_that_comes_before_the_stream_waits_for_it() -> None:
    script = calling()
    script.begin_session()
    assert script.feed(MachineVerdict("machine_start")) == []

    assert HangUp() in script.begin_stream()


def test_keys_are_told_when_the_conversation_opens() -> None:
    script = greeted(calling())
    script.feed(KeyPressed("1"))
    script.wait(1600)
    assert purposes(script.said) == ["greeting"]

    assert purposes(script.feed(MachineVerdict("human"))) == ["keys"]


def test_nobody_asks_whether_anybody_is_there_before_that_is_known() -> None:
    script = greeted(calling(LEAVE, limits=Limits(minutes=10, idle_seconds=4)))
    say(script, "u1", ms=6000)
    assert purposes(script.said) == ["greeting"]

    script.feed(MachineVerdict("human"))
    assert purposes(script.said) == ["greeting", "turn"]


@pytest.mark.parametrize("on_machine", [None, CONTINUE])
def test_an_agent_that_does_not_care_converses_at_once(on_machine: OnMachine | None) -> None:
    script = greeted(calling(on_machine))

    assert flags(script) == [True]
    script.feed(MachineVerdict("machine_start"))
    script.wait(5000)
    assert script.ordered(HangUp) == []


def test_a_call_that_came_in_waits_for_no_verdict() -> None:
    script = Script(an_agent(greeting="Hello.", on_machine=HANG_UP)).begin()

    assert flags(script) == [True]
    assert script.feed(MachineVerdict("machine_start")) == []


# --- a machine -------------------------------------------------------------------------------------------------------


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
    assert 'Say exactly: "Please call us back."' in str(script.ordered(CreateResponse)[-1].instructions)
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
    told = script.feed(ModelClosed(1011, "gone"))

    assert [one for one in told if isinstance(one, PlayAudio)] == []
    assert [one for one in told if isinstance(one, ClosePhone)] != []


def test_an_apology_to_a_machine_is_broken_off() -> None:
    script = greeted(calling())
    script.feed(ModelClosed(1011, "gone"))
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


# --- whatever happens ------------------------------------------------------------------------------------------------


def setups() -> st.SearchStrategy[CallSetup]:
    """Calls that we placed, under every policy."""

    def agent(on_machine: OnMachine, greeting: str | None, after_ms: int, protect: bool) -> Agent:
        barge_in = BargeIn(after_ms, protect_greeting=protect)
        return an_agent(
            greeting=greeting,
            on_machine=on_machine,
            barge_in=barge_in,
            limits=Limits(minutes=1, idle_seconds=5),
        )

    agents = st.builds(
        agent,
        st.sampled_from([LEAVE, HANG_UP, CONTINUE]),
        st.sampled_from([None, "Hello."]),
        st.sampled_from([0, 300]),
        st.booleans(),
    )
    return st.builds(
        lambda one, rest: CallSetup(call_sid="CA1", agent=one, rest=rest, outbound=True), agents, st.booleans()
    )


@given(setups(), steps(), st.lists(st.tuples(st.integers(0, 60), st.sampled_from(get_args(AnsweredBy))), max_size=4))
def test_whatever_happens_a_call_of_ours_breaks_no_rule(
    setup: CallSetup, happenings: list[tuple[object, int]], verdicts: list[tuple[int, AnsweredBy]]
) -> None:
    events = list(happenings)
    for at, answered_by in verdicts:
        events.insert(min(at, len(events)), (MachineVerdict(answered_by), 100))
    call = AnyCall(setup)
    call.run([], events)  # type: ignore[arg-type]  # the strategy's own type
    machine = any(isinstance(one, Note) and one.what == "the carrier says who answered" for one in call.said)

    assert call.broken == []
    assert machine or not any(isinstance(one, CallEnded) and one.outcome == "machine" for one in call.said)
