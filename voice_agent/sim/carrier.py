"""One call's media stream as Twilio plays it: sans-I/O, on a clock that is an argument.

The carrier knows the truth that a bridge can only estimate: what the caller heard, to the sample. `Carrier.agent` and
`Carrier.caller` keep it, whatever the messages said. It must not know what a bridge or a model is, nor how bytes reach
a socket. Facts are those of https://www.twilio.com/docs/voice/media-streams/websocket-messages; what the documents
leave open is a field of `Switches`.

Times given to `start` and `feed` are the user's own whole milliseconds; all times that the carrier keeps or writes are
milliseconds of the stream, which begins with `start`.
"""

from collections import deque
from typing import Literal, assert_never, cast, final

import msgspec

from voice_agent.audio.dtmf import tones
from voice_agent.errors import PeerError
from voice_agent.sim.track import BYTES_PER_MS, SILENCE, Stretch, Track
from voice_agent.wire.twilio import (
    Clear,
    Connected,
    Dtmf,
    DtmfBody,
    FromTwilio,
    Mark,
    MarkBody,
    Media,
    MediaBody,
    MediaFormat,
    OutgoingMark,
    OutgoingMedia,
    Start,
    StartBody,
    Stop,
    StopBody,
    ToTwilio,
    Unknown,
    parse_outgoing,
)


class CarrierCall(msgspec.Struct, frozen=True, kw_only=True):
    """Whose stream it is."""

    call_sid: str
    stream_sid: str
    account_sid: str
    parameters: dict[str, str] = {}
    """The TwiML's `<Parameter>` elements, given in `start`."""


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """What nobody has verified about the real carrier; the defaults are the best knowledge of it."""

    echo_marks_on_clear: bool = True
    """`clear` echoes the pending marks, as documented; otherwise they are forgotten."""
    echo_before_frame: bool = False
    """Of an echo and an inbound frame due at the same millisecond the echo is sent first."""
    marks_at_frame_edges: bool = False
    """Echoes of played marks wait for the next frame's time; otherwise they are exact to the millisecond."""
    silent_gaps: bool = False
    """No inbound frames while the caller says nothing; the timestamps jump."""
    play_buffer_after_close: bool = False
    """Queued audio is still played when the bridge has closed the socket; otherwise it stops there."""
    action_after_abnormal_close: bool = True
    """The TwiML goes on after a close without frame, or with a code that tells of a fault; otherwise the call ends."""
    keys_audible: bool = False
    """The tone of a key stands in the caller's audio, too; otherwise its message alone tells of it."""
    frame_ms: int = 20
    """Audio in one inbound message; observed, not contractual."""


# --- what comes in ---------------------------------------------------------------------------------------------------


class BridgeText(msgspec.Struct, frozen=True, gc=False):
    """A text message from the bridge."""

    text: str


class BridgeBinary(msgspec.Struct, frozen=True):
    """A binary message from the bridge: there are none in this protocol."""


class BridgeClosed(msgspec.Struct, frozen=True):
    """The bridge closed the socket; `code` is `None` without a close frame."""

    code: int | None
    reason: str = ""


class Speak(msgspec.Struct, frozen=True):
    """The caller says something (mu-law 8 kHz), after what is being said already."""

    audio: bytes


class StopSpeaking(msgspec.Struct, frozen=True):
    """The caller falls silent in mid-word."""


class PressKey(msgspec.Struct, frozen=True):
    """The caller presses one of 0-9, *, #."""

    digit: str


class HangUp(msgspec.Struct, frozen=True):
    """The call leaves the stream, by default because the caller has hung up."""

    reason: Literal["caller_hung_up", "ended_by_rest", "redirected"] = "caller_hung_up"
    with_stop: bool = True
    """`stop` is sent; it has been seen missing."""
    with_close: bool = True
    """The socket is closed with a frame; it has been seen cut."""


class TimerFired(msgspec.Struct, frozen=True):
    """`deadline()` was reached."""


Rare = BridgeText | BridgeBinary | BridgeClosed | Speak | StopSpeaking | PressKey | HangUp
Input = ToTwilio | Rare | TimerFired
"""A message of the bridge comes as its text, or as it is from who has it so."""

# --- what goes out ---------------------------------------------------------------------------------------------------


