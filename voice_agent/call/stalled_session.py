"""A session that stalls: it owes the beginning of a response, or the rest of one, and nothing comes.

It must not know what becomes of such a session, nor who may speak.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.commands import Command
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    AgentTranscript,
    Event,
    McpCalled,
    ModelAudio,
    ModelError,
    ResponseCreated,
    ResponseDone,
    TimerFired,
    ToolRequested,
)
from voice_agent.call.facts import (
    AgentChanged,
    CallOver,
    Fact,
    LineClosing,
    ModelGone,
    ResponseAsked,
    ResponseDropped,
    SessionFailed,
    SessionLost,
)
from voice_agent.call.part import Handled

CREATED_MS = 4000
"""A request of ours that is not even begun after so long will not be."""

OUTPUT_MS = 8000
"""A response that is begun and brings neither sound, words, a tool call nor its end for so long is stuck."""

_OWED = {
    "created": f"begin a response within {CREATED_MS // 1000} s",
    "output": f"go on with a response for {OUTPUT_MS // 1000} s",
}

_OUTPUT = (ModelAudio, AgentTranscript, ToolRequested)
"""What shows that a response goes on."""


class StalledSession:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        ResponseAsked,
        ResponseCreated,
        ResponseDropped,
        *_OUTPUT,
        McpCalled,
        ResponseDone,
        ModelError,
        AgentChanged,
        SessionLost,
        TimerFired,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, agent: Agent) -> None:
        self._tool_ms = agent.limits.tool_seconds * 1000
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """When the session has stalled."""
        self._requested = ""
        """What was asked for and is not begun."""
        self._open = ""
        """The response that is waited for."""

    def feed(self, now_ms: int, event: Event | Fact) -> Iterable[Command | Fact]:
        """Take one event or fact."""
        if isinstance(event, _OUTPUT):
            if event.response_id == self._open:
                self._deadlines.set("output", now_ms + OUTPUT_MS)
            return ()
        return self._take(now_ms, event)

    def _take(self, now_ms: int, event: Event | Fact) -> Iterator[Fact]:
        match event:
            case ResponseAsked():
                self._requested = event.request
                self._deadlines.set("created", now_ms + CREATED_MS)
            case ResponseCreated():
                self._settle_request(event.request)
                self._open = event.response_id
                self._deadlines.set("output", now_ms + OUTPUT_MS)
            case ModelError():
                self._settle_request(event.event_id)
            case ResponseDropped() | ResponseDone() if event.response_id == self._open:
                self._open = ""
                self._deadlines.clear("output")
            case McpCalled() if event.response_id == self._open:
                # Some servers end the response first, some go on with it when the call is over.
                self._deadlines.set("output", now_ms + self._tool_ms + OUTPUT_MS)
            case AgentChanged():
                self._tool_ms = event.agent.limits.tool_seconds * 1000
            case TimerFired():
                due = self._deadlines.take_due(now_ms)
                if due:
                    yield SessionFailed(f"the model did not {_OWED[due[0]]}; look at the provider's status page")
            case SessionLost() | ModelGone() | LineClosing() | CallOver():
                self._requested = self._open = ""
                self._deadlines.clear_all()

    def _settle_request(self, request: str | None) -> None:
        if request is not None and request == self._requested:
            self._requested = ""
            self._deadlines.clear("created")

    def __repr__(self) -> str:
        return f"<StalledSession {self._deadlines}>"
