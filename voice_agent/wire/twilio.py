"""Twilio's Media Streams messages, both directions: text in, value out, and back.

The bridge reads with `parse`, the emulated carrier with `parse_outgoing`, both write with `encode`. Stateless and pure:
it must not know what a call does with a message, nor which message may come when (that is `phone_codec`).
https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from functools import lru_cache
from typing import Annotated, Any, cast, final

import msgspec
import pybase64

from voice_agent.errors import PeerError

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""Twilio writes its numbers as strings, other carriers and fakes as numbers: both are read, strings are written."""

Digit = Annotated[str, msgspec.Meta(pattern=r"^[0-9*#]\Z")]


class _Body(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The root of what is nested in messages."""


class _Message(msgspec.Struct, frozen=True, rename="camel", tag_field="event", gc=False):
    """The root of all messages, told apart by `event`."""


# --- from Twilio -----------------------------------------------------------------------------------------------------


@final
class Connected(_Message, frozen=True, tag="connected"):
    """The first message; it belongs to no stream yet."""

    protocol: str = "Call"
    version: str = "1.0.0"


class MediaFormat(_Body, frozen=True):
    """How the audio of a stream is coded; Twilio documents these values as the only ones."""

    encoding: str = "audio/x-mulaw"
    sample_rate: Number = 8000
    """Hertz."""
    channels: Number = 1


class StartBody(_Body, frozen=True):
    """What a stream is about."""

    call_sid: str
    account_sid: str
    media_format: MediaFormat
    tracks: tuple[str, ...] = ()
    """`inbound`, and for one-way streams `outbound`."""
    custom_parameters: dict[str, str] = {}
    """The TwiML's `<Parameter>` elements."""
    stream_sid: str = ""
    """The message's own once more."""


@final
class Start(_Message, frozen=True, tag="start"):
    """The second message: the stream begins."""

    stream_sid: str
    start: StartBody
    sequence_number: Number = 0


class MediaBody(_Body, frozen=True):
    """Audio of one track."""

    timestamp: Number
    """Milliseconds since the stream began, at the first byte."""
    payload: bytes
    """Mu-law 8 kHz, 8 bytes a millisecond; on the wire base64."""
    track: str = "inbound"
    chunk: Number = 0
    """Counts from 1."""


class Media(_Message, frozen=True, tag="media"):
    """Audio from the caller, about 20 ms of it."""

    stream_sid: str
    media: MediaBody
    sequence_number: Number = 0


class DtmfBody(_Body, frozen=True):
    """A key."""

    digit: Digit
    track: str = "inbound_track"


class Dtmf(_Message, frozen=True, tag="dtmf"):
    """The caller pressed a key."""

    stream_sid: str
    dtmf: DtmfBody
    sequence_number: Number = 0


class MarkBody(_Body, frozen=True):
    """A mark's name, chosen by the bridge."""

    name: str


class Mark(_Message, frozen=True, tag="mark"):
    """A mark comes back: played to there, or flushed by `Clear`."""

    stream_sid: str
    mark: MarkBody
    sequence_number: Number = 0


class StopBody(_Body, frozen=True):
    """Whose stream has ended."""

    account_sid: str = ""
    call_sid: str = ""


class Stop(_Message, frozen=True, tag="stop"):
    """The stream has ended: the caller hung up, or the call was given other TwiML."""

    stream_sid: str
    stop: StopBody = StopBody()
    sequence_number: Number = 0


@final
class Unknown(msgspec.Struct, frozen=True):
    """A message of a kind that these documents do not name: Twilio may add some at any time."""

    event: str


# --- to Twilio -------------------------------------------------------------------------------------------------------
# A field that is not expected makes them invalid: https://www.twilio.com/docs/api/errors/31951.


class OutgoingMediaBody(_Body, frozen=True, forbid_unknown_fields=True):
    """Audio to be played."""

    payload: bytes
    """Mu-law 8 kHz, any length, no header; on the wire base64."""


class OutgoingMedia(_Message, frozen=True, tag="media", forbid_unknown_fields=True):
    """Queue audio for the caller."""

    stream_sid: str
    media: OutgoingMediaBody


class OutgoingMarkBody(_Body, frozen=True, forbid_unknown_fields=True):
    """The name that comes back."""

    name: str


class OutgoingMark(_Message, frozen=True, tag="mark", forbid_unknown_fields=True):
    """Ask for an echo when all audio sent before has been played."""

    stream_sid: str
    mark: OutgoingMarkBody


class Clear(_Message, frozen=True, tag="clear", forbid_unknown_fields=True):
    """Drop the queued audio; Twilio then echoes all pending marks."""

    stream_sid: str


FromTwilio = Connected | Start | Media | Dtmf | Mark | Stop
ToTwilio = OutgoingMedia | OutgoingMark | Clear


# --- reading ---------------------------------------------------------------------------------------------------------


class _AnyEvent(msgspec.Struct):
    event: str


# `strict=False` is what lets a number be a string; it changes nothing for the other types.
_FROM_TWILIO: msgspec.json.Decoder[FromTwilio] = msgspec.json.Decoder(FromTwilio, strict=False)
_TO_TWILIO: msgspec.json.Decoder[ToTwilio] = msgspec.json.Decoder(ToTwilio, strict=False)
_ANY_EVENT = msgspec.json.Decoder(_AnyEvent)
_FROM_EVENTS = frozenset({"connected", "start", "media", "dtmf", "mark", "stop"})
_TO_EVENTS = frozenset({"media", "mark", "clear"})

_UNREADABLE = (msgspec.DecodeError, UnicodeEncodeError, RecursionError)
"""What msgspec raises for text that is no such message, is no JSON, holds lone surrogates, or nests absurdly deep."""


def parse(text: str) -> FromTwilio | Unknown:
    """Read one message from Twilio; raises `PeerError` with one line that names the field and never quotes audio."""
    try:
        return _FROM_TWILIO.decode(text)
    except _UNREADABLE as error:
        return _unread(text, error, _FROM_EVENTS)


def parse_outgoing(text: str) -> ToTwilio | Unknown:
    """Read one message to Twilio, as a carrier does; raises `PeerError` like `parse`."""
    try:
        return _TO_TWILIO.decode(text)
    except _UNREADABLE as error:
        return _unread(text, error, _TO_EVENTS)


def _unread(text: str, error: Exception, known: frozenset[str]) -> Unknown:
    """Say why a message could not be read, by raising `PeerError`, unless its kind is not known."""
    if not isinstance(error, msgspec.ValidationError):
        raise PeerError("the message is not JSON") from None
    problem = str(error)
    try:
        event = _ANY_EVENT.decode(text).event
    except msgspec.ValidationError:
        pass  # there is no event, or it is no string: `problem` says so
    except _UNREADABLE:
        raise PeerError("the message is not JSON") from None
    else:
        if event not in known:
            return Unknown(event)
    if "Invalid value" in problem:
        # msgspec quotes what it found, at any length; and it took the first of two where we took the last.
        problem = "Two values - at `$.event`"
    # "Expected `int`, got `str` - at `$.media.timestamp`" reads better with the field in front.
    what, _, path = problem.partition(" - at `$.")
    raise PeerError(f"{path[:-1]}: {what}" if path else what)


# --- writing ---------------------------------------------------------------------------------------------------------


def encode(message: FromTwilio | ToTwilio) -> str:
    """Write one message of either direction as its sender does: numbers of Twilio's are strings."""
    # The three that make up nearly all of the traffic are templates: half the time of an encoder.
    if isinstance(message, OutgoingMedia):
        payload = pybase64.b64encode_as_string(message.media.payload)
        return f'{{"event":"media","streamSid":{_quoted_sid(message.stream_sid)},"media":{{"payload":"{payload}"}}}}'
    if isinstance(message, OutgoingMark):
        name = _quoted(message.mark.name)
        return f'{{"event":"mark","streamSid":{_quoted_sid(message.stream_sid)},"mark":{{"name":{name}}}}}'
    if isinstance(message, Media):
        body = message.media
        return (
            f'{{"event":"media","sequenceNumber":"{message.sequence_number}","media":{{"track":{_quoted(body.track)},'
            f'"chunk":"{body.chunk}","timestamp":"{body.timestamp}",'
            f'"payload":"{pybase64.b64encode_as_string(body.payload)}"}},"streamSid":{_quoted_sid(message.stream_sid)}}}'
        )
    fields = cast("dict[str, Any]", msgspec.to_builtins(message))
    if "sequenceNumber" in fields:
        fields["sequenceNumber"] = str(fields["sequenceNumber"])
    return _quoted(fields)


def _quoted(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@lru_cache(maxsize=1024)
def _quoted_sid(sid: str) -> str:
    """Write the SID of a stream, which stands in every message of it."""
    return _quoted(sid)
