import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.twilio_messages import FROM_TWILIO, TO_TWILIO, mutated
from voice_agent.errors import PeerError
from voice_agent.wire import twilio

SAMPLES = Path(__file__).parent / "samples" / "twilio"
SID = "MZ00000000000000000000000000000001"
ACCOUNT = "AC00000000000000000000000000000001"
CALL = "CA00000000000000000000000000000001"


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.json").read_text(encoding="utf-8")


def problem_of(parse: Callable[[str], object], text: str) -> str:
    try:
        parse(text)
    except PeerError as error:
        return str(error)
    return ""


FROM_SAMPLES: dict[str, twilio.FromTwilio] = {
    "connected": twilio.Connected(protocol="Call", version="1.0.0"),
    "start": twilio.Start(
        stream_sid=SID,
        sequence_number=1,
        start=twilio.StartBody(
            call_sid=CALL,
            account_sid=ACCOUNT,
            stream_sid=SID,
            tracks=("inbound",),
            media_format=twilio.MediaFormat("audio/x-mulaw", 8000, 1),
            custom_parameters={"FirstName": "Jane", "LastName": "Doe", "RemoteParty": "Bob"},
        ),
    ),
    "media_inbound": twilio.Media(
        SID, twilio.MediaBody(timestamp=5, payload=bytes.fromhex("9e8f898686898e9cff"), chunk=2), sequence_number=4
    ),
    "media_outbound": twilio.Media(
        SID,
        twilio.MediaBody(timestamp=5, payload=bytes.fromhex("9e8f898686898e9c"), track="outbound", chunk=1),
        sequence_number=3,
    ),
    "dtmf": twilio.Dtmf(SID, twilio.DtmfBody("1", track="inbound_track"), sequence_number=5),
    "mark": twilio.Mark(SID, twilio.MarkBody("my label"), sequence_number=4),
    "stop": twilio.Stop(SID, twilio.StopBody(account_sid=ACCOUNT, call_sid=CALL), sequence_number=5),
}
TO_SAMPLES: dict[str, twilio.ToTwilio] = {
    "to_media": twilio.OutgoingMedia(SID, twilio.OutgoingMediaBody(bytes.fromhex("6b7db8dac6bf"))),
    "to_mark": twilio.OutgoingMark(SID, twilio.OutgoingMarkBody("my label")),
    "to_clear": twilio.Clear(SID),
}


def test_every_sample_is_tested() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == {*FROM_SAMPLES, *TO_SAMPLES}


@pytest.mark.parametrize("name", FROM_SAMPLES)
def test_a_documented_message_from_twilio_is_read(name: str) -> None:
    assert twilio.parse(sample(name)) == FROM_SAMPLES[name]


@pytest.mark.parametrize("name", FROM_SAMPLES)
def test_a_message_from_twilio_is_written_as_documented(name: str) -> None:
    assert json.loads(twilio.encode(FROM_SAMPLES[name])) == json.loads(sample(name))


@pytest.mark.parametrize("name", TO_SAMPLES)
def test_a_documented_message_to_twilio_is_read(name: str) -> None:
    assert twilio.parse_outgoing(sample(name)) == TO_SAMPLES[name]


@pytest.mark.parametrize("name", TO_SAMPLES)
def test_a_message_to_twilio_is_written_as_documented(name: str) -> None:
    assert json.loads(twilio.encode(TO_SAMPLES[name])) == json.loads(sample(name))


@given(FROM_TWILIO)
def test_what_is_written_from_twilio_reads_the_same(message: twilio.FromTwilio) -> None:
    assert twilio.parse(twilio.encode(message)) == message


@given(TO_TWILIO)
def test_what_is_written_to_twilio_reads_the_same(message: twilio.ToTwilio) -> None:
    assert twilio.parse_outgoing(twilio.encode(message)) == message


@given(st.text() | mutated(FROM_TWILIO) | mutated(TO_TWILIO))
def test_garbage_is_a_peer_error_of_one_line(text: str) -> None:
    for parse in (twilio.parse, twilio.parse_outgoing):
        assert problem_of(parse, text).isprintable()


