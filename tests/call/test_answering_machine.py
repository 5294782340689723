"""Calls that we placed: who has answered, and what may be said before that is known."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.any_call import AnyCall, steps
from tests.support.placed_calls import CONTINUE, HANG_UP, LEAVE, calling, flags, greeted, purposes, say
from tests.support.script import Script, an_agent
from voice_agent.agent import Agent, BargeIn, Limits, OnMachine
from voice_agent.call.answering_machine import HELD_MS, LONGEST_GREETING_MS
from voice_agent.call.commands import (
    CallEnded,
    CancelResponse,
    ClearPlayback,
    ClosePhone,
    HangUp,
    Note,
    PlayAudio,
)
from voice_agent.call.events import (
    AnsweredBy,
    KeyPressed,
    MachineVerdict,
    ResponseCreated,
    SessionUpdated,
)
from voice_agent.call.setup import CallSetup

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
    say(script, "u1", ms=1700)
    script.feed(MachineVerdict("human"))
    script.wait(500)
    assert purposes(script.said) == ["greeting"]

    script.wait(3000)
    assert purposes(script.said) == ["greeting", "turn"]


def test_once_a_person_is_known_their_voice_stops_the_greeting_as_ever() -> None:
    script = calling().begin()
    script.agent_speaks("greeting", 5000)
    script.response_done()
    script.feed(MachineVerdict("human"))
    script.wait(1500)
    script.feed(SessionUpdated())
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
    say(script, "u1", ms=600)
    script.wait(HELD_MS - 500 - 600)
    assert purposes(script.said) == ["greeting"]

    script.wait(600)
    assert purposes(script.said) == ["greeting", "turn"]
    assert flags(script) == [False, True]


def test_a_session_that_comes_later_than_the_verdict_is_open() -> None:
    script = calling()
    script.begin_stream()
    script.feed(MachineVerdict("human"))
    script.begin_session()
    script.agent_speaks("greeting", 500)
    script.response_done()
    script.wait(600)

    assert flags(script) == [False, True]


def test_a_verdict_that_comes_before_the_stream_waits_for_it() -> None:
    script = calling()
    script.begin_session()
    assert script.feed(MachineVerdict("machine_start")) == []

    assert HangUp() in script.begin_stream()


def test_a_machine_that_is_known_before_the_stream_is_told_nothing_but_its_message() -> None:
    script = calling(LEAVE)
    script.begin_session()
    script.feed(MachineVerdict("machine_start"))
    script.begin_stream()
    script.wait(LONGEST_GREETING_MS)

    assert purposes(script.said) == ["goodbye"]


def test_who_presses_a_key_is_a_person_and_is_answered_before_any_verdict() -> None:
    script = greeted(calling())
    say(script, "u1")
    before = purposes(script.said)
    opened = purposes(script.feed(KeyPressed("1")))
    script.agent_speaks("answer", 400, response="r2")
    script.response_done("r2")
    script.wait(1600)

    assert (before, opened, purposes(script.said)) == (["greeting"], ["turn"], ["greeting", "turn", "keys"])
    assert flags(script) == [False, True]


def test_who_has_pressed_a_key_is_not_hung_up_on_by_a_later_verdict() -> None:
    script = greeted(calling())
    script.feed(KeyPressed("1"))
    script.wait(1600)

    script.feed(MachineVerdict("machine_start"))

    assert script.ordered(HangUp) == []


def test_nobody_asks_whether_anybody_is_there_before_that_is_known() -> None:
    script = greeted(calling(LEAVE, limits=Limits(minutes=10, idle_seconds=4)))
    say(script, "u1", ms=6000)
    assert purposes(script.said) == ["greeting"]

    script.feed(MachineVerdict("human"))
    assert purposes(script.said) == ["greeting", "turn"]


@pytest.mark.parametrize("on_machine", [None, CONTINUE])
def test_an_agent_that_does_not_care_converses_at_once(on_machine: OnMachine | None) -> None:
    script = greeted(calling(on_machine))

    assert flags(script) == [False, True]
    script.feed(MachineVerdict("machine_start"))
    script.wait(5000)
    assert script.ordered(HangUp) == []


def test_a_call_that_came_in_waits_for_no_verdict() -> None:
    script = greeted(Script(an_agent(greeting="Hello.", on_machine=HANG_UP)))

    assert flags(script) == [False, True]
    assert script.feed(MachineVerdict("machine_start")) == []


def test_what_is_known_is_told_in_one_line() -> None:
    held, person, machine = calling(LEAVE).begin(), calling(LEAVE).begin(), calling(LEAVE).begin()
    person.feed(MachineVerdict("human"))
    machine.feed(MachineVerdict("machine_start"))

    assert f"<AnsweringMachine held, Deadlines({{'open': {HELD_MS}, 'longest': 30000}})>" in repr(held.call)
    assert "<AnsweringMachine open, Deadlines({})>" in repr(person.call)
    assert "<AnsweringMachine machine, Deadlines({'longest': 30000})>" in repr(machine.call)


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


def test_where_the_conversation_does_not_wait_for_a_verdict_every_one_is_late() -> None:
    script = calling(CONTINUE).begin()
    script.feed(MachineVerdict("human"))

    (told,) = (note for note in script.ordered(Note) if "who answered" in note.what)
    assert told.fields == {"answered_by": "human", "late": True}


def test_while_it_is_not_known_who_answered_nobody_is_asked_whether_they_are_there() -> None:
    script = greeted(calling(limits=Limits(minutes=10, idle_seconds=2)))
    script.wait(3000)
    before = purposes(script.said)
    script.feed(MachineVerdict("human"))
    script.wait(2000)

    assert (before, purposes(script.said)) == (["greeting"], ["greeting", "idle"])
