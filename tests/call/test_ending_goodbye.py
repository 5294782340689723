"""The goodbye: asked for, said, heard, taken back."""

import pytest

from tests.support.collecting import collecting, press
from tests.support.script import CLIPS, Script, an_agent
from voice_agent.agent import BargeIn, Limits
from voice_agent.call.commands import (
    CallEnded,
    CancelResponse,
    ClosePhone,
    CreateResponse,
    Note,
    PlayAudio,
    ToolAnswered,
)
from voice_agent.call.ending import LAST_WORDS_MS
from voice_agent.call.events import (
    EndRequested,
    KeyPressed,
    ModelClosed,
    PhoneClosed,
    ResponseCreated,
    ResponseDone,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.states import Phase


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]


def a_minute(**changes: object) -> Script:
    """A call that may last a minute, so that its goodbye begins after 45 s."""
    return Script(an_agent(limits=Limits(minutes=1, idle_seconds=0), **changes)).begin()


def test_the_agent_is_told_why_it_says_goodbye() -> None:
    limited, wordless = a_minute(), Script().begin()
    limited.wait(45_000)
    wordless.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    wordless.response_done()

    assert limited.ordered(CreateResponse) == [
        CreateResponse(
            "goodbye-1", "Be brief.\n\nThe time for this call is over. Say so and say goodbye.", tool_choice="none"
        )
    ]
    assert wordless.ordered(CreateResponse) == [
        CreateResponse("goodbye-1", "Be brief.\n\nThe call is ending. Say a short goodbye.", tool_choice="none")
    ]


def test_a_call_that_shall_end_soon_says_goodbye_as_at_the_time_limit() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=0))).begin()
    script.wait(5000)
    script.feed(EndRequested("it costs too much", goodbye=True))
    script.feed(EndRequested("it costs far too much", goodbye=True))
    script.wait(0)
    asked = requests(script)
    script.agent_speaks("bye", 1000)
    script.response_done()
    script.wait(1300)

    assert asked == ["goodbye-1"]
    assert script.ordered(ClosePhone) == [ClosePhone("it costs too much")]


def test_a_call_that_shall_end_soon_has_no_more_time_than_at_the_time_limit() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=0))).begin()
    script.feed(EndRequested("it costs too much", goodbye=True))
    script.wait(0)
    script.agent_speaks("bye", 60_000)
    script.response_done()
    script.wait(LAST_WORDS_MS - 1)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert before == []
    assert script.ordered(ClosePhone) == [ClosePhone("it costs too much")]


def test_who_has_no_stream_yet_needs_no_goodbye() -> None:
    script = Script(an_agent())
    script.feed(EndRequested("it costs too much", goodbye=True))

    assert [ended.outcome for ended in script.ordered(CallEnded)] == ["stopped"]


def test_a_goodbye_that_was_asked_for_and_does_not_end_is_cut_off_after_30_s() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=5))).begin()
    script.wait(5000)
    script.agent_speaks("a", 100)
    script.response_done()
    script.wait(5100)
    script.agent_speaks("bye", 60_000, response="r2")
    script.response_done("r2")
    script.wait(29_999)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert before == []
    assert Note("warning", "the goodbye took too long") in script.said
    assert [command.reason for command in script.ordered(ClosePhone)] == ["the caller was silent"]


@pytest.mark.parametrize("done_ms", [0, 1500])
def test_a_goodbye_is_waited_for_though_the_agent_spoke_when_it_was_asked_for(done_ms: int) -> None:
    script = a_minute()
    script.wait(44_000)
    script.agent_speaks("a", 2000)
    script.wait(done_ms)
    script.response_done()
    script.wait(2500 - done_ms)
    before = script.call.phase
    script.agent_speaks("bye", 1000, response="r2")
    script.response_done("r2")
    script.wait(1299)
    still = script.ordered(ClosePhone)
    script.wait(1)

    assert before is Phase.GOODBYE
    assert still == []
    assert [command.reason for command in script.ordered(ClosePhone)] == ["the time limit was reached"]


def test_a_goodbye_that_crosses_a_cough_is_said_after_it() -> None:
    script = a_minute(barge_in=BargeIn(after_ms=400))
    script.wait(44_000)
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(1500)  # the goodbye was asked for, and words are still heard
    script.caller_speaks()
    script.feed(ResponseCreated("r2", "goodbye-1"))
    script.wait(100)
    script.caller_stops()
    script.response_done("r2", "cancelled")

    assert [command.response_id for command in script.ordered(CancelResponse)] == ["r2"]
    assert requests(script) == ["goodbye-1", "goodbye-2"]