@pytest.mark.parametrize("number", [7, "7", 7.0])
def test_numbers_may_be_strings_or_numbers(number: Any) -> None:
    message = json.loads(sample("media_inbound"))
    message["media"]["timestamp"] = number

    read = twilio.parse(json.dumps(message))

    assert isinstance(read, twilio.Media)
    assert read.media.timestamp == 7


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("timestamp", -1, "media.timestamp: Expected `int` >= 0"),
        ("timestamp", "9" * 30, "media.timestamp: Expected `int` <= 9007199254740991"),
        ("timestamp", "9" * 5000, "media.timestamp: Integer value out of range"),
        ("timestamp", "1.5", "media.timestamp: Expected `int`, got `str`"),
        ("timestamp", True, "media.timestamp: Expected `int`, got `bool`"),
        ("timestamp", None, "media.timestamp: Expected `int`, got `null`"),
        ("payload", 5, "media.payload: Expected `bytes`, got `int`"),
        ("payload", "secret audio", "media.payload: Invalid base64 encoded string"),
        ("payload", "AA", "media.payload: Invalid base64 encoded string"),
        ("payload", "AA=A", "media.payload: Invalid base64 encoded string"),
        ("payload", "AAAA====", "media.payload: Invalid base64 encoded string"),
        ("payload", "AA_-", "media.payload: Invalid base64 encoded string"),
        ("payload", "AAAA\n", "media.payload: Invalid base64 encoded string"),
        ("payload", "éAA=", "media.payload: Invalid base64 encoded string"),
    ],
)
def test_a_broken_field_is_named(field: str, value: Any, problem: str) -> None:
    message = json.loads(sample("media_inbound"))
    message["media"][field] = value

    with pytest.raises(PeerError) as raised:
        twilio.parse(json.dumps(message))

    assert str(raised.value) == problem


@pytest.mark.parametrize("digit", ["", "12", "A", "1\n", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_what_is_no_key_of_a_telephone_is_refused(digit: str) -> None:
    message = {"event": "dtmf", "streamSid": SID, "dtmf": {"digit": digit}}

    with pytest.raises(PeerError, match=r"^dtmf\.digit: "):
        twilio.parse(json.dumps(message))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the message is not JSON"),
        ("{", "the message is not JSON"),
        ('{"event":"clear"}x', "the message is not JSON"),
        ('{"event":"media","streamSid":"\ud800"}', "the message is not JSON"),
        ('{"x":' * 100_000, "the message is not JSON"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "Object missing required field `event`"),
        ('{"event":5}', "event: Expected `str`"),
        ('{"event":"media","media":{"timestamp":"0","payload":""}}', "Object missing required field `streamSid`"),
        ('{"event":"mark","streamSid":"MZ1","mark":{}}', "mark: Object missing required field `name`"),
        ('{"event":"mark","streamSid":5,"mark":{"name":"a"}, broken', "the message is not JSON"),
        ('{"event":"foo","event":"mark"}', "event: Two values"),
        ('{"event":"f\\too","event":{}}', "event: Two values"),
    ],
)
def test_a_broken_message_says_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(PeerError) as raised:
        twilio.parse(text)

    assert str(raised.value) == problem


def test_an_event_that_nobody_documents_is_a_value() -> None:
    assert twilio.parse('{"event":"transcript","streamSid":"MZ1","x":[1]}') == twilio.Unknown("transcript")


def test_the_other_direction_is_unknown() -> None:
    assert twilio.parse(sample("to_clear")) == twilio.Unknown("clear")
    assert twilio.parse_outgoing(sample("stop")) == twilio.Unknown("stop")


def test_fields_that_carriers_leave_out_are_not_missed() -> None:
    text = '{"event":"media","streamSid":"MZ1","media":{"timestamp":20,"payload":"/w=="},"extra":{}}'

    assert twilio.parse(text) == twilio.Media("MZ1", twilio.MediaBody(timestamp=20, payload=b"\xff"))
    assert twilio.parse('{"event":"stop","streamSid":"MZ1"}') == twilio.Stop("MZ1")


def test_a_stream_sid_cannot_break_out_of_the_template() -> None:
    message = twilio.OutgoingMedia('MZ","event":"clear', twilio.OutgoingMediaBody(b"\x00"))

    assert twilio.parse_outgoing(twilio.encode(message)) == message
