"""The audio that waits to be played, where the server plays it itself (WebRTC): what is heard, and what is cut.

On a WebSocket audio goes out as events and playback is the client's affair. Here it waits until the peer's clock takes
it, 20 ms at a time: so the server knows what was heard, tells it (`output_audio_buffer.*`) and truncates by itself.
It must not know what a peer is. Source: OpenAI's Realtime reference, server events `output_audio_buffer.*`.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from voice_agent.sim.realtime.formats import PCM
from voice_agent.sim.realtime.outbox import Outbox
from voice_agent.wire import realtime as wire

FRAME_MS = 20
"""What an RTP packet of Opus holds."""

FRAME_BYTES = FRAME_MS * PCM.bytes_per_ms
"""A frame in the only format there is on such a session: PCM16, 24 kHz."""


class Cut(msgspec.Struct, frozen=True):
    """An item whose audio was not heard to its end."""

    item_id: str
    content_index: int
    heard_ms: int


class _Piece(msgspec.Struct):
    """Audio of one delta that waits."""

    response_id: str
    item_id: str
    content_index: int
    audio: bytes


class OutputBuffer:
    """Stands at the edge of a session: audio events are kept here instead of being sent."""

    def __init__(self) -> None:
        self.playing: str | None = None
        """The response that has begun to be heard and not ended."""
        self._waiting: deque[_Piece] = deque()
        self._heard: dict[str, int] = {}
        """Bytes heard of each item of which audio came since the buffer was last empty."""

    def write(self, event_type: str, fields: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Keep an audio delta; any other event is sent as it is."""
        if event_type != "response.output_audio.delta":
            return [(event_type, fields)]
        self._waiting.append(_Piece(fields["response_id"], fields["item_id"], fields["content_index"], fields["delta"]))
        return []

    def read(self, message: wire.ClientMessage | wire.Unknown) -> wire.ClientMessage | wire.Unknown:
        """Leave the audio formats out of a client's message: here SDP has settled them, whatever the session says."""
        match message:
            case wire.SessionUpdate():
                return msgspec.structs.replace(message, session=without_formats(message.session))
            case wire.ResponseCreate() if message.response is not None:
                return msgspec.structs.replace(message, response=without_formats(message.response))
            case _:
                return message

    def frame(self, outbox: Outbox, goes_on: Callable[[str], bool]) -> bytes:
        """Take the next `FRAME_BYTES`, silence where there is nothing to hear. `goes_on`: a response may bring more."""
        head = self._waiting[0].response_id if self._waiting else None
        if self.playing not in (None, head) and (head is not None or not goes_on(str(self.playing))):
            outbox.send("output_audio_buffer.stopped", response_id=self.playing)
            self.playing = None
        if head is not None and self.playing is None:
            self.playing = head
            outbox.send("output_audio_buffer.started", response_id=head)
        taken = bytearray()
        while self._waiting and self._waiting[0].response_id == head and len(taken) < FRAME_BYTES:
            piece = self._waiting[0]
            part = piece.audio[: FRAME_BYTES - len(taken)]
            taken += part
            self._heard[piece.item_id] = self._heard.get(piece.item_id, 0) + len(part)
            piece.audio = piece.audio[len(part) :]
            if not piece.audio:
                self._waiting.popleft()
        return bytes(taken.ljust(FRAME_BYTES, b"\0"))

    def cut(self, outbox: Outbox) -> list[Cut]:
        """Drop what waits; tell it if anything was being heard or waiting. Gives the items that were cut, in order."""
        response_id = self.playing or (self._waiting[0].response_id if self._waiting else None)
        if response_id is None:
            return []
        items = {piece.item_id: piece.content_index for piece in self._waiting}
        cuts = [
            Cut(item_id, content_index, self._heard.get(item_id, 0) // PCM.bytes_per_ms)
            for item_id, content_index in items.items()
        ]
        self._waiting.clear()
        self._heard.clear()
        self.playing = None
        outbox.send("output_audio_buffer.cleared", response_id=response_id)
        return cuts


def without_formats(given: Any) -> Any:
    """Copy a session or a response's parameters without `audio.input.format` and `audio.output.format`."""
    audio = given.get("audio") if isinstance(given, dict) else None
    if not isinstance(audio, dict):
        return given
    kept = {
        direction: {key: value for key, value in settings.items() if key != "format"}
        if direction in {"input", "output"} and isinstance(settings, dict)
        else settings
        for direction, settings in audio.items()
    }
    return given | {"audio": kept}
