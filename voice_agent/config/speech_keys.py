"""What an agent's YAML says of hearing and speaking: voice, turns, barge-in, transcription, noise.

Each function reads one key and notes its faults; see `agent_file` for the forms. It must not know the rest of an agent.
"""

from typing import Literal

import yaml

from voice_agent.agent import BargeIn, SemanticVad, ServerVad, Transcription, TurnDetection
from voice_agent.config.agent_keys import (
    AFTER_MS,
    BARGE_IN,
    EAGERNESS,
    GREETED,
    IDLE_TIMEOUT_MS,
    NOISE,
    PREFIX_MS,
    SEMANTIC_VAD,
    SERVER_VAD,
    SILENCE_MS,
    THRESHOLD,
    TRANSCRIPTION,
    VOICES,
)
from voice_agent.config.faults import instead, nearest
from voice_agent.config.yaml_nodes import Fields, kind_of, shorten


def read_voice(fields: Fields) -> str:
    """Read a voice of the API, or one that it may know and we do not."""
    voice = fields.text("voice", "marin")
    near = nearest(voice, VOICES)
    node = fields.node("voice")
    if node is not None and voice not in VOICES and (near or not voice):
        fields.document.fault(node, f'unknown voice "{shorten(voice)}"; {instead(voice, VOICES)}')
    return voice


def read_turn_detection(fields: Fields) -> TurnDetection:
    """Read who ends the caller's turn, and when."""
    node = fields.node("turn_detection")
    if node is None:
        return ServerVad()
    kinds = ("server_vad", "semantic_vad")
    if not isinstance(node, yaml.MappingNode):
        typed = node.value if isinstance(node, yaml.ScalarNode) else ""
        near = nearest(typed, kinds) or "server_vad"
        fields.document.fault(node, f'"turn_detection" cannot be {kind_of(node)}; write "{{type: {near}}}"')
        return ServerVad()
    kind = next((value.value for key, value in node.value if key.value == "type"), None)
    if kind == "semantic_vad":
        inner = Fields(fields.document, node, tuple(SEMANTIC_VAD))
        return SemanticVad(eagerness=inner.choice("eagerness", EAGERNESS, "auto"))
    inner = Fields(fields.document, node, tuple(SERVER_VAD))
    if inner.node("type") is None:
        inner.missing("type", "type: server_vad")
    inner.choice("type", kinds, "server_vad")
    usual = ServerVad()
    return ServerVad(
        threshold=inner.number("threshold", usual.threshold, *THRESHOLD),
        prefix_padding_ms=inner.integer("prefix_padding_ms", usual.prefix_padding_ms, *PREFIX_MS),
        silence_duration_ms=inner.integer("silence_duration_ms", usual.silence_duration_ms, *SILENCE_MS),
        idle_timeout_ms=None
        if inner.node("idle_timeout_ms") is None
        else inner.integer("idle_timeout_ms", IDLE_TIMEOUT_MS.lowest, *IDLE_TIMEOUT_MS),
    )


def read_barge_in(fields: Fields) -> BargeIn:
    """Read when the caller's voice stops the agent's."""
    node = fields.node("barge_in")
    if node is None:
        return BargeIn()
    if not isinstance(node, yaml.MappingNode):
        if not isinstance(node, yaml.ScalarNode) or node.value != "at_once":
            fields.document.fault(
                node,
                f'"barge_in" cannot be {kind_of(node)}; '
                'write "at_once", "{after_ms: 300}" or "{greeting: protected}"',
            )
        return BargeIn()
    inner = Fields(fields.document, node, tuple(BARGE_IN))
    return BargeIn(
        after_ms=inner.integer("after_ms", 0, *AFTER_MS),
        protect_greeting=inner.choice("greeting", GREETED, "at_once") == "protected",
    )


def read_transcription(fields: Fields, language: str | None) -> Transcription | None:
    """Read how speech becomes text; `None`: not at all.

    The caller is expected to speak the agent's `language`, which makes short answers recognisable; `None`: any of
    several.
    """
    node = fields.node("transcription")
    spoken = None if language is None else language.partition("-")[0]
    if node is None:
        return Transcription(language=spoken)
    if isinstance(node, yaml.ScalarNode) and node.value == "off":
        return None
    inner = fields.fields("transcription", tuple(TRANSCRIPTION), "{language: en}, or off")
    if inner is None:
        return None
    return Transcription(
        model=inner.text("model", Transcription().model),
        language=inner.text("language", spoken),
        prompt=inner.text("prompt", None),
    )


def read_noise_reduction(fields: Fields) -> Literal["near_field", "far_field"] | None:
    """Read the kind of microphone that noise is removed for; `None`: no removal."""
    kind = fields.choice("noise_reduction", NOISE, "off")
    return None if kind == "off" else kind
