"""The sound of a recorded call: what the caller said and what the caller heard, on the carrier's clock.

The agent's audio is not in the file: it is made again by today's bridge. Where it was heard is told by the marks: a
start mark's echo says when the audio behind it began, a cut mark's echo where it was cut.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from voice_agent.audio.mulaw import SILENCE
from voice_agent.audio.wav import write_stereo
from voice_agent.call.carrier_clock import STALL_MS
from voice_agent.call.commands import ClearPlayback, PlayAudio, SendMark
from voice_agent.errors import CommandError, PeerError
from voice_agent.recording.reader import Recording
from voice_agent.review.feeding import Failed, PlayOrder, play_orders
from voice_agent.wire import twilio

BYTES_PER_MS = 8

FARTHEST_MS = 60_000
"""A frame that claims to lie so far ahead of the call is not believed: it would fill the disk with silence."""

DRY_MS = 40
"""A start mark that comes back this little late only shows how coarse a frame is, not that the queue ran dry."""


class Channels(msgspec.Struct, frozen=True):
    """Two channels of mu-law, 8 kHz, from the stream's beginning to the recording's end."""

    caller: bytes
    agent: bytes


class _Mark(msgspec.Struct, frozen=True):
    """What follows begins at the echo of this mark, unless audio before it still plays then."""

    name: str


class _Cut(msgspec.Struct, frozen=True):
    """What stands before ends at the echo of this mark."""

    name: str
    cleared_ms: int
    """Where the carrier's clock stood when `clear` was sent: used when the echo never came."""


def sound(recording: Recording, clips: Mapping[str, bytes]) -> Channels:
    """Give both channels; of a file that is cut short or damaged as far as it can be read.

    Raises `CommandError` when the recording holds no sound, or today's bridge cannot be fed with it.
    """
    if recording.header.audio != "kept":
        raise CommandError("the recording holds no sound: its agent says `recording: text`")
    caller, agent = _Caller(), _Agent()
    now_ms = 0
    try:
        for now_ms, said, orders in play_orders(recording, clips):
            if said is not None:
                _take_message(now_ms, said, caller, agent)
            for order in orders:
                agent.take_order(order, caller.time(now_ms))
    except PeerError:
        if not caller.audio:
            raise
    except Failed as failed:
        raise CommandError(f"today's bridge cannot be fed with this recording: {failed}") from None
    caller.reach(now_ms)
    return Channels(bytes(caller.audio), agent.render(len(caller.audio)))


def write_wav(recording: Recording, clips: Mapping[str, bytes], path: Path) -> None:
    """Write the caller to the left and the agent to the right; raises `CommandError`."""
    channels = sound(recording, clips)
    write_stereo(path, channels.caller, channels.agent)


def _take_message(now_ms: int, message: twilio.FromTwilio, caller: "_Caller", agent: "_Agent") -> None:
    if isinstance(message, twilio.Media) and message.media.track == "inbound":
        caller.place(now_ms, message.media.timestamp, message.media.payload)
    elif isinstance(message, twilio.Start):
        caller.begin(now_ms)
    elif isinstance(message, twilio.Mark):
        agent.echoed.setdefault(message.mark.name, caller.time(now_ms))
        caller.reach(now_ms)


class _Caller:
    """The inbound track, gaps as silence."""

    def __init__(self) -> None:
        self.audio = bytearray()
        self._clock_ms = 0
        """The carrier's clock behind the last frame."""
        self._seen_at_ms: int | None = None
        """When that frame came, or the stream began."""

    def begin(self, now_ms: int) -> None:
        self._seen_at_ms = now_ms

    def place(self, now_ms: int, timestamp_ms: int, audio: bytes) -> None:
        if timestamp_ms > now_ms + FARTHEST_MS:
            return
        start = timestamp_ms * BYTES_PER_MS
        self.audio += bytes([SILENCE]) * (start - len(self.audio))
        self.audio[start : start + len(audio)] = audio
        self._clock_ms = max(self._clock_ms, timestamp_ms + len(audio) // BYTES_PER_MS)
        self._seen_at_ms = now_ms

    def time(self, now_ms: int) -> int:
        """Give the carrier's time: where it sends no frames in silence, our clock goes on from the last one."""
        since_ms = 0 if self._seen_at_ms is None else now_ms - self._seen_at_ms
        return self._clock_ms + (since_ms if since_ms >= STALL_MS else 0)

    def reach(self, now_ms: int) -> None:
        """The stream lasted at least until now."""
        self.audio += bytes([SILENCE]) * (self.time(now_ms) * BYTES_PER_MS - len(self.audio))


class _Agent:
    """The outbound track: first what was sent, laid out when all echoes are known."""

    def __init__(self) -> None:
        self.echoed: dict[str, int] = {}
        """The carrier's clock at the echo of each mark."""
        self._sent: list[bytes | _Mark | _Cut] = []
        self._cleared = False

    def take_order(self, order: PlayOrder, clock_ms: int) -> None:
        match order:
            case PlayAudio():
                self._sent.append(order.audio)
            case SendMark():
                self._sent.append(_Cut(order.name, clock_ms) if self._cleared else _Mark(order.name))
                self._cleared = False
            case ClearPlayback():
                self._cleared = True

    def render(self, length: int) -> bytes:
        track = bytearray([SILENCE]) * length
        at: int | None = None
        end = 0
        """Behind it is nothing yet."""
        for piece in self._sent:
            match piece:
                case _Mark():
                    at = self._begun(piece.name, at)
                case _Cut():
                    cut = self.echoed.get(piece.name, piece.cleared_ms) * BYTES_PER_MS
                    track[cut:end] = bytes([SILENCE]) * max(0, end - cut)
                    at = None
                case bytes() if at is not None:
                    track[at : at + len(piece)] = piece
                    at += len(piece)
                    end = max(end, at)
                case _:
                    pass  # sent, but the carrier never came to play it
        return bytes(track[:length])

    def _begun(self, mark: str, at: int | None) -> int | None:
        echo_ms = self.echoed.get(mark)
        if echo_ms is None:
            return at
        begun = echo_ms * BYTES_PER_MS
        return begun if at is None or begun > at + DRY_MS * BYTES_PER_MS else at
