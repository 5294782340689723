"""What each realtime model can do and how long it lives, so that an agent that asks too much is told before a call.

Facts of OpenAI's and Microsoft's pages as of November 2026: the session object's reference, the model pages, Azure's
retirement table. A model that is not here may be newer than this table: it is used as it is, with a remark. Prices are
the user's to edit and stand elsewhere (`prices`). It must not know how an agent's file is read.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from voice_agent.agent import Agent, Retention, SemanticVad, ServerVad, Transcription
from voice_agent.config.agent_keys import MCP_KEY, VOICES

Feature = Literal["reasoning_effort", "speed", "truncation", "noise_reduction", "semantic_vad", "idle_timeout", "mcp"]

RECOMMENDED = "gpt-realtime-2.1"

SOON_DAYS = 60
"""How long before its retirement a model is spoken of: time to try another one."""

_FIRST_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse")
_PREVIEW: frozenset[Feature] = frozenset({"speed", "noise_reduction", "semantic_vad"})
_GA: frozenset[Feature] = _PREVIEW | {"truncation", "idle_timeout", "mcp"}
_REASONING: frozenset[Feature] = _GA | {"reasoning_effort"}


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model for conversations."""

    features: frozenset[Feature]
    voices: tuple[str, ...] = VOICES
    context_tokens: int = 32_000
    azure_retires: date
    """Of its last version."""
    openai_retires: date | None = None
    """`None`: no date is known."""
    successor: str = RECOMMENDED


MODELS: dict[str, Model] = {
    "gpt-4o-realtime-preview": Model(
        features=_PREVIEW,
        voices=_FIRST_VOICES,
        azure_retires=date(2026, 3, 24),
        openai_retires=date(2026, 5, 12),
    ),
    "gpt-4o-mini-realtime-preview": Model(
        features=_PREVIEW,
        voices=_FIRST_VOICES,
        azure_retires=date(2026, 3, 24),
        openai_retires=date(2026, 5, 12),
        successor="gpt-realtime-2.1-mini",
    ),
    "gpt-realtime": Model(features=_GA, azure_retires=date(2027, 2, 28)),
    "gpt-realtime-mini": Model(features=_GA, azure_retires=date(2026, 12, 15), successor="gpt-realtime-2.1-mini"),
    "gpt-realtime-mini-2025-10-06": Model(
        features=_GA, azure_retires=date(2026, 7, 23), successor="gpt-realtime-2.1-mini"
    ),
    "gpt-realtime-1.5": Model(features=_GA, azure_retires=date(2027, 2, 23)),
    # OpenAI's pages give 128,000 tokens of context, Azure's 256,000; the smaller one holds everywhere.
    "gpt-realtime-2": Model(features=_REASONING, context_tokens=128_000, azure_retires=date(2027, 5, 6)),
    "gpt-realtime-2.1": Model(features=_REASONING, context_tokens=128_000, azure_retires=date(2027, 6, 25)),
    "gpt-realtime-2.1-mini": Model(features=_REASONING, context_tokens=128_000, azure_retires=date(2027, 6, 25)),
}

OTHER_KINDS = {
    "gpt-realtime-translate": "translates and holds no conversation",
    "gpt-realtime-whisper": "transcribes and holds no conversation",
    "gpt-live-transcribe": "transcribes and holds no conversation",
    "gpt-live-1": "speaks another protocol",
}
"""Realtime models that the Realtime API's conversations refuse, and why."""

TRANSCRIBERS_RETIRE = {
    "gpt-4o-transcribe": date(2026, 10, 15),
    "gpt-4o-mini-transcribe": date(2026, 12, 15),
    "whisper": date(2026, 12, 15),
    "whisper-1": date(2026, 12, 15),
}
"""At Azure: the last version that is listed. Whoever uses one should look there for a newer version or model."""

_SNAPSHOT = re.compile(r"-20\d\d-\d\d-\d\d$")


def base_name(name: str) -> str:
    """Take the date of a snapshot off a model's name."""
    return _SNAPSHOT.sub("", name)


def known_model(name: str) -> Model | None:
    """Find a model by its name or that of a snapshot; `None`: nothing is known of it."""
    return MODELS.get(name) or MODELS.get(base_name(name))


class Refusal(NamedTuple):
    """A key of an agent that a model refuses."""

    key: str
    """As in `AgentFile.key_at`; it may be absent there, when a default is refused."""
    what: str