@final
class CloseSocket(msgspec.Struct, frozen=True):
    """Close the socket with `code`; `None`: cut it without a close frame."""

    code: int | None


@final
class CallEnded(msgspec.Struct, frozen=True):
    """The call has left the stream; the last output."""

    reason: Literal["caller_hung_up", "ended_by_rest", "redirected", "bridge_closed", "bridge_lost"]
    continues: bool
    """The call lives on: the `<Connect action>` or the next verb is due, or what redirected it."""


Output = FromTwilio | CloseSocket | CallEnded
"""A message to the bridge goes out as it is; `wire.twilio.encode` gives it as it crosses a socket."""

# --- what is kept ----------------------------------------------------------------------------------------------------


class DebuggerEntry(msgspec.Struct, frozen=True):
    """A line in Twilio's debugger. https://www.twilio.com/docs/api/errors."""

    at_ms: int
    code: int
    problem: str


class Echo(msgspec.Struct, frozen=True, gc=False):
    """A mark that was sent back."""

    name: str
    at_ms: int
    flushed: bool
    """By `clear`: the audio before it was not all heard."""


INVALID_MESSAGE = 31951
"""Warning: invalid message; the stream goes on without it."""
MALFORMED_MESSAGE = 31950
"""Warning: a message that is no text."""
CLOSED_BY_SERVER = 31921
"""Error: the stream's server closed unexpectedly."""

_NO_MARK = 1 << 60
"""When the next echo is due while none is waited for."""

_NORMAL_CLOSURE = 1000
"""RFC 6455, 7.4.1: the only code that tells of a purpose fulfilled."""
_NO_CODE = 1005
"""RFC 6455, 7.4.1: stands for a close frame without a code, as many libraries send it by default."""


