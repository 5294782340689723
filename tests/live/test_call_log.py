import logging

import pytest

from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerSaid,
    CallStarted,
    Interrupted,
    Note,
    Report,
    ResponseUsed,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.events import Usage
from voice_agent.live.call_log import SAME_NOTES, call_log

REPORTS: list[Report] = [
    CallStarted(-1),
    CallStarted(320),
    CallerSaid("i1", "my secret words"),
    AgentBegan("i2", -1),
    AgentBegan("i2", 640),
    AgentSaid("i2", "the agent's words", 900, 900, interrupted=False),
    Interrupted(450, "i2", "mark"),
    ToolStarted("c1", "book", '{"name": "my secret name"}'),
    ToolAnswered("c1", "my secret table", failed=False, took_ms=12),
    ResponseUsed(Usage(input_tokens=10, output_tokens=4, cached_tokens=3)),
    Note("error", "the model is gone", {"reason": "close 1011"}),
    Note("debug", "a small thing"),
    CallEnded("completed", "the agent hung up", 5000),
]


def observed(caplog: pytest.LogCaptureFixture, reports: list[Report]) -> None:
    observe = call_log("CA1")
    with caplog.at_level(logging.DEBUG, "voice_agent.call"):
        for report in reports:
            observe(7, report)


def test_the_log_tells_a_call_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    observed(caplog, REPORTS)

    assert caplog.messages == [
        "started",
        "started, model ready after 320 ms",
        "the agent answers after 640 ms",
        "the caller interrupts, 450 ms were heard (mark)",
        "tool call c1 answered after 12 ms",
        "the model is gone (reason: close 1011)",
        "a small thing",
        "the model used 10 tokens in (3 of them cached), 4 out",
        "ended after 5000 ms: completed (the agent hung up)",
    ]
    assert {record.__dict__["call"] for record in caplog.records} == {"CA1"}
    assert [record.levelname for record in caplog.records][5:7] == ["ERROR", "DEBUG"]


def test_rubbish_that_comes_fifty_times_a_second_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    observed(caplog, [Note("warning", "a message of the stream was skipped")] * 100)

    assert len(caplog.messages) == SAME_NOTES
    assert caplog.messages[-1].endswith("only counted")


def test_the_log_tells_what_a_call_cost_once_it_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    observe = call_log("CA1", lambda usage: f"{usage.input_tokens} cents")
    with caplog.at_level(logging.DEBUG, "voice_agent.call"):
        observe(1, ResponseUsed(Usage(input_tokens=10, output_tokens=4, cached_tokens=3)))
        observe(2, ResponseUsed(Usage(input_tokens=30, output_tokens=1, cached_tokens=10)))
        observe(3, CallEnded("completed", "", 3))

    assert caplog.messages == [
        "the model used 40 tokens in (13 of them cached), 5 out: 40 cents",
        "ended after 3 ms: completed",
    ]
