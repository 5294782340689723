from collections import Counter
from pathlib import Path

import pytest

from tests.support.recorded import with_cause, write
from voice_agent.live.clips import load_clips
from voice_agent.recording.reader import Recording, read
from voice_agent.review.course import Answer, Course, Span, ToolRun, Turn, course_of
from voice_agent.review.sound import sound

CALLS = Path(__file__).parent.parent / "calls"


def course(name: str) -> Course:
    return course_of(read(CALLS / f"{name}.call"), load_clips())[0]


def test_what_the_caller_did_not_hear_stands_behind_what_was_heard() -> None:
    told = course("interrupted")
    (cut,) = (answer for answer in told.answers if answer.interrupted)

    assert cut.text
    assert cut.unheard
    assert cut.end_ms == cut.begin_ms + cut.heard_ms
    assert cut.heard_ms < cut.total_ms
    assert cut.cut_ms is not None
    assert cut.begin_ms < cut.cut_ms <= cut.end_ms + 100
    assert cut.basis == "mark"


def test_a_late_answer_says_which_tool_it_waited_for() -> None:
    told = course("session-lost-in-a-tool")
    (late,) = (answer for answer in told.answers if answer.response_ms > 1000)
    parts = {part.what: part.ms for part in late.wait}

    assert sum(parts.values()) == late.response_ms
    assert parts["tool find_order"] > 3500
    assert 450 <= parts["until the end of speech was noticed"] <= 600
    waits = [silence for silence in told.silences if silence.what == "the caller waits"]
    (sign,) = told.own
    assert sign.what == "a sign of life"
    assert (waits[0].begin_ms, waits[0].end_ms) == (late.begin_ms - late.response_ms, sign.begin_ms)


def test_a_session_that_was_lost_is_told_with_its_reason() -> None:
    told = course("session-lost-in-a-tool")

    (moment,) = told.moments
    assert (moment.level, moment.what) == ("warning", "the connection to the model was lost, and another is made")
    assert "session_expired" in moment.detail
    (lost,) = (finding for finding in told.findings if finding.kind == "connection lost")
    assert lost.text == "the agent was not cut off by it"


def test_of_a_lost_session_it_is_told_what_the_caller_noticed() -> None:
    told = course("session-lost-in-an-answer")
    _, cut, again = told.answers
    (lost,) = (finding for finding in told.findings if finding.kind == "connection lost")

    assert lost.at_ms == cut.end_ms
    assert lost.text.startswith("the agent broke off at 0:11.4; the answer was said again from its beginning at 0:11.5")
    (making,) = (span for span in told.responses if span.what == "lost with its session")
    assert making.end_ms < cut.end_ms < again.begin_ms


def test_a_call_that_somebody_holds_in_has_the_sounds_of_it() -> None:
    told = course("warm-accepted")

    assert [sound.what for sound in told.own] == ["the sound of holding"] * 3
    assert [sound.end_ms - sound.begin_ms for sound in told.own] == [1800] * 3


def test_the_kept_greeting_is_an_answer_and_no_sound_beside_it() -> None:
    assert course("kept-greeting").own == []


def test_keys_of_the_caller_have_their_moments() -> None:
    assert "".join(key.digit for key in course("digits-by-length").keys) == "1204"


def test_tools_that_wait_for_the_caller_say_so() -> None:
    assert {run.waits for run in course("digits-by-length").tools} >= {"for the caller's keys"}
    assert all(not run.waits for run in course("tool-slow").tools if run.name == "find_order")


def test_a_tool_that_failed_is_told_with_what_the_model_got() -> None:
    (run,) = (run for run in course("tool-failed").tools if run.failed)

    assert run.answered
    assert run.output
    assert run.end_ms >= run.begin_ms


def test_a_tool_that_failed_is_told_with_why_if_the_recording_says_so() -> None:
    old = read(CALLS / "tool-failed.call")
    new = Recording(with_cause(old, "HTTP 500"))

    assert [run.cause for run in course_of(old)[0].tools if run.failed] == [""]
    told = course_of(new)[0]
    assert [(run.cause, "500" in run.output) for run in told.tools if run.failed] == [("HTTP 500", False)]
    assert [finding.text for finding in told.findings] == ["find_order: HTTP 500"]


def test_a_tool_that_was_never_answered_lasts_to_the_end() -> None:
    told = course("hung-up-in-a-tool")
    (run,) = (run for run in told.tools if not run.answered)

    assert run.end_ms == told.length_ms


@pytest.mark.parametrize("path", sorted(CALLS.glob("*.call")), ids=lambda path: path.stem)
def test_every_call_has_a_course_that_fits_its_reports(path: Path) -> None:
    told, summary = course_of(read(path))

    assert told.damage == ""
    assert sorted(answer.response_ms for answer in told.answers if answer.response_ms >= 0) == sorted(
        summary.response_ms
    )
    assert len(told.tools) == summary.tool_calls
    assert Counter(finding.kind for finding in told.findings) == Counter(each.kind for each in summary.trouble)
    assert all(0 <= finding.at_ms <= told.length_ms for finding in told.findings)
    for answer in told.answers:
        assert sum(part.ms for part in answer.wait) == max(0, answer.response_ms)
        assert all(part.ms >= 0 for part in answer.wait)
    spans: list[Turn | Answer | ToolRun | Span] = [*told.turns, *told.answers, *told.tools]
    spans += [*told.responses, *told.silences]
    assert all(0 <= span.begin_ms <= span.end_ms for span in spans)
    assert [turn.text for turn in told.turns if turn.text] == [
        line.text for line in summary.lines if line.who == "caller" and line.text
    ]


@pytest.mark.parametrize("name", ["interrupted", "interrupted-no-frames", "tool-slow", "odd-chunks"])
def test_its_times_are_those_of_the_sound(name: str) -> None:
    recording = read(CALLS / f"{name}.call")
    told, channels = course_of(recording)[0], sound(recording, load_clips())

    assert told.length_ms == len(channels.caller) // 8
    for answer in told.answers:
        begun = channels.agent[(answer.begin_ms - 20) * 8 : (answer.begin_ms + 400) * 8]
        assert set(begun) - {0xFF, 0x7F}, "the agent is heard there"


def test_a_file_that_was_cut_short_is_told_as_far_as_it_goes() -> None:
    whole = read(CALLS / "interrupted.call")
    data = write(whole.header, whole.steps())
    told, _ = course_of(Recording(data[: len(data) // 2]))

    assert "cut short" in told.damage
    assert told.length_ms > 0


def test_an_answer_that_still_plays_where_the_file_ends_is_told() -> None:
    recording = read(CALLS / "session-lost-in-a-tool.call")
    steps = [step for step in recording.steps() if step.now_ms < 12_000]
    told, summary = course_of(Recording(write(recording.header, steps)))
    last = told.answers[-1]

    assert last.text.startswith("Your order of two garden books")
    assert (last.end_ms, last.response_ms) == (told.length_ms, summary.response_ms[-1])
    assert [answer.response_ms for answer in told.answers if answer.response_ms >= 0] == summary.response_ms
    assert not any(silence.end_ms == told.length_ms for silence in told.silences)


def test_a_damaged_file_too() -> None:
    data = bytearray((CALLS / "interrupted.call").read_bytes())
    data[-200] ^= 0xFF
    told, _ = course_of(Recording(bytes(data)))

    assert told.damage
