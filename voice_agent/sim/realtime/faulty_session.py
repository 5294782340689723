"""A session with faults: the inputs, outputs and deadlines of the session inside it, and what goes wrong on request.

Pure like that one, so that a virtual clock meets the same faults as a socket.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from voice_agent.sim.realtime.faults import Failure, Faults, Refusal, Timed
from voice_agent.sim.realtime.messages import (
    ClientAudio,
    ClientText,
    CloseSocket,
    CutShort,
    Input,
    Output,
    PlayFrame,
    Recognise,
    RecognitionFailed,
    SendAudio,
    SendEvent,
    SendText,
    Sent,
    Speak,
    Spoken,
    Think,
    ThoughtDone,
    WorkFailed,
)

NO_CLOSE_FRAME = 1006
"""As the code of `CloseSocket`: break the connection. No server may write this code (RFC 6455, 7.4.1)."""

MINUTE_MS = 60_000

_Posted = Sent | CloseSocket | PlayFrame
"""What a client is sent: only a peer of WebRTC is sent frames."""

_decode = msgspec.json.decode

_HEARD = "conversation.item.input_audio_transcription."
"""How the events begin that bring the caller's words."""

_CLOSE_REASONS = {
    1001: "Your session hit the maximum duration of 60 minutes.",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    4000: "beta_api_shape_disabled",
}

_SERVER_CODES = {"server_error", "internal_error"}
_WORDS = {
    "session_expired": "Your session hit the maximum duration of 60 minutes.",
    "rate_limit_exceeded": "Rate limit reached. Please try again in 20s.",
    "inference_rate_limit_exceeded": "The inference rate limit was reached. Please try again in 20s.",
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "credit_balance_exhausted": "Your credit balance is exhausted.",
    "billing_hard_limit_reached": "Billing hard limit has been reached.",
    "account_deactivated": "The OpenAI account associated with this API key has been deactivated.",
    "invalid_api_key": "Incorrect API key provided.",
    "beta_api_shape_disabled": "The beta shape of the Realtime API is no longer supported.",
    "server_error": "The server had an error while processing your request. Sorry about that!",
}


class Session(Protocol):
    """What runs a session needs: the real one, or one with faults around it."""

    def start(self, now_ms: int) -> list[Output]:
        """See `RealtimeSession.start`."""

    def feed(self, now_ms: int, received: Input) -> list[Output]:
        """See `RealtimeSession.feed`."""

    def deadline(self) -> int | None:
        """See `RealtimeSession.deadline`."""


