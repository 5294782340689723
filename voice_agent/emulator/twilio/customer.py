"""The customer's server as Twilio sees it during one call: whom to ask for TwiML, whom to tell what.

It must not know what the call does with the answers.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

from voice_agent.emulator.twilio.callee import Callee, Detection
from voice_agent.emulator.twilio.documents import Address, Document, fetch
from voice_agent.emulator.twilio.webhook import RETRIEVAL_FAILURE, WebhookError, request

STATUS_EVENTS = ("initiated", "ringing", "answered", "completed")
"""All that a status callback can be told."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for when a call is placed."""

    from_: str
    to: str
    first: Address | Document
    """The number's voice URL, or TwiML in its place."""
    fallback_url: str = ""
    """Asked when TwiML cannot be had."""
    status_callback: str = ""
    status_events: Collection[str] = STATUS_EVENTS
    callee: Callee | None = None
    """Who is called by the REST API; `None`: the call comes in."""
    timeout_s: int = 60
    """How long the callee's phone rings."""
    detection: Detection | None = None
    """Of answering machines."""

    @property
    def direction(self) -> str:
        """Say it in Twilio's words."""
        return "inbound" if self.callee is None else "outbound-api"


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """How callbacks travel."""

    times: int = 1
    """Each is delivered so often."""
    delays_ms: tuple[int, ...] = (0,)
    """The first one is held back for the first of these, and so on, over and over: so that they overtake each other."""


class Customer:
    """Asks and tells, signed, with the usual call parameters."""

    def __init__(
        self,
        order: Order,
        identity: Mapping[str, str],
        auth_token: str,
        tasks: asyncio.TaskGroup,
        fault: Callable[[int, str], None],
        *,
        post: Post,
    ) -> None:
        """`identity`: AccountSid and CallSid. `tasks` posts the callbacks; `fault` takes the debugger's entries."""
        self._order = order
        self._identity = dict(identity)
        self._auth_token = auth_token
        self._tasks = tasks
        self._fault = fault
        self._travel = post
        self._callbacks = 0
        self._posted = 0
        self._on_the_way: set[asyncio.Task[None]] = set()

    async def ask(self, address: Address, status: str, extra: Mapping[str, str]) -> Document:
        """Ask for TwiML; what fails is asked of the fallback URL, if there is one. Raises `WebhookError`."""
        try:
            return await fetch(address, {**self._parameters(status), **extra}, self._auth_token)
        except WebhookError as error:
            self._fault(error.code, str(error))
            fallback = self._order.fallback_url
            if fallback in {"", address.url}:
                raise
            about = {"ErrorCode": str(error.code), "ErrorUrl": address.url}
            return await self.ask(Address(fallback), status, about)

    def tell_status(self, event: str, status: str, extra: Mapping[str, str]) -> None:
        """Post a status callback, if this event is asked for; as in life, callbacks may overtake each other."""
        if event not in self._order.status_events:
            return
        fields = {
            **self._parameters(status),
            "SequenceNumber": str(self._callbacks),
            "Timestamp": format_datetime(datetime.now(UTC)),
            "CallbackSource": "call-progress-events",
            **extra,
        }
        self._callbacks += 1
        self._post(self._order.status_callback, fields)

    def tell_stream(self, url: str, about: Mapping[str, str]) -> None:
        """Post a stream's status callback."""
        self._post(url, {**self._identity, **about, "Timestamp": datetime.now(UTC).isoformat()})

    def tell_detection(self, url: str, answered_by: str, duration_ms: int) -> None:
        """Post what the detection of answering machines says."""
        fields = {**self._identity, "AnsweredBy": answered_by, "MachineDetectionDuration": str(duration_ms)}
        self._post(url, fields)

    async def settled(self) -> None:
        """Wait until every callback that was posted so far has been answered, or has failed."""
        if self._on_the_way:
            await asyncio.wait(self._on_the_way)

    def _parameters(self, status: str) -> dict[str, str]:
        """Make the usual call parameters; real calls have empty ones among them, which count in the signature."""
        order = self._order
        places = {f"{who}{what}": "" for who in ("From", "To", "Caller", "Called") for what in ("City", "State", "Zip")}
        return {
            **places,
            **self._identity,
            "ApiVersion": "2010-04-01",
            "CallStatus": status,
            "Called": order.to,
            "Caller": order.from_,
            "Direction": order.direction,
            "From": order.from_,
            "To": order.to,
        }

    def _post(self, url: str, fields: Mapping[str, str]) -> None:
        if url:
            delays_ms = self._travel.delays_ms
            delay_ms = delays_ms[self._posted % len(delays_ms)]
            self._posted += 1
            for _ in range(self._travel.times):
                task = self._tasks.create_task(self._post_now(url, fields, delay_ms))
                self._on_the_way.add(task)
                task.add_done_callback(self._on_the_way.discard)

    async def _post_now(self, url: str, fields: Mapping[str, str], delay_ms: int) -> None:
        """Callbacks are told and forgotten; what goes wrong with them does nothing to the call."""
        await asyncio.sleep(delay_ms / 1000)
        try:
            answer = await request(url, fields, self._auth_token)
        except WebhookError as error:
            self._fault(error.code, str(error))
            return
        if answer.status >= 300:
            self._fault(RETRIEVAL_FAILURE, f"{url} answers HTTP {answer.status}")
