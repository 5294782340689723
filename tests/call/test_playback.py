"""What the caller heard, as the carrier confirms it."""

from tests.support.script import Script, an_agent
from voice_agent.agent import BargeIn
from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    ClearPlayback,
    Interrupted,
    Note,
    PlayAudio,
    SendMark,
    TruncateItem,
)
from voice_agent.call.events import (
    AgentTranscript,
    CallerAudio,
    EndRequested,
    MarkEchoed,
    ModelAudio,
    ModelClosed,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    StreamStopped,
    TurnCommitted,
)


def truncations(script: Script) -> list[tuple[str, int, str]]:
    return [(t.item_id, t.audio_end_ms, t.basis) for t in script.ordered(TruncateItem)]


def test_a_start_mark_goes_out_before_the_first_audio_and_a_mark_after_each_delta() -> None:
    script = Script().begin()
    script.agent_speaks("a", 1000, chunk_ms=500)

    phone = [c for c in script.said if isinstance(c, PlayAudio | SendMark)]
    kinds = [c.name.split("-")[0] if isinstance(c, SendMark) else "audio" for c in phone]
    assert kinds == ["start", "audio", "play", "audio", "play"]


def test_a_reply_that_was_heard_whole_is_not_truncated() -> None:
    script = Script().begin()
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(1500)
    script.caller_speaks()
    script.wait(1000)

    assert truncations(script) == []
    assert script.ordered(ClearPlayback) == []
    assert [(s.heard_ms, s.total_ms, s.interrupted) for s in script.ordered(AgentSaid)] == [(1000, 1000, False)]


def test_barge_in_while_the_model_generates_truncates_at_what_was_heard() -> None:
    script = Script().begin()
    script.agent_speaks("a", 2000, done=False)
    script.wait(600)
    commands = script.caller_speaks()
    script.wait(40)

    assert [type(c).__name__ for c in commands if isinstance(c, ClearPlayback | SendMark)] == [
        "ClearPlayback",
        "SendMark",
    ]
    ((item, end_ms, basis),) = truncations(script)
    assert (item, basis) == ("a", "mark")
    assert abs(end_ms - 600) <= 20


def test_barge_in_after_the_response_is_done_cuts_the_tail() -> None:
    script = Script().begin()
    script.agent_speaks("a", 3000)
    script.response_done()
    script.wait(1500)
    script.caller_speaks()
    script.wait(40)

    ((_, end_ms, basis),) = truncations(script)
    assert basis == "mark"
    assert abs(end_ms - 1500) <= 20


def test_barge_in_over_several_items_truncates_each_by_its_own_time() -> None:
    script = Script().begin()
    script.agent_speaks("a", 1000)
    script.agent_speaks("b", 1000)
    script.agent_speaks("c", 1000)
    script.response_done()
    script.wait(1500)
    script.caller_speaks()
    script.wait(40)

    (b, c) = truncations(script)
    assert b[0] == "b"
    assert abs(b[1] - 500) <= 20
    assert c[:2] == ("c", 0)


def test_barge_in_before_anything_was_played_truncates_at_nothing() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None))
    script.caller_speaks()
    late = script.feed(ModelAudio("r1", "a", 0, b"\x10" * 800, 100), ModelAudio("r1", "a", 0, b"", 100, done=True))
    script.feed(ResponseDone("r1", "cancelled", "turn_detected"))

    assert not any(isinstance(c, PlayAudio) for c in late)
    assert truncations(script) == [("a", 0, "mark")]


def test_two_barge_ins_in_a_row_are_measured_apart() -> None:
    script = Script().begin()
    script.agent_speaks("a", 2000, response="r1")
    script.response_done("r1")
    script.wait(400)
    script.caller_speaks("u1")
    script.wait(100)
    script.caller_stops("u1")
    script.agent_speaks("b", 2000, response="r2")
    script.response_done("r2")
    script.wait(800)
    script.caller_speaks("u2")
    script.wait(100)

    (a, b) = truncations(script)
    assert abs(a[1] - 400) <= 20
    assert abs(b[1] - 800) <= 20