class FaultySession:
    """See the module. A `CloseSocket` of code 1006 means: break the connection, without a close frame."""

    def __init__(self, session: Session, faults: Faults) -> None:
        self._session = session
        self._faults = faults
        self._began_ms = 0
        self._timed = sorted(faults.timed, key=lambda timed: timed.at_ms)
        self._waiting: list[tuple[int, int, _Posted]] = []
        """What is on its way to the client: due time, order, output."""
        counted: tuple[Refusal | Failure, ...] = (*faults.refusals, *faults.failures)
        self._left = {fault: fault.times for fault in counted}
        self._doomed: dict[str, Failure] = {}
        """Responses that end at their first audio, or where they would end without any."""
        self._voiced: set[str] = set()
        """Those of them whose words are being spoken; their thoughts may end before their first audio."""
        self._silent = Timed(0, "silence") in faults.timed
        """From its very first event on, or since its time."""
        self._closed = False
        self._requests: deque[int] = deque()
        """When those of the last minute came."""
        self._count = 0

    def start(self, now_ms: int) -> list[Output]:
        """Begin; call once, before the first `feed`."""
        self._began_ms = now_ms
        outputs = [*self._pass(now_ms, self._session.start(now_ms)), *self._happen(now_ms)]
        return outputs + self._deliver(now_ms)

    def feed(self, now_ms: int, received: Input) -> list[Output]:
        """Take one input at `now_ms` (never decreasing)."""
        if self._closed:
            return []
        outputs: list[Output] = []
        due_ms = self._own_deadline()
        if due_ms is not None and due_ms <= now_ms:
            outputs = [*self._happen(now_ms), *self._deliver(now_ms)]
            if self._closed:
                return outputs
        if not (self._faults.refusals and self._refuse(now_ms, received)):
            outputs += self._give(now_ms, received)
        return outputs + self._deliver(now_ms) if self._waiting else outputs

    def deadline(self) -> int | None:
        """When to feed `TimerFired` unless something else comes first; `None`: not at all."""
        if self._closed:
            return None
        due_ms, own_ms = self._session.deadline(), self._own_deadline()
        return own_ms if due_ms is None or (own_ms is not None and own_ms < due_ms) else due_ms

    def _own_deadline(self) -> int | None:
        """When something happens by itself, or arrives."""
        due_ms = self._timed[0].at_ms + self._began_ms if self._timed else None
        if self._waiting and (due_ms is None or self._waiting[0][0] < due_ms):
            due_ms = self._waiting[0][0]
        return due_ms

    # --- what goes in ------------------------------------------------------------------------------------------------

    def _give(self, now_ms: int, received: Input) -> list[Output]:
        outputs: list[Output] = []
        if isinstance(received, ThoughtDone):
            if received.response_id in self._voiced:
                return []  # the session must not complete it before its first audio
            outputs += self._end_doomed(now_ms, received.response_id)
        elif isinstance(received, Spoken) and received.last and not received.pcm:
            outputs += self._end_doomed(now_ms, received.response_id)
        sent = self._session.feed(now_ms, received)
        if sent:
            outputs += self._pass(now_ms, sent)
        return outputs

    def _refuse(self, now_ms: int, received: Input) -> bool:
        if not isinstance(received, ClientText | ClientAudio):
            return False
        event_type, event_id = _named(received)
        for refusal in self._faults.refusals:
            if refusal.type == event_type and self._use(refusal):
                self._send_error(now_ms, refusal.code, event_id)
                return True
        return False

    def _use(self, fault: Refusal | Failure) -> bool:
        """Take one of the times that a fault is to happen."""
        left = self._left[fault]
        if left is not None:
            self._left[fault] = left - 1
        return left is None or left > 0

    # --- what comes out ----------------------------------------------------------------------------------------------

    def _pass(self, now_ms: int, outputs: list[Output]) -> Iterator[Output]:
        """Send what goes to the client on its way; give orders for slow work, unless a fault answers them."""
        unheard: list[str] = []
        for output in outputs:
            match output:
                case SendEvent({"type": "rate_limits.updated"}) if self._faults.requests_per_minute:
                    self._post(now_ms, SendEvent(self._with_limit(now_ms, output.event)))
                case SendEvent({"type": str(name)}) if self._faults.late_words_ms and name.startswith(_HEARD):
                    self._post(now_ms + self._faults.late_words_ms, output)
                case SendAudio():
                    yield from self._pass_audio(now_ms, output)
                case SendEvent() | SendText() | CloseSocket():
                    self._post(now_ms, output)
                case PlayFrame():
                    self._post(now_ms + self._faults.late_audio_ms, output)
                case Think():
                    yield from self._think(now_ms, output)
                case Speak():
                    if output.response_id in self._doomed:
                        self._voiced.add(output.response_id)
                    yield output
                case Recognise() if self._faults.deaf:
                    unheard.append(output.item_id)
                case _:
                    yield output
        for item_id in unheard:  # what comes of it comes behind all of this step, as `response.created`
            failed = RecognitionFailed(item_id, "Input transcription failed for item")
            yield from self._pass(now_ms, self._session.feed(now_ms, failed))

    def _pass_audio(self, now_ms: int, sent: SendAudio) -> Iterator[Output]:
        for piece in self._pieces(sent):
            self._post(now_ms + self._faults.late_audio_ms, piece)
        yield from self._end_doomed(now_ms, sent.response_id)

    def _pieces(self, sent: SendAudio) -> Iterator[SendAudio]:
        audio = sent.delta
        size = self._faults.chunk_bytes or len(audio)
        for start in range(0, len(audio), size):
            self._count += 1
            event_id = sent.event_id if not start else f"event_piece_{self._count}"
            yield msgspec.structs.replace(sent, event_id=event_id, delta=audio[start : start + size])

    def _think(self, now_ms: int, order: Think) -> Iterator[Output]:
        failure = self._over_the_limit(now_ms) or next(filter(self._use, self._faults.failures), None)
        if failure is not None:
            self._doomed[order.response_id] = failure
            if not self._faults.midway:
                yield from self._end_doomed(now_ms, order.response_id)
                return
        if not self._faults.mute:
            yield order

    def _over_the_limit(self, now_ms: int) -> Failure | None:
        """Count a request; the failure, if it is one too many."""
        if not self._faults.requests_per_minute:
            return None
        self._forget_requests(now_ms)
        if len(self._requests) == self._faults.requests_per_minute:
            return Failure(None, "rate_limit_exceeded", None)
        self._requests.append(now_ms)
        return None

    def _forget_requests(self, now_ms: int) -> None:
        while self._requests and self._requests[0] <= now_ms - MINUTE_MS:
            self._requests.popleft()

    def _with_limit(self, now_ms: int, event: dict[str, Any]) -> dict[str, Any]:
        """Write the limit that is in force here into a `rate_limits.updated`; its request is not counted yet."""
        self._forget_requests(now_ms)
        most, oldest_ms = self._faults.requests_per_minute, self._requests[0] if self._requests else now_ms
        told = {
            "limit": most,
            "remaining": max(0, most - len(self._requests) - 1),
            "reset_seconds": (oldest_ms + MINUTE_MS - now_ms) / 1000,
        }
        limits = [limit | told if limit["name"] == "requests" else limit for limit in event["rate_limits"]]
        return event | {"rate_limits": limits}

    def _end_doomed(self, now_ms: int, response_id: str) -> Iterator[Output]:
        failure = self._doomed.pop(response_id, None)
        self._voiced.discard(response_id)
        if failure is not None:
            result: WorkFailed | CutShort
            if failure.incomplete is None:
                result = WorkFailed(response_id, _words(failure.code), failure.code)
            else:
                result = CutShort(response_id, failure.incomplete)
            yield from self._pass(now_ms, self._session.feed(now_ms, result))

    def _post(self, at_ms: int, output: _Posted) -> None:
        # Whoever says nothing any more still ends the session in time.
        if not self._silent or isinstance(output, CloseSocket):
            self._count += 1
            heapq.heappush(self._waiting, (at_ms + self._faults.delay_ms, self._count, output))

    def _deliver(self, now_ms: int) -> list[Output]:
        """Give what has been on its way long enough."""
        outputs: list[Output] = []
        while self._waiting and self._waiting[0][0] <= now_ms and not self._closed:
            output = heapq.heappop(self._waiting)[2]
            outputs.append(output)
            self._closed = isinstance(output, CloseSocket)
        return outputs

    # --- what happens by itself --------------------------------------------------------------------------------------

    def _happen(self, now_ms: int) -> Iterator[Output]:
        """Do what is due by now."""
        while self._timed and self._timed[0].at_ms + self._began_ms <= now_ms and not self._closed:
            timed = self._timed.pop(0)
            if timed.what == "drop":
                self._closed = True
                yield CloseSocket(NO_CLOSE_FRAME, "")
            else:
                self._do(now_ms, timed)

    def _do(self, now_ms: int, timed: Timed) -> None:
        match timed.what:
            case "silence":
                self._silent = True
            case "close":
                self._post(now_ms, CloseSocket(int(timed.value), _CLOSE_REASONS.get(int(timed.value), "")))
            case "error":
                self._send_error(now_ms, timed.value, None)
            case "unknown":
                self._send(now_ms, "emulator.fault.unknown", {"note": "an event of a type that nobody knows"})
            case "malformed":
                self._post(now_ms, SendText('{"type":'))

    def _send_error(self, now_ms: int, code: str, event_id: str | None) -> None:
        kind = "server_error" if code in _SERVER_CODES else "invalid_request_error"
        # Errors of the server have been seen without a code.
        told = None if code in _SERVER_CODES else code
        error = {"type": kind, "code": told, "message": _words(code), "param": None, "event_id": event_id}
        self._send(now_ms, "error", {"error": error})

    def _send(self, now_ms: int, event_type: str, fields: dict[str, Any]) -> None:
        self._count += 1
        self._post(now_ms, SendEvent({"type": event_type, "event_id": f"event_fault_{self._count}", **fields}))


def _named(received: ClientText | ClientAudio) -> tuple[Any, Any]:
    """Give the type of a client's event and its id."""
    if isinstance(received, ClientAudio):
        return "input_audio_buffer.append", None
    try:
        event = _decode(received.text)
        return event.get("type"), event.get("event_id")
    except (msgspec.DecodeError, AttributeError):
        return None, None  # the session has its own answer to that


def _words(code: str) -> str:
    return _WORDS.get(code, f"The emulator was asked for the fault {code}.")
