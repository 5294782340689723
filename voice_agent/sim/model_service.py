"""The model's service in a world: who connects to it, what its sessions hear, think and say, and how long it takes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Protocol, assert_never

import msgspec

from voice_agent.call.events import ModelClosed, ModelOpened, ModelRefused, StandbyFailed, StandbyReady
from voice_agent.sim import realtime as model
from voice_agent.sim.mishaps import Tool, ToolWork, work_of
from voice_agent.sim.network import NEVER, Agenda, Chance, Network, Timing, Way
from voice_agent.sim.realtime.activity import Energy
from voice_agent.sim.realtime.upgrade import refuse_upgrade
from voice_agent.wire.bridge import Input, Unwritten
from voice_agent.wire.endpoint import DialectName, Endpoint, explain_close, explain_refusal
from voice_agent.wire.item_audio import AudioKey, Delta
from voice_agent.wire.texts import ModelText

KEEP_ALIVE_MS = 40_000
"""A connection on which nothing comes is found broken by then: `websockets` pings every 20 s and waits as long."""

TIME = model.TimerFired()

Thought = model.ThoughtText | model.ThoughtCall
Mind = Callable[[model.Think], list[Thought]]
"""What the model answers; called in the order of its responses."""


class Served(msgspec.Struct, frozen=True):
    """What a service has to answer with, and what goes wrong there."""

    mind: Mind
    speak: Callable[[str], bytes] | None
    """PCM16 at 24 kHz; `None`: a tone."""
    heard: Iterator[str]
    mcp: Mapping[str, Mapping[str, Tool]]
    options: model.RealtimeOptions
    dialects: Sequence[DialectName]
    """By endpoint."""
    faults: list[model.Faults]
    """Of the connections that are still to come."""
    unreachable: int
    """So many attempts to connect get no answer at all."""


class Outside(Protocol):
    """What a service needs of its world."""

    now_ms: int

    def feed(self, received: Input | Unwritten, /) -> None:
        """Give something to the bridge, now."""

    def later(self, most_ms: int, happen: Callable[[], None]) -> None:
        """Let something happen within so long."""

    def do(self, work: ToolWork, answer: Callable[[], None]) -> None:
        """Let a tool work."""


class Service:
    """See the module. One call's sessions, one after the other."""

    def __init__(
        self,
        of: Served,
        outside: Outside,
        *,
        agenda: Agenda,
        chance: Chance,
        network: Network,
        timing: Timing,
        direct: bool,
    ) -> None:
        """`direct`: audio crosses as a value, see `sim.world`."""
        self.session: model.Session | None = None
        self.sessions = 0
        """How many have been opened."""
        self.due_ms = NEVER
        """When to `feed` it `TIME`."""
        self.up = Way[model.Input](agenda, chance, network.model_ms, network.model_jitter_ms, self.feed)
        """The way to the session."""
        self._down = Way[Input | Unwritten](agenda, chance, network.model_ms, network.model_jitter_ms, outside.feed)
        self.ways: tuple[Way[Any], ...] = (self.up, self._down)
        self._of = of
        self._outside = outside
        self._agenda = agenda
        self._timing = timing
        self._direct = direct
        self._unreachable = of.unreachable
        self._began_ms = 0
        self._endpoint = 0
        self._attempt = 0
        """The attempt to connect that counts; each further order and each close moves it."""
        self._standby = 0
        """The standby that counts; each further order moves it."""
        self._offered: Callable[[int], None] | None = None
        """Answers the attempt that takes the standby over; in the step in which that is ready, and in no other."""

    def connect(self, endpoint: int) -> None:
        """Answer a `ConnectModel`: of a former connection, or an attempt at one, nothing is heard any more."""
        self._attempt += 1
        self._endpoint = endpoint
        self._drop_session()
        self.up.cut()
        self._down.cut()
        if self._offered is not None:
            self._outside.later(0, partial(self._offered, self._attempt))
        else:
            self._outside.later(self._timing.connect_ms, partial(self._connect, self._attempt))

    def open_standby(self) -> None:
        """Answer an `OpenStandby`."""
        self._standby += 1
        which = (self._attempt, self._standby)
        self._outside.later(self._timing.connect_ms, partial(self._connect_standby, which))

    def close(self) -> None:
        """Answer a `CloseModel`."""
        self._attempt += 1
        self._drop_session()
        self._outside.later(10, partial(self._closed, self._attempt))

    def feed(self, received: model.Input) -> None:
        """Give something to the session, if there is one."""
        if self.session is not None:
            outputs = self.session.feed(self._outside.now_ms - self._began_ms, received)
            due_ms = self.session.deadline()
            self.due_ms = NEVER if due_ms is None else due_ms + self._began_ms
            if outputs:
                self._carry(outputs)

    # --- connections -------------------------------------------------------------------------------------------------

    def _connect(self, attempt: int) -> None:
        if attempt != self._attempt:
            return  # given up meanwhile
        if self._unreachable:
            self._unreachable -= 1
            self._outside.feed(ModelRefused(None, "the network is unreachable"))
            return
        faults = self._next_faults()
        if faults is not None and faults.slow_upgrade_ms:
            answer = partial(self._answer_upgrade, faults, attempt)
            self._agenda.at(self._outside.now_ms + faults.slow_upgrade_ms, answer)
        else:
            self._answer_upgrade(faults, attempt)

    def _answer_upgrade(self, faults: model.Faults | None, attempt: int) -> None:
        if attempt != self._attempt:
            return
        if (refused := self._refusal(faults)) is not None:
            self._down.send(self._outside.now_ms, refused)
        else:
            self._begin_session(faults)

    def _connect_standby(self, which: tuple[int, int]) -> None:
        """Connect as for a session, which begins when it is taken over."""
        if which != (self._attempt, self._standby):
            return
        if self._unreachable:
            self._unreachable -= 1
            self._outside.feed(StandbyFailed("the network is unreachable"))
            return
        faults = self._next_faults()
        slow_ms = 0 if faults is None else faults.slow_upgrade_ms
        self._agenda.at(self._outside.now_ms + slow_ms, partial(self._answer_standby, which, faults))

    def _answer_standby(self, which: tuple[int, int], faults: model.Faults | None) -> None:
        if which != (self._attempt, self._standby):
            return
        if (refused := self._refusal(faults)) is not None:
            self._outside.feed(StandbyFailed(refused.detail))
            return
        self._offered = partial(self._answer_upgrade, faults)
        self._outside.feed(StandbyReady())
        self._offered = None

    def _next_faults(self) -> model.Faults | None:
        return self._of.faults.pop(0) if self._of.faults else None

    def _refusal(self, faults: model.Faults | None) -> ModelRefused | None:
        if faults is None or faults.status is None:
            return None
        refusal = refuse_upgrade(
            faults.status, azure=False, model=self._of.options.model, retry_after_s=faults.retry_after_s
        )
        return ModelRefused(
            refusal.status,
            explain_refusal(refusal.status, refusal.body, _ENDPOINT),
            faults.retry_after_s if "Retry-After" in refusal.headers else None,
        )

    def _begin_session(self, faults: model.Faults | None) -> None:
        now_ms = self._began_ms = self._outside.now_ms
        self.sessions += 1
        # No service uses an id twice, not in another session either.
        ids = f"{self.sessions}_" if self.sessions > 1 else ""
        options = msgspec.structs.replace(self._of.options, ids=ids, dialect=self._of.dialects[self._endpoint])
        session = model.RealtimeSession(options, Energy())
        self.session = session if faults is None else model.FaultySession(session, faults)
        for timed in () if faults is None else faults.timed:
            if timed.what == "silence":
                self._agenda.at(now_ms + timed.at_ms + KEEP_ALIVE_MS, partial(self._find_broken, self.session))
        self._down.send(now_ms, ModelOpened())
        outputs = self.session.start(0)
        due_ms = self.session.deadline()
        self.due_ms = NEVER if due_ms is None else due_ms + now_ms
        self._carry(outputs)

    def _closed(self, attempt: int) -> None:
        if attempt == self._attempt:
            self._outside.feed(ModelClosed(1000))

    def _drop_session(self) -> None:
        self.session = None
        self.due_ms = NEVER

    def _find_broken(self, session: model.Session) -> None:
        if self.session is session:
            self._drop_session()
            self._outside.feed(ModelClosed(None, "keepalive ping timeout"))

    # --- a session's work --------------------------------------------------------------------------------------------

    def _carry(self, outputs: list[model.Output]) -> None:
        now_ms, session = self._outside.now_ms, self.session
        for output in outputs:
            match output:
                case model.SendAudio() if self._direct:
                    key = AudioKey(output.response_id, output.item_id, output.content_index)
                    self._down.send(now_ms, Delta(key, output.delta))
                case model.SendAudio() | model.SendEvent() | model.SendText():
                    self._down.send(now_ms, ModelText(output.text))
                case model.CloseSocket():
                    self._drop_session()
                    self._down.send(now_ms, _closed(output))
                case model.StopWork() | model.PlayFrame():
                    pass
                case _:
                    self._work(session, output)

    def _work(
        self,
        session: model.Session | None,
        order: model.Recognise | model.Think | model.Speak | model.ListTools | model.CallTool,
    ) -> None:
        timing, later = self._timing, self._outside.later
        match order:
            case model.Recognise():
                heard = model.Recognised(order.item_id, next(self._of.heard, "hello"))
                later(timing.recognise_ms, partial(self._answer, session, heard))
            case model.Think():
                later(timing.think_ms, partial(self._think, session, order))
            case model.Speak():
                speech = (self._of.speak or _tone)(order.text)
                spoken = model.Spoken(order.response_id, order.item_id, speech, last=True)
                later(timing.speak_ms, partial(self._answer, session, spoken))
            case model.ListTools():
                later(timing.tool_ms, partial(self._answer, session, self._listed(order)))
            case model.CallTool():
                self._call_remote(session, order)
            case _:
                assert_never(order)

    def _listed(self, order: model.ListTools) -> model.Input:
        tools = self._of.mcp.get(order.server.label)
        if tools is None:
            return model.ListingFailed(order.item_id)
        return model.ToolsListed(order.item_id, tuple(model.McpToolInfo(name=name) for name in tools))

    def _call_remote(self, session: model.Session | None, order: model.CallTool) -> None:
        work = work_of(self._of.mcp.get(order.server.label, {}).get(order.name, ""), order.arguments)
        answer: model.Input = model.ToolCalled(order.item_id, work.output)
        if work.failed or not work.output:
            answer = model.ToolCallFailed(order.item_id, "tool_execution_error", work.output or "it has no answer")
        self._outside.do(work, partial(self._answer, session, answer))

    def _answer(self, session: model.Session | None, received: model.Input) -> None:
        """Give the result of slow work to the session that wanted it."""
        if self.session is session:
            self.feed(received)

    def _think(self, session: model.Session | None, think: model.Think) -> None:
        if self.session is not session:
            return
        for thought in self._of.mind(think):
            self.feed(thought)
        self.feed(model.ThoughtDone(think.response_id))


_ENDPOINT = Endpoint("ws://world/v1/realtime", {})


def _closed(order: model.CloseSocket) -> ModelClosed:
    """Say it as the leg to the model does."""
    code = None if order.code == model.NO_CLOSE_FRAME else order.code
    return ModelClosed(code, explain_close(order.code, order.reason))


_TONE = (b"\x00\x20" * 24 + b"\x00\xe0" * 24) * 1000
"""One second of a 500 Hz square wave, PCM16 24 kHz."""


def _tone(text: str) -> bytes:
    """Speak for those who need no words."""
    return tone(len(text) * 60)


@lru_cache(maxsize=16)
def tone(ms: int) -> bytes:
    """Make speech that has no words: PCM16, 24 kHz."""
    wanted = ms * 48
    return (_TONE * (wanted // len(_TONE) + 1))[:wanted]
