import pytest

from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerBegan,
    CallerSaid,
    CallStarted,
    Interrupted,
    KeysPressed,
    Note,
    Report,
    ResponseUsed,
    ToolAnswered,
    ToolStarted,
    TranscriptionUsed,
)
from voice_agent.call.events import TranscriptionUsage, Usage
from voice_agent.call.summary import WORDS_MS, Line, Summary
from voice_agent.call.trouble import Trouble


def told(*reports: tuple[int, Report]) -> Summary:
    summary = Summary()
    for now_ms, report in reports:
        summary.take(now_ms, report)
    return summary


def test_of_a_call_that_told_nothing_nothing_is_known() -> None:
    summary = Summary()

    assert (summary.ended, summary.until_ms, summary.lines, summary.faults) == (None, 0, [], 0)


def test_what_went_wrong_is_found_on_the_way() -> None:
    assert told((0, CallStarted(300)), (5000, AgentBegan("item_1", 1200))).trouble == [
        Trouble(3800, "late answer", ms=1200)
    ]


def test_words_stand_where_they_began_though_they_come_later() -> None:
    summary = told(
        (0, CallStarted(300)),
        (100, AgentBegan("item_1", -1)),
        (1500, CallerBegan()),
        (1700, Interrupted(1400, "item_1", "mark")),
        (1700, AgentSaid("item_1", "Hello, this", 1400, 4050, True)),
        (2600, AgentBegan("item_2", 620)),
        (2800, CallerSaid("item_u", "Wait.")),
        (4000, AgentSaid("item_2", "Yes?", 900, 900, False)),
        (5000, CallEnded("caller_hung_up", "the carrier ended the stream", 5000)),
    )

    assert summary.lines == [
        Line(100, "agent", "Hello, this", "interrupted: 1.4 s of 4.0 s heard"),
        Line(1500, "caller", "Wait."),
        Line(2600, "agent", "Yes?"),
        Line(5000, "end", "caller_hung_up", "the carrier ended the stream"),
    ]
    assert (summary.turns, summary.interruptions, summary.response_ms) == (1, 1, [620])
    assert summary.interruption_ms == [0]
    assert summary.ended == CallEnded("caller_hung_up", "the carrier ended the stream", 5000)


def test_an_interrupted_agent_is_heard_from_the_voice_that_was_noticed_to_its_last_sound() -> None:
    summary = told(
        (100, AgentBegan("item_1", -1)),
        (1500, CallerBegan()),
        (1800, Interrupted(1700, "item_1", "mark")),
        (1900, AgentSaid("item_1", "Hello, this", 1760, 4050, True)),
        # Nobody stops this one: the caller hangs up.
        (2600, AgentBegan("item_2", 620)),
        (4000, AgentSaid("item_2", "Yes", 900, 1900, True)),
    )

    assert summary.interruption_ms == [360]


def test_words_that_come_when_the_caller_goes_on_already_stand_where_their_own_turn_began() -> None:
    summary = told(
        (1000, CallerBegan()),
        (2500, AgentBegan("item_1", 500)),
        (3000, CallerBegan()),
        (3050, CallerSaid("item_u", "Wait.")),
        (3100, Interrupted(500, "item_1", "mark")),
        (3100, AgentSaid("item_1", "Hello", 560, 4050, True)),
        (4500, AgentBegan("item_2", 500)),
        (4900, CallerSaid("item_v", "I am Anna.")),
        (6000, AgentSaid("item_2", "Yes?", 900, 900, False)),
    )

    assert [(line.at_ms, line.text) for line in summary.lines] == [
        (1000, "Wait."), (2500, "Hello"), (3000, "I am Anna."), (4500, "Yes?")
    ]  # fmt: skip
    assert summary.interruption_ms == [60]


def test_words_that_never_came_keep_no_later_ones_from_their_place() -> None:
    early, late = (
        told((90_000, CallerBegan()), (at_ms, CallerBegan()), (at_ms + 900, CallerSaid("item_u", "Hi.")))
        for at_ms in (90_000 + WORDS_MS - 1, 90_000 + WORDS_MS)
    )

    assert (early.lines[0].at_ms, late.lines[0].at_ms) == (90_000, 90_000 + WORDS_MS)


def test_an_agent_that_is_cut_long_after_the_caller_spoke_is_heard_from_the_cut_on() -> None:
    summary = told(
        (500, CallerBegan()),
        (1500, AgentBegan("item_1", 500)),
        (30_000, Interrupted(28_500, "item_1", "mark")),
        (30_000, AgentSaid("item_1", "", 28_600, 60_000, True)),
    )

    assert summary.interruption_ms == [100]


def test_an_agent_that_is_cut_by_who_began_with_it_is_heard_from_then_on() -> None:
    summary = told(
        (1000, CallerBegan()),
        (1000, AgentBegan("item_1", 500)),
        (1400, Interrupted(400, "item_1", "mark")),
        (1500, AgentSaid("item_1", "We", 450, 9000, True)),
    )

    assert summary.interruption_ms == [450]


def test_an_agent_that_nobody_s_voice_has_stopped_is_heard_from_the_cut_on() -> None:
    summary = told(
        (0, AgentBegan("item_1", 500)),
        (2000, Interrupted(2000, "item_1", "mark")),
        (2100, AgentSaid("item_1", "We are open", 2200, 9000, True)),
    )

    assert summary.interruption_ms == [200]


