"""Where a recorded call stands on the carrier's clock, step by step: the time axis of its sound.

`sound` lays the voices out on the same clock. It must not know what anything on that axis is.
"""

from typing import cast

from voice_agent.call.carrier_clock import STALL_MS
from voice_agent.errors import PeerError
from voice_agent.recording.cutting import sealed_length
from voice_agent.recording.entries import Entry
from voice_agent.recording.loose import Carrying, LooseStep, LooseText
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

    def take(self, step: LooseStep) -> None:
        """Take the next step; of its audio only the length is looked at."""
        received = step.received
        if received is not None and received.way == "phone":
            if type(received) is Carrying:
                self._take_phone(step.now_ms, received.bare(), received.length)
            else:
                self._take_phone(step.now_ms, cast("Entry", received).text, 0)
        for part in step.sent:
            self._take_sent(part)

    def ms(self, now_ms: int) -> int:
        """Give the carrier's time: where it sends no frames in silence, our clock goes on from the last one."""
        since_ms = 0 if self._seen_at_ms is None else now_ms - self._seen_at_ms
        return self._behind_ms + (since_ms if since_ms >= STALL_MS else 0)

    def of_session(self, session_ms: int) -> int:
        """Give the carrier's time of a moment on the model's clock: how much audio its session was given by then."""
        return max(0, self._behind_ms - self._appended // self._bytes_per_ms + session_ms)

    def _take_phone(self, now_ms: int, text: str, length: int) -> None:
        """Take a message; `length`: bytes of audio that are not in the text."""
        try:
            message = twilio.parse(text)
        except PeerError:
            return
        if isinstance(message, twilio.Media) and message.media.track == "inbound":
            timestamp_ms = message.media.timestamp
            if timestamp_ms <= now_ms + FARTHEST_MS:
                length += len(message.media.payload)
                self._behind_ms = max(self._behind_ms, timestamp_ms + length // _PHONE_BYTES_PER_MS)
                self._seen_at_ms = now_ms
        elif isinstance(message, twilio.Start):
            self._seen_at_ms = now_ms
            if self.began_ms is None:
                self.began_ms = now_ms

    def _take_sent(self, part: LooseText) -> None:
        if part.way == "model":
            if type(part) is Carrying:
                self._appended += max(0, part.length)
            elif (sealed := sealed_length("model", cast("Entry", part).text)) is not None:
                self._appended += sealed[2]
        elif part.way == "fact" and '"ConnectModel"' in cast("Entry", part).text[:40]:
            self._appended = 0  # another session counts from nothing