def test_a_second_hang_up_is_answered_at_once_and_the_first_when_the_line_is_closed() -> None:
    script = Script().begin()
    script.wait(100)
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.wait(200)
    script.feed(ToolRequested("r1", "f2", "c2", "hang_up", "{}"))
    script.response_done()
    script.wait(1100)

    assert script.ordered(ToolAnswered) == [
        ToolAnswered("c2", "The call is ending already.", failed=False, took_ms=0),
        ToolAnswered("c1", "The call has ended.", failed=False, took_ms=1300),
    ]


def test_a_goodbye_that_was_taken_back_ends_nothing_later() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.wait(1100)  # it was heard: the line would be closed at 1300 ms
    script.feed(KeyPressed("1"))
    script.wait(1500)
    script.feed(ResponseCreated("r2", "keys-1"))
    script.response_done("r2")
    script.wait(40_000)

    assert script.call.phase is Phase.TALKING
    assert not any(note.what == "the goodbye took too long" for note in script.ordered(Note))
    assert script.ordered(ClosePhone) == []


def test_a_goodbye_that_was_taken_back_before_it_is_begun_is_not_heard() -> None:
    script = a_minute()
    script.wait(45_000)
    script.feed(KeyPressed("4"))
    script.agent_speaks("bye", 2000)
    script.response_done(status="cancelled")
    script.wait(1500)

    assert [command.response_id for command in script.ordered(CancelResponse)] == ["r1"]
    assert script.ordered(PlayAudio) == []
    assert requests(script) == ["goodbye-1", "keys-2"]


def test_a_terminator_out_of_habit_does_not_take_the_goodbye_back() -> None:
    script = collecting(length=4)
    press(script, "1204", pause_ms=100)
    script.agent_speaks("bye", 2000, response="r2")
    script.feed(ToolRequested("r2", "f2", "c2", "hang_up", "{}"))
    script.response_done("r2")
    script.wait(500)
    script.feed(KeyPressed("#"))
    script.wait(2000)

    assert len(script.ordered(ClosePhone)) == 1


def test_the_turn_before_a_hang_up_does_not_take_it_back() -> None:
    script = Script().begin()
    script.caller_speaks()
    script.caller_stops()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.feed(TurnCommitted("u2"))

    assert script.call.phase is Phase.GOODBYE


def test_an_apology_is_not_cut_off_by_the_goodbye_that_it_takes_the_place_of() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 40_000, done=False)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"), ModelClosed(4000))
    script.wait(40_399)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert before == []
    assert script.ordered(ClosePhone) == [ClosePhone("the model's socket closed: 4000")]


def test_an_apology_is_not_cut_off_by_the_time_limit() -> None:
    script = a_minute()
    script.wait(40_000)
    script.agent_speaks("a", 30_000, done=False)
    script.feed(ModelClosed(4000))
    script.wait(30_399)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert before == []
    assert script.ordered(ClosePhone) == [ClosePhone("the model's socket closed: 4000")]
    assert requests(script) == []


def test_a_goodbye_that_was_taken_back_does_not_end_the_next_one_before_its_words() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.wait(1100)  # it was heard: the line would be closed at 1300 ms
    script.feed(KeyPressed("1"), ResponseCreated("r2", None), ToolRequested("r2", "f2", "c2", "hang_up", "{}"))
    script.wait(900)

    assert script.call.phase is Phase.GOODBYE
    assert script.ordered(ClosePhone) == []


def test_a_hang_up_that_crosses_speech_long_enough_to_interrupt_is_taken_back() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("a", 3000, done=False)
    script.wait(500)
    script.caller_speaks()
    script.wait(400)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))

    assert script.call.phase is Phase.TALKING
    assert [answer.output for answer in script.ordered(ToolAnswered)] == ["The caller spoke: the call goes on."]


def test_a_hang_up_that_comes_late_does_not_interrupt_a_caller_who_has_begun_since() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None))
    script.response_done()
    script.caller_speaks()
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))

    assert script.call.phase is Phase.TALKING
    assert [answer.output for answer in script.ordered(ToolAnswered)] == ["The caller spoke: the call goes on."]


