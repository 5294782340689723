"""How a call comes to its end: the goodbye is heard, and may be taken back."""

from tests.support.endings import answers, ends, hangs_up, requests
from tests.support.script import Script, an_agent
from voice_agent.agent import BargeIn, Limits
from voice_agent.call.commands import (
    ClearPlayback,
    CloseModel,
    ClosePhone,
    HangUp,
    Note,
    ToolAnswered,
)
from voice_agent.call.events import (
    HangUpFinished,
    KeyPressed,
    ModelAudio,
    PhoneClosed,
    ResponseCreated,
    ResponseDone,
    StreamStopped,
    ToolRequested,
)
from voice_agent.call.states import Phase


def test_the_line_is_closed_once_the_goodbye_was_heard() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=2000)
    script.wait(2200)
    before = script.ordered(ClosePhone)
    script.wait(200)

    assert before == []
    assert [c.reason for c in script.ordered(ClosePhone)] == ["the agent hung up"]
    assert answers(script) == ["The call has ended."]
    assert script.call.phase is Phase.LEAVING


def test_with_rest_the_carrier_is_told_to_hang_up_and_ends_the_stream() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1400)
    closed = script.ordered(ClosePhone)
    script.feed(HangUpFinished())
    script.feed(StreamStopped())

    assert len(script.ordered(HangUp)) == 1
    assert closed == []
    assert ends(script) == [("completed", "the agent hung up")]
    assert len(script.ordered(ClosePhone)) == 1


def test_a_carrier_that_refuses_to_hang_up_loses_the_stream_so_that_the_action_decides() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1400)
    commands = script.feed(HangUpFinished("401"))
    script.feed(PhoneClosed(1000))

    assert [c for c in commands if isinstance(c, Note | ClosePhone)] == [
        Note("warning", "the carrier refused to hang up", {"problem": "401"}),
        ClosePhone("the agent hung up"),
    ]
    assert ends(script) == [("completed", "the agent hung up")]


def test_a_carrier_that_does_not_answer_is_left_after_5_s() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1300)
    script.wait(4999)
    before = ends(script)
    script.wait(1)

    assert before == []
    assert ends(script) == [("completed", "the agent hung up")]
    assert script.call.phase is Phase.ENDED
    assert len(script.ordered(ClosePhone)) == 1


def test_a_caller_who_speaks_while_the_carrier_hangs_up_is_not_answered() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1400)
    before = len(script.said)
    script.caller_speaks()
    script.caller_stops()
    script.feed(KeyPressed("1"), ToolRequested("r2", "f2", "c2", "look_up", "{}"))
    script.wait(4000)

    assert len(script.ordered(CloseModel)) == 1
    assert script.said[before:] == []


def test_an_answer_that_nobody_asked_the_carrier_for_closes_nothing() -> None:
    script = Script(rest=True).begin()

    assert script.feed(HangUpFinished()) == []


def test_a_goodbye_that_was_heard_before_its_response_is_done_ends_the_call_then() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.wait(1500)
    before = script.call.phase
    script.response_done()
    script.wait(300)

    assert before is Phase.GOODBYE
    assert len(script.ordered(ClosePhone)) == 1


def test_an_agent_that_hangs_up_without_a_word_is_asked_for_a_goodbye() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=0)
    script.agent_speaks("bye", 1000, response="r2")
    script.response_done("r2")
    script.wait(1100)
    before = script.ordered(ClosePhone)
    script.wait(300)

    assert answers(script) == ["Say goodbye to the caller now."]
    assert requests(script) == ["goodbye-1"]
    assert before == []
    assert len(script.ordered(ClosePhone)) == 1


def test_words_that_still_play_count_as_the_goodbye_of_a_wordless_hang_up() -> None:
    script = Script().begin()
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(200)
    hangs_up(script, "r2", words_ms=0)
    script.wait(2200)

    assert requests(script) == []
    assert len(script.ordered(ClosePhone)) == 1


def test_a_goodbye_that_failed_is_asked_for_again_before_anybody_hangs_up() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=0)
    script.feed(ResponseCreated("r2", "goodbye-1"), ResponseDone("r2", "failed", "server_error"))
    script.wait(1000)
    before = script.ordered(ClosePhone)
    script.agent_speaks("bye", 1000, response="r3")
    script.response_done("r3")
    script.wait(1400)

    assert before == []
    assert requests(script) == ["goodbye-1", "goodbye-2"]
    assert len(script.ordered(ClosePhone)) == 1


def test_a_caller_who_speaks_into_the_goodbye_keeps_the_call() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=3000)
    script.wait(1000)
    script.caller_speaks()
    script.wait(500)
    script.caller_stops()
    script.wait(5000)

    assert len(script.ordered(ClearPlayback)) == 1
    assert answers(script) == ["The caller spoke: the call goes on."]
    assert [(a.call_id, a.took_ms) for a in script.ordered(ToolAnswered)] == [("c-r1", 1000)]
    assert script.call.phase is Phase.TALKING
    assert script.ordered(ClosePhone) == []


