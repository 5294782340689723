import base64

import msgspec

from voice_agent.recording.entries import Entry
from voice_agent.recording.loose import LooseStep
from voice_agent.review.stream_clock import StreamClock


def start(now_ms: int) -> LooseStep:
    text = {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
        "streamSid": "MZ1", "accountSid": "AC1", "callSid": "CA1", "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}, "customParameters": {},
    }}  # fmt: skip
    return LooseStep(now_ms, Entry("phone", msgspec.json.encode(text).decode()), ())


def frame(now_ms: int, timestamp_ms: int, *sent: Entry) -> LooseStep:
    media = {
        "track": "inbound",
        "chunk": "1",
        "timestamp": str(timestamp_ms),
        "payload": base64.b64encode(b"\xff" * 160).decode(),
    }
    text = {"event": "media", "sequenceNumber": "2", "streamSid": "MZ1", "media": media}
    return LooseStep(now_ms, Entry("phone", msgspec.json.encode(text).decode()), sent)


def append(count: int) -> Entry:
    return Entry("model", f'{{"type":"input_audio_buffer.append","audio":"~{count}:00"}}')


def test_it_stands_behind_the_last_frame() -> None:
    clock = StreamClock("g711")
    for step in (start(300), frame(340, 0), frame(365, 20)):
        clock.take(step)

    assert clock.began_ms == 300
    assert clock.ms(365) == 40
    assert clock.ms(370) == 40


def test_where_no_frames_come_it_goes_on_by_itself() -> None:
    clock = StreamClock("g711")
    for step in (start(300), frame(340, 0)):
        clock.take(step)

    assert clock.ms(340 + 2000) == 2020


def test_a_frame_that_claims_to_lie_far_ahead_is_not_believed() -> None:
    clock = StreamClock("g711")
    for step in (start(0), frame(20, 0), frame(40, 10_000_000)):
        clock.take(step)

    assert clock.ms(40) == 20


def test_a_sessions_time_is_counted_by_what_it_was_given() -> None:
    clock = StreamClock("g711")
    clock.take(start(0))
    for number in range(10):
        clock.take(frame(number * 20, number * 20, append(160)))
    assert clock.of_session(150) == 150

    clock.take(LooseStep(200, None, (Entry("fact", '{"type":"ConnectModel","endpoint":0}'),)))
    clock.take(frame(220, 200, append(160)))
    assert clock.of_session(0) == 200


def test_what_is_no_message_moves_nothing() -> None:
    clock = StreamClock("pcm24k")
    clock.take(LooseStep(5, Entry("phone", "nonsense"), ()))

    assert clock.ms(5) == 0
    assert clock.began_ms is None
