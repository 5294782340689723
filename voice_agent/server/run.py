"""Runs the server inside a program: `serve`, the demo and tests use the same one.

It must not know what is printed, nor which signals end it.
"""

import asyncio
import contextlib
import hmac
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from voice_agent.call.commands import Report
from voice_agent.call.conversation import Resumption
from voice_agent.config.agents import AgentSource
from voice_agent.config.prices import Prices, load_prices
from voice_agent.config.scenario_keys import GivenAnswer
from voice_agent.config.secret import Secret, local_auth_token
from voice_agent.config.settings import Settings
from voice_agent.errors import CommandError, ConfigError
from voice_agent.live.admission import StreamTokens
from voice_agent.live.beside import Work, beside
from voice_agent.live.call_client import CallClient
from voice_agent.live.capacity import Capacity, Limits, usual_most_calls
from voice_agent.live.checkpointing import Checkpointing
from voice_agent.live.clips import hashes, load_clips
from voice_agent.live.clock import utc_now
from voice_agent.live.endpoint_health import EndpointHealth
from voice_agent.live.endpoints import reachable
from voice_agent.live.kept_greetings import KeptGreetings
from voice_agent.live.late_rows import LateRows
from voice_agent.live.lobby import Lobby
from voice_agent.live.loop_lag import LoopLag
from voice_agent.live.metrics import Metrics
from voice_agent.live.model_leg import tls
from voice_agent.live.opened_call import CallObserver, FinishedCall, Keep, OpenedCall, Redact, Surroundings
from voice_agent.live.recorded import describe
from voice_agent.live.retention import Retention
from voice_agent.live.spending import Spending, day_began
from voice_agent.recording.spool import Spool, make_folder
from voice_agent.server.app import Application
from voice_agent.server.colleagues import Colleagues
from voice_agent.server.console.opened_console import OpenedConsole
from voice_agent.server.continuing import Continuing
from voice_agent.server.doorstep import Doorstep
from voice_agent.server.exchange import Exchange
from voice_agent.server.http_server import HttpServer
from voice_agent.server.listening_socket import listen
from voice_agent.server.missed_calls import MissedCalls
from voice_agent.server.neighbours import Neighbours
from voice_agent.server.placing import Placing, placing_routes
from voice_agent.server.reception import Reception
from voice_agent.server.recordings import recordings_of_server, uploads_of
from voice_agent.server.terms import Terms
from voice_agent.store.checkpoints import Checkpoints
from voice_agent.store.database import FILE_NAME, Database
from voice_agent.store.history import History, past_call
from voice_agent.store.recordings import Recordings
from voice_agent.store.transfers import Transfers
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.colleagues import ColleaguesApi
from voice_agent.twilio_api.messages import MessagesApi
from voice_agent.twilio_api.rest import open_rest

logger = logging.getLogger(__name__)

END_SECONDS = 6.0
"""How long calls may take to end when the server stops: a little more than the core waits for a carrier."""

SHORT_DRAIN_SECONDS = 30
"""Whoever gives less time than this has no time for conversations to end by themselves."""

NOTICED_SECONDS = 3
"""How long a server that stops keeps calls that others could have: until proxies, which look every second or so, bring
it nothing more. What they would still bring of a call that it has let go of is sent elsewhere, a second later."""

APART_SECONDS = 0.05
"""From one call that others are given to the next: whoever takes them up has work with each."""

LOOK_SECONDS = 0.1
"""Between two looks whether calls are left."""

AFTER_STREAM_SECONDS = 0.5
"""How long the server then still answers: Twilio asks what becomes of a call right after its stream has ended."""

ARRIVED = "a call that was placed has arrived"
"""What workers tell each other."""

GREETINGS = "greetings"
"""Below the folder of the data."""


