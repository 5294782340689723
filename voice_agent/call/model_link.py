"""The link to the model's session: connected, set up, told the history, watched; opened anew when it is lost.

A session that is lost is opened anew where it was, at once, `MOST_RETRIES` times; then at the call's next endpoint,
and so on round until each has been asked. What cannot pass, such as a wrong key, is not tried twice at one endpoint. A
session that has answered something begins a new count. With nothing left to try the model is gone, which is said once,
with the reason. A session that is only old is not given up before the server of another one has said something: from
the standby that one takes its socket.

It knows nothing of what is said on the link. Which errors end a session is decided here.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from voice_agent.call.commands import CloseModel, Command, ConnectModel, Note, OpenStandby
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    Event,
    ModelClosed,
    ModelError,
    ModelFault,
    ModelOpened,
    ModelRefused,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    StandbyFailed,
    StandbyReady,
    StreamStarted,
    TimerFired,
    TranscriptionFailed,
)
from voice_agent.call.facts import (
    SESSION_LOST,
    CallOver,
    Fact,
    HistoryWanted,
    LineClosing,
    ModelGone,
    SessionFailed,
    SessionLost,
    SessionOpened,
    SessionReady,
    StandbyMissed,
    StandbyWanted,
)
from voice_agent.call.part import Handled

SET_UP_MS = 6000
"""From the order to connect (or the stream's start, if later) to a usable session: callers hang up on more."""

OPEN_MS = 1000
"""The same to an open socket, where there is another endpoint to ask: healthy ones take 300 to 800 ms."""

AFTER_OPEN_MS = 1500
"""And from there to a usable session."""

AGAIN_MS = 3000
"""The same of the whole, where the same endpoint may be tried once more: the caller waits in silence."""

RETRY_MS = 500
"""Before a refusing endpoint is asked once more; a server that is busy says itself how long."""

LONGEST_RETRY_MS = 3000
"""A caller who is asked to wait longer is better told at once."""

MOST_RETRIES = 2
"""At one endpoint, of a session that was lost. One that was never there is tried once more."""

STANDBY_MS = 10_000
"""From the order of a standby to a word of its server: nobody waits for it."""

SETTLED_MS = 30_000
"""A session that has lived so long is no part of the trouble before it."""

PASSING_STATUSES = frozenset({404, 429})
"""Refusals beside 5xx that may pass: a deployment that is young (protocol notes 1.3), a quota of the minute."""

FATAL_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "billing_hard_limit_reached",
        "account_deactivated",
        "invalid_api_key",
        "beta_api_shape_disabled",
    }
)
"""Errors after which this endpoint gives no other session (protocol notes 6.3)."""

FATAL_CLOSES = frozenset({1008, 3000, 4000})
"""Closes after which it is the same: a rule, a key, a dialect that is switched off."""

EXPIRED = "session_expired"
"""The session has reached its longest time: another one may begin at once."""

FATAL_AT_SETUP = frozenset(
    {"unknown_parameter", "missing_required_parameter", "invalid_event", "invalid_parameter", "invalid_value"}
)
"""Our session.update was not understood: there is no session as the agent asks for it."""

HARMLESS_CODES = frozenset({"response_cancel_not_active", "conversation_already_has_active_response"})
"""Races that the protocol allows; `turns` looks after them."""

LOST = "The connection to you broke off for a moment. The caller has heard what stands above: go on from there."
"""What a session is told that takes a conversation over."""


