from collections.abc import Iterable
from pathlib import Path

import pytest

from voice_agent.agent import Agent
from voice_agent.call.commands import (
    AgentBegan,
    CallEnded,
    CallerBegan,
    CallStarted,
    HandedOver,
    Interrupted,
    Note,
    Report,
    ResponseUsed,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.events import Usage
from voice_agent.live.call_metrics import CallMetrics
from voice_agent.live.metrics import PREFIX, Metrics
from voice_agent.recording.reader import read
from voice_agent.recording.telling import report_of
from voice_agent.wire.endpoint import Endpoint, explain_refusal

CALLS = Path(__file__).resolve().parent.parent / "calls"


def seen(*reports: tuple[int, Report], agents: Iterable[Agent] = ()) -> Metrics:
    metrics = Metrics()
    observed = CallMetrics(metrics, agents)
    for now_ms, report in reports:
        observed.observe(now_ms, report)
    return metrics


def recorded(name: str) -> Metrics:
    """What a committed call adds."""
    recording = read(CALLS / f"{name}.call")
    setup = recording.header.setup
    reports = [
        (step.now_ms, report)
        for step in recording.steps()
        for entry in step.sent
        if (report := report_of(entry)) is not None
    ]
    return seen(*reports, agents=(setup.agent, *setup.others))


def took_ms(metrics: Metrics, name: str, **labels: str) -> float:
    value = metrics.registry.get_sample_value(f"{PREFIX}{name}_sum", labels)
    return -1 if value is None else round(value * 1000)


def test_what_operators_watch_is_counted() -> None:
    metrics = seen(
        (0, CallStarted(-1)),
        (0, CallStarted(320)),
        (1, AgentBegan("i1", -1)),
        (2, AgentBegan("i2", 640)),
        (3, HandedOver("billing")),
        (4, ResponseUsed(Usage(input_tokens=10, output_tokens=4, cached_tokens=3))),
        (5, Note("debug", "a small thing")),
        (6, CallEnded("completed", "the agent hung up", 5000)),
    )

    assert metrics.get("calls_started") == 2
    assert (metrics.get("connect_seconds"), took_ms(metrics, "connect_seconds")) == (1, 320)
    assert (metrics.get("response_seconds"), took_ms(metrics, "response_seconds")) == (1, 640)
    assert metrics.get("handovers", to="billing") == 1
    assert [metrics.get("tokens", kind=kind) for kind in ("input", "input_cached", "output")] == [10, 3, 4]
    assert metrics.get("notes", what="a small thing") == 1
    assert metrics.get("calls_ended", outcome="completed") == 1


def test_an_interruption_lasts_from_the_caller_s_first_sound_to_the_agent_s_silence() -> None:
    metrics = seen((1000, CallerBegan()), (1310, Interrupted(450, "i1", "mark")))

    assert metrics.get("interruptions", basis="mark") == 1
    assert took_ms(metrics, "interruption_seconds") == 310


@pytest.mark.parametrize(
    "before",
    [[(0, CallerBegan()), (900, AgentBegan("i1", 700))], [(0, CallerBegan()), (200, Interrupted(1, "i0", "mark"))], []],
)
def test_who_spoke_before_the_agent_did_interrupts_nothing_now(before: list[tuple[int, Report]]) -> None:
    """Keys cut an answer, too."""
    timed = seen(*before).get("interruption_seconds")
    metrics = seen(*before, (9000, Interrupted(450, "i1", "estimate")))

    assert metrics.get("interruptions", basis="estimate") == 1
    assert metrics.get("interruption_seconds") == timed


def test_a_tool_is_named_only_as_the_agent_s_file_names_it() -> None:
    metrics = seen(
        (0, ToolStarted("c1", "'; drop table", "{}")),
        (0, ToolAnswered("c1", "", failed=True, took_ms=7)),
        (0, ToolStarted("c2", "lookup", "{}", "crm")),
        (0, ToolAnswered("c2", "", failed=False, took_ms=9)),
        (0, ToolAnswered("c3", "", failed=True, took_ms=0)),
    )

    assert (metrics.get("tool_seconds", tool="other"), metrics.get("tool_calls_failed", tool="other")) == (2, 2)
    assert (metrics.get("tool_seconds", tool="mcp"), metrics.get("tool_calls_failed", tool="mcp")) == (1, 0)


def test_a_tool_of_the_file_is_timed_by_its_name() -> None:
    metrics = recorded("tool-slow")

    agent = read(CALLS / "tool-slow.call").header.setup.agent
    assert sum(metrics.get("tool_seconds", tool=tool.name) for tool in agent.tools) > 0
    assert metrics.get("tool_seconds", tool="other") == 0


def test_a_session_that_was_lost_is_a_retry_and_an_outage() -> None:
    metrics = recorded("session-lost-in-an-answer")

    assert metrics.get("model_retries", status="none") == 1
    assert metrics.get("model_outage_seconds") == 1
    assert metrics.get("model_failures", status="none") == 0


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_refusal_is_counted_by_its_status(status: int) -> None:
    """Of all three nothing comes in the end; two are asked once more."""
    metrics = recorded(f"model-refused-{status}")

    assert metrics.get("model_failures", status=str(status)) == 1
    assert metrics.get("calls_ended", outcome="model_failed") == 1


def test_another_endpoint_is_counted_with_why() -> None:
    refusal = explain_refusal(429, "", Endpoint("wss://example.com", {}))
    note = Note("warning", "another endpoint is asked for the model", {"reason": refusal, "endpoint": "azure_2"})

    assert seen((0, note)).get("model_fallbacks", status="429") == 1
