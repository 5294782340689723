"""One call with everything around it: its bridge and session, its recording, its log, what is kept of it afterwards.

It must not know how a call came in.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from voice_agent.call.commands import Report
from voice_agent.call.conversation import Resumption
from voice_agent.call.events import Usage
from voice_agent.call.setup import CallSetup
from voice_agent.call.summary import Summary
from voice_agent.config.prices import Price, Prices
from voice_agent.config.references import NOTHING, References
from voice_agent.config.scenario_keys import GivenAnswer
from voice_agent.errors import VoiceAgentError
from voice_agent.live.call_log import call_log
from voice_agent.live.call_metrics import CallMetrics
from voice_agent.live.call_work import CallWork, CarrierApi, Colleagues
from voice_agent.live.checkpointing import CallCheckpoint, Checkpointing, kept_setup, kept_webhook
from voice_agent.live.clock import utc_now
from voice_agent.live.endpoint_health import EndpointHealth
from voice_agent.live.endpoints import Reachable
from voice_agent.live.kept_greetings import KeptGreetings, ListeningBridge
from voice_agent.live.masking import MaskingRecorder
from voice_agent.live.mcp_secrets import McpSecrets
from voice_agent.live.metrics import Metrics
from voice_agent.live.session import Session
from voice_agent.live.session_needs import Recorder
from voice_agent.live.spending import Spending
from voice_agent.live.uploads import Uploads
from voice_agent.recording.format import Header
from voice_agent.recording.redacting import without_digits
from voice_agent.recording.spool import CallRecording, Spool, recording_path
from voice_agent.store.checkpoints import Checkpoint
from voice_agent.store.history import past_call
from voice_agent.store.recordings import SUFFIX, UNREDACTED, Recordings
from voice_agent.tools.run import ToolRunner
from voice_agent.tools.text_message import MessageSender
from voice_agent.wire.bridge import Bridge, Input, Output

logger = logging.getLogger(__name__)

CallObserver = Callable[[str, int, Report], None]
"""Is told every report of every call: CallSid, `now_ms`, report. Quick, and never waits."""


@dataclass(frozen=True, kw_only=True)
class FinishedCall:
    """What is left of a call when it is over."""

    setup: CallSetup
    started_at: datetime
    """In UTC."""
    summary: Summary
    recording: Path | None
    """Its file; `None`: the agent wants none."""
    model: str = ""
    """What served it last; empty: the local Realtime server."""


KeepRow = Callable[[FinishedCall], Coroutine[Any, Any, None]]
"""Keeps what is left of a call in the history."""

Keep = Callable[[FinishedCall], None]
"""Looks at what is left of a call, behind the history; runs in a thread of its own."""

Redact = Callable[[FinishedCall], FinishedCall]
"""Takes out of a call and of its recording what must not be kept; runs in that thread, before. See `UNREDACTED`."""

WRITTEN_S = 60.0
"""How long the last of a recording may take to reach the disk before it is redacted."""


def without_words(call: FinishedCall) -> FinishedCall:
    """Leave out all that was said, and the digits of numbers: what of it may be kept is not known."""
    caller, called = without_digits(call.setup.caller), without_digits(call.setup.called)
    call.summary.forget_words()
    return replace(call, setup=msgspec.structs.replace(call.setup, caller=caller, called=called))


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all calls of a server share."""

    endpoints: Mapping[str, Reachable]
    """By the names that the settings of calls' models hold."""
    clips: Mapping[str, bytes]
    clip_hashes: Mapping[str, str]
    """SHA-256 in hex, for recordings."""
    metrics: Metrics
    recordings: Recordings
    spool: Spool[Input | Output]
    api: CarrierApi | None
    health: EndpointHealth = field(default_factory=EndpointHealth)
    """Of the endpoints."""
    references: References = NOTHING
    """What agents may name, with the values."""
    messages: MessageSender | None = None
    """`None`: no text message can be sent."""
    colleagues: Colleagues | None = None
    """`None`: nobody else can be called."""
    prices: Prices | None = None
    """For the log; `None`: it names tokens only."""
    spending: Spending | None = None
    given: Mapping[str, GivenAnswer] = field(default_factory=dict)
    """What tools answer that are not run."""
    greetings: KeptGreetings | None = None
    checkpoints: Checkpointing | None = None
    """`None`: a call goes on nowhere when its stream or this process dies."""
    observers: Sequence[CallObserver] = ()
    history: KeepRow | None = None
    keep: Sequence[Keep] = ()
    redact: Redact | None = None
    uploads: Uploads | None = None
    """`None`: recordings stay where they are written."""
    made_by: str = ""


