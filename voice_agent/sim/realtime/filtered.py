"""Which events a browser sees when its call was made with `webrtcfilter=on`: nothing of how the agent is set up.

A sideband always sees all of them. Source: Microsoft Learn, "Use the GPT Realtime API via WebRTC" (August 2026).
"""

import msgspec

SAFE = frozenset(
    {
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.added",
        "conversation.item.created",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
    }
)
"""All that such a browser receives."""


class _Typed(msgspec.Struct):
    type: str


_type_of = msgspec.json.Decoder(_Typed).decode


def is_safe(event: str) -> bool:
    """Whether a server event, as JSON, passes the filter."""
    return _type_of(event).type in SAFE
