"""What the caller heard of an answer that is played in several stretches, or of several items in one."""

from tests.support.script import Script
from voice_agent.call.commands import (
    ClearPlayback,
    Command,
    Interrupted,
    PlayAudio,
    SendMark,
    TruncateItem,
)
from voice_agent.call.events import (
    CallerAudio,
    Event,
    MarkEchoed,
    ModelAudio,
    StreamStarted,
)
from voice_agent.call.facts import BargeIn as CutNow
from voice_agent.call.facts import ClipWanted, Fact, ItemHeard, OwnSpeechWanted
from voice_agent.call.playback import Playback


def truncations(script: Script) -> list[tuple[str, int, str]]:
    return [(t.item_id, t.audio_end_ms, t.basis) for t in script.ordered(TruncateItem)]


def interruptions(script: Script) -> list[tuple[str, int, str]]:
    return [(i.item_id, i.heard_ms, i.basis) for i in script.ordered(Interrupted)]


def test_the_item_in_the_air_is_the_last_one_of_which_something_was_heard() -> None:
    script = Script().begin()
    for item in "abc":
        script.agent_speaks(item, 1000)
    script.response_done()
    script.wait(1500)
    script.caller_speaks()
    script.wait(40)

    assert interruptions(script) == [("b", 500, "mark")]


def test_an_item_that_was_about_to_begin_is_not_in_the_air_yet() -> None:
    script = Script().begin()
    for item in "ab":
        script.agent_speaks(item, 1000)
    script.response_done()
    script.wait(1000)
    script.caller_speaks()
    script.wait(40)

    assert interruptions(script) == [("a", 1000, "mark")]
    assert truncations(script) == [("b", 0, "mark")]


def test_a_barge_in_before_the_first_sound_interrupts_the_first_item() -> None:
    script = Script().begin()
    for item in "ab":
        script.agent_speaks(item, 1000)
    script.caller_speaks()
    script.wait(40)

    assert [item for item, heard_ms, _ in interruptions(script) if heard_ms == 0] == ["a"]


def test_an_answer_behind_a_clip_of_ours_is_cut_by_its_own_time() -> None:
    script = Script(clips={"moment": b"\x81" * 8000}).begin()
    script.caller_speaks()
    script.caller_stops()
    script.wait(2500)  # a sign of life of one second
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(1500)
    script.caller_speaks()
    script.wait(40)

    assert interruptions(script) == [("a", 500, "mark")]
    assert truncations(script) == [("a", 500, "mark")]


def test_a_clip_that_is_cut_is_no_item_of_the_model() -> None:
    script = Script(clips={"moment": b"\x81" * 8000}).begin()
    script.caller_speaks("u1")
    script.caller_stops("u1")
    script.wait(3000)
    script.caller_speaks("u2")
    script.wait(40)

    assert len(script.ordered(ClearPlayback)) == 1
    assert (interruptions(script), truncations(script)) == ([], [])


def test_an_item_in_two_stretches_is_heard_as_the_sum_of_both() -> None:
    part = Playback({"moment": b"\x81" * 800})
    said: list[Command | Fact] = []

    def feed(*events: Event | Fact) -> None:
        for event in events:
            said.extend(part.feed(0, event))

    feed(StreamStarted("MZ1", "CA1"), CallerAudio(0, b"\xff" * 160))
    feed(ModelAudio("r1", "first", 0, b"\x10" * 800, 100))
    feed(ModelAudio("r1", "a", 0, b"\x10" * 800, 100), ClipWanted("moment"))
    feed(ModelAudio("r1", "a", 0, b"\x10" * 8000, 1100))
    feed(MarkEchoed("start-1"))
    for at_ms in range(20, 620, 20):
        feed(CallerAudio(at_ms, b"\xff" * 160))
        if at_ms == 300:
            feed(MarkEchoed("play-6"))
    feed(CutNow("r1"))
    cut = next(command.name for command in said if isinstance(command, SendMark) and command.name.startswith("cut"))
    feed(MarkEchoed(cut), CallerAudio(620, b"\xff" * 160))

    # 600 ms were played: 100 of the first item, 100 of `a`, 100 of the clip, 300 of `a` again.
    assert [(t.item_id, t.audio_end_ms) for t in said if isinstance(t, TruncateItem)] == [("first", 100), ("a", 400)]