class Serving:
    """The server, from `async with` to its end. Everything it needs is an argument; nothing global is touched."""

    def __init__(
        self,
        settings: Settings,
        agents: AgentSource,
        *,
        emulator_url: str = "",
        observers: Sequence[CallObserver] = (),
        keep: Sequence[Keep] = (),
        redact: Redact | None = None,
        clips: Mapping[str, bytes] | None = None,
        now: Callable[[], datetime] = utc_now,
        given: Mapping[str, GivenAnswer] | None = None,
        resumed: Resumption | None = None,
        listening: socket.socket | None = None,
        replaced: bool = False,
        neighbours: Neighbours | None = None,
    ) -> None:
        """`emulator_url`: a local Realtime server, for the provider `emulator`. `keep`: beside the history.

        `now`: what agents take for the time when a call comes. `given`: what tools answer that are not run, by name.

        `resumed`: what calls that come in go on from.

        `redact`: what does the work of `settings.redact`, before anything is kept.

        `listening`: a socket that somebody else holds; without it, one is opened. `replaced`: whoever holds it starts
        another server behind this one. `neighbours`: other workers on the same socket; `None`: there are none.

        With port 0 a free one is taken, and a loopback `public_url` follows it.
        """
        self.settings = settings
        self.metrics = Metrics()
        self._neighbours = neighbours
        self._seat = None if neighbours is None else neighbours.seat
        self._agents = agents
        self._endpoints = reachable(settings, emulator_url)
        self._health = EndpointHealth()
        self._prices = load_prices(settings.prices)
        self._lag = LoopLag()
        _examine_limits(settings, [each.setup.model for each in self._endpoints], self._prices)
        self.spending = Spending(settings.spend_per_call, settings.spend_per_day, seat=self._seat)
        self._observers = observers
        self._keep = keep
        assert redact is not None or not settings.redact, "whoever reads the settings has to give what they ask for"
        self._redact = redact
        self._now = now
        self._greetings = KeptGreetings(settings.data / GREETINGS)
        self._given = given or {}
        self._resumed = resumed
        self._listening = listening
        self._replaced = replaced
        self.alone = False
        """Set when this worker stops and the others do not: its calls go on with them."""
        self._clips = load_clips() if clips is None else clips

    @property
    def url(self) -> str:
        """Where the server listens: for a browser or a carrier on this machine."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def __aenter__(self) -> Self:
        """Start; raises `CommandError` or `ConfigError` with one line."""
        async with AsyncExitStack() as stack:
            self._socket = self._listening or stack.enter_context(listen(self.settings.host, self.settings.port))
            if self.settings.port == 0 and not self.settings.is_public:
                self.settings = msgspec.structs.replace(self.settings, public_url=self.url)
            messages = open_rest(MessagesApi, self.settings)
            if messages is not None:
                stack.callback(messages.close)
            calls = open_rest(CallsApi, self.settings)
            if calls is not None:
                stack.callback(calls.close)
            database = await self._database(stack)
            colleagues = await self._colleagues(stack, database)
            self._history = History(database)
            self._late = LateRows(self._history, self.metrics, self.settings.data)
            stack.push_async_callback(self._late.close)
            self._checkpoints = Checkpointing(Checkpoints(database), self.metrics)
            self._trace(stack)
            around = self._surroundings(stack, calls, messages, colleagues)
            recordings, uploads = around.recordings, around.uploads
            lobby = Lobby(lambda setup, webhook: OpenedCall(setup, webhook, around), self.metrics)
            await stack.enter_async_context(lobby)
            terms = self._terms()
            continuing = Continuing(self._checkpoints, self._history, self.metrics, self._late.add)
            await self._remember_spending(self._history)
            capacity = self._capacity(lobby)
            self.reception = Reception(
                terms,
                self._agents,
                lobby,
                StreamTokens(token_secret(terms.tokens[0])),
                self.metrics,
                colleagues=colleagues,
                now=self._now,
                greetings=self._greetings,
                resumed=self._resumed,
                capacity=capacity,
                continuing=continuing,
                missed=MissedCalls(self._late.add, redacts=self._redact is not None),
                seat=self._seat,
            )
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            works: dict[str, Work] = {
                "measuring the event loop": self._lag.run,
                "writing late calls down": self._late.run,
            }
            works |= self._once_for_all_workers(continuing, recordings)
            if uploads is not None:
                works["putting recordings into the object store"] = uploads.run
            for name, work in works.items():
                stack.callback(tasks.create_task(beside(name, work)).cancel)
            self._placing = Placing(self.settings, self._agents, calls, self.reception.reports.courses, capacity)
            self._console = OpenedConsole(
                self.settings,
                self._agents,
                self.reception,
                self._history,
                self._prices,
                recordings=recordings,
                key=token_secret(terms.tokens[0]),
                client=self._call_client(),
                tasks=tasks,
                messages=messages,
                neighbours=self._neighbours,
            )
            stack.callback(self._console.close)
            application = Application(
                self.reception,
                placing_routes(self._placing),
                metrics_tokens=(self.settings.metrics_token, self.settings.api_token),
                console=self._console.application,
                browsers=self._console.phone,
                neighbours=self._neighbours,
            )
            doorstep = Doorstep(self.reception.refusals.turned_out)
            exchange = None
            if self._neighbours is not None:
                exchange = Exchange(application, self._neighbours, self.settings.max_lag_ms)
            self._server = HttpServer(application, doorstep, exchange)
            tasks.create_task(self._server.serve([self._socket]))
            stack.push_async_callback(self._stop)
            await self._server.ready.wait()
            if self._neighbours is not None:
                self._sit_down(self._neighbours, capacity)
                stack.callback(tasks.create_task(capacity.keep_telling()).cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more calls, end those in progress, stop; all of it within some seconds."""
        # The stack is not told of an error: its task group would wrap it into a group.
        await self._stack.aclose()

    def close_to_new_calls(self) -> int:
        """Take no more calls; gives how many are left: those of other workers, too, if all stop."""
        self.reception.stopping.closing = self._placing.closing = True
        self.reception.stopping.succeeded = self.alone
        left = self.reception.lobby.taken
        if self._seat is None:
            return left
        self._seat.close()
        return left if self.alone else left + self._seat.calls_of_others

    @property
    def patience_s(self) -> int:
        """How long a stop waits for the calls that are left.

        Where they can go on elsewhere and the time is short, nobody waits for that: a hand-over that was cut off loses
        a call. Where there are other servers, they have to be asked for it.
        """
        seconds = self.settings.drain_seconds
        if not self.hands_over or seconds >= SHORT_DRAIN_SECONDS:
            return seconds
        return min(seconds, NOTICED_SECONDS) if self._has_others and not self.alone else 0

    @property
    def hands_over(self) -> bool:
        """Whether calls that are left at the end go on elsewhere."""
        return self._replaced or self._has_others or self.alone

    @property
    def _has_successor(self) -> bool:
        """Whether somebody will accept from the same socket what we do not, and nobody else could serve it before."""
        return self.alone or (self._replaced and not self._has_others)

    async def drain(self, at_once: asyncio.Event) -> None:
        """Let the calls that are left come to their end, for as long as they may take, or until somebody hurries.

        `patience_s` says for how long that is.
        """
        lobby = self.reception.lobby
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience_s):
                while lobby.taken and not at_once.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECONDS):
                            await at_once.wait()

    async def _stop(self) -> None:
        self.close_to_new_calls()
        self.reception.stopping.last = "hands over" if self.hands_over else "ends"
        self._checkpoints.handing_over = self.hands_over
        self.reception.stopping.succeeded = self._has_successor
        if self._has_successor:
            # What Twilio asks of a call that was let go of is for whoever takes it up.
            self._server.accept_no_more()
        if self.alone and self._seat is not None:
            self._seat.leave()
        await self._console.end_calls()
        lobby = self.reception.lobby
        talking = any(session.joined and session.ended is None for session in lobby.sessions.values())
        await lobby.end_all("the server stops", END_SECONDS, APART_SECONDS if self._others_go_on else 0)
        if talking:
            await asyncio.sleep(AFTER_STREAM_SECONDS)
        # Pages that are told what is live would be waited for, and so would whoever follows a call.
        self._console.close()
        await self.reception.reports.courses.close()
        if self._neighbours is not None:
            self._neighbours.close()
        self._server.should_exit = True

    @property
    def _others_go_on(self) -> bool:
        return self._has_others or self.alone

    @property
    def _has_others(self) -> bool:
        """Other servers may be there at this moment."""
        return self.settings.database_url is not None

    @property
    def _is_first(self) -> bool:
        """Whether this worker does what one of them has to do."""
        return self._seat is None or self._seat.number == 0

    def _once_for_all_workers(self, continuing: Continuing, recordings: Recordings) -> dict[str, Work]:
        """Give the work that one worker does for all."""
        if not self._is_first:
            return {}
        works: dict[str, Work] = {"sweeping up lost calls": continuing.keep_sweeping}
        if self.settings.keep_days is not None:
            works["deleting what is older than KEEP_DAYS"] = Retention(
                self.settings.keep_days, recordings, self._history
            ).run
        return works

    def _sit_down(self, neighbours: Neighbours, capacity: Capacity) -> None:
        """Join the other workers."""

        def arrived(call_sid: str) -> bytes:
            capacity.forget_placed(call_sid)
            return b""

        neighbours.answers[ARRIVED] = arrived
        neighbours.take = self._server.take
        neighbours.open()

    def _capacity(self, lobby: Lobby) -> Capacity:
        neighbours = self._neighbours
        return Capacity(
            self._limits(),
            lambda: lobby.taken,
            self._lag,
            self.spending,
            seat=self._seat,
            elsewhere=None if neighbours is None else partial(neighbours.tell, ARRIVED),
        )

    def _observe(self, call_sid: str, now_ms: int, report: Report) -> None:
        self._console.observe(call_sid, now_ms, report)

    def _trace(self, stack: AsyncExitStack) -> None:
        if self.settings.traces_url is None:
            return
        try:
            from voice_agent.live.traces import Traces, to_server  # noqa: PLC0415 - an extra
        except ImportError:
            raise CommandError('TRACES_URL needs the extra "traces": pip install "voice-agent[traces]"') from None
        traces = Traces(to_server(self.settings.traces_url))
        stack.push_async_callback(asyncio.to_thread, traces.close)
        self._observers = (*self._observers, traces.observe)

    def _call_client(self) -> CallClient | ConfigError:
        try:
            return CallClient(self._endpoints[0].endpoint, self._endpoints[0].credential)
        except ConfigError as error:
            return error

    async def _database(self, stack: AsyncExitStack) -> Database:
        make_folder(self.settings.data)
        database = await stack.enter_async_context(Database(database_place(self.settings)))
        await database.prepare()
        return database

    async def _colleagues(self, stack: AsyncExitStack, database: Database) -> Colleagues | None:
        api = open_rest(ColleaguesApi, self.settings)
        if api is None:
            return None
        stack.callback(api.close)
        return await stack.enter_async_context(Colleagues(Transfers(database), api, lambda: self.settings.public_url))

    def _surroundings(
        self,
        stack: AsyncExitStack,
        calls: CallsApi | None,
        messages: MessagesApi | None,
        colleagues: Colleagues | None,
    ) -> Surroundings:
        settings = self.settings
        tls()
        spool = Spool(describe)
        stack.push_async_callback(asyncio.to_thread, spool.close)
        recordings = recordings_of_server(settings, first=self._is_first)

        async def keep_in_history(call: FinishedCall) -> None:
            told = None if call.recording is None else recordings.told(call.recording)
            await self._late.add(past_call(call.setup, call.summary, call.started_at, told, call.model))

        uploads = uploads_of(recordings, self.metrics, self._redact, keep_in_history, self._neighbours)
        if uploads is not None:
            stack.push_async_callback(uploads.close)
        for each in self._endpoints:
            if each.credential is not None:
                stack.push_async_callback(each.credential.close)

        return Surroundings(
            endpoints={each.setup.name: each for each in self._endpoints},
            clips=self._clips,
            clip_hashes=hashes(self._clips),
            metrics=self.metrics,
            recordings=recordings,
            spool=spool,
            api=calls,
            health=self._health,
            references=self._agents.references,
            messages=messages,
            colleagues=colleagues,
            prices=self._prices,
            spending=self.spending,
            greetings=self._greetings,
            given=self._given,
            observers=(*self._observers, self._observe),
            history=keep_in_history,
            checkpoints=self._checkpoints,
            keep=self._keep,
            redact=self._redact,
            uploads=uploads,
            made_by=f"voice-agent {_version()}",
        )

    async def _remember_spending(self, history: History) -> None:
        """Count what was spent today before this server began."""
        if not self.spending.must_count:
            return
        spent = 0.0
        for model, usage in await history.used_since(day_began()):
            price = self._prices.of(model) if model else None
            spent += 0 if price is None else price.cost(usage)
        self.spending.count(spent)

    def _limits(self) -> Limits:
        settings = self.settings
        return Limits(
            calls=settings.max_calls or usual_most_calls(1 if self._seat is None else self._seat.workers),
            lag_ms=settings.max_lag_ms,
            calls_of_caller=settings.caller_calls_per_minute,
            calls_to_number=settings.number_calls_per_minute,
        )

    def _terms(self) -> Terms:
        settings = self.settings
        primary = settings.twilio_auth_token or Secret(local_auth_token(settings.data))
        signing = [primary, settings.twilio_auth_token_secondary]
        return Terms(
            public_url=settings.public_url,
            tokens=tuple(secret.reveal() for secret in signing if secret is not None),
            model=self._endpoints[0].setup,
            fallbacks=tuple(each.setup for each in self._endpoints[1:]),
            health=self._health,
            preconnect=settings.preconnect,
            rest=settings.has_rest,
            by_call=self._seat is not None,
            can_apologise="apology" in self._clips,
        )


def _examine_limits(settings: Settings, models: Iterable[str], prices: Prices) -> None:
    """Make sure that what is limited can be counted; raises `ConfigError`."""
    limit = "SPEND_PER_CALL" if settings.spend_per_call is not None else "SPEND_PER_DAY"
    for model in models:
        if model and prices.of(model) is None and (settings.spend_per_call or settings.spend_per_day):
            raise ConfigError(f'cannot be kept, for there is no price of "{model}": add it to PRICES', limit)


def token_secret(auth_token: str) -> bytes:
    """Give what seals the streams' tokens: the same on all servers of an account, and after a restart."""
    return hmac.digest(auth_token.encode(), b"voice-agent stream tokens", "sha256")


def database_place(settings: Settings) -> Path | str:
    """Say where the store is."""
    return settings.data / FILE_NAME if settings.database_url is None else settings.database_url.reveal()


def _version() -> str:
    try:
        return version("voice-agent")
    except PackageNotFoundError:
        return "unknown"
