import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.twilio_messages import FROM_TWILIO, TO_TWILIO, mutated
from voice_agent.call.commands import ClearPlayback, PlayAudio, SendMark
from voice_agent.call.events import (
    CallerAudio,
    KeyPressed,
    MarkEchoed,
    PhoneFault,
    StreamStarted,
    StreamStopped,
)
from voice_agent.wire import twilio
from voice_agent.wire.phone_codec import PhoneCodec

SAMPLES = Path(__file__).parent / "samples" / "twilio"
SID = "MZ00000000000000000000000000000001"


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.json").read_text(encoding="utf-8")


@pytest.fixture
def codec() -> PhoneCodec:
    """A codec whose stream has begun."""
    started = PhoneCodec()
    started.receive(sample("start"))
    return started


def test_connected_tells_the_core_nothing() -> None:
    assert PhoneCodec().receive(sample("connected")) == []


def test_start_begins_the_stream() -> None:
    assert PhoneCodec().receive(sample("start")) == [StreamStarted(SID, "CA00000000000000000000000000000001")]


def test_inbound_media_is_caller_audio_with_the_carriers_time(codec: PhoneCodec) -> None:
    assert codec.receive(sample("media_inbound")) == [CallerAudio(5, bytes.fromhex("9e8f898686898e9cff"))]


def test_the_agents_own_voice_does_not_come_back_in(codec: PhoneCodec) -> None:
    assert codec.receive(sample("media_outbound")) == [PhoneFault("media of track 'outbound'")]


def test_keys_marks_and_stop_are_events(codec: PhoneCodec) -> None:
    assert codec.receive(sample("dtmf")) == [KeyPressed("1")]
    assert codec.receive(sample("mark")) == [MarkEchoed("my label")]
    assert codec.receive(sample("stop")) == [StreamStopped()]


@pytest.mark.parametrize("name", ["media_inbound", "dtmf", "mark", "stop"])
def test_nothing_counts_before_start(name: str) -> None:
    event = name.partition("_")[0]

    assert PhoneCodec().receive(sample(name)) == [PhoneFault(f"{event} before start")]


def test_a_message_of_another_stream_is_skipped_and_the_call_goes_on(codec: PhoneCodec) -> None:
    foreign = sample("media_inbound").replace(SID, "MZ2")

    assert codec.receive(foreign) == [PhoneFault("media of another stream")]
    assert codec.receive(sample("dtmf")) == [KeyPressed("1")]


def test_a_second_start_changes_nothing(codec: PhoneCodec) -> None:
    assert codec.receive(sample("start").replace(SID, "MZ2")) == [PhoneFault("a second start")]
    assert codec.receive(sample("dtmf")) == [KeyPressed("1")]


def test_a_start_without_a_stream_sid_is_skipped() -> None:
    assert PhoneCodec().receive(sample("start").replace(SID, "")) == [PhoneFault("streamSid: empty")]


@pytest.mark.parametrize(
    ("field", "value"), [("encoding", "audio/x-alaw"), ("encoding", "x" * 9999), ("sampleRate", 16000), ("channels", 2)]
)
def test_another_media_format_is_fatal(field: str, value: object) -> None:
    message = json.loads(sample("start"))
    message["start"]["mediaFormat"][field] = value
    codec = PhoneCodec()

    (fault,) = codec.receive(json.dumps(message))

    assert isinstance(fault, PhoneFault)
    assert fault.fatal
    assert fault.problem.startswith("start.mediaFormat: ")
    assert len(fault.problem) < 200
    assert codec.receive(sample("dtmf")) == [PhoneFault("dtmf before start")]


def test_an_unknown_event_is_named_but_not_at_length(codec: PhoneCodec) -> None:
    assert codec.receive('{"event":"transcript"}') == [PhoneFault("unknown event 'transcript'")]
    assert codec.receive(json.dumps({"event": "x" * 9999})) == [PhoneFault(f"unknown event {'x' * 40!r}")]


def test_a_broken_message_is_a_fault_and_the_call_goes_on(codec: PhoneCodec) -> None:
    broken = sample("media_inbound").replace("no+J", "no J")

    assert codec.receive(broken) == [PhoneFault("media.payload: Invalid base64 encoded string")]
    assert codec.receive(sample("dtmf")) == [KeyPressed("1")]


def test_commands_are_written_for_this_stream(codec: PhoneCodec) -> None:
    texts = [codec.send(command) for command in (PlayAudio(bytes.fromhex("6b7db8dac6bf")), SendMark("my label"))]

    assert [json.loads(text) for text in texts] == [json.loads(sample("to_media")), json.loads(sample("to_mark"))]
    assert json.loads(codec.send(ClearPlayback())) == json.loads(sample("to_clear"))


def test_a_command_before_start_is_our_own_fault() -> None:
    with pytest.raises(AssertionError):
        PhoneCodec().send(ClearPlayback())


@given(st.lists(st.text() | mutated(FROM_TWILIO) | mutated(TO_TWILIO) | FROM_TWILIO.map(twilio.encode)), st.booleans())
def test_nothing_that_a_peer_sends_raises(texts: list[str], started: bool) -> None:
    codec = PhoneCodec()
    if started:
        codec.receive(sample("start"))

    for text in texts:
        assert len(codec.receive(text)) <= 1
