"""How a call ends at its limits of time."""

import pytest

from tests.support.endings import ends, hangs_up, requests
from tests.support.script import Script, an_agent
from voice_agent.agent import Limits
from voice_agent.call.commands import (
    CallEnded,
    ClosePhone,
    HangUp,
    Note,
)
from voice_agent.call.conversation import Conversation, Resumption
from voice_agent.call.ending import STREAM_WAIT_MS
from voice_agent.call.events import PhoneClosed, ResponseCreated
from voice_agent.call.states import Phase


def test_the_agent_says_goodbye_before_the_time_limit() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0)), rest=True).begin()
    script.wait(44_999)
    before = requests(script)
    script.wait(1)
    script.agent_speaks("bye", 1000)
    script.response_done()
    script.wait(1400)

    assert before == []
    assert requests(script) == ["goodbye-1"]
    assert len(script.ordered(HangUp)) == 1


def test_a_call_that_does_not_come_to_its_goodbye_ends_at_the_time_limit() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(44_000)
    script.caller_speaks()
    script.wait(15_999)
    before = script.ordered(ClosePhone)
    script.wait(1)
    script.feed(PhoneClosed(1000))

    assert before == []
    assert requests(script) == []
    assert ends(script) == [("completed", "the time limit was reached")]
    assert script.call.resumption().left_ms == 0


@pytest.mark.parametrize(("left_ms", "then_ms"), [(50_000, 50_000), (0, 30_000)])
def test_a_caller_who_comes_back_has_what_was_left_of_the_time_or_enough_to_be_told_why(
    left_ms: int, then_ms: int
) -> None:
    back = Resumption(Conversation("test"), "The line is busy.", left_ms=left_ms)
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0)), resumed=back).begin()
    script.agent_speaks("back", 1000)
    script.response_done()
    script.wait(then_ms - 15_001)
    before = requests(script)
    script.wait(1)

    assert before == ["greeting-1"]
    assert requests(script) == ["greeting-1", "goodbye-2"]
    assert script.call.resumption().left_ms == 15_000


def test_a_stream_that_never_comes_uses_nothing_of_the_time() -> None:
    for left_ms in (None, 50_000):
        script = Script(resumed=Resumption(Conversation("test"), "Back.", left_ms=left_ms))
        script.wait(STREAM_WAIT_MS)

        assert script.call.resumption().left_ms == left_ms


def test_a_goodbye_under_way_is_not_asked_for_twice_at_the_time_limit() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(44_500)
    hangs_up(script, words_ms=2000)
    script.wait(2400)

    assert requests(script) == []
    assert [c.reason for c in script.ordered(ClosePhone)] == ["the agent hung up"]


def test_a_goodbye_that_does_not_end_before_the_time_limit_is_cut_off_by_that() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(44_000)
    hangs_up(script, words_ms=60_000)
    script.wait(16_000)
    script.feed(PhoneClosed(1000))

    assert ends(script) == [("completed", "the time limit was reached")]


def test_last_words_that_fall_into_the_callers_turn_are_said_behind_the_answer_to_it() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(44_000)
    script.caller_speaks()
    script.wait(2000)
    while_speaking = requests(script)
    script.caller_stops()
    script.feed(ResponseCreated("r1", None))
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(1100)

    assert while_speaking == []
    assert requests(script) == ["goodbye-1"]


def test_a_goodbye_that_does_not_end_is_cut_off_after_30_s() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=60_000)
    script.wait(29_999)
    before = script.ordered(ClosePhone)
    script.wait(1)

    script.feed(PhoneClosed(1000))
    assert before == []
    assert Note("warning", "the goodbye took too long") in script.said
    assert ends(script) == [("completed", "the agent hung up")]


def test_a_stream_that_does_not_come_ends_the_call_after_10_s() -> None:
    script = Script()
    script.wait(9_999)
    before = ends(script)
    script.wait(1)

    assert before == []
    assert ends(script) == [("no_stream", "the stream did not come")]
    assert script.ordered(ClosePhone) == []
    assert isinstance(script.said[-1], CallEnded)
    assert script.call.phase is Phase.ENDED