class OpenedCall:
    """Fits `lobby.HeldCall`."""

    def __init__(self, setup: CallSetup, webhook: Mapping[str, str], around: Surroundings) -> None:
        self.setup = setup
        self._webhook = webhook
        self._around = around
        self.started_at = utc_now()
        self.summary = Summary()
        self._recording = self._open_recording(webhook)
        self._is_whole = True
        """Nothing is left to be done to its recording."""
        self._masking: MaskingRecorder | None = None
        call_sid = setup.call_sid
        # The account that the carrier knows; a browser's call has none, whoever it says is calling.
        api, colleagues, messages = (around.api, around.colleagues, around.messages) if setup.rest else (None,) * 3
        tools = ToolRunner(setup.agent, call_sid, around.references, messages, given=around.given, others=setup.others)
        secrets = None
        agents = (setup.agent, *setup.others)
        if any(agent.mcp for agent in agents):
            secrets = McpSecrets(setup.agent, around.references, setup.others)
        recorder: Recorder | None = self._recording
        if self._recording is not None and any(agent.has_secrets for agent in agents):
            recorder = self._masking = MaskingRecorder(self._recording)
        listens = around.greetings is not None and around.greetings.wanted(setup)
        self._bridge = ListeningBridge(setup, around.clips) if listens else Bridge(setup, around.clips)
        self._checkpoint: CallCheckpoint | None = None
        if around.checkpoints is not None:
            self._checkpoint = around.checkpoints.open(call_sid, self._stands, self._superseded)
        keeping = [] if self._checkpoint is None else [self._checkpoint.observe]
        self._work = work = CallWork(
            call_sid,
            [around.endpoints[model.name] for model in setup.models],
            tools,
            api,
            health=around.health,
            secrets=secrets,
            setup=setup,
            colleagues=colleagues,
        )
        self.session = Session(
            self._bridge,
            work,
            observers=[
                self.summary.take,
                call_log(call_sid, None if around.prices is None else self._bill),
                CallMetrics(around.metrics, agents).observe,
                *([] if around.spending is None else [around.spending.of_call(self._say_goodbye, self._price)]),
                *(partial(observer, call_sid) for observer in around.observers),
                *keeping,
            ],
            recorder=recorder,
            leaving=None if self._checkpoint is None else self._checkpoint.leaving,
        )

    async def run(self) -> None:
        """Hold the call, then end its recording and keep what is left; a fault of ours is raised after that."""
        try:
            async with self._checkpoint or nullcontext():
                await self.session.run()
        finally:
            if self._masking is not None:
                self._masking.flush()
            if self._recording is not None:
                self._recording.end()
            await self._keep(await self._put_away())

    def resumption(self) -> Resumption:
        """Give what another stream of the call would go on from."""
        return self._bridge.call.resumption()

    def _price(self) -> Price | None:
        """Give the price of the model that serves the call now."""
        prices, model = self._around.prices, self._work.served_by.model
        return None if prices is None or not model else prices.of(model)

    def cost(self) -> float | None:
        """Say what the model's tokens cost so far; 0 where they cost nothing, `None`: nobody knows."""
        price = self._price()
        if price is None:
            return None if self._work.served_by.model else 0.0
        return price.cost(self.summary.usage)

    def _bill(self, usage: Usage) -> str:
        assert self._around.prices is not None, "else nobody asks"
        return self._around.prices.told(self._work.served_by.model, usage)

    def _say_goodbye(self, reason: str) -> None:
        self.session.end(reason, goodbye=True)

    def _stands(self) -> Checkpoint:
        """Say how the call stands."""
        # One that has only begun is there in a moment, and whoever goes on with the call wants to find it.
        found = self._recording is not None and (self._recording.is_there or self._recording.problem is None)
        path = self._recording.path if self._recording is not None and found else None
        recording = None if path is None else self._around.recordings.told(path.with_suffix(SUFFIX))
        model = self._work.served_by.model
        row = past_call(self.setup, self.summary, self.started_at, recording, model)
        if self._around.redact is not None:
            # What may be kept of it is found out at its end.
            row = msgspec.structs.replace(row, transcript=())
        return Checkpoint(
            setup=kept_setup(self.setup), webhook=kept_webhook(self._webhook), resumption=self.resumption(), row=row
        )

    def _superseded(self) -> None:
        logger.warning("another server has taken the call up", extra={"call": self.setup.call_sid})
        self.session.end("another server has taken the call up")

    async def _put_away(self) -> FinishedCall:
        """Put away what is in files, and give the rest, also when there is no time left for that."""
        try:
            return await asyncio.to_thread(self._finished)
        except asyncio.CancelledError:
            # The server stops: the redaction goes on in its process, and which words it leaves nobody waits for. Nor is
            # its recording put anywhere before that: the next server sees to it, as to what one that died has left.
            self._is_whole = self._around.redact is None
            finished = self._as_it_is(None if self._recording is None else self._recording.path.with_suffix(SUFFIX))
            return finished if self._around.redact is None else without_words(finished)
        except Exception:
            # A fault of ours here must not take the call's row with it.
            logger.exception("what is left of the call is not put away", extra={"call": self.setup.call_sid})
            path = None if self._recording is None else self._recording.path
            if self._around.redact is None:
                return self._as_it_is(path)
            if path is not None:
                # What cannot be redacted is not kept.
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            return without_words(self._as_it_is(None))

    def _as_it_is(self, recording: Path | None) -> FinishedCall:
        return FinishedCall(
            setup=self.setup,
            started_at=self.started_at,
            summary=self.summary,
            recording=recording,
            model=self._work.served_by.model,
        )

    def _finished(self) -> FinishedCall:
        """Put away what is in files, and give the rest."""
        greeting = self._bridge.listener.greeting if isinstance(self._bridge, ListeningBridge) else b""
        if greeting and self._around.greetings is not None:
            self._around.greetings.keep(self.setup, greeting)
        finished = self._as_it_is(self._written())
        return finished if self._around.redact is None else self._around.redact(finished)

    async def _keep(self, finished: FinishedCall) -> None:
        if self._around.history is not None:
            with self._telling():
                await self._around.history(finished)
        for keep in self._around.keep:
            with self._telling():
                await asyncio.to_thread(keep, finished)
        if self._recording is not None and self._around.uploads is not None and self._is_whole:
            self._around.uploads.add(self._recording)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except VoiceAgentError as error:
            # A full disk must not look like a broken call.
            logger.error("not kept: %s", error, extra={"call": self.setup.call_sid})  # noqa: TRY400 - the text says it all

    def _written(self) -> Path | None:
        """Give the recording, and where it is going to be redacted all of it."""
        if self._recording is None:
            return None
        path = self._recording.path
        if self._around.redact is not None and not self._recording.wait(WRITTEN_S):
            # What would still be written behind the redacted part is not redacted.
            path.unlink(missing_ok=True)
            return None
        if self._recording.problem is not None and not self._recording.is_there:
            return None
        return path

    def _open_recording(self, webhook: Mapping[str, str]) -> CallRecording[Input | Output] | None:
        setup, around = self.setup, self._around
        if setup.agent.recording == "off":
            return None
        started_at = self.started_at.isoformat(timespec="milliseconds")
        header = Header(
            setup=setup,
            started_at=started_at,
            audio="kept" if setup.agent.recording == "audio" else "digests",
            webhook=kept_webhook(webhook),
            clips=dict(around.clip_hashes),
            made_by=around.made_by,
        )
        place = None if around.checkpoints is None else around.checkpoints.place(setup.call_sid)
        part = 1 if place is None else place.number + 1
        path = recording_path(around.recordings.folder / started_at[:10], started_at, setup.call_sid, part)
        if around.redact is not None:
            path = path.with_suffix(UNREDACTED)
        if around.uploads is not None:
            around.uploads.begin(path)
        return around.spool.open(path, header, self._recording_stopped, self._recording_waits)

    def _recording_waits(self, waits: bool, news: str) -> None:
        """Tell the operator; called in the spool's thread, too."""
        logger.warning("%s", news, extra={"call": self.setup.call_sid})
        if waits:
            self._around.metrics.add("recordings_delayed")

    def _recording_stopped(self, problem: str) -> None:
        """Tell the operator; called in the spool's thread, the call goes on."""
        logger.error("%s", problem, extra={"call": self.setup.call_sid})
        self._around.metrics.add("recordings_stopped")