class ModelLink:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        StreamStarted,
        ModelOpened,
        ModelRefused,
        ModelClosed,
        SessionCreated,
        SessionUpdated,
        ResponseCreated,
        ResponseDone,
        ModelError,
        ModelFault,
        TranscriptionFailed,
        SessionFailed,
        StandbyWanted,
        StandbyReady,
        StandbyFailed,
        ModelGone,
        LineClosing,
        TimerFired,
        CallOver,
    )

    def __init__(self, endpoints: Sequence[str], *, resumed: bool) -> None:
        """`endpoints`: what those of the call are called; asked in their order. `resumed`: the call goes on."""
        self._names = [name or number for number, name in enumerate(endpoints, 1)]
        self._resumed = resumed
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The set-up's end, or the next try, or the end of the wait for a standby."""
        self._ordered = False
        self._configured = False
        self._ready = False
        self._gone = False
        self._endpoint = 0
        self._standby = 0
        """Which endpoint is asked for the next standby."""
        self._asked: set[int] = set()
        """Endpoints that were asked in this trouble."""
        self._retries = 0
        """How often this one was asked once more."""
        self._hurried = False
        """There is another one to ask."""
        self._limit_ms = 0
        self._lost_ms: int | None = None
        """When the last session that was usable was lost; `None`: there was none."""
        self._ready_ms = 0
        self._open: dict[str, None] = {}
        """Responses that have begun and not ended."""

    def connect(self, now_ms: int) -> Iterator[Command]:
        """Order the connection, once."""
        if not self._ordered:
            yield from self._order(now_ms)

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact | Event]:
        """Take one event or fact."""
        match event:
            case ResponseCreated():
                self._open[event.response_id] = None
            case ResponseDone():
                self._open.pop(event.response_id, None)
                if event.status == "completed":
                    self._settle()
            case SessionFailed() if self._ready:
                fatal = any(code in event.reason for code in FATAL_CODES)
                yield from self._fail(now_ms, event.reason, again=not fatal, renewed=event.renewed)
            case StandbyWanted() | StandbyReady() | StandbyFailed():
                yield from self._exchange(now_ms, event)
            case ModelGone():
                if not self._gone:
                    yield Note("error", "the model is gone", {"reason": event.reason})
                    yield from self._close()
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    yield from self._due(now_ms, name)
            case LineClosing() | CallOver():
                if not self._gone:
                    yield from self._close()
            case _:
                yield from self._take(now_ms, event)

    def _take(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact | Event]:
        match event:
            case StreamStarted():
                yield from self._begin_stream(now_ms)
            case ModelOpened() if self._hurried and not self._gone:
                self._limit(now_ms, AFTER_OPEN_MS)
            case SessionCreated() if not self._configured and not self._gone:
                self._configured = True
                yield SessionOpened()
            case SessionUpdated() if self._configured and not self._gone and (event.request or not self._ready):
                yield from self._begin_session(now_ms, event)
            case ModelRefused():
                passing = event.status is None or event.status in PASSING_STATUSES or event.status >= 500
                wait_ms = RETRY_MS if event.retry_after_s is None else event.retry_after_s * 1000
                yield from self._fail(now_ms, event.detail, again=passing, wait_ms=wait_ms)
            case ModelClosed() if not self._deadlines.armed("retry"):
                reason = f"the model's socket closed: {event.reason or event.code or 'no close frame'}"
                yield from self._fail(now_ms, reason, again=event.code not in FATAL_CLOSES)
            case ModelError():
                yield from self._judge(now_ms, event)
            case ModelFault():
                yield Note("warning", "a message of the model was skipped", {"problem": event.problem})
            case TranscriptionFailed():
                yield Note("warning", "a turn of the caller was not transcribed", {"problem": event.problem})

    def _begin_stream(self, now_ms: int) -> Iterator[Command]:
        yield from self.connect(now_ms)
        if not (self._ready or self._gone or self._hurried):
            self._limit(now_ms, SET_UP_MS)

    def _begin_session(self, now_ms: int, event: SessionUpdated) -> Iterator[Command | Fact | Event]:
        if event.mismatch:
            yield Note("warning", "the session differs from what was asked", {"difference": event.mismatch})
        if event.unusable:
            reason = f"the session's audio format cannot be used: {event.mismatch}"
            yield from self._fail(now_ms, reason, again=False)
            return
        if self._ready:
            return  # it was set up once more
        self._ready, self._ready_ms = True, now_ms
        self._standby = self._endpoint
        self._deadlines.clear_all()
        if self._lost_ms is not None:
            yield Note(
                "info",
                "the model is back",
                {"after_ms": now_ms - self._lost_ms, "endpoint": self._names[self._endpoint]},
            )
        if self._resumed or self._lost_ms is not None:
            yield HistoryWanted("" if self._lost_ms is None else LOST)
        yield SessionReady()

    def _judge(self, now_ms: int, event: ModelError) -> Iterator[Command | Fact | Event]:
        text = f"{event.code or 'error'}: {event.message}"
        if event.code == EXPIRED:
            yield from self._fail(now_ms, text, again=True)
        elif event.code in FATAL_CODES:
            yield from self._fail(now_ms, f"{text}; check the account at the provider", again=False)
        elif not self._ready and event.code in FATAL_AT_SETUP:
            reason = f"the session was refused: {text}; check the agent's file and the model's name"
            yield from self._fail(now_ms, reason, again=False)
        elif event.code not in HARMLESS_CODES:
            yield Note("warning", "the model refused a request", {"error": text, "event_id": event.event_id})

    # --- an exchange -------------------------------------------------------------------------------------------------

    def _exchange(self, now_ms: int, event: StandbyWanted | StandbyReady | StandbyFailed) -> Iterator[Command | Fact]:
        """Have a standby opened; `renewal` says whether it is still wanted when it is there."""
        match event:
            case StandbyWanted():
                if self._ready:
                    self._deadlines.set("standby", now_ms + STANDBY_MS)
                    yield OpenStandby(self._standby)
            case StandbyReady():
                self._deadlines.clear("standby")
            case StandbyFailed():
                if self._deadlines.armed("standby"):
                    self._deadlines.clear("standby")
                    yield from self._miss(event.detail)

    def _miss(self, reason: str) -> Iterator[Command | Fact]:
        fields = {"reason": reason, "endpoint": self._names[self._standby]}
        yield Note("warning", "the model's session cannot be exchanged yet", fields)
        self._standby = (self._standby + 1) % len(self._names)
        yield StandbyMissed()

    # --- another try -------------------------------------------------------------------------------------------------

    def _fail(
        self, now_ms: int, reason: str, *, again: bool, wait_ms: int = 0, renewed: bool = False
    ) -> Iterator[Command | Fact | Event]:
        """Take that there is no session, or none any more. `again`: the same endpoint may give another one."""
        if self._gone:
            return
        was_ready, self._ready = self._ready, False
        if was_ready:
            if now_ms >= self._ready_ms + SETTLED_MS:
                self._settle()
            self._lost_ms = now_ms
        former = self._endpoint
        if renewed:
            self._endpoint, self._retries = self._standby, 0
        elif not self._choose(again=again, wait_ms=wait_ms):
            yield ModelGone(reason)
            return
        if self._endpoint != former and not renewed:
            wait_ms = 0
            fields = {"reason": reason, "endpoint": self._names[self._endpoint]}
            yield Note("warning", "another endpoint is asked for the model", fields)
        elif wait_ms:
            yield Note("warning", "the model refused, and is asked again", {"reason": reason, "wait_ms": wait_ms})
        else:
            level: Literal["info", "warning"] = "info" if renewed else "warning"
            yield Note(level, "the model's session is opened anew", {"reason": reason})
        if was_ready:
            yield SessionLost()
            for response_id in self._open:
                yield ResponseDone(response_id, "cancelled", SESSION_LOST)
            self._open.clear()
        if wait_ms:
            if self._lost_ms is not None:
                self._deadlines.clear("set-up")  # the next try has a time of its own
            self._deadlines.set("retry", now_ms + wait_ms)
        else:
            yield from self._order(now_ms)

    def _choose(self, *, again: bool, wait_ms: int) -> bool:
        """Choose where to ask next; `False`: nowhere."""
        most = 1 if self._lost_ms is None else MOST_RETRIES
        others = self._others()
        if again and self._retries < most and wait_ms <= LONGEST_RETRY_MS and not (wait_ms and others):
            self._retries += 1
        elif others:
            self._endpoint, self._retries = others[0], 0
            self._deadlines.clear_all()
        else:
            return False
        return True

    def _others(self) -> list[int]:
        """Give the endpoints that were not asked in this trouble, the next one first."""
        count = len(self._names)
        round_about = [(self._endpoint + step) % count for step in range(count)]
        return [endpoint for endpoint in round_about if endpoint not in self._asked]

    def _settle(self) -> None:
        """Take that the session is sound: what was tried before it counts no more."""
        self._asked = {self._endpoint}
        self._retries = 0

    def _order(self, now_ms: int) -> Iterator[Command]:
        self._ordered, self._configured = True, False
        self._deadlines.clear("standby")
        self._asked.add(self._endpoint)
        self._hurried = bool(self._others())
        if self._hurried:
            self._limit(now_ms, OPEN_MS)
        elif self._lost_ms is not None:
            self._limit(now_ms, AGAIN_MS if self._retries < MOST_RETRIES else SET_UP_MS)
        elif not self._deadlines.armed("set-up"):
            self._limit(now_ms, SET_UP_MS)
        yield ConnectModel(self._endpoint)

    def _limit(self, now_ms: int, limit_ms: int) -> None:
        self._limit_ms = limit_ms
        self._deadlines.set("set-up", now_ms + limit_ms)

    def _due(self, now_ms: int, name: str) -> Iterator[Command | Fact | Event]:
        if name == "retry":
            yield from self._order(now_ms)
            return
        if name == "standby":
            yield from self._miss(f"the server said nothing within {STANDBY_MS // 1000} s")
            return
        reason = (
            f"the model's session was not set up within {self._limit_ms / 1000:g} s; "
            "check the network and the provider's status page"
        )
        yield from self._fail(now_ms, reason, again=self._lost_ms is not None and not self._hurried)

    def _close(self) -> Iterator[Command]:
        self._gone = True
        self._deadlines.clear_all()
        if self._ordered:
            yield CloseModel()

    def __repr__(self) -> str:
        state = "gone" if self._gone else "ready" if self._ready else "connecting" if self._ordered else "idle"
        return f"<ModelLink {state}>"
