"""Where a recorded call stands on the carrier's clock, step by step: the time axis of its sound.

`sound` lays the voices out on the same clock. It must not know what anything on that axis is.
"""

from voice_agent.call.carrier_clock import STALL_MS
from voice_agent.errors import PeerError
from voice_agent.recording.cutting import find_audio, sealed_length
from voice_agent.recording.entries import Entry, Step
from voice_agent.wire import twilio

FARTHEST_MS = 60_000
"""A frame that claims to lie so far ahead of the call is not believed."""

_PHONE_BYTES_PER_MS = 8
_BYTES_PER_MS = {"pcm24k": 48, "g711": 8}


class StreamClock:
    """Fed with all steps of a call, in order; afterwards it stands where that step does."""

    def __init__(self, audio: str) -> None:
        """`audio`: how the model hears, as `ModelSetup.audio` says."""
        self._bytes_per_ms = _BYTES_PER_MS[audio]
        self._behind_ms = 0
        """The carrier's clock behind the last frame."""
        self._seen_at_ms: int | None = None
        """When that frame came, or the stream began."""
        self._appended = 0
        self.began_ms: int | None = None
        """The call's time when the stream began; `None`: it has not."""

    def take(self, step: Step) -> None:
        """Take the next step."""
        received = step.received
        if received is not None and received.way == "phone":
            self._take_phone(step.now_ms, received.text)
        for entry in step.sent:
            self._take_sent(entry)

    def ms(self, now_ms: int) -> int:
        """Give the carrier's time: where it sends no frames in silence, our clock goes on from the last one."""
        since_ms = 0 if self._seen_at_ms is None else now_ms - self._seen_at_ms
        return self._behind_ms + (since_ms if since_ms >= STALL_MS else 0)

    def of_session(self, session_ms: int) -> int:
        """Give the carrier's time of a moment on the model's clock: how much audio its session was given by then."""
        return max(0, self._behind_ms - self._appended // self._bytes_per_ms + session_ms)

    def _take_phone(self, now_ms: int, text: str) -> None:
        try:
            message = twilio.parse(text)
        except PeerError:
            return
        if isinstance(message, twilio.Media) and message.media.track == "inbound":
            timestamp_ms = message.media.timestamp
            if timestamp_ms <= now_ms + FARTHEST_MS:
                end_ms = timestamp_ms + len(message.media.payload) // _PHONE_BYTES_PER_MS
                self._behind_ms = max(self._behind_ms, end_ms)
                self._seen_at_ms = now_ms
        elif isinstance(message, twilio.Start):
            self._seen_at_ms = now_ms
            if self.began_ms is None:
                self.began_ms = now_ms

    def _take_sent(self, entry: Entry) -> None:
        if entry.way == "fact" and '"ConnectModel"' in entry.text[:40]:
            self._appended = 0  # another session counts from nothing
        elif entry.way == "model" and find_audio(entry.way, entry.text) is not None:
            sealed = sealed_length(entry.way, entry.text)
            self._appended += 0 if sealed is None else sealed[2]