def test_nothing_more_of_a_cut_response_is_played_though_its_beginning_was_never_told() -> None:
    script = Script().begin()
    script.feed(ModelAudio("r9", "a", 0, b"\x10" * 8000, 1000))
    script.wait(200)
    script.caller_speaks()
    late = script.feed(ModelAudio("r9", "b", 0, b"\x10" * 800, 100))

    assert not any(isinstance(c, PlayAudio) for c in late)


def test_audio_of_odd_lengths_is_measured_in_whole_milliseconds() -> None:
    script = Script().begin()
    script.wait(100)
    script._stream_at = None  # our clock stands in
    sent_ms = 0
    for length in (1001, 803, 4005, 8003):
        sent_ms += length // 8
        script.feed(ModelAudio("r1", "a", 0, b"\x10" * length, sent_ms))
    script.wait(600)
    script.caller_speaks()
    script.wait(700)

    ((item, heard_ms, basis),) = interruptions(script)
    assert (item, basis) == ("a", "clock")
    assert abs(heard_ms - 600) <= 40


def test_of_an_item_behind_a_clip_that_goes_on_in_the_next_stretch_as_much_was_heard_as_played() -> None:
    part = Playback({"moment": b"\x81" * 800})
    came: list[tuple[int, Event | Fact]] = [
        (at_ms + 20, CallerAudio(at_ms, b"\xff" * 160)) for at_ms in range(0, 1400, 20)
    ]
    came += [
        (0, StreamStarted("MZ1", "CA1")),
        (0, ClipWanted("moment")),
        (0, ModelAudio("r1", "a", 0, b"\x10" * 4000, 500)),
        (605, MarkEchoed("play-4")),
        (1000, ModelAudio("r1", "a", 0, b"\x10" * 8000, 1500)),
        (1005, MarkEchoed("start-5")),
        (1200, CutNow("r1")),
        (1205, MarkEchoed("cut-7")),
    ]
    told = [output for now_ms, event in sorted(came, key=lambda each: each[0]) for output in part.feed(now_ms, event)]

    marks = [output.name for output in told if isinstance(output, SendMark)]
    assert marks == ["start-1", "play-2", "start-3", "play-4", "start-5", "play-6", "cut-7"]
    assert [(t.audio_end_ms, t.basis) for t in told if isinstance(t, TruncateItem)] == [(700, "mark")]


def test_speech_of_our_own_that_was_heard_to_its_end_is_finished() -> None:
    part = Playback({})
    told: list[Command | Fact] = []
    for event in (
        StreamStarted("MZ1", "CA1"),
        OwnSpeechWanted("kept", "Hello.", b"\x80" * 800),
        CallerAudio(0, b"\xff" * 160),
        MarkEchoed("play-2"),
    ):
        told += part.feed(0, event)

    assert [fact for fact in told if isinstance(fact, ItemHeard)] == [ItemHeard("kept", 100, 100, interrupted=False)]


def test_what_follows_a_dry_moment_whose_start_mark_was_lost_counts_from_when_it_was_sent() -> None:
    # 50 ms there, 150 ms back: the carrier ran dry from 450 to 550, and the echo that would tell it is lost.
    part = Playback({})
    came: list[tuple[int, Event | Fact]] = [
        (at_ms + 170, CallerAudio(at_ms, b"\xff" * 160)) for at_ms in range(0, 800, 20)
    ]
    came += [
        (0, StreamStarted("MZ1", "CA1")),
        (0, ModelAudio("r1", "a", 0, b"\x10" * 3200, 400)),
        (215, MarkEchoed("start-1")),
        (500, ModelAudio("r1", "a", 0, b"\x10" * 8000, 1400)),
        (615, MarkEchoed("play-2")),
        (700, CutNow("r1")),
        (915, MarkEchoed("cut-5")),
    ]
    told = [output for now_ms, event in sorted(came, key=lambda each: each[0]) for output in part.feed(now_ms, event)]

    marks = [output.name for output in told if isinstance(output, SendMark)]
    assert marks == ["start-1", "play-2", "start-3", "play-4", "cut-5"]
    assert [(t.audio_end_ms, t.basis) for t in told if isinstance(t, TruncateItem)] == [(600, "clock")]
