"""A whole call: what holds whatever happens to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.any_call import BEGINNINGS, AnyCall, setups, steps
from tests.support.script import CLIPS, Script, an_agent
from voice_agent.call.call import Call
from voice_agent.call.commands import AddToolOutput, CallEnded, ConnectModel
from voice_agent.call.conversation import AgentTurn, CallerTurn, Conversation, KeysTurn, ToolTurn
from voice_agent.call.events import (
    AgentTranscript,
    CallerTranscribed,
    CallEvent,
    KeyPressed,
    ModelAudio,
    ModelClosed,
    ResponseCreated,
    SessionUpdated,
    StreamStarted,
    StreamStopped,
    TimerFired,
    ToolFinished,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.setup import RENEW_MS, CallSetup
from voice_agent.call.states import Phase

Happenings = list[tuple[CallEvent, int]]


@settings(max_examples=300)
@given(setups(), st.sampled_from(BEGINNINGS), steps())
def test_whatever_happens_a_call_keeps_its_rules(
    setup: CallSetup, beginning: list[CallEvent], happenings: Happenings
) -> None:
    call = AnyCall(setup).run(beginning, happenings)

    assert call.broken == []


@given(setups(), st.sampled_from(BEGINNINGS), steps())
def test_whatever_happened_a_call_that_is_left_alone_ends(
    setup: CallSetup, beginning: list[CallEvent], happenings: Happenings
) -> None:
    call = AnyCall(setup).run(beginning, happenings)
    call.wait(200_000)  # its limit is a minute, the longest apology another

    assert call.call.phase is Phase.ENDED
    assert isinstance(call.said[-1], CallEnded)
    assert call.call.deadline() is None
    assert call.broken == []


@given(setups(), st.sampled_from(BEGINNINGS), steps())
def test_the_same_happenings_make_the_same_call(
    setup: CallSetup, beginning: list[CallEvent], happenings: Happenings
) -> None:
    first, second = (AnyCall(setup).run(beginning, happenings) for _ in range(2))

    assert first.said == second.said


def test_after_its_end_nothing_comes_out_any_more() -> None:
    script = Script().begin()
    script.feed(StreamStopped())

    assert isinstance(script.said[-1], CallEnded)
    assert script.feed(KeyPressed("1"), TimerFired(), StreamStarted("MZ2", "CA1")) == []
    assert script.call.deadline() is None


def test_before_its_session_is_set_up_a_model_is_told_nothing() -> None:
    script = Script()
    script.feed(ModelClosed(1006), ToolRequested("r1", "a", "c1", "hang_up", "{}"))

    assert script.ordered(AddToolOutput) == []


def test_time_cannot_run_backwards() -> None:
    script = Script()
    script.wait(100)
    script.feed(TimerFired())

    with pytest.raises(AssertionError, match="time runs backwards: 99 after 100"):
        script.call.feed(99, TimerFired())


def test_the_model_is_connected_at_the_start_if_it_is_wanted_early() -> None:
    early, late = (
        Call(CallSetup(call_sid="CA1", agent=an_agent(), preconnect=preconnect), CLIPS) for preconnect in (True, False)
    )

    assert early.start() == [ConnectModel()]
    assert late.start() == []


def test_a_call_without_clips_holds_all_the_same() -> None:
    script = Script(clips={}).begin()
    script.agent_speaks("a", 500)
    script.wait(600)

    assert script.call.phase is Phase.TALKING


def test_the_conversation_holds_what_was_heard_called_and_pressed() -> None:
    script = Script().begin()
    script.feed(TurnCommitted("u1"), CallerTranscribed("u1", "Is it open?"))
    script.feed(AgentTranscript("r1", "a", "Let me see."))
    script.agent_speaks("a", 500)
    script.feed(ToolRequested("r1", "f1", "c1", "look_up", "{}"), ToolRequested("r1", "f2", "c2", "look_up", "{}"))
    script.response_done()
    script.wait(600)
    script.feed(ToolFinished("c1", "yes"), KeyPressed("1"))
    script.wait(1500)

    assert script.call.conversation() == Conversation(
        "test",
        (
            CallerTurn("u1", "Is it open?"),
            ToolTurn("c1", "look_up", "{}", "yes"),
            ToolTurn("c2", "look_up", "{}", None),
            AgentTurn("a", "Let me see.", interrupted=False),
            KeysTurn("1"),
        ),
    )


def test_where_a_call_stands_is_told_in_one_line() -> None:
    script = Script().begin()
    script.wait(20)
    script.feed(ModelAudio("r1", "a", 0, b"\x10" * 80, 10))

    told = repr(script.call)
    assert told.startswith("<Call CA1 talking at 20 ms: (")
    for part in (
        "<Playback <Playout 0 of 10 ms",
        "<Turns caller silent, response None",
        "<ModelLink ready>",
        "<Ending",
    ):
        assert part in told


def waiting(script: Script) -> dict[str, int]:
    """What each part that waits for something waits until."""
    parts = {type(part).__name__: part.deadline() for part in script.call._parts}
    return {name: deadline for name, deadline in parts.items() if deadline is not None}


def test_when_all_is_settled_only_the_next_frame_and_the_time_limit_are_waited_for() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    begun = waiting(script)
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(1500)
    script.feed(SessionUpdated())
    script.caller_speaks()  # a barge-in, whose measure is awaited
    script.wait(500)
    measured = waiting(script)
    script.caller_stops()
    script.feed(ResponseCreated("r2", None), ToolRequested("r2", "f1", "c1", "look_up", "{}"))
    script.response_done("r2")
    script.feed(ToolFinished("c1", "42"), KeyPressed("1"))
    script.agent_speaks("b", 1000, response="r3")
    script.wait(1500)
    script.response_done("r3")
    script.feed(ResponseCreated("r4", "keys-3"), ToolRequested("r4", "f2", "c2", "hang_up", "{}"), KeyPressed("2"))
    script.response_done("r4")
    script.wait(1500)
    script.feed(ResponseCreated("r5", "keys-4"))
    script.response_done("r5")

    assert set(begun) == {"StalledSession", "Ending", "SignOfLife", "CallerAudioPart", "Renewal"}
    assert set(measured) == {"Ending", "CallerAudioPart", "Renewal"}
    assert waiting(script) == {"CallerAudioPart": script.now_ms + 750, "Ending": 585_000, "Renewal": RENEW_MS}