def test_late_deltas_of_a_cut_response_are_never_played() -> None:
    script = Script().begin()
    script.agent_speaks("a", 1000, done=False)
    script.wait(300)
    script.caller_speaks()
    late = script.feed(ModelAudio("r1", "a", 0, b"\x10" * 1600, 1200))

    assert not any(isinstance(c, PlayAudio) for c in late)


def test_audio_that_came_too_late_to_be_played_still_bounds_the_truncation_from_above_only() -> None:
    script = Script().begin()
    script.agent_speaks("a", 400, done=False)
    script.wait(390)
    script.caller_speaks()
    script.feed(ModelAudio("r1", "a", 0, b"\x10" * 8000, 1400, done=True))
    script.feed(ResponseDone("r1", "cancelled", "turn_detected"))
    script.wait(40)

    ((_, end_ms, _),) = truncations(script)
    assert abs(end_ms - 390) <= 20


def test_a_mark_of_cleared_audio_is_not_heard() -> None:
    script = Script().begin()
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(100)
    script.caller_speaks()
    script.wait(40)  # the carrier echoes all the flushed marks at once

    ((_, end_ms, _),) = truncations(script)
    assert abs(end_ms - 100) <= 20


def test_without_the_cut_marks_echo_the_estimate_decides_when_the_caller_stops() -> None:
    script = Script().begin()
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(1000)
    script.echo = False
    script.caller_speaks()
    script.wait(300)
    commands = script.feed(SpeechStopped("u1", 0))

    ((_, end_ms, basis),) = truncations(script)
    assert any(isinstance(c, TruncateItem) for c in commands)
    assert basis == "estimate"
    assert abs(end_ms - 1000) <= 40


def test_without_the_cut_marks_echo_the_estimate_decides_after_700_ms() -> None:
    script = Script().begin()
    script.echo = False
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(1000)
    script.caller_speaks()
    script.wait(699)
    before = truncations(script)
    script.wait(1)

    assert before == []
    assert truncations(script) == [("a", 1000, "estimate")]


def test_where_no_inbound_frames_come_our_clock_stands_in_and_says_so() -> None:
    script = Script().begin()
    script.wait(100)
    script._stream_at = None  # the carrier falls silent
    script.agent_speaks("a", 5000)
    script.response_done()
    script.wait(600)
    script.caller_speaks()
    script.wait(700)

    ((_, end_ms, basis),) = truncations(script)
    assert basis == "clock"
    assert abs(end_ms - 600) <= 40


def test_the_echo_counts_at_its_place_among_the_frames_however_late_it_arrives() -> None:
    script = Script().begin()
    script._stream_at = None  # frames and echoes are typed by hand
    script.echo = False
    script.feed(CallerAudio(0, b"\xff" * 160))
    script.agent_speaks("a", 5000, chunk_ms=5000)
    script.response_done()
    script.feed(MarkEchoed("start-1"), CallerAudio(20, b"\xff" * 160))
    for timestamp in range(40, 1000, 20):
        script.feed(CallerAudio(timestamp, b"\xff" * 160))
    script.now_ms += 2000  # the network holds everything back
    script.caller_speaks()
    cut = script.ordered(SendMark)[-1].name
    script.feed(MarkEchoed(cut), CallerAudio(1000, b"\xff" * 160))

    assert truncations(script) == [("a", 980, "mark")]


def test_a_stretch_that_ran_dry_is_measured_from_where_it_went_on() -> None:
    script = Script().begin()
    script.agent_speaks("a", 400, done=False)
    script.wait(1400)  # a second of nothing
    script.agent_speaks("a", 2000, done=False)
    script.wait(600)
    script.caller_speaks()
    script.wait(40)

    ((_, end_ms, _),) = truncations(script)
    assert abs(end_ms - 1000) <= 20


def test_lost_marks_do_not_leave_the_agent_speaking_for_ever() -> None:
    script = Script().begin()
    script.echo = False
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(3999)
    before = script.ordered(AgentSaid)
    script.wait(1)

    assert before == []
    assert script.ordered(Note) == [
        Note("warning", "the carrier did not echo the marks of audio that must have been played")
    ]
    assert [s.heard_ms for s in script.ordered(AgentSaid)] == [1000]