def refusals(agent: Agent, name: str) -> Iterator[Refusal]:
    """Name what of an agent the model refuses, with the remedy; nothing for a model that nobody here knows."""
    model = known_model(name)
    if model is None:
        return
    for key, feature, asked in _asked(agent):
        if asked and feature not in model.features:
            other = f", or use {RECOMMENDED}" if name != RECOMMENDED else ""
            yield Refusal(key, f'{name} knows no "{key}"; remove it{other}')
    if agent.voice in VOICES and agent.voice not in model.voices:
        yield Refusal("voice", f'{name} has no voice "{agent.voice}"; write "voice: {model.voices[0]}"')
    kept = agent.model.truncation
    if isinstance(kept, Retention) and kept.tokens is not None and kept.tokens > model.context_tokens:
        yield Refusal(
            "model.truncation",
            f"{name} takes {model.context_tokens} tokens; write a smaller number than {kept.tokens} for tokens",
        )


def preview_refusals(agent: Agent) -> Iterator[Refusal]:
    """Name what the preview dialect has no word for and an agent cannot do without, with the remedy."""
    if agent.mcp:
        yield Refusal(
            MCP_KEY,
            "the preview dialect knows no MCP servers; use a model and an address of GA form, or a python tool",
        )


def _asked(agent: Agent) -> Iterator[tuple[str, Feature, bool]]:
    """List the keys that not every model knows, with what they need and whether the agent asks for it."""
    yield "model.reasoning_effort", "reasoning_effort", agent.model.reasoning_effort is not None
    yield "model.speed", "speed", agent.model.speed is not None
    yield "model.truncation", "truncation", agent.model.truncation is not None
    yield "turn_detection.idle_timeout_ms", "idle_timeout", _has_idle_timeout(agent)
    yield "noise_reduction", "noise_reduction", agent.noise_reduction is not None
    yield "turn_detection", "semantic_vad", isinstance(agent.turn_detection, SemanticVad)
    yield MCP_KEY, "mcp", bool(agent.mcp)


def _has_idle_timeout(agent: Agent) -> bool:
    return isinstance(agent.turn_detection, ServerVad) and agent.turn_detection.idle_timeout_ms is not None


def problem_of_kind(name: str) -> str:
    """Say why a model cannot hold a conversation; empty: it can, as far as is known."""
    reason = OTHER_KINDS.get(base_name(name))
    return f"{name} {reason}; use {RECOMMENDED}" if reason else ""


def remark(name: str, provider: str, today: date) -> str:
    """Say in one line what a user should know of a model before its calls; empty: nothing."""
    model = known_model(name)
    if model is None:
        return f'nothing is known of a model "{name}": what it can do is not checked'
    retires = model.azure_retires if provider == "azure" else model.openai_retires
    if retires is None or (retires - today).days > SOON_DAYS:
        return ""
    where = "Azure" if provider == "azure" else "OpenAI"
    if retires <= today:
        return f"{where} retired {name} on {retires}; use {model.successor}"
    return f"{where} retires {name} on {retires}, in {(retires - today).days} days; use {model.successor}"


def azure_remarks(agent: Agent, today: date) -> Iterator[str]:
    """Say in a line each what of an agent Azure may take otherwise than OpenAI: its pages do not speak of it."""
    if agent.transcription is not None:
        yield _transcription_remark(agent.transcription, today)
    if agent.model.reasoning_effort == "xhigh":
        yield "Azure's pages do not list model.reasoning_effort xhigh; high is the highest there"
    for key, asked in (
        ("turn_detection.idle_timeout_ms", _has_idle_timeout(agent)),
        ("model.prompt", agent.model.prompt is not None),
        ("MCP servers for every model and region", bool(agent.mcp)),
    ):
        if asked:
            yield f"Azure's pages do not mention {key}; make one call before you rely on it"


def _transcription_remark(transcription: Transcription, today: date) -> str:
    """Say what a transcription needs: a wrong name fails every turn's transcript and nothing else."""
    name = transcription.model
    needs = f'transcription needs a deployment named "{name}" in the same resource, or write "transcription: off"'
    retires = TRANSCRIBERS_RETIRE.get(base_name(name))
    if retires is None or (retires - today).days > SOON_DAYS:
        return needs
    return f"{needs}; Azure {'retired' if retires <= today else 'retires'} the model of that name on {retires}"
