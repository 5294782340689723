from datetime import date

import pytest

from tests.support.agent_files import agent_of
from voice_agent.config.models import (
    MODELS,
    OTHER_KINDS,
    azure_remarks,
    known_model,
    problem_of_kind,
    refusals,
    remark,
)
from voice_agent.config.prices import load_prices

NEW, OLD, PREVIEW = "gpt-realtime-2.1", "gpt-realtime", "gpt-4o-realtime-preview"
IDLE_TIMEOUT = "turn_detection.idle_timeout_ms"
TODAY = date(2026, 11, 22)
NEEDS = 'transcription needs a deployment named "ears" in the same resource, or write "transcription: off"'


def refused(added: str, model: str) -> list[str]:
    return [f"{key}: {what}" for key, what in refusals(agent_of(added), model)]


def test_a_snapshot_can_do_what_its_model_can() -> None:
    assert known_model("gpt-realtime-2.1-2026-07-07") is MODELS["gpt-realtime-2.1"]
    assert known_model("gpt-realtime-mini-2025-10-06") is not MODELS["gpt-realtime-mini"]
    assert known_model("reception") is None


def test_every_model_has_a_price_and_a_successor_that_is_known() -> None:
    prices = load_prices()

    assert [name for name in MODELS if prices.of(name) is None] == []
    assert {model.successor for model in MODELS.values()} <= set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_an_agent_that_asks_for_nothing_special_can_have_any_model(model: str) -> None:
    assert refused("voice: alloy\n", model) == []


@pytest.mark.parametrize(
    "added",
    [
        "model: {reasoning_effort: low, speed: 1.1, max_output_tokens: inf, truncation: {retention: 0.8}}\n",
        "turn_detection: {type: semantic_vad}\n",
        "turn_detection: {type: server_vad, idle_timeout_ms: 6000}\n",
        "model: {prompt: {id: pmpt_68a1b2c3}}\n",
        "noise_reduction: far_field\n",
        "voice: marin\n",
        "voice: voice_68a1b2c3\n",
    ],
)
def test_the_recommended_model_takes_everything(added: str) -> None:
    assert refused(added, NEW) == []


@pytest.mark.parametrize(
    ("model", "added", "told"),
    [
        (
            OLD,
            "model: {reasoning_effort: low}\n",
            f'model.reasoning_effort: {OLD} knows no "model.reasoning_effort"; remove it, or use gpt-realtime-2.1',
        ),
        (
            PREVIEW,
            "voice: alloy\nmodel: {truncation: disabled}\n",
            'model.truncation: gpt-4o-realtime-preview knows no "model.truncation"; remove it, or use gpt-realtime-2.1',
        ),
        (
            PREVIEW,
            "voice: alloy\nturn_detection: {type: server_vad, idle_timeout_ms: 6000}\n",
            f'{IDLE_TIMEOUT}: {PREVIEW} knows no "{IDLE_TIMEOUT}"; remove it, or use gpt-realtime-2.1',
        ),
        (PREVIEW, "", 'voice: gpt-4o-realtime-preview has no voice "marin"; write "voice: alloy"'),
        (
            OLD,
            "model: {truncation: {retention: 0.8, tokens: 64000}}\n",
            "model.truncation: gpt-realtime takes 32000 tokens; write a smaller number than 64000 for tokens",
        ),
    ],
)
def test_what_a_model_refuses_is_named_with_its_remedy(model: str, added: str, told: str) -> None:
    assert refused(added, model) == [told]


def test_a_model_that_nobody_here_knows_is_asked_for_anything() -> None:
    assert refused("model: {reasoning_effort: xhigh}\n", "reception") == []


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_models_that_hold_no_conversation_are_known(name: str) -> None:
    assert problem_of_kind(name) == f"{name} {OTHER_KINDS[name]}; use gpt-realtime-2.1"
    assert problem_of_kind(NEW) == ""


@pytest.mark.parametrize(
    ("name", "provider", "today", "told"),
    [
        (NEW, "azure", TODAY, ""),
        (NEW, "azure", date(2027, 4, 25), ""),
        (
            NEW,
            "azure",
            date(2027, 4, 26),
            "Azure retires gpt-realtime-2.1 on 2027-06-25, in 60 days; use gpt-realtime-2.1",
        ),
        (
            "gpt-realtime-mini",
            "azure",
            TODAY,
            "Azure retires gpt-realtime-mini on 2026-12-15, in 23 days; use gpt-realtime-2.1-mini",
        ),
        ("gpt-realtime-mini", "openai", TODAY, ""),
        (
            PREVIEW,
            "openai",
            TODAY,
            "OpenAI retired gpt-4o-realtime-preview on 2026-05-12; use gpt-realtime-2.1",
        ),
        (PREVIEW, "azure", date(2026, 3, 24), f"Azure retired {PREVIEW} on 2026-03-24; use {NEW}"),
        ("reception", "azure", TODAY, 'nothing is known of a model "reception": what it can do is not checked'),
    ],
)
def test_a_model_near_its_end_is_spoken_of(name: str, provider: str, today: date, told: str) -> None:
    assert remark(name, provider, today) == told


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("transcription: off\n", []),
        ("transcription: {model: ears}\n", [NEEDS]),
        (
            "",
            [NEEDS.replace("ears", "gpt-4o-mini-transcribe") + "; Azure retires the model of that name on 2026-12-15"],
        ),
    ],
)
def test_a_transcription_names_a_deployment_at_azure(added: str, told: list[str]) -> None:
    assert list(azure_remarks(agent_of(added), TODAY)) == told


def test_azure_may_not_know_mcp_servers() -> None:
    added = "transcription: off\ntools: [{mcp: {server_label: calendar, server_url: 'https://mcp.example.com'}}]\n"

    assert list(azure_remarks(agent_of(added), TODAY)) == [
        "Azure's pages do not mention MCP servers for every model and region; make one call before you rely on it"
    ]


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("model: {reasoning_effort: high}\n", []),
        (
            "model: {reasoning_effort: xhigh}\n",
            ["Azure's pages do not list model.reasoning_effort xhigh; high is the highest there"],
        ),
        (
            "turn_detection: {type: server_vad, idle_timeout_ms: 6000}\n",
            ["Azure's pages do not mention turn_detection.idle_timeout_ms; make one call before you rely on it"],
        ),
        (
            "model: {prompt: {id: pmpt_1}}\n",
            ["Azure's pages do not mention model.prompt; make one call before you rely on it"],
        ),
    ],
)
def test_what_azure_may_not_know_is_said_before_a_call(added: str, told: list[str]) -> None:
    assert list(azure_remarks(agent_of("transcription: off\n" + added), TODAY)) == told