class Carrier:
    """A stream in progress. Carry out the outputs of `start` and of every `feed` in order, then look at `deadline`."""

    def __init__(self, call: CarrierCall, switches: Switches | None = None) -> None:
        self.call = call
        self.switches = switches or Switches()
        self.agent = Track()
        """What the agent sent: one stretch a media message, cut where `clear` cut it."""
        self.caller = Track()
        """What the caller said: one stretch a `Speak`."""
        self.clears_ms: list[int] = []
        """When each `clear` came."""
        self.echoes: list[Echo] = []
        self.warnings: list[DebuggerEntry] = []
        """Each distinct problem once."""
        self.now_ms = 0
        """How long the stream has lasted; stands still when the call has left it."""
        self._origin_ms: int | None = None
        self._marks: deque[tuple[int, str]] = deque()
        """Marks not echoed yet, with the millisecond at which each is due, in order."""
        self._frame_ms = self.switches.frame_ms
        self._next_frame_ms = self._frame_ms
        """A frame is sent when its last sample is there."""
        self._due_ms = self._next_frame_ms
        """When the next frame or echo is to be sent: asked for far more often than it moves."""
        self._silent_frame = SILENCE * (self._frame_ms * BYTES_PER_MS)
        self._sequence = 0
        self._chunk = 0
        self._closing: CallEnded | None = None
        """The socket is closed, the queue still plays; this comes when it has run dry."""
        self._ended = False

    # --- the clockwork -----------------------------------------------------------------------------------------------

    def start(self, now_ms: int) -> list[Output]:
        """Begin the stream; call once, when the socket is open."""
        self._origin_ms = now_ms
        call = self.call
        body = StartBody(
            call_sid=call.call_sid,
            account_sid=call.account_sid,
            media_format=MediaFormat(),
            tracks=("inbound",),
            custom_parameters=call.parameters,
            stream_sid=call.stream_sid,
        )
        start = Start(stream_sid=call.stream_sid, start=body, sequence_number=self._next_sequence())
        return [Connected(), start]

    def feed(self, now_ms: int, received: Input) -> list[Output]:
        """Take one input at `now_ms` (never decreasing): first all that was due until then happens, then the input."""
        if self._ended:
            return []
        if self._origin_ms is None:
            self.warn(INVALID_MESSAGE, "a message before start")
            return []
        now = now_ms - self._origin_ms
        if now > self.now_ms:
            self.now_ms = now
        else:
            now = self.now_ms
        outputs: list[Output] = []
        if self._due_ms <= now:
            # What comes in at the very millisecond of a frame may be answered before that frame.
            self._advance(now, now - 1 if self.switches.echo_before_frame else now, outputs)
        if type(received) is OutgoingMedia or type(received) is OutgoingMark or type(received) is Clear:
            self._obey(now, received, outputs)
        elif type(received) is not TimerFired:
            self._take(now, cast("Rare", received), outputs)
        if self._due_ms <= now:
            self._advance(now, now, outputs)
        if self._closing and not self._ended and self.agent.end <= now * BYTES_PER_MS:
            self._end(self._closing, outputs)
        return outputs

    def deadline(self) -> int | None:
        """When to feed `TimerFired` unless something else comes first; `None`: not at all, the call has left."""
        if self._origin_ms is None or self._ended:
            return None
        if self._closing:
            return self._origin_ms + _ms_after(self.agent.end)
        return self._origin_ms + self._due_ms

    def _advance(self, now: int, frames_until: int, outputs: list[Output]) -> None:
        """Send the frames and echoes that are due, in the order of their times."""
        if self._closing or self._ended:
            return
        marks = self._marks
        while True:
            frame_ms = self._next_frame_ms
            mark_ms = marks[0][0] if marks else _NO_MARK
            if mark_ms <= now and (mark_ms < frame_ms or (mark_ms == frame_ms and self.switches.echo_before_frame)):
                self._echo(mark_ms, marks.popleft()[1], flushed=False, outputs=outputs)
            elif frame_ms <= frames_until:
                self._send_frame(frame_ms, outputs)
            else:
                break
        self._due_ms = mark_ms if mark_ms < frame_ms else frame_ms

    def _send_frame(self, due_ms: int, outputs: list[Output]) -> None:
        self._next_frame_ms = due_ms + self._frame_ms
        begin_ms = due_ms - self._frame_ms
        audio = self.caller.read(begin_ms * BYTES_PER_MS, due_ms * BYTES_PER_MS)
        if audio is None:
            if self.switches.silent_gaps:
                return
            audio = self._silent_frame
        self._chunk += 1
        self._sequence += 1
        body = MediaBody(begin_ms, audio, "inbound", self._chunk)
        outputs.append(Media(self.call.stream_sid, body, self._sequence))

    def _echo(self, at_ms: int, name: str, *, flushed: bool, outputs: list[Output]) -> None:
        self.echoes.append(Echo(name, at_ms, flushed))
        mark = Mark(stream_sid=self.call.stream_sid, mark=MarkBody(name), sequence_number=self._next_sequence())
        outputs.append(mark)

    # --- the inputs --------------------------------------------------------------------------------------------------

    def _take(self, now: int, received: Rare, outputs: list[Output]) -> None:
        match received:
            case BridgeText(text):
                self._read(now, text, outputs)
            case BridgeBinary():
                self.warn(MALFORMED_MESSAGE, "a binary message")
            case BridgeClosed(code, reason):
                self._close(now, code, reason)
            case Speak(audio):
                self.caller.put(now * BYTES_PER_MS, audio)
            case StopSpeaking():
                self.caller.cut(now * BYTES_PER_MS)
            case PressKey(digit):
                self._press(now, digit, outputs)
            case HangUp():
                self._hang_up(now, received, outputs)
            case _:
                assert_never(received)

    def _read(self, now: int, text: str, outputs: list[Output]) -> None:
        try:
            message = parse_outgoing(text)
        except PeerError as error:
            self.warn(INVALID_MESSAGE, str(error))
            return
        if isinstance(message, Unknown):
            self.warn(INVALID_MESSAGE, f"unknown event {message.event[:40]!r}")
        else:
            self._obey(now, message, outputs)

    def _obey(self, now: int, message: ToTwilio, outputs: list[Output]) -> None:
        if message.stream_sid != self.call.stream_sid:
            self.warn(INVALID_MESSAGE, "streamSid of another stream")
            return
        if self._closing:
            return  # what arrives behind a close frame is not part of the conversation (RFC 6455, 5.5.1)
        if type(message) is OutgoingMedia:
            self.agent.put(now * BYTES_PER_MS, message.media.payload)
        elif type(message) is OutgoingMark:
            due_ms = self._mark_due_ms(now)
            self._marks.append((due_ms, message.mark.name))
            if due_ms < self._due_ms:
                self._due_ms = due_ms
        else:
            self._clear(now, outputs)

    def _mark_due_ms(self, now: int) -> int:
        due_ms = _ms_after(self.agent.end)
        if due_ms < now:
            due_ms = now
        if self.switches.marks_at_frame_edges:
            due_ms += -due_ms % self.switches.frame_ms
        return due_ms

    def _clear(self, now: int, outputs: list[Output]) -> None:
        self.clears_ms.append(now)
        self.agent.cut(now * BYTES_PER_MS)
        if self.switches.echo_marks_on_clear:
            for _, name in self._marks:
                self._echo(now, name, flushed=True, outputs=outputs)
        self._marks.clear()
        self._due_ms = self._next_frame_ms

    def _press(self, now: int, digit: str, outputs: list[Output]) -> None:
        if self._closing:
            return
        if self.switches.keys_audible:
            self.caller.put(now * BYTES_PER_MS, tones(digit))
        dtmf = Dtmf(stream_sid=self.call.stream_sid, dtmf=DtmfBody(digit), sequence_number=self._next_sequence())
        outputs.append(dtmf)

    def _close(self, now: int, code: int | None, reason: str) -> None:
        if self._closing:
            return
        normal = code in {_NORMAL_CLOSURE, _NO_CODE}
        if not normal:
            how = "without a close frame" if code is None else f"with {code}{reason and f': {reason}'}"
            self.warn(CLOSED_BY_SERVER, f"the server closed the stream {how}")
        self._marks.clear()
        if not self.switches.play_buffer_after_close:
            self.agent.cut(now * BYTES_PER_MS)
        self._closing = CallEnded(
            "bridge_closed" if normal else "bridge_lost",
            continues=normal or self.switches.action_after_abnormal_close,
        )

    def _hang_up(self, now: int, order: HangUp, outputs: list[Output]) -> None:
        self.agent.cut(now * BYTES_PER_MS)
        self.caller.cut(now * BYTES_PER_MS)
        if self._closing is None:
            if order.with_stop:
                body = StopBody(account_sid=self.call.account_sid, call_sid=self.call.call_sid)
                stop = Stop(stream_sid=self.call.stream_sid, stop=body, sequence_number=self._next_sequence())
                outputs.append(stop)
            outputs.append(CloseSocket(_NORMAL_CLOSURE if order.with_close else None))
        self._end(CallEnded(order.reason, continues=order.reason == "redirected"), outputs)

    def _end(self, ended: CallEnded, outputs: list[Output]) -> None:
        self._ended = True
        self._marks.clear()
        outputs.append(ended)

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def warn(self, code: int, problem: str) -> None:
        """Note a problem; also for what only the socket's owner can see."""
        # Twilio reports 31951 once a stream; a tester wants each fault, but none a thousand times.
        if not any(entry.code == code and entry.problem == problem for entry in self.warnings):
            self.warnings.append(DebuggerEntry(self.now_ms, code, problem))

    # --- the truth ---------------------------------------------------------------------------------------------------

    @property
    def played(self) -> list[tuple[int, bytes]]:
        """What the caller has heard so far, a media message each: the stream's millisecond, and the bytes played."""
        now = self.now_ms * BYTES_PER_MS
        return [
            (stretch.start // BYTES_PER_MS, stretch.audio[: stretch.played(now)])
            for stretch in self.agent.stretches
            if stretch.played(now)
        ]

    @property
    def queued(self) -> list[Stretch]:
        """One stretch a media message, in the order of arrival; `played` tells how much of each was heard."""
        return self.agent.stretches

    @property
    def agent_track(self) -> bytes:
        """All that the caller has heard, from the stream's beginning; mu-law, as long as the stream has lasted."""
        return self.agent.render(self.now_ms * BYTES_PER_MS)

    @property
    def caller_track(self) -> bytes:
        """All that the caller has said; aligned with `agent_track`."""
        return self.caller.render(self.now_ms * BYTES_PER_MS)


def _ms_after(sample: int) -> int:
    """The first whole millisecond at which a sample is over."""
    return -(-sample // BYTES_PER_MS)