def test_the_words_of_an_agent_that_was_handed_the_call_bear_its_name() -> None:
    summary = told((900, AgentSaid("item_1", "Billing here.", 900, 900, False, "billing")))

    assert summary.lines == [Line(0, "agent", "Billing here.", agent="billing")]


def test_a_tool_and_its_answer_are_one_line() -> None:
    summary = told(
        (10, ToolStarted("call_1", "find_table", '{"people":2}')),
        (20, ToolStarted("call_2", "hang_up", "{}")),
        (1250, ToolAnswered("call_1", "at eight", False, 1240)),
        (1300, ToolAnswered("call_2", "no", True, 80)),
        (1400, ToolAnswered("call_3", "unasked", False, 0)),
    )

    assert summary.lines == [
        Line(10, "tool", 'find_table {"people":2}', "answered in 1.2 s: at eight"),
        Line(20, "tool", "hang_up {}", "failed in 0.0 s: no"),
        Line(1400, "tool", "call_3", "answered in 0.0 s: unasked"),
    ]
    assert summary.tool_calls == 2


def test_keys_and_warnings_are_told_and_lesser_notes_are_not() -> None:
    summary = told(
        (10, KeysPressed("42#")),
        (20, Note("info", "a frame was late", {"ms": 3})),
        (30, Note("warning", "no frames came", {"ms": 800, "padded": True})),
    )

    assert summary.lines == [Line(10, "keys", "42#"), Line(30, "note", "no frames came", "ms 800, padded True")]


def test_errors_are_told_like_warnings() -> None:
    summary = told((20, Note("error", "the model is gone", {"reason": "close 1011"})))

    assert summary.lines == [Line(20, "note", "the model is gone", "reason close 1011")]


def test_warnings_and_errors_are_counted_and_lesser_notes_are_not() -> None:
    summary = told(*((10, Note(level, "a frame was late")) for level in ("warning", "debug", "error", "info")))

    assert summary.faults == 2


def test_turns_and_interruptions_are_counted() -> None:
    summary = told(
        *((at_ms, CallerSaid(f"item_{at_ms}", "Yes.")) for at_ms in (100, 200, 300)),
        *((at_ms, Interrupted(400, f"item_{at_ms}", "mark")) for at_ms in (101, 201)),
    )

    assert (summary.turns, summary.interruptions) == (3, 2)


def test_an_answer_without_delay_is_an_answer_and_words_that_answer_nothing_are_none() -> None:
    summary = told((0, AgentBegan("item_1", -1)), (900, AgentBegan("item_2", 0)), (1900, AgentBegan("item_3", 1)))

    assert summary.response_ms == [0, 1]


@pytest.mark.parametrize(("ms", "text"), [(0, "0.0 s"), (999, "0.9 s"), (1000, "1.0 s"), (60_000, "60.0 s")])
def test_times_are_told_in_whole_tenths_of_a_second(ms: int, text: str) -> None:
    summary = told((1, ToolStarted("call_1", "find", "{}")), (2, ToolAnswered("call_1", "42", False, ms)))

    assert summary.lines[0].remark == f"answered in {text}: 42"


def test_a_summary_forgets_words_and_keeps_counts() -> None:
    summary = told((10, CallerSaid("item_1", "I am Anna")), (30, KeysPressed("42#")))
    summary.forget_words()

    assert (summary.lines, summary.turns, summary.until_ms) == ([], 1, 30)


def test_words_without_a_known_beginning_stand_where_they_came() -> None:
    summary = told((900, CallerSaid("item_u", "Hi.")), (2000, AgentSaid("item_1", "Hello", 500, 500, False)))

    assert summary.lines == [Line(900, "caller", "Hi."), Line(1500, "agent", "Hello")]


def test_words_whose_beginning_was_told_once_begin_there_once() -> None:
    summary = told((100, CallerBegan()), (900, CallerSaid("item_1", "Hi.")), (950, CallerSaid("item_2", "Hello?")))

    assert summary.lines == [Line(100, "caller", "Hi."), Line(950, "caller", "Hello?")]


def test_nothing_began_before_the_call() -> None:
    summary = told((300, AgentSaid("item_1", "Hello", 500, 500, False)))

    assert summary.lines == [Line(0, "agent", "Hello")]


def test_the_tokens_of_all_responses_are_added() -> None:
    summary = told((1, ResponseUsed(Usage(1, 2, 3, 4, 5, 6))), (2, ResponseUsed(Usage(10, 20, 30, 40, 50, 60))))

    assert summary.usage == Usage(11, 22, 33, 44, 55, 66)


def test_the_words_of_the_caller_are_billed_apart() -> None:
    summary = told(
        (1, TranscriptionUsed(TranscriptionUsage(13, 9))),
        (2, ResponseUsed(Usage(input_tokens=100))),
        (3, TranscriptionUsed(TranscriptionUsage(7, 1, audio_ms=500))),
    )

    assert summary.transcription == TranscriptionUsage(20, 10, 500)
    assert summary.usage == Usage(input_tokens=100)
