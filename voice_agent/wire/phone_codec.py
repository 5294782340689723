"""One stream's messages as events of the core, and the core's phone commands as messages; both as texts, too.

It keeps nothing but the stream's SID: what a mark or a gap in the audio means is the core's business. Nothing that a
peer sends makes it raise; what cannot be used becomes a `PhoneFault`, and the call goes on.
"""

from voice_agent.call.commands import PhoneCommand, PlayAudio, SendMark
from voice_agent.call.events import (
    CallerAudio,
    CallEvent,
    KeyPressed,
    MarkEchoed,
    PhoneFault,
    StreamStarted,
    StreamStopped,
)
from voice_agent.errors import PeerError
from voice_agent.wire import twilio

EVENT_SHOWN = 40
"""Characters of a foreign name that a fault quotes: enough to know it by, too few to flood a log."""


class PhoneCodec:
    """The phone side of one bridge."""

    def __init__(self) -> None:
        self._stream_sid: str | None = None

    def receive(self, text: str) -> list[CallEvent]:
        """Translate one text from the carrier: no event for `connected`, one for anything else."""
        try:
            message = twilio.parse(text)
        except PeerError as error:
            return [PhoneFault(str(error))]
        return self.events(message)

    def events(self, message: twilio.FromTwilio | twilio.Unknown) -> list[CallEvent]:
        """Translate one message that needs no reading; see `receive`."""
        if type(message) is twilio.Media and message.stream_sid == self._stream_sid:
            return [_caller_audio(message.media)]
        if type(message) is twilio.Connected or type(message) is twilio.Start or type(message) is twilio.Unknown:
            return self._before(message)
        if message.stream_sid != self._stream_sid:
            where = "before start" if self._stream_sid is None else "of another stream"
            return [PhoneFault(f"{type(message).__name__.lower()} {where}")]
        if type(message) is twilio.Mark:
            return [MarkEchoed(message.mark.name)]
        return [KeyPressed(message.dtmf.digit) if type(message) is twilio.Dtmf else StreamStopped()]

    def send(self, command: PhoneCommand) -> str:
        """Translate one command; only after `StreamStarted`, because every message must name the stream."""
        return twilio.encode(self.message(command))

    def message(self, command: PhoneCommand) -> twilio.ToTwilio:
        """Give the message of a command, for who needs no text; see `send`."""
        assert self._stream_sid is not None, "the core orders nothing of a phone leg that has not begun"
        if type(command) is PlayAudio:
            return twilio.OutgoingMedia(self._stream_sid, twilio.OutgoingMediaBody(command.audio))
        if type(command) is SendMark:
            return twilio.OutgoingMark(self._stream_sid, twilio.OutgoingMarkBody(command.name))
        return twilio.Clear(self._stream_sid)

    def _before(self, message: twilio.Connected | twilio.Start | twilio.Unknown) -> list[CallEvent]:
        match message:
            case twilio.Start():
                return [self._start(message)]
            case twilio.Unknown(event):
                return [PhoneFault(f"unknown event {event[:EVENT_SHOWN]!r}")]
            case _:
                return []

    def _start(self, message: twilio.Start) -> CallEvent:
        if self._stream_sid is not None:
            return PhoneFault("a second start")
        if not message.stream_sid:
            return PhoneFault("streamSid: empty")
        media_format = message.start.media_format
        if media_format != twilio.MediaFormat():
            encoding = media_format.encoding[:EVENT_SHOWN]
            problem = f"{encoding!r}, {media_format.sample_rate} Hz, {media_format.channels} channel(s)"
            return PhoneFault(f"start.mediaFormat: {problem} instead of audio/x-mulaw, 8000 Hz, 1 channel", fatal=True)
        self._stream_sid = message.stream_sid
        return StreamStarted(stream_sid=message.stream_sid, call_sid=message.start.call_sid)


def _caller_audio(body: twilio.MediaBody) -> CallEvent:
    if body.track != "inbound":
        # Of a two-way stream Twilio documents this track only; the agent's own voice must not come back in.
        return PhoneFault(f"media of track {body.track[:EVENT_SHOWN]!r}")
    return CallerAudio(body.timestamp, body.payload)
