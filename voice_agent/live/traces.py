"""Spans of OpenTelemetry, for whoever has a system for them: one a call, below it one a turn and one a tool.

Made from a call's reports alone, with the times of the call's own clock, and sent behind it by the library's thread. No
word, no argument and no number of people is in a span. It must not know how a call is held.
"""

from collections import OrderedDict

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, StatusCode, set_span_in_context

from voice_agent.call.commands import (
    AgentBegan,
    CallEnded,
    CallerBegan,
    HandedOver,
    Interrupted,
    Note,
    Report,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.live.clock import NS_PER_MS, wall_ns

REMEMBERED = 10_000
"""Calls whose spans are open; one that broke off by a fault of ours is never ended. The oldest is forgotten first."""

EXPORT_S = 3.0
"""How long a server of traces may take, also when ours stops."""


def to_server(url: str, seconds: float = EXPORT_S) -> SpanExporter:
    """Send spans to an address of OTLP over HTTP, `...:4318/v1/traces`; `seconds`: for one sending."""
    return OTLPSpanExporter(endpoint=url, timeout=seconds)


class Traces:
    """One for the server. `observe` fits `opened_call.CallObserver`."""

    def __init__(self, exporter: SpanExporter) -> None:
        resource = Resource.create({"service.name": "voice-agent"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("voice_agent")
        self._calls: OrderedDict[str, _Call] = OrderedDict()

    def observe(self, call_sid: str, now_ms: int, report: Report) -> None:
        """Take one report of one call."""
        call = self._calls.get(call_sid)
        if call is None:
            call = self._calls[call_sid] = _Call(self, call_sid, wall_ns() - now_ms * NS_PER_MS)
            if len(self._calls) > REMEMBERED:
                self._calls.popitem(last=False)
        call.take(now_ms, report)
        if isinstance(report, CallEnded):
            del self._calls[call_sid]

    def begin(self, name: str, at_ns: int, below: Context | None, **attributes: str) -> Span:
        """Open a span."""
        return self._tracer.start_span(name, context=below or Context(), start_time=at_ns, attributes=attributes)

    def close(self) -> None:
        """Send what is left; takes `EXPORT_S` at most, and is no work for an event loop."""
        self._provider.shutdown()


class _Call:
    def __init__(self, traces: Traces, call_sid: str, began_ns: int) -> None:
        self._traces = traces
        self._began_ns = began_ns
        self._span = traces.begin("call", began_ns, None, **{"call.sid": call_sid})
        self._below = set_span_in_context(self._span, Context())
        self._turn: Span | None = None
        self._tools: dict[str, Span] = {}

    def take(self, now_ms: int, report: Report) -> None:
        at_ns = self._began_ns + now_ms * NS_PER_MS
        match report:
            case CallerBegan():
                self._end_turn(at_ns)
                self._turn = self._traces.begin("turn", at_ns, self._below)
            case AgentBegan(_, response_ms):
                if self._turn is not None and response_ms >= 0:
                    self._turn.set_attribute("turn.response_ms", response_ms)
                self._end_turn(at_ns)
            case Interrupted(heard_ms, _, basis):
                self._span.add_event("interrupted", {"heard_ms": heard_ms, "basis": basis}, at_ns)
            case ToolStarted(call_id, name):
                self._tools[call_id] = self._traces.begin("tool", at_ns, self._below, **{"tool.name": name[:64]})
            case ToolAnswered(call_id, _, failed):
                tool = self._tools.pop(call_id, None)
                if tool is not None:
                    tool.set_status(StatusCode.ERROR if failed else StatusCode.OK)
                    tool.end(at_ns)
            case HandedOver(agent):
                self._span.add_event("handed over", {"agent": agent}, at_ns)
            case Note("warning" | "error", what):
                self._span.add_event(what, None, at_ns)
            case CallEnded(outcome):
                self._end(at_ns, outcome)

    def _end_turn(self, at_ns: int) -> None:
        if self._turn is not None:
            self._turn.end(at_ns)
            self._turn = None

    def _end(self, at_ns: int, outcome: str) -> None:
        self._end_turn(at_ns)
        for tool in self._tools.values():
            tool.end(at_ns)
        self._span.set_attribute("call.outcome", outcome)
        self._span.end(at_ns)
