import asyncio
import logging
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.server.test_run import a_server
from tests.support import tiny_twilio
from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerBegan,
    CallerSaid,
    CallStarted,
    HandedOver,
    Interrupted,
    Note,
    Report,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.live.traces import Traces, to_server

CALL: list[tuple[int, Report]] = [
    (100, CallStarted(90)),
    (1000, CallerBegan()),
    (2000, CallerSaid("u1", "my secret words")),
    (2100, ToolStarted("t1", "book", '{"name": "my secret name"}')),
    (2400, ToolAnswered("t1", "my secret table", failed=True, took_ms=300)),
    (2600, AgentBegan("a1", 700)),
    (3000, CallerBegan()),
    (3300, Interrupted(400, "a1", "mark")),
    (3300, AgentSaid("a1", "secret words of the agent", 400, 900, interrupted=True)),
    (3400, Note("warning", "the model refused a request", {"error": "secret"})),
    (3500, Note("info", "a small thing")),
    (3600, HandedOver("billing")),
    (3700, ToolStarted("t2", "x" * 100, "{}")),
    (4000, CallEnded("caller_hung_up", "secret reason", 4000)),
]


def traced(*reports: tuple[int, Report]) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    traces = Traces(exporter)
    for now_ms, report in reports:
        traces.observe("CA1", now_ms, report)
    traces.close()
    return list(exporter.get_finished_spans())


def lasted_ms(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1_000_000


def test_a_call_its_turns_and_its_tools_are_spans_by_the_call_s_own_clock() -> None:
    spans = traced(*CALL)
    (call,) = (span for span in spans if span.name == "call")

    told = [(span.name, round(lasted_ms(span)), dict(span.attributes or {})) for span in spans]
    assert told == [
        ("tool", 300, {"tool.name": "book"}),
        ("turn", 1600, {"turn.response_ms": 700}),
        ("turn", 1000, {}),
        ("tool", 300, {"tool.name": "x" * 64}),
        ("call", 4000, {"call.sid": "CA1", "call.outcome": "caller_hung_up"}),
    ]
    assert call.context is not None
    assert {span.parent.span_id for span in spans if span.parent is not None} == {call.context.span_id}
    assert next(span.status.is_ok for span in spans if span.name == "tool") is False


def test_what_happens_in_a_call_is_told_beside_it() -> None:
    call = traced(*CALL)[-1]

    assert [(event.name, dict(event.attributes or {})) for event in call.events] == [
        ("interrupted", {"heard_ms": 400, "basis": "mark"}),
        ("the model refused a request", {}),
        ("handed over", {"agent": "billing"}),
    ]


def test_no_word_that_was_said_is_in_a_span() -> None:
    assert "secret" not in "".join(span.to_json() for span in traced(*CALL))


def test_calls_at_once_are_traces_of_their_own() -> None:
    exporter = InMemorySpanExporter()
    traces = Traces(exporter)
    for call_sid in ("CA1", "CA2"):
        traces.observe(call_sid, 0, CallStarted(-1))
    for call_sid in ("CA1", "CA2"):
        traces.observe(call_sid, 10, CallEnded("completed", "", 10))
    traces.close()
    spans = exporter.get_finished_spans()

    assert len({span.context.trace_id for span in spans if span.context is not None}) == 2
    assert [span.parent for span in spans] == [None, None]


def test_a_server_sends_its_calls_where_it_is_told(tmp_path: Path) -> None:
    async def main() -> list[bytes]:
        asked: list[bytes] = []

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readline())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(take, "127.0.0.1", 0) as collector:
            url = f"http://127.0.0.1:{collector.sockets[0].getsockname()[1]}/v1/traces"
            async with a_server(tmp_path, traces_url=url) as call:
                stream = await call.stream()
                await stream.send(tiny_twilio.stop())
                await call.reported(CallEnded)
        return asked

    assert asyncio.run(main()) == [b"POST /v1/traces HTTP/1.1\r\n"]


def test_a_server_of_traces_that_is_not_there_costs_a_log_line_and_little_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    traces = Traces(to_server("http://127.0.0.1:1/v1/traces", seconds=0.1))
    for now_ms, report in CALL:
        traces.observe("CA1", now_ms, report)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        traces.close()

    assert time.monotonic() - began < 5
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")]
