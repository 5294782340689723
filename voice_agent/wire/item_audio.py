"""The model's audio on its way to the caller: counted by item, converted without a seam, never mixed between replies.

One resampler serves a whole session, because its tail belongs to whatever sounded last. It must not know JSON, nor what
the caller heard of what the model sent.
"""

from typing import Protocol

import msgspec

from voice_agent.call.events import ModelAudio

ITEMS_KEPT = 64
"""Items whose length is remembered. A response has one or two, so an item is forgotten many turns after its end."""


class AudioKey(msgspec.Struct, frozen=True, gc=False):
    """Which audio: one content part of one item of one response."""

    response_id: str
    item_id: str
    content_index: int


class Delta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's audio in the session's format, any length: `response.output_audio.delta`, decoded."""

    key: AudioKey
    audio: bytes


class Resampler(Protocol):
    """What `Upsampler` and `Downsampler` of `voice_agent.audio.resample` do."""

    def feed(self, data: bytes) -> bytes:
        """Convert what can be converted by now."""
        ...

    def flush(self) -> bytes:
        """Bring the tail out and be ready for other audio."""
        ...

    def reset(self) -> None:
        """Forget the tail."""
        ...


class Unchanged:
    """The resampler of audio that needs none: mu-law passed through."""

    def feed(self, data: bytes) -> bytes:
        """Give back what came."""
        return data

    def flush(self) -> bytes:
        """Nothing was held back."""
        return b""

    def reset(self) -> None:
        """Nothing was held back."""


class ItemAudio:
    """Deltas in, `ModelAudio` out."""

    def __init__(self, resampler: Resampler, bytes_per_ms: int) -> None:
        """`bytes_per_ms`: of the audio that the model sends."""
        self._resampler = resampler
        self._bytes_per_ms = bytes_per_ms
        self._inside: AudioKey | None = None
        """Whose audio is in the resampler."""
        self._sent_bytes: dict[tuple[str, int], int] = {}

    def delta(self, key: AudioKey, audio: bytes) -> list[ModelAudio]:
        """Take a piece of any length. The tail of another item that has not been finished comes out before it.

        In a response of several items the first one's end may be told after the second one's audio began
        (pipecat-ai/pipecat#4465), but pieces come in play order.
        """
        if not audio:
            return []
        events = [] if self._inside in (None, key) else self._tail(done=False)
        self._inside = key
        sent = self._count(key, len(audio))
        heard = self._resampler.feed(audio)
        events.append(ModelAudio(key.response_id, key.item_id, key.content_index, heard, sent // self._bytes_per_ms))
        return events

    def done(self, key: AudioKey) -> list[ModelAudio]:
        """Finish an item's audio: exactly one event, with the tail if it is still there."""
        return self._tail(done=True) if self._inside == key else [self._event(key, b"", done=True)]

    def response_done(self, response_id: str, *, completed: bool) -> list[ModelAudio]:
        """End a response: of a cut one nothing may be heard in the next; of a whole one nothing may be missing."""
        if self._inside is None or self._inside.response_id != response_id:
            return []
        if completed:
            return self._tail(done=True)
        self._resampler.reset()
        self._inside = None
        return []

    def _tail(self, *, done: bool) -> list[ModelAudio]:
        """Empty the resampler; one event, or none if there is nothing to tell."""
        assert self._inside is not None, "a tail belongs to somebody"
        key, self._inside = self._inside, None
        tail = self._resampler.flush()
        return [self._event(key, tail, done=done)] if tail or done else []

    def _count(self, key: AudioKey, length: int) -> int:
        part, sent_bytes = (key.item_id, key.content_index), self._sent_bytes
        so_far = sent_bytes.get(part)
        if so_far is None:
            if len(sent_bytes) >= ITEMS_KEPT:
                del sent_bytes[next(iter(sent_bytes))]
            so_far = 0
        sent_bytes[part] = so_far = so_far + length
        return so_far

    def _event(self, key: AudioKey, audio: bytes, *, done: bool = False) -> ModelAudio:
        return ModelAudio(
            response_id=key.response_id,
            item_id=key.item_id,
            content_index=key.content_index,
            audio=audio,
            sent_ms=self._sent_bytes.get((key.item_id, key.content_index), 0) // self._bytes_per_ms,
            done=done,
        )
