from tests.support.recorded import append, caller_media, header, model_delta, write
from voice_agent.call.commands import CallEnded, CallerSaid, Note, ResponseUsed
from voice_agent.call.events import Usage
from voice_agent.call.summary import Line
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.reader import Recording
from voice_agent.recording.telling import (
    LONGEST_TEXT,
    clock,
    is_worth_telling,
    report_line,
    report_of,
    shown,
    summarise,
    timeline,
    transcript,
)

SAID = Entry("fact", '{"type":"CallerSaid","item_id":"item_u","text":"Hi."}')
RECORDING = Recording(
    write(
        header(),
        [
            Step(0, None, (Entry("fact", '{"type":"ConnectModel"}'),)),
            Step(20, caller_media(0, b"\xff" * 160), (append(b"\xff" * 160),)),
            Step(30, model_delta(b"\0" * 8), (Entry("phone", '{"event":"mark"}'), SAID)),
            Step(61_250, Entry("fact", '{"type":"TimerFired"}'), ()),
            Step(61_250, Entry("remark", '{"what":"1 text was not written"}'), ()),
        ],
    )
)


def test_times_are_minutes_seconds_and_milliseconds() -> None:
    assert [clock(ms) for ms in (0, 61_250, 6_000_007)] == ["00:00.000", "01:01.250", "100:00.007"]


def test_the_timeline_leaves_out_nothing_but_the_flow_of_audio() -> None:
    assert list(timeline(RECORDING)) == [
        '00:00.000 < fact   {"type":"ConnectModel"}',
        '00:00.030 < phone  {"event":"mark"}',
        "00:00.030 * CallerSaid item_id 'item_u', text 'Hi.'",
        '01:01.250 > fact   {"type":"TimerFired"}',
        '01:01.250 > remark {"what":"1 text was not written"}',
    ]


def test_a_recording_is_summed_up_by_its_reports() -> None:
    assert summarise(RECORDING).lines == [Line(30, "caller", "Hi.")]


def test_the_transcript_is_a_line_for_each_thing_said() -> None:
    lines = [Line(30, "caller", "Hi."), Line(61_250, "agent", "Hello", "interrupted: 0.4 s of 2.0 s heard")]

    assert list(transcript(lines)) == [
        "00:00.030  Caller  Hi.",
        "01:01.250  Agent   Hello  (interrupted: 0.4 s of 2.0 s heard)",
    ]


def test_a_tool_that_answers_in_several_lines_is_told_in_one() -> None:
    line = Line(0, "tool", "free_slots {}", 'answered in 0.3 s: {\n  "first": "9:00"\n}')

    assert list(transcript([line])) == ['00:00.000  Tool    free_slots {}  (answered in 0.3 s: { "first": "9:00" })']


def test_what_would_steer_a_terminal_is_told_and_not_done() -> None:
    assert list(transcript([Line(0, "caller", "Hi\x1b[2J", "\x07")])) == [r"00:00.000  Caller  Hi\x1b[2J  (\x07)"]


def test_entries_are_shown_short_sealed_and_printable() -> None:
    assert shown(None) == "nothing"
    assert "~8:" in shown(model_delta(b"\0" * 8))
    assert shown(Entry("phone", '{"media":{"payload":"~8:00"}}')) == 'phone  {"media":{"payload":"~8:00"}}'
    assert shown(Entry("fact", "x" * 2 * LONGEST_TEXT)) == f"fact   {'x' * LONGEST_TEXT}…"
    assert shown(Entry("model", "a\ud800b\x1b[2J")) == r"model  a\ud800b\x1b[2J"


def test_reports_are_told_apart_from_orders_and_from_what_nobody_knows() -> None:
    assert report_of(SAID) == CallerSaid("item_u", "Hi.")
    assert report_of(Entry("fact", '{"type":"ClosePhone","reason":"x"}')) is None
    assert report_of(Entry("fact", '{"type":"Unheard"}')) is None
    assert report_of(Entry("model", SAID.text)) is None


def test_small_talk_is_not_worth_telling() -> None:
    assert not is_worth_telling(Note("info", "a frame was late"))
    assert is_worth_telling(Note("warning", "no frames"))
    assert not is_worth_telling(ResponseUsed(Usage()))
    assert report_line(CallEnded("stopped", "", 5)) == "CallEnded outcome 'stopped', reason '', duration_ms 5"
