"""The link to the model's session: connected, set up, told the history, watched; said to be gone once, with the reason.

It knows nothing of what is said on it. Which errors end a session is decided here.
"""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.commands import CloseModel, Command, ConfigureSession, ConnectModel, Note
from voice_agent.call.conversation import Resumption, history
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    Event,
    ModelClosed,
    ModelError,
    ModelFault,
    ModelOpened,
    ModelRefused,
    SessionCreated,
    SessionUpdated,
    StreamStarted,
    TimerFired,
    TranscriptionFailed,
)
from voice_agent.call.facts import CallOver, Fact, LineClosing, ModelGone, SessionReady
from voice_agent.call.part import Handled

SET_UP_MS = 6000
"""From the order to connect (or the stream's start, if later) to a usable session: callers hang up on more."""

RETRY_MS = 500
"""Before the one further try; a server that is busy says itself how long."""

LONGEST_RETRY_MS = 3000
"""A caller who is asked to wait longer is better told at once."""

PASSING_STATUSES = frozenset({404, 429})
"""Refusals beside 5xx that may pass: a deployment that is young (protocol notes 1.3), a quota of the minute."""

FATAL_CODES = frozenset(
    {
        "session_expired",
        "insufficient_quota",
        "credit_balance_exhausted",
        "billing_hard_limit_reached",
        "account_deactivated",
        "invalid_api_key",
        "beta_api_shape_disabled",
    }
)
"""Errors after which the session does not come back (protocol notes 6.3)."""

FATAL_AT_SETUP = frozenset(
    {"unknown_parameter", "missing_required_parameter", "invalid_event", "invalid_parameter", "invalid_value"}
)
"""Our session.update was not understood: there is no session as the agent asks for it."""

HARMLESS_CODES = frozenset({"response_cancel_not_active", "conversation_already_has_active_response"})
"""Races that the protocol allows; `turns` looks after them."""


class ModelLink:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        StreamStarted,
        ModelOpened,
        ModelRefused,
        ModelClosed,
        SessionCreated,
        SessionUpdated,
        ModelError,
        ModelFault,
        TranscriptionFailed,
        ModelGone,
        LineClosing,
        TimerFired,
        CallOver,
    )

    def __init__(
        self, agent: Agent, resumed: Resumption | None = None, *, interrupt_response: bool, create_response: bool
    ) -> None:
        """The flags are those of the session's beginning."""
        self._agent = agent
        self._resumed = resumed
        self._interrupt_response = interrupt_response
        self._create_response = create_response
        self._deadlines = Deadlines()
        self._ordered = False
        self._configured = False
        self._ready = False
        self._gone = False
        self._retried = False

    def deadline(self) -> int | None:
        """The set-up's end."""
        return self._deadlines.earliest()

    def connect(self, now_ms: int) -> Iterator[Command]:
        """Order the connection, once."""
        if not self._ordered:
            self._ordered = True
            self._deadlines.set("set-up", now_ms + SET_UP_MS)
            yield ConnectModel()

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        match event:
            case StreamStarted():
                yield from self._begin_stream(now_ms)
            case SessionCreated() if not self._configured and not self._gone:
                self._configured = True
                yield self._configuration()
            case SessionUpdated() if not self._gone and (event.request or not self._ready):
                yield from self._begin_session(event)
            case ModelRefused():
                yield from self._try_again(now_ms, event)
            case ModelClosed():
                yield from self._lose(f"the model's socket closed: {event.reason or event.code or 'no close frame'}")
            case ModelError():
                yield from self._judge(event)
            case ModelFault():
                yield Note("warning", "a message of the model was skipped", {"problem": event.problem})
            case TranscriptionFailed():
                yield Note("warning", "a turn of the caller was not transcribed", {"problem": event.problem})
            case ModelGone():
                # Said here or by `turns`: either way there is nothing more to be had from this session.
                if not self._gone:
                    yield Note("error", "the model is gone", {"reason": event.reason})
                    yield from self._close()
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    yield from self._due(name)
            case LineClosing() | CallOver():
                if not self._gone:
                    yield from self._close()

    def _due(self, name: str) -> Iterator[Command | Fact]:
        if name == "retry":
            yield ConnectModel()
        else:
            yield from self._lose(
                f"the model's session was not set up within {SET_UP_MS // 1000} s; "
                "check the network and the provider's status page"
            )

    def _try_again(self, now_ms: int, event: ModelRefused) -> Iterator[Command | Fact]:
        passing = event.status is not None and (event.status in PASSING_STATUSES or event.status >= 500)
        wait_ms = RETRY_MS if event.retry_after_s is None else event.retry_after_s * 1000
        if self._retried or self._gone or not passing or wait_ms > LONGEST_RETRY_MS:
            yield from self._lose(event.detail)
            return
        self._retried = True
        self._deadlines.set("retry", now_ms + wait_ms)
        yield Note("warning", "the model refused, and is asked again", {"reason": event.detail, "wait_ms": wait_ms})

    def _begin_stream(self, now_ms: int) -> Iterator[Command]:
        yield from self.connect(now_ms)
        if not self._ready and not self._gone:
            self._deadlines.set("set-up", now_ms + SET_UP_MS)

    def _configuration(self) -> ConfigureSession:
        return ConfigureSession.for_agent(
            self._agent, interrupt_response=self._interrupt_response, create_response=self._create_response
        )

    def _begin_session(self, event: SessionUpdated) -> Iterator[Command | Fact]:
        if event.mismatch:
            yield Note("warning", "the session differs from what was asked", {"difference": event.mismatch})
        if event.unusable:
            yield from self._lose(f"the session's audio format cannot be used: {event.mismatch}")
            return
        if self._ready:
            return  # it was set up once more
        self._ready = True
        self._deadlines = Deadlines()
        if self._resumed is not None:
            yield from history(self._resumed)
        yield SessionReady()

    def _judge(self, event: ModelError) -> Iterator[Command | Fact]:
        text = f"{event.code or 'error'}: {event.message}"
        if event.code in FATAL_CODES:
            yield from self._lose(f"{text}; check the account at the provider")
        elif not self._ready and event.code in FATAL_AT_SETUP:
            yield from self._lose(f"the session was refused: {text}; check the agent's file and the model's name")
        elif event.code not in HARMLESS_CODES:
            yield Note("warning", "the model refused a request", {"error": text, "event_id": event.event_id})

    def _lose(self, reason: str) -> Iterator[Fact]:
        if not self._gone:
            yield ModelGone(reason)

    def _close(self) -> Iterator[Command]:
        self._gone = True
        self._deadlines = Deadlines()
        if self._ordered:
            yield CloseModel()

    def __repr__(self) -> str:
        state = "gone" if self._gone else "ready" if self._ready else "connecting" if self._ordered else "idle"
        return f"<ModelLink {state}>"
