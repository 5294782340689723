"""The caller's voice on its way to the model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.script import LOUD_FRAME, Script, an_agent
from voice_agent.agent import DigitCollection, SemanticVad, ServerVad, Tool
from voice_agent.call.caller_audio import BUFFER_MS, KEPT_MS, TRIM_MS, CallerAudioPart
from voice_agent.call.commands import AppendAudio, CheckPhone, HideCaller, Note, ShowCaller
from voice_agent.call.events import (
    CallerAudio,
    KeyPressed,
    ModelClosed,
    PhoneChecked,
    ResponseCreated,
    SpeechStarted,
    SpeechStopped,
    StreamStarted,
    StreamStopped,
    TimerFired,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.facts import (
    AgentChanged,
    CallerStopped,
    SessionLost,
    SessionReady,
    TurnHeardAgain,
    TurnUnanswered,
)

VAD = ServerVad()
SPEECH = b"\x80" * 160
SILENCE = b"\xff"


def by_hand(script: Script) -> Script:
    """Frames are typed by the test from now on."""
    script._stream_at = None
    return script


def appended(script: Script) -> bytes:
    return b"".join(command.audio for command in script.ordered(AppendAudio))


def stopped(part: CallerAudioPart, now_ms: int, audio_end_ms: int) -> list[object]:
    return list(part.feed(now_ms, SpeechStopped("u1", audio_end_ms)))


def test_each_frame_is_given_to_the_model_as_it_comes() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH), CallerAudio(20, SPEECH))

    assert script.ordered(AppendAudio) == [AppendAudio(SPEECH)] * 2


def test_a_hole_in_the_stream_is_filled_with_silence() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH), CallerAudio(100, SPEECH))

    assert appended(script) == SPEECH + SILENCE * 640 + SPEECH


def test_a_millisecond_may_be_rounding_and_two_are_a_hole() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH), CallerAudio(21, SPEECH), CallerAudio(43, SPEECH))

    assert appended(script) == SPEECH + SPEECH + SILENCE * 16 + SPEECH


def test_a_stream_that_begins_late_is_filled_from_its_beginning() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(60, SPEECH))

    assert appended(script) == SILENCE * 480 + SPEECH


def test_a_jump_of_the_timestamps_is_filled_by_10_s_at_most() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH), CallerAudio(3_600_000, SPEECH), CallerAudio(3_600_020, SPEECH))

    assert appended(script) == SPEECH + SILENCE * 80_000 + SPEECH + SPEECH


def test_frames_that_are_no_whole_milliseconds_leave_no_holes() -> None:
    script = by_hand(Script().begin())
    frame = b"\x80" * 100  # 12.5 ms
    script.feed(*(CallerAudio(index * 25 // 2, frame) for index in range(100)))

    assert appended(script) == frame * 100


def test_a_timestamp_that_runs_backwards_opens_no_hole() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH), CallerAudio(20, SPEECH), CallerAudio(0, SPEECH), CallerAudio(40, SPEECH))

    assert appended(script) == SPEECH * 4


def test_a_stream_that_falls_silent_is_padded_from_750_ms() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH))
    script.wait(749)
    before = appended(script)
    script.wait(1)
    first = appended(script)
    script.wait(500)

    assert before == SPEECH
    assert first == SPEECH + SILENCE * 6000
    assert appended(script) == SPEECH + SILENCE * 10_000


def test_a_stream_in_which_no_frame_comes_is_padded_from_750_ms_after_its_beginning() -> None:
    part = CallerAudioPart(VAD)
    for event in (StreamStarted("MZ1", "CA1"), SessionReady()):
        list(part.feed(1000, event))

    assert part.deadline() == 1750
    assert list(part.feed(1750, TimerFired())) == [AppendAudio(SILENCE * 750 * 8)]


def late_by(script: Script, late_ms: int) -> None:
    """Let this process stand still until so long after silence was due, and then be woken by its clock first."""
    script.now_ms += 750 + late_ms
    script.feed(TimerFired())


def test_a_process_that_stood_still_looks_for_unread_frames_before_it_pads() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH))
    late_by(script, 100)
    script.feed(*(CallerAudio(at_ms, SPEECH) for at_ms in range(20, 880, 20)))

    assert appended(script) == SPEECH * 44


def test_a_process_that_stood_still_pads_when_there_were_no_frames() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH))
    late_by(script, 100)
    before = appended(script)
    script.wait(100)

    assert before == SPEECH
    assert appended(script) == SPEECH + SILENCE * 8 * 950


def test_a_second_late_wake_up_pads_for_both() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH))
    late_by(script, 100)
    before = appended(script)
    late_by(script, 100)

    assert before == SPEECH
    assert appended(script) == SPEECH + SILENCE * (script.now_ms * 8)


def test_a_wake_up_that_is_a_little_late_pads_at_once() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH))
    late_by(script, 99)

    assert appended(script) == SPEECH + SILENCE * 8 * 849


def test_what_was_padded_is_not_filled_again() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH))
    script.wait(1000)
    script.feed(CallerAudio(1100, SPEECH))

    assert appended(script) == SPEECH + SILENCE * 8000 + SILENCE * 640 + SPEECH


def test_frames_that_were_only_late_are_given_after_the_padding() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH))
    script.wait(1000)
    script.feed(*(CallerAudio(at_ms, SPEECH) for at_ms in range(20, 1060, 20)))

    assert appended(script) == SPEECH + SILENCE * 8000 + SPEECH * 52


def test_the_caller_waits_for_the_session_and_is_then_heard_from_the_beginning() -> None:
    script = by_hand(Script())
    script.begin_stream()
    script._stream_at = None
    script.feed(CallerAudio(0, SPEECH), CallerAudio(20, SPEECH))
    before = appended(script)
    script.begin_session()

    assert before == b""
    assert script.ordered(AppendAudio) == [AppendAudio(SPEECH * 2)]


def test_of_a_long_wait_the_last_10_s_are_kept_and_the_loss_is_told_once() -> None:
    script = Script(preconnect=False)
    part = script.call._parts[0]
    told = [
        command
        for frame in range(600)
        for command in part.feed(frame * 20, CallerAudio(frame * 20, bytes([frame % 256]) * 160))
    ]
    script.begin_session()

    assert told == [Note("warning", "the caller's earliest audio was dropped: the model is not ready")]
    assert appended(script) == b"".join(bytes([frame % 256]) * 160 for frame in range(100, 600))


@pytest.mark.parametrize(("more", "told"), [(0, 0), (1, 1)])
def test_exactly_10_s_can_wait(more: int, told: int) -> None:
    script = by_hand(Script(preconnect=False))
    script.begin_stream()
    script._stream_at = None
    script.feed(CallerAudio(0, b"\x81" + b"\x80" * (79_999 + more)))
    script.begin_session()

    assert len(script.ordered(Note)) == told
    assert appended(script) == (b"\x81" if not more else b"") + b"\x80" * (79_999 + more)


def test_a_model_that_is_gone_is_given_nothing() -> None:
    script = by_hand(Script().begin())
    script.feed(ModelClosed(4000), CallerAudio(0, SPEECH))
    script.wait(2000)

    assert appended(script) == b""


def test_a_stream_that_is_silent_for_15_s_is_asked_whether_it_lives_and_again_15_s_later() -> None:
    script = by_hand(Script().begin())
    script.feed(CallerAudio(0, SPEECH))
    script.wait(14_999)
    before = script.ordered(CheckPhone)
    script.wait(1)
    first = len(script.ordered(CheckPhone))
    script.wait(100)
    script.feed(PhoneChecked(alive=True))
    script.wait(14_999)
    still = len(script.ordered(CheckPhone))
    script.wait(1)

    assert before == []
    assert (first, still, len(script.ordered(CheckPhone))) == (1, 1, 2)
    assert script.ordered(Note) == [Note("warning", "no audio from the carrier: asking whether the stream lives")] * 2


def test_a_call_that_is_over_is_neither_padded_nor_asked() -> None:
    script = by_hand(Script().begin())
    script.feed(StreamStopped())
    script.wait(20_000)

    assert script.ordered(CheckPhone) == []
    assert appended(script) == b""


def test_the_end_of_speech_is_told_on_the_carriers_clock() -> None:
    """The session began when the carrier was at 200 ms, and the server waited for 500 ms of silence."""
    script = Script(preconnect=False)
    part = script.call._parts[0]
    list(part.feed(0, CallerAudio(0, SPEECH * 10)))
    part._buffer.clear()  # type: ignore[attr-defined]  # as if the wait had been longer than the buffer
    script.begin_session()
    list(part.feed(1200, CallerAudio(200, SPEECH * 50)))

    assert stopped(part, 1200, 1000) == [CallerStopped(700)]  # type: ignore[arg-type]  # the part is named by its place


def test_a_turn_that_ended_by_its_sense_ended_where_the_server_says() -> None:
    part = CallerAudioPart(SemanticVad())

    assert stopped(part, 0, 1000) == [CallerStopped(1000)]


def test_the_silence_that_ended_the_turn_is_the_agents_own() -> None:
    part = CallerAudioPart(ServerVad(silence_duration_ms=200))

    assert stopped(part, 0, 1000) == [CallerStopped(800)]


def test_a_timer_that_belongs_to_others_changes_nothing() -> None:
    script = by_hand(Script(an_agent()).begin())

    assert script.feed(TimerFired()) == []


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=30))
def test_the_model_never_has_less_audio_than_the_carriers_clock_says(frames: list[tuple[int, int]]) -> None:
    """Each frame is some bytes long and comes some milliseconds after the one before."""
    script = by_hand(Script().begin())
    timestamp_ms = given_bytes = 0
    for later_ms, length in frames:
        timestamp_ms += later_ms
        given_bytes += length
        script.feed(CallerAudio(timestamp_ms, b"\x80" * length))

    audio = appended(script)
    assert audio.count(b"\x80") == given_bytes
    assert len(audio) >= (timestamp_ms - len(frames)) * 8  # a rounded millisecond a frame may be missing


# --- while secret digits are typed -----------------------------------------------------------------------------------


def hiding() -> Script:
    """A call in which a secret number has just been asked for, with a caller who makes noise."""
    tool = Tool("pin", "", {}, "collect_digits", digits=DigitCollection(length=2, secret=True))
    script = Script(an_agent(tools=(tool,))).begin()
    script.wait(100)
    script.frame = LOUD_FRAME
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "i1", "c1", "pin", "{}"))
    return script


def given_audio(script: Script, ms: int) -> bytes:
    return b"".join(command.audio for command in script.wait(ms) if isinstance(command, AppendAudio))


def test_audio_is_held_back_and_silenced_around_secret_keys_and_none_is_lost() -> None:
    script = hiding()
    first = given_audio(script, 400)
    script.feed(KeyPressed("1"))
    script.wait(500)
    script.feed(KeyPressed("2"))
    script.wait(2000)
    whole = b"".join(command.audio for command in script.ordered(AppendAudio))

    assert first == LOUD_FRAME * 10
    assert len(whole) == 3000 * 8
    assert whole[: 300 * 8].endswith(LOUD_FRAME)
    assert set(whole[300 * 8 : 1200 * 8]) == {0xFF}
    assert set(whole[1200 * 8 :]) == set(LOUD_FRAME)
    assert script.ordered(HideCaller) == [HideCaller(300)]
    assert len(script.ordered(ShowCaller)) == 1


def test_a_stall_gives_what_was_held_back_before_its_silence() -> None:
    script = hiding()
    script.wait(400)
    script.frames_come = False
    padded = given_audio(script, 1000)
    script.feed(KeyPressed("1"))

    assert padded.startswith(LOUD_FRAME * 10 + b"\xff")
    assert script.ordered(HideCaller) == [HideCaller(500)]  # nothing of it could be hidden any more


def test_the_end_of_speech_is_told_by_the_same_clocks() -> None:
    script = hiding()
    script.wait(1000)
    facts = list(script.call._parts[0].feed(script.now_ms, SpeechStopped("u1", 900 + 500)))

    assert facts == [CallerStopped(900)]


# --- a session that is lost ------------------------------------------------------------------------------------------


def in_use(part: CallerAudioPart, ms: int) -> CallerAudioPart:
    """The session is ready and was given so much, of which each frame is another."""
    list(part.feed(0, SessionReady()))
    for number in range(ms // 20):
        list(part.feed(0, CallerAudio(number * 20, bytes([number % 256]) * 160)))
    return part


def given_again(part: CallerAudioPart, *meanwhile: CallerAudio) -> bytes:
    """Lose the session; give what the next one hears."""
    list(part.feed(0, SessionLost()))
    assert [output for frame in meanwhile for output in part.feed(0, frame) if isinstance(output, AppendAudio)] == []
    return b"".join(output.audio for output in part.feed(0, SessionReady()) if isinstance(output, AppendAudio))


def test_a_turn_is_heard_again_from_its_first_beginning() -> None:
    part = in_use(CallerAudioPart(VAD), 2000)
    for began in (SpeechStarted("u1", 500), SpeechStarted("u2", 1500)):
        list(part.feed(0, began))
    first = given_again(part)
    list(part.feed(0, SpeechStarted("u3", 1000)))

    assert first == b"".join(bytes([number]) * 160 for number in range(25, 100))
    assert len(given_again(part)) == 500 * 8


def test_where_all_is_settled_nothing_is_heard_again() -> None:
    part = in_use(CallerAudioPart(VAD), 2000)
    list(part.feed(0, SpeechStopped("u1", 2000)))

    assert given_again(part) == b""


def test_a_turn_whose_beginning_nobody_knows_is_not_heard_again() -> None:
    part = in_use(CallerAudioPart(VAD), 2000)
    for event in (TurnCommitted("u1"), SessionLost()):
        list(part.feed(0, event))

    assert list(part.feed(0, TurnUnanswered())) == []


@pytest.mark.parametrize(("since_ms", "heard"), [(BUFFER_MS - 20, [TurnHeardAgain("u1")]), (BUFFER_MS, [])])
def test_a_turn_that_was_over_too_long_ago_is_not_heard_again(since_ms: int, heard: list[TurnHeardAgain]) -> None:
    # Found by made-up calls: the next session was waited for to hear what it was not given (seed 30047251).
    part = in_use(CallerAudioPart(VAD), 1000 + since_ms)
    for event in (SpeechStarted("u1", 200), SpeechStopped("u1", 1000), TurnCommitted("u1"), SessionLost()):
        list(part.feed(0, event))

    assert list(part.feed(0, TurnUnanswered())) == heard


@pytest.mark.parametrize(("began_ms", "again_ms"), [(500, 1500), (1800, 500)])
def test_a_turn_that_ended_and_was_not_answered_is_heard_again_from_its_beginning(began_ms: int, again_ms: int) -> None:
    part = in_use(CallerAudioPart(VAD), 2000)
    for event in (SpeechStarted("u1", began_ms), TurnCommitted("u1"), SessionLost()):
        list(part.feed(0, event))
    told = list(part.feed(0, TurnUnanswered()))
    (again,) = part.feed(0, SessionReady())

    assert told == [TurnHeardAgain("u1")]
    assert isinstance(again, AppendAudio)
    assert len(again.audio) == again_ms * 8


def test_what_waits_for_the_next_session_takes_all_the_place_there_is() -> None:
    part = in_use(CallerAudioPart(VAD), 2000)
    frames = [CallerAudio(2000 + number * 20, SPEECH) for number in range(600)]

    assert given_again(part, *frames) == SPEECH * (BUFFER_MS // 20)


def test_only_the_newest_of_what_was_given_is_kept() -> None:
    part = in_use(CallerAudioPart(VAD), 40_000)

    assert KEPT_MS * 8 - 160 <= sum(map(len, part._given)) <= (KEPT_MS + TRIM_MS) * 8


def test_how_much_silence_ends_a_turn_is_the_other_agents_word_from_the_hand_over_on() -> None:
    part = CallerAudioPart(VAD)
    list(part.feed(0, AgentChanged(an_agent(turn_detection=ServerVad(silence_duration_ms=200)))))

    assert part.deadline() is None
    assert stopped(part, 0, 1000) == [CallerStopped(800)]
