from pathlib import Path

import pytest

from tests.support.recorded import write
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from tests.support.spoken_calls import Turn, spoken_call
from voice_agent.audio.levels import rms_dbfs
from voice_agent.emulator.caller import Move
from voice_agent.emulator.speech.hearing import MoonshineHearing
from voice_agent.emulator.speech.record import recognise
from voice_agent.errors import CommandError, PeerError
from voice_agent.live.clips import load_clips
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.redact import Wanted
from voice_agent.replay.recorded_caller import recorded_caller
from voice_agent.review.redacted import redact

CALLS = Path(__file__).resolve().parent.parent / "calls"
CLIPS = load_clips()


def moves_of(name: str) -> tuple[Move, ...]:
    return recorded_caller(read(CALLS / f"{name}.call"), CLIPS).part.moves


def length_ms(move: Move) -> int:
    return len(move.sound) // 8


def test_what_the_caller_said_is_cut_out_so_that_it_is_understood_again() -> None:
    hearing = MoonshineHearing()
    moves = moves_of("tool-and-goodbye")

    words = [recognise(hearing, move.sound) for move in moves]
    assert "opening hours on Saturday" in words[0]
    assert "thanks for your help" in words[1]
    assert [(move.into_ms, move.after_ms, move.leaves) for move in moves] == [(None, None, False)] * 2


def test_an_interruption_keeps_its_distance_to_the_beginning_of_the_answer() -> None:
    first, second = moves_of("interrupted")

    assert first.into_ms is None
    # The recorded caller spoke when 2,500 ms were heard; before the voice lie the session's padding and ours.
    assert second.into_ms == pytest.approx(2500 - 500, abs=100)
    (greeted,) = (move for move in moves_of("preview-interrupted-greeting") if move.sound)
    assert greeted.into_ms == pytest.approx(1000 - 400, abs=150)


def test_a_caller_who_speaks_into_a_greeting_that_is_not_cut_does_so_again() -> None:
    assert moves_of("protected-greeting")[0].into_ms is not None


def test_hanging_up_in_the_middle_of_an_answer_is_a_move_like_an_interruption() -> None:
    (left,) = moves_of("hung-up-in-the-greeting")

    assert left.leaves
    assert left.into_ms == pytest.approx(1200, abs=40)


def test_keys_are_one_move_and_hanging_up_behind_the_answer_another() -> None:
    keys, left = moves_of("keys")

    assert (keys.keys, keys.sound, keys.into_ms) == ("12#", b"", None)
    assert left.leaves
    assert left.into_ms is None


def test_a_caller_whose_agent_hung_up_waits_for_that() -> None:
    # Five seconds of goodbye then, and some more; half a minute where the agent had asked whether anybody was there.
    assert recorded_caller(read(CALLS / "interrupted.call"), CLIPS).part.linger_s == pytest.approx(15, abs=1)
    assert recorded_caller(read(CALLS / "idle-goodbye.call"), CLIPS).part.linger_s > 25
    assert recorded_caller(read(CALLS / "keys.call"), CLIPS).part.linger_s == 0


@pytest.mark.parametrize("audio", ["g711", "pcm24k"])
@pytest.mark.parametrize("jitter_ms", [0, 60])
def test_the_session_s_clock_is_brought_to_the_carrier_s(audio: str, jitter_ms: int) -> None:
    recording = Recording(write(header_of(setup(audio)), steps_of(simulated_call(audio, jitter_ms), setup(audio))))
    who = recorded_caller(recording, CLIPS)
    spoken = [move for move in who.part.moves if move.sound]

    assert (who.caller, who.called) == ("+14255550123", "+14255550100")
    assert len(spoken) == 2
    for move in spoken:
        # A second of voice, with padding before it and the rest of a silence behind it.
        assert length_ms(move) == pytest.approx(500 + 1000 + 200, abs=80)
        loud = [at for at in range(0, len(move.sound), 80) if rms_dbfs(move.sound[at : at + 80]) > -50]
        assert loud[0] // 8 == pytest.approx(500, abs=60)
        assert (loud[-1] + 80) // 8 == pytest.approx(1500, abs=60)
    assert who.part.moves[-1].leaves


def test_two_turns_of_which_only_the_last_was_answered_follow_each_other_after_the_same_pause() -> None:
    recording = spoken_call(Turn("one, two, three"), Turn("four"), edit=list)
    first, second = (move for move in recorded_caller(recording, CLIPS).part.moves if move.sound)

    assert first.after_ms is not None  # this agent does not greet
    assert second.after_ms is None


def test_a_question_in_which_the_session_was_lost_is_said_once_and_whole() -> None:
    (asked, left) = moves_of("session-lost-in-a-turn")

    assert "opening hours on Saturday" in recognise(MoonshineHearing(), asked.sound)
    assert 1500 < length_ms(asked) < 4000
    assert left.leaves


def test_a_redacted_turn_is_told_for_it_cannot_be_said_again() -> None:
    recording = spoken_call(Turn("My number is 425 555 0123."), Turn("Thanks."))
    who = recorded_caller(Recording(redact(recording, CLIPS, Wanted())), CLIPS)

    assert len(who.remarks) == 1
    assert "turn 1" in who.remarks[0]
    assert "silent in the recording, as redacted turns are" in who.remarks[0]


def test_a_recording_without_sound_cannot_be_spoken() -> None:
    with pytest.raises(CommandError, match="recording: text"):
        recorded_caller(spoken_call(Turn("Hello."), kept="digests"), CLIPS)


def test_a_recording_that_is_cut_short_is_spoken_up_to_the_cut() -> None:
    whole = read(CALLS / "interrupted.call")
    data = write(whole.header, whole.steps())
    half = recorded_caller(Recording(data[: len(data) // 2]), CLIPS)

    assert [move.name[:6] for move in half.part.moves] == ["turn 1"]


def test_a_recording_without_a_call_or_a_stream_is_refused() -> None:
    with pytest.raises(PeerError, match="holds no call"):
        recorded_caller(Recording(write(header_of(setup()), [])), CLIPS)
    with pytest.raises(PeerError, match="holds no stream, so nobody spoke in it"):
        recorded_caller(read(CALLS / "no-stream.call"), CLIPS)
