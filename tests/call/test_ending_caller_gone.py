"""How a call ends whose caller is gone, or that somebody else ends, whatever goes on in it."""

import pytest

from tests.support.endings import ends, hangs_up
from tests.support.script import Script
from voice_agent.call.commands import (
    CallEnded,
    ClearPlayback,
    CloseModel,
    ClosePhone,
    HangUp,
    Note,
    Report,
    ToolAnswered,
)
from voice_agent.call.events import (
    CallerAudio,
    CallEvent,
    EndRequested,
    ModelClosed,
    PhoneChecked,
    PhoneClosed,
    PhoneFault,
    StreamStarted,
    StreamStopped,
)
from voice_agent.call.states import Phase
from voice_agent.call.trouble import TroubleFinder


def waiting(script: Script) -> None:
    del script


def talking(script: Script) -> None:
    script.begin()


def in_its_goodbye(script: Script) -> None:
    hangs_up(script.begin(), words_ms=2000)


def in_its_apology(script: Script) -> None:
    script.begin().feed(ModelClosed(4000))


def leaving(script: Script) -> None:
    hangs_up(script.begin())
    script.wait(1400)


SCENES = {
    Phase.WAITING: waiting,
    Phase.TALKING: talking,
    Phase.GOODBYE: in_its_goodbye,
    Phase.APOLOGY: in_its_apology,
    Phase.LEAVING: leaving,
}


@pytest.mark.parametrize("phase", SCENES)
@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (StreamStopped(), "caller_hung_up"),
        (PhoneClosed(None), "stream_lost"),
        (PhoneChecked(alive=False), "stream_lost"),
        (PhoneFault("another format", fatal=True), "stream_lost"),
    ],
)
def test_every_phase_ends_with_its_caller(phase: Phase, event: CallEvent, outcome: str) -> None:
    script = Script()
    SCENES[phase](script)
    reached = script.call.phase
    script.feed(event)

    assert reached is phase
    assert [end.outcome for end in script.ordered(CallEnded)] == ["completed" if phase is Phase.LEAVING else outcome]
    assert isinstance(script.said[-1], CallEnded)
    assert len(script.ordered(CloseModel)) == 1
    assert len(script.ordered(ClosePhone)) <= 1
    assert script.call.phase is Phase.ENDED
    assert script.call.deadline() is None
    assert script.feed(event) == []


@pytest.mark.parametrize("phase", SCENES)
def test_whoever_ends_the_call_from_outside_ends_it_in_every_phase(phase: Phase) -> None:
    script = Script()
    SCENES[phase](script)
    script.feed(EndRequested("drained"))
    script.feed(PhoneClosed(1000))

    expected = ("completed", "the agent hung up") if phase is Phase.LEAVING else ("stopped", "drained")
    assert ends(script) == [expected]
    assert len(script.ordered(ClosePhone)) == (0 if phase is Phase.WAITING else 1)


def test_what_is_queued_is_not_played_on_behind_an_end_from_outside() -> None:
    script = Script().begin()
    script.agent_speaks("i1", 60_000)
    script.feed(EndRequested("drained"))

    assert [type(c) for c in script.said if isinstance(c, ClearPlayback | ClosePhone)] == [ClearPlayback, ClosePhone]


def test_what_is_queued_is_not_played_on_where_the_carrier_refuses_to_hang_up() -> None:
    script = Script(rest=True).begin()
    hangs_up(script, words_ms=60_000)
    script.wait(31_000)

    assert [type(c) for c in script.said if isinstance(c, ClearPlayback | HangUp)] == [ClearPlayback, HangUp]


def test_nothing_is_cleared_on_a_line_that_has_gone() -> None:
    script = Script().begin()
    script.agent_speaks("i1", 60_000)
    script.feed(StreamStopped())

    assert script.ordered(ClearPlayback) == []


def test_a_skipped_message_is_told_and_ends_nothing() -> None:
    script = Script().begin()

    assert script.feed(PhoneFault("not JSON")) == [
        Note("warning", "a message of the stream was skipped", {"problem": "not JSON"})
    ]


def test_a_stream_of_another_format_is_closed_with_the_reason() -> None:
    script = Script()
    script.feed(PhoneFault("start.mediaFormat: audio/L16", fatal=True))

    assert [c.reason for c in script.ordered(ClosePhone)] == ["start.mediaFormat: audio/L16"]
    assert ends(script) == [("stream_lost", "start.mediaFormat: audio/L16")]
    assert script.ordered(Note) == [
        Note("warning", "the stream cannot be used", {"problem": "start.mediaFormat: audio/L16"})
    ]


def test_a_stream_that_does_not_answer_its_check_is_dead() -> None:
    script = Script().begin()
    script.feed(PhoneChecked(alive=False))

    assert ends(script) == [("stream_lost", "the stream is dead")]


def test_a_stream_that_starts_again_changes_nothing_of_the_end() -> None:
    script = Script().begin()
    hangs_up(script)
    script.feed(StreamStarted("MZ1", "CA1"))
    script.wait(1400)

    assert script.call.phase is Phase.LEAVING


def test_a_stream_that_answers_its_check_lives_on() -> None:
    script = Script().begin()
    script.feed(CallerAudio(0, b"\xff" * 160), PhoneChecked(alive=True))

    assert script.call.phase is Phase.TALKING


def test_what_went_before_is_told_in_one_line() -> None:
    script = Script().begin()

    assert repr(script.call._ending).startswith("<Ending talking, Deadlines({")


def test_why_a_call_is_over_whose_caller_has_hung_up_is_told() -> None:
    script = Script().begin()
    script.feed(StreamStopped())

    assert ends(script) == [("caller_hung_up", "the carrier ended the stream")]


def test_a_caller_who_hangs_up_in_the_goodbye_leaves_no_tool_without_its_answer() -> None:
    script = Script()
    in_its_goodbye(script)
    script.feed(StreamStopped(), PhoneClosed(1000))
    trouble = TroubleFinder()
    for report in script.said:
        if isinstance(report, Report):
            trouble.take(script.now_ms, report)

    assert [answer.output for answer in script.ordered(ToolAnswered)] == [
        "The call has ended: the carrier ended the stream."
    ]
    assert [found.kind for found in trouble.found] == ["words not heard"]
    assert script.call.conversation().open_tool_calls == ()