def test_another_response_that_begins_during_the_goodbye_is_not_waited_for() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"), ResponseCreated("r2", None))
    script.response_done("r1")
    script.wait(1400)

    assert script.ordered(ClosePhone) == [ClosePhone("the agent hung up")]


def apologies(script: Script) -> int:
    return [command.audio for command in script.ordered(PlayAudio)].count(CLIPS["apology"])


def test_a_caller_who_keeps_a_call_whose_model_is_lost_hears_the_apology() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.wait(500)
    script.feed(ModelClosed(4000), KeyPressed("1"), KeyPressed("2"))
    script.wait(3000)
    script.feed(PhoneClosed(1000))

    assert apologies(script) == 1
    assert [end.outcome for end in script.ordered(CallEnded)] == ["model_failed"]


def test_a_caller_who_is_speaking_when_the_goodbye_of_a_lost_model_is_over_hears_the_apology() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.agent_speaks("bye", 1000)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.wait(900)
    script.caller_speaks()
    script.feed(ModelClosed(4000))
    script.wait(3000)

    assert apologies(script) == 1
    assert script.ordered(ClosePhone) == [ClosePhone("the model's socket closed: 4000")]


def asked_to_say_goodbye(**clips: bytes) -> Script:
    """A goodbye was asked for and begun, as `r1`."""
    script = Script(an_agent(limits=Limits(minutes=1, idle_seconds=0)), clips=CLIPS | clips).begin()
    script.wait(45_000)
    script.feed(ResponseCreated("r1", "goodbye-1"))
    return script


def test_a_goodbye_that_is_left_incomplete_before_its_first_word_is_asked_for_again() -> None:
    script = asked_to_say_goodbye()
    script.response_done("r1", "incomplete")
    script.wait(1000)
    before = script.ordered(ClosePhone)
    script.agent_speaks("bye", 500, response="r2")
    script.response_done("r2")
    script.wait(900)

    assert before == []
    assert requests(script) == ["goodbye-1", "goodbye-2"]
    assert script.ordered(ClosePhone) == [ClosePhone("the time limit was reached")]


def test_a_goodbye_that_is_completed_without_a_word_is_not_waited_for() -> None:
    script = asked_to_say_goodbye()
    script.response_done("r1")
    script.wait(300)

    assert script.ordered(ClosePhone) == [ClosePhone("the time limit was reached")]


def test_a_goodbye_that_is_left_incomplete_again_and_again_is_asked_of_another_session() -> None:
    script = asked_to_say_goodbye()
    script.response_done("r1", "incomplete")
    script.feed(ResponseCreated("r2", "goodbye-2"))
    script.response_done("r2", "incomplete")
    script.begin_session()

    assert [command.request for command in script.ordered(CreateResponse)] == ["goodbye-1", "goodbye-2", "goodbye-3"]


def test_a_clip_in_the_place_of_the_goodbye_is_heard_before_the_line_is_closed() -> None:
    script = asked_to_say_goodbye(withheld=b"\x82" * 8000)
    script.feed(ResponseDone("r1", "incomplete", "content_filter"))
    script.wait(1299)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert before == []
    assert script.ordered(ClosePhone) == [ClosePhone("the time limit was reached")]


def test_a_clip_in_the_place_of_other_words_is_no_goodbye() -> None:
    script = Script(
        an_agent(limits=Limits(minutes=1, idle_seconds=0)), clips=CLIPS | {"withheld": b"\x82" * 800}
    ).begin()
    script.wait(44_000)
    script.feed(ResponseCreated("r1", None))
    script.wait(1500)
    script.feed(ResponseDone("r1", "incomplete", "content_filter"))
    script.wait(2000)

    assert requests(script) == ["goodbye-1"]
    assert script.ordered(ClosePhone) == []


def test_a_goodbye_is_asked_for_also_where_only_a_sign_of_life_is_heard() -> None:
    script = Script(clips={**CLIPS, "moment": b"\x81" * 8000}).begin()
    script.caller_speaks()
    script.caller_stops()
    script.wait(2700)
    sign_of_life = len(script.ordered(PlayAudio))
    script.feed(
        ResponseCreated("r1", "turn-1"),
        ToolRequested("r1", "f1", "c1", "hang_up", "{}"),
        ResponseDone("r1", "completed"),
    )
    script.wait(1500)

    assert sign_of_life == 1
    assert requests(script) == ["turn-1", "goodbye-2"]
    assert script.ordered(ClosePhone) == []
