"""What an agent's YAML says under `model:`: how the model answers. Nothing there is sent unless it is given.

    model:
      reasoning_effort: low                     # minimal | low | medium | high | xhigh; reasoning models only
      speed: 1.0                                # 0.25 to 1.5
      max_output_tokens: inf                    # 1 to 4096, or inf
      truncation: {retention: 0.8, tokens: 8000}    # or auto, or disabled
      prompt: {id: pmpt_68a1, version: "2", variables: {company: Alder}}

Whether the chosen model knows a key is another question: see `models`.
"""

import re
from typing import Literal

import yaml

from voice_agent.agent import ModelOptions, Prompt, Retention
from voice_agent.config.agent_keys import (
    EFFORT,
    MAX_OUTPUT_TOKENS,
    MODEL,
    PROMPT,
    RETAINING,
    RETENTION,
    RETENTION_TOKENS,
    SPEED,
    TRUNCATION,
)
from voice_agent.config.schema_forms import VARIABLE
from voice_agent.config.yaml_nodes import Fields, shorten


def read_model(fields: Fields) -> ModelOptions:
    """Read the whole key; absent: nothing is asked of the model."""
    inner = fields.fields("model", tuple(MODEL), "{speed: 1.1}")
    if inner is None:
        return ModelOptions()
    effort = inner.choice("reasoning_effort", EFFORT, "low")
    speed = inner.number("speed", 1.0, *SPEED)
    return ModelOptions(
        reasoning_effort=None if inner.node("reasoning_effort") is None else effort,
        speed=None if inner.node("speed") is None else speed,
        max_output_tokens=_max_output_tokens(inner),
        truncation=_truncation(inner),
        prompt=_prompt(inner),
    )


def _max_output_tokens(fields: Fields) -> int | Literal["inf"] | None:
    node = fields.node("max_output_tokens")
    if node is None:
        return None
    if isinstance(node, yaml.ScalarNode) and node.value == "inf":
        return "inf"
    return fields.integer("max_output_tokens", 1, *MAX_OUTPUT_TOKENS)


def _truncation(fields: Fields) -> Literal["auto", "disabled"] | Retention | None:
    node = fields.node("truncation")
    if node is None:
        return None
    if not isinstance(node, yaml.MappingNode):
        return fields.choice("truncation", TRUNCATION, "auto")
    inner = Fields(fields.document, node, tuple(RETAINING))
    if inner.node("retention") is None:
        inner.missing("retention", "retention: 0.8")
    tokens = inner.integer("tokens", RETENTION_TOKENS.highest, *RETENTION_TOKENS)
    return Retention(
        ratio=inner.number("retention", 1.0, *RETENTION),
        tokens=None if inner.node("tokens") is None else tokens,
    )


def _prompt(fields: Fields) -> Prompt | None:
    inner = fields.fields("prompt", tuple(PROMPT), "{id: pmpt_68a1b2c3}")
    if inner is None:
        return None
    identity = inner.text("id", "")
    node = inner.node("id")
    if node is None:
        inner.missing("id", "id: pmpt_68a1b2c3")
    elif isinstance(node, yaml.ScalarNode) and not identity:
        inner.document.fault(node, '"id" is empty; write the one that the provider shows')
    return Prompt(identity, inner.text("version", None), _prompt_variables(inner))


def _prompt_variables(fields: Fields) -> dict[str, str]:
    inner = fields.fields("variables", (), "{company: Alder Dental}")
    if inner is None:
        return {}
    for key, node in inner.nodes():
        if not re.fullmatch(VARIABLE, key):
            inner.document.fault(node, f'"{shorten(key)}" is no variable name; use letters, digits and "_"')
    return {key: inner.text(key, "") for key, _ in inner.nodes()}
