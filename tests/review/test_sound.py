from itertools import groupby
from pathlib import Path

import pytest

from tests.support.recorded import STREAM_SID, header, write
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from voice_agent.audio.wav import read_mulaw
from voice_agent.call.commands import ClearPlayback, PlayAudio, SendMark
from voice_agent.call.events import ToolFinished
from voice_agent.errors import CommandError, PeerError
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.reader import Recording
from voice_agent.review.sound import _Agent, sound, write_wav
from voice_agent.wire import twilio


def recorded(audio: str = "g711", jitter_ms: int = 0, seed: int = 1) -> Recording:
    return Recording(write(header_of(setup(audio)), steps_of(simulated_call(audio, jitter_ms, seed), setup(audio))))


def loud(track: bytes) -> list[tuple[int, int]]:
    """Give begin and end in ms of what is not silence; pauses under 60 ms do not count."""
    found: list[list[int]] = []
    at = 0
    for silent, run in groupby(track, lambda byte: byte in {0xFF, 0x7F}):
        length = len(list(run))
        if not silent:
            if found and at - found[-1][1] < 480:
                found[-1][1] = at + length
            else:
                found.append([at, at + length])
        at += length
    return [(begin // 8, end // 8) for begin, end in found]


@pytest.mark.parametrize(
    ("audio", "jitter_ms", "seed"), [("g711", 0, 1), ("pcm24k", 0, 1), ("g711", 80, 2), ("g711", 80, 3)]
)
def test_both_channels_are_what_the_carrier_knows_to_be_true(audio: str, jitter_ms: int, seed: int) -> None:
    world = simulated_call(audio, jitter_ms, seed)
    channels = sound(recorded(audio, jitter_ms, seed), {})
    length = min(len(channels.caller), len(world.carrier.caller_track))
    truth = loud(world.carrier.agent_track)
    heard = loud(channels.agent)

    assert channels.caller[:length] == world.carrier.caller_track[:length]
    assert len(channels.agent) == len(channels.caller)
    assert len(truth) >= 3
    assert len(heard) == len(truth)
    for was, rendered in zip(truth, heard, strict=True):
        assert abs(was[0] - rendered[0]) <= 20
        assert abs(was[1] - rendered[1]) <= 40


def test_the_agent_is_heard_where_the_carrier_sends_no_frames_in_silence() -> None:
    world = simulated_call(silent_gaps=True)
    channels = sound(Recording(write(header_of(setup()), steps_of(world, setup()))), {})
    truth, heard = loud(world.carrier.agent_track), loud(channels.agent)

    assert len(channels.agent) == len(channels.caller)
    assert len(heard) == len(truth) >= 3
    for was, rendered in zip(truth, heard, strict=True):
        # By our clock: the way from the carrier and back is in it.
        assert -20 <= rendered[0] - was[0] <= 140
        assert -20 <= rendered[1] - was[1] <= 140


def test_the_wav_has_the_caller_left_and_the_agent_right(tmp_path: Path) -> None:
    write_wav(recorded(), {}, tmp_path / "call.wav")
    channels = sound(recorded(), {})

    assert loud(read_mulaw(tmp_path / "call.wav", 0)) == loud(channels.caller)
    assert loud(read_mulaw(tmp_path / "call.wav", 1)) == loud(channels.agent)


def test_a_recording_without_audio_has_no_sound() -> None:
    with pytest.raises(CommandError, match="holds no sound: its agent says `recording: text`"):
        sound(Recording(write(header("digests"), [])), {})


def test_a_recording_that_is_damaged_sounds_up_to_there() -> None:
    data = bytearray(write(header_of(setup()), steps_of(simulated_call(), setup())))
    data[len(data) // 2] ^= 1

    channels = sound(Recording(bytes(data)), {})
    assert 2000 < len(channels.caller) // 8 < 14_000
    with pytest.raises(PeerError, match="does not begin"):
        sound(Recording(write(header(), [Step(0, Entry("phone", "{}"))])), {})


def test_a_bridge_that_cannot_be_fed_is_one_line() -> None:
    finished = describe(ToolFinished("call_1", "{}"))
    data = write(header(), [Step(0, None), Step(1, finished), Step(0, finished)])

    with pytest.raises(CommandError, match="today's bridge cannot be fed with this recording: AssertionError"):
        sound(Recording(data), {})


def test_messages_that_the_call_skipped_are_skipped_here_too() -> None:
    start = twilio.Start(STREAM_SID, twilio.StartBody("CA1", "AC1", twilio.MediaFormat()))
    far = twilio.Media(STREAM_SID, twilio.MediaBody(10**12, b"far"))
    other = twilio.Media(STREAM_SID, twilio.MediaBody(0, b"other track", "outbound"))
    good = twilio.Media(STREAM_SID, twilio.MediaBody(2, b"12345678"))
    texts = [twilio.encode(message) for message in (start, far, other, good)] + ["no json"]
    fed = [Step(0, None), *(Step(5, Entry("phone", text)) for text in texts)]

    assert sound(Recording(write(header(), fed)), {}).caller == b"\xff" * 16 + b"12345678"


def test_a_queue_that_ran_dry_leaves_silence_before_the_next_start() -> None:
    agent = _Agent()
    for order in (SendMark("start-1"), PlayAudio(b"a" * 80), SendMark("start-2"), PlayAudio(b"b" * 80)):
        agent.take_order(order, 0)
    agent.echoed = {"start-1": 0, "start-2": 60}

    assert agent.render(600) == b"a" * 80 + b"\xff" * 400 + b"b" * 80 + b"\xff" * 40


def test_what_was_cut_or_never_begun_is_not_heard() -> None:
    agent = _Agent()
    played, cleared = (SendMark("start-1"), PlayAudio(b"a" * 160)), (ClearPlayback(), SendMark("cut-2"))
    for order in (*played, *cleared, SendMark("start-3"), PlayAudio(b"b" * 80)):
        agent.take_order(order, 7)
    agent.echoed = {"start-1": 0, "cut-2": 10}
    without_echo = dict(agent.echoed)
    del without_echo["cut-2"]

    assert agent.render(240) == b"a" * 80 + b"\xff" * 160
    agent.echoed = without_echo
    assert agent.render(240) == b"a" * 56 + b"\xff" * 184