def test_a_caller_who_speaks_between_the_goodbye_and_the_hang_up_keeps_the_call() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=1000)
    script.wait(1200)
    script.caller_speaks()
    script.wait(1000)

    assert script.call.phase is Phase.TALKING
    assert script.ordered(ClosePhone) == []


def test_a_hang_up_that_crosses_the_callers_first_word_is_taken_back() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.caller_speaks()
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done(status="cancelled")
    script.wait(400)
    script.caller_stops()
    script.wait(400)

    assert answers(script) == ["The caller spoke: the call goes on."]
    assert script.call.phase is Phase.TALKING
    assert script.ordered(ClosePhone) == []


def test_a_sound_too_short_to_interrupt_does_not_take_the_goodbye_back() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    hangs_up(script, words_ms=2000)
    script.wait(500)
    script.caller_speaks()
    script.wait(300)
    script.caller_stops()
    script.wait(1600)

    assert script.ordered(ClearPlayback) == []
    assert [c.reason for c in script.ordered(ClosePhone)] == ["the agent hung up"]


def test_speech_long_enough_to_interrupt_takes_the_goodbye_back() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    hangs_up(script, words_ms=2000)
    script.wait(500)
    script.caller_speaks()
    before = script.call.phase
    script.wait(400)

    assert (before, script.call.phase) == (Phase.GOODBYE, Phase.TALKING)
    assert len(script.ordered(ClearPlayback)) == 1


def test_nobody_hangs_up_on_a_caller_who_still_speaks_when_the_goodbye_is_over() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=800))).begin()
    hangs_up(script, words_ms=1000)
    script.wait(900)
    script.caller_speaks()
    script.wait(600)
    script.caller_stops()

    assert answers(script) == ["The caller spoke: the call goes on."]
    assert requests(script) == ["turn-1"]
    assert script.ordered(ClosePhone) == []


def test_a_key_pressed_during_the_goodbye_keeps_the_call() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=1000)
    script.wait(500)
    script.feed(KeyPressed("1"))
    script.wait(1500)

    assert script.call.phase is Phase.TALKING
    assert requests(script) == ["keys-1"]


def test_a_goodbye_that_was_taken_back_is_not_said_later() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=0)
    script.caller_speaks()
    script.feed(ResponseCreated("r2", "goodbye-1"), ResponseDone("r2", "cancelled", "client_cancelled"))
    script.caller_stops()
    script.feed(ResponseCreated("r3", None))
    script.response_done("r3")
    script.wait(1000)

    assert requests(script) == ["goodbye-1"]
    assert script.call.phase is Phase.TALKING


def test_a_caller_who_speaks_into_the_last_words_is_answered_before_they_are_said_again() -> None:
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0))).begin()
    script.wait(44_000)
    script.agent_speaks("a", 5000, done=False)
    script.wait(2000)  # the goodbye waits for the end of this response
    script.caller_speaks()
    script.response_done(status="cancelled")
    script.wait(1000)
    script.caller_stops()
    script.agent_speaks("b", 1000, response="r2")
    script.response_done("r2")
    script.wait(3999)
    before = requests(script)
    script.wait(1)

    assert before == []
    assert requests(script) == ["goodbye-1"]


def test_a_second_goodbye_after_one_that_was_taken_back_ends_the_call() -> None:
    script = Script().begin()
    hangs_up(script, "r1", words_ms=2000)
    script.wait(500)
    script.caller_speaks()
    script.wait(100)
    script.caller_stops()
    hangs_up(script, "r2", words_ms=500)
    script.wait(900)

    assert answers(script) == ["The caller spoke: the call goes on.", "The call has ended."]
    assert len(script.ordered(ClosePhone)) == 1


def test_more_words_after_the_goodbye_are_heard_before_the_line_is_closed() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 500)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.wait(700)
    script.feed(ModelAudio("r2", "more", 0, b"\x10" * 8000, 1000, done=True))
    script.wait(900)
    before = script.ordered(ClosePhone)
    script.wait(500)

    assert before == []
    assert len(script.ordered(ClosePhone)) == 1


def test_a_second_hang_up_during_the_goodbye_is_answered_too() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"), ToolRequested("r1", "f2", "c2", "hang_up", "{}"))
    script.response_done()
    script.wait(1400)

    assert answers(script) == ["The call is ending already.", "The call has ended."]
    assert [report.call_id for report in script.ordered(ToolAnswered)] == ["c2", "c1"]
    assert script.call.conversation().open_tool_calls == ()