def test_the_words_of_a_cut_item_are_cut_in_proportion() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), AgentTranscript("r1", "a", "one two three four five six"))
    script._responses.add("r1")
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(1000)
    script.caller_speaks()
    script.wait(40)

    (said,) = script.ordered(AgentSaid)
    assert said.interrupted
    assert said.text in {"one two", "one two three"}
    assert [i.item_id for i in script.ordered(Interrupted)] == ["a"]


def test_the_response_time_runs_on_the_carriers_clock() -> None:
    script = Script().begin()
    script.wait(1000)
    script.feed(SpeechStarted("u1", 200))
    script.wait(500)
    script.feed(SpeechStopped("u1", 1500), TurnCommitted("u1"))
    script.wait(300)
    script.agent_speaks("a", 1000)
    script.wait(20)

    (began,) = script.ordered(AgentBegan)
    assert abs(began.response_ms - 800) <= 40


def test_the_response_time_runs_on_where_no_frames_come_in_silence() -> None:
    script = Script().begin()
    script.wait(1000)
    script.feed(SpeechStarted("u1", 200))
    script.wait(500)
    script.frames_come = False
    script.wait(500)
    script.feed(SpeechStopped("u1", 2000), TurnCommitted("u1"))
    script.wait(400)
    script.agent_speaks("a", 1000)
    script.wait(20)

    (began,) = script.ordered(AgentBegan)
    assert abs(began.response_ms - 900) <= 40


def test_what_was_in_the_air_when_the_caller_hung_up_counts_as_far_as_it_was_played() -> None:
    script = Script().begin()
    script.agent_speaks("a", 4000)
    script.response_done()
    script.wait(1000)
    commands = script.feed(StreamStopped())

    (said,) = script.ordered(AgentSaid)
    assert abs(said.heard_ms - 1000) <= 40
    assert not any(isinstance(c, TruncateItem) for c in commands)


def test_under_a_protected_greeting_nothing_is_cut() -> None:
    agent = an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))
    script = Script(agent).begin()
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.wait(200)

    assert script.ordered(ClearPlayback) == []


def test_what_a_model_says_before_the_stream_begins_is_not_played_and_not_remembered() -> None:
    script = Script()
    script.begin_session()
    script.agent_speaks("a", 1000)
    script.response_done()
    script.begin_stream()

    assert script.ordered(PlayAudio) == []
    assert truncations(script) == [("a", 0, "mark")]


def test_audio_that_comes_after_its_item_was_cut_is_never_played_whatever_was_said_to_be_done() -> None:
    script = Script().begin()
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    late = script.feed(ModelAudio("r1", "a", 0, b"\x10" * 800, 2100))
    script.wait(1000)
    later = script.feed(ModelAudio("r1", "a", 0, b"\x10" * 800, 2200))

    assert not any(isinstance(c, PlayAudio) for c in late + later)
    assert len(truncations(script)) == 1


def test_what_was_heard_of_an_answer_whose_model_was_lost_was_said() -> None:
    script = Script().begin()
    script.agent_speaks("a", 1000, done=False)
    script.feed(ModelClosed(4000))
    script.wait(1200)

    assert [(said.heard_ms, said.interrupted) for said in script.ordered(AgentSaid)] == [(1000, False)]


def test_what_was_heard_of_an_answer_that_was_not_over_when_the_caller_hung_up_was_said() -> None:
    script = Script().begin()
    script.agent_speaks("a", 1000, done=False)
    script.wait(1500)
    script.feed(StreamStopped())

    assert [(said.heard_ms, said.interrupted) for said in script.ordered(AgentSaid)] == [(1000, True)]


def test_a_cut_is_not_told_to_a_model_that_is_gone() -> None:
    script = Script().begin()
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.feed(ModelClosed(4000))
    script.wait(100)

    assert truncations(script) == []
    assert [said.interrupted for said in script.ordered(AgentSaid)] == [True]


def test_nothing_new_is_played_while_the_line_is_being_closed() -> None:
    script = Script().begin()
    script.feed(EndRequested("drained"))
    script.agent_speaks("a", 1000)

    assert script.ordered(PlayAudio) == []
