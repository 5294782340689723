"""A whole call in one process on a virtual clock: carrier, bridge and model, joined by a network with delays.

Chance is an argument, so a seed decides everything. The carrier keeps the truth of what was heard; `invariants` watches
what must never happen. Hundreds of times faster than life.

The three are joined in one of two ways. Through the wires everything crosses as text, as it does between real peers.
*Direct*, what crosses most often is spared its text and crosses as a value: all that the carrier says, audio, marks and
clears to it, and audio to and from the model; the rest is rare and still crosses as text. A seed gives the same call
either way, so that some calls through the wires prove the others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Protocol, assert_never, cast

import msgspec

from voice_agent.call.commands import (
    AppendAudio,
    CallColleague,
    CallEnded,
    CheckPhone,
    ClearPlayback,
    CloseModel,
    ClosePhone,
    Command,
    ConnectModel,
    HangUp,
    PlayAudio,
    Report,
    RunTool,
    SendMark,
    Work,
)
from voice_agent.call.events import (
    CallEvent,
    ColleagueAnswered,
    EndRequested,
    HangUpFinished,
    MachineVerdict,
    ModelClosed,
    ModelOpened,
    ModelRefused,
    PhoneChecked,
    PhoneClosed,
    TimerFired,
    ToolFinished,
)
from voice_agent.call.setup import CallSetup
from voice_agent.sim import carrier as phone
from voice_agent.sim import realtime as model
from voice_agent.sim.invariants import Bounds, Invariants
from voice_agent.sim.mishaps import Line, Mishaps, ToolWork
from voice_agent.sim.network import NEVER, Agenda, Chance, Network, Way
from voice_agent.sim.realtime.activity import Energy
from voice_agent.sim.realtime.upgrade import refuse_upgrade
from voice_agent.wire.bridge import Bridge, Input, Output, Unwritten
from voice_agent.wire.endpoint import Endpoint, explain_close, explain_refusal
from voice_agent.wire.item_audio import AudioKey, Delta
from voice_agent.wire.texts import ModelText, PhoneText
from voice_agent.wire.twilio import Mark, Media, encode


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long slow work takes: uniformly up to these."""

    stream_ms: int = 300
    """From the webhook to the stream's start; exact."""
    connect_ms: int = 300
    recognise_ms: int = 200
    think_ms: int = 300
    speak_ms: int = 100
    tool_ms: int = 500
    hang_up_ms: int = 200
    """The carrier's answer to a hang-up by REST."""


Thought = model.ThoughtText | model.ThoughtCall
Mind = Callable[[model.Think], list[Thought]]
"""What the model answers; called in the order of its responses."""

Tool = str | ToolWork | Callable[[str], str | ToolWork]
"""What a tool answers, whatever it is asked or by its arguments (JSON)."""


class Caller(Protocol):
    """Who holds the phone."""

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        """Do something or nothing; asked every 20 ms of the stream."""


class _Service(msgspec.Struct):
    """The model's service: what it answers and says, what goes wrong there, and how the call stands with it."""

    mind: Mind
    speak: Callable[[str], bytes]
    heard: Iterator[str]
    mcp: Mapping[str, Mapping[str, Tool]]
    options: model.RealtimeOptions
    faults: list[model.Faults]
    """Of the connections that are still to come."""
    unreachable: int
    """So many attempts to connect get no answer at all."""
    endpoint: int = 0
    """Which was asked last."""
    attempt: int = 0
    """The attempt to connect that counts; each further order and each `CloseModel` moves it."""


KEEP_ALIVE_MS = 40_000
"""A connection on which nothing comes is found broken by then: `websockets` pings every 20 s and waits as long."""


def _or_never(deadline_ms: int | None) -> int:
    return NEVER if deadline_ms is None else deadline_ms


class World:
    """One simulated call. `run` it, then read `carrier`, `reports` and `invariants`."""

    def __init__(
        self,
        setup: CallSetup,
        *,
        caller: Caller,
        mind: Mind,
        chance: Chance,
        network: Network | None = None,
        timing: Timing | None = None,
        switches: phone.Switches | None = None,
        tools: Mapping[str, Tool] | None = None,
        clips: Mapping[str, bytes] | None = None,
        heard: Iterable[str] = (),
        pace: int = 4,
        faults: Sequence[str] = (),
        mishaps: Mishaps | None = None,
        bounds: Bounds | None = None,
        speak: Callable[[str], bytes] | None = None,
        delta_ms: int = 200,
        direct: bool = False,
        mcp: Mapping[str, Mapping[str, Tool]] | None = None,
        mcp_continues: bool = False,
        verdicts: Iterable[tuple[int, MachineVerdict]] = (),
    ) -> None:
        """`tools`: what each tool answers. `heard`: the caller's words, turn by turn; then it is "hello".

        `pace`: how much faster than life the model sends audio. `faults`: what goes wrong in each
        connection to the model, in order (see `sim.realtime.faults`). `mishaps`: what goes wrong elsewhere.
        `bounds`: how exact the books must be. `speak`: what a text of the model sounds like, PCM16 at 24 kHz; then it
        is a tone. `delta_ms`: how much audio the model sends at once. `direct`: see the module.

        `mcp`: what each tool of each MCP server answers, by the server's label; a tool whose answer is empty fails, and
        a server that is not there cannot be listed. `mcp_continues`: see `RealtimeOptions`. `verdicts`: what the
        carrier says about who has answered, and when.
        """
        network = network or Network()
        self.setup = setup
        self.now_ms = 0
        clips = clips or {}
        self.carrier = phone.Carrier(
            phone.CarrierCall(call_sid=setup.call_sid, stream_sid="MZ" + "0" * 32, account_sid="AC" + "0" * 32),
            switches,
        )
        self.session: model.Session | None = None
        self.invariants = Invariants(setup, self.carrier, bounds)
        self.bridge = Bridge(setup, clips)
        self.reports: list[tuple[int, Command]] = []
        """Everything that the call reported, with its time."""
        self.log: list[tuple[int, Input, list[Output]]] = []
        """Every feed, as a recording would keep it, without the call's beginning; only through the wires."""
        self.ended: CallEnded | None = None
        self.sessions = 0
        """How many sessions the model's service has opened."""
        self.left_ms: int | None = None
        """When the call left the stream at the carrier."""
        self._caller = caller
        self._chance = chance
        self._timing = timing or Timing()
        self._tools = tools or {}
        self._direct = direct
        mishaps = mishaps or Mishaps()
        self._line = Line(mishaps, chance)
        self._service = _Service(
            mind,
            speak or (lambda text: tone(len(text) * 60)),
            iter(heard),
            mcp or {},
            model.RealtimeOptions(
                pace=pace, dialect=setup.model.dialect, delta_ms=delta_ms, mcp_continues=mcp_continues
            ),
            [model.parse_faults(text) for text in faults],
            mishaps.unreachable,
        )
        self._agenda = agenda = Agenda()
        self._session_began_ms = 0
        phone_jitter_ms, model_jitter_ms = network.phone_jitter_ms, network.model_jitter_ms
        self._feed: Callable[[Input | Unwritten], None] = self._feed_direct if direct else self._feed_written
        reach_phone = self._to_phone if mishaps.dead_at_ms is None else self._reach_phone
        self._phone_up = Way(agenda, chance, network.phone_up_ms, phone_jitter_ms, self._feed)
        self._phone_down = Way(agenda, chance, network.phone_down_ms, phone_jitter_ms, reach_phone)
        self._model_up = Way(agenda, chance, network.model_ms, model_jitter_ms, self._to_session)
        self._model_down = Way(agenda, chance, network.model_ms, model_jitter_ms, self._feed)
        # When each wants to be woken; but for the caller, asked only after it was fed, which alone can change it.
        self._caller_due_ms = self._bridge_due_ms = self._carrier_due_ms = self._session_due_ms = NEVER
        self.began = self.bridge.start()
        """What came out of the call's beginning."""
        self._carry_out(self.began)
        self._bridge_due_ms = _or_never(self.bridge.deadline())
        self._schedule(mishaps, verdicts)

    def _schedule(self, mishaps: Mishaps, verdicts: Iterable[tuple[int, MachineVerdict]]) -> None:
        if not mishaps.no_stream:
            self._agenda.at(self._timing.stream_ms, self._begin_stream)
        if mishaps.dead_at_ms is not None:
            self._agenda.at(mishaps.dead_at_ms, self.invariants.line_died)
        for at_ms, verdict in verdicts:
            self._agenda.at(at_ms, partial(self._feed, verdict))
        if mishaps.end_requested_ms is not None:
            self._agenda.at(mishaps.end_requested_ms, partial(self._feed, EndRequested("the operator ended the call")))

    def run(self, until_ms: int, most_steps: int = NEVER) -> "World":
        """Let time pass until the call has ended on both sides, or to `until_ms`; `most_steps` are never enough."""
        agenda, now_ms = self._agenda, self.now_ms
        entries = agenda.entries
        happen_next = agenda.step
        ask_caller = self._ask_caller
        fire_bridge = partial(self._feed, _BRIDGE_TIME)
        fire_carrier = partial(self._to_phone, _CARRIER_TIME)
        fire_session = partial(self._to_session, _SESSION_TIME)
        for _ in range(most_steps):
            due_ms, fire = entries[0][0] if entries else NEVER, happen_next
            if self._caller_due_ms < due_ms:
                due_ms, fire = self._caller_due_ms, ask_caller
            if self._bridge_due_ms < due_ms:
                due_ms, fire = self._bridge_due_ms, fire_bridge
            if self._carrier_due_ms < due_ms:
                due_ms, fire = self._carrier_due_ms, fire_carrier
            if self._session_due_ms < due_ms:
                due_ms, fire = self._session_due_ms, fire_session
            if due_ms > now_ms:
                if due_ms > until_ms:
                    self.now_ms = max(now_ms, until_ms)
                    return self
                self.now_ms = now_ms = due_ms
            fire()
        raise AssertionError(f"time does not pass: {most_steps:,} steps")

    # --- the clock ---------------------------------------------------------------------------------------------------

    def _later(self, most_ms: int, happen: Callable[[], None]) -> None:
        self._agenda.at(self.now_ms + (self._chance.randint(0, most_ms) if most_ms else 0), happen)

    # --- the bridge --------------------------------------------------------------------------------------------------

    def _feed_written(self, received: Input | Unwritten) -> None:
        if self.ended is not None:
            return  # nobody listens any more, see `live.session`
        now_ms, bridge = self.now_ms, self.bridge
        outputs: list[Output] = []
        for event in bridge.read(received):
            commands = bridge.call.feed(now_ms, event)
            self.invariants.watch(now_ms, event, commands)
            for command in commands:
                outputs += bridge.write(command)
        self.log.append((now_ms, cast("Input", received), outputs))  # nothing is unwritten on a wire
        self._carry_out(outputs)
        self._bridge_due_ms = _or_never(bridge.call.deadline())

    def _feed_direct(self, received: Input | Unwritten) -> None:
        """Spare commands their text, if they are such as cross often."""
        if self.ended is not None:
            return
        now_ms, bridge = self.now_ms, self.bridge
        call, watch = bridge.call, self.invariants.watch
        if type(received) is Media or type(received) is Mark:
            events: Sequence[CallEvent] = bridge.phone.events(received)
        else:
            events = bridge.read(received)
        for event in events:
            commands = call.feed(now_ms, event)
            watch(now_ms, event, commands)
            for command in commands:
                if type(command) is AppendAudio:
                    if audio := bridge.model.append(command):
                        self._model_up.send(now_ms, model.ClientAudio(audio))
                elif type(command) is SendMark or type(command) is PlayAudio or type(command) is ClearPlayback:
                    self._phone_down.send(now_ms, bridge.phone.message(command))
                else:
                    self._carry_out(bridge.write(command))
        due_ms = call.deadline()
        self._bridge_due_ms = NEVER if due_ms is None else due_ms

    def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case PhoneText():
                    self._phone_down.send(self.now_ms, phone.BridgeText(output.text))
                case ModelText():
                    self._model_up.send(self.now_ms, model.ClientText(output.text))
                case _:
                    self._obey(output)

    def _obey(self, order: Work | Report) -> None:
        """Do slow work, and keep what is reported."""
        match order:
            case ConnectModel():
                self._service.attempt += 1
                self._service.endpoint = order.endpoint
                self._drop_session()
                # Of a former connection, or an attempt at one, nothing is heard any more.
                self._model_up.cut()
                self._model_down.cut()
                self._later(self._timing.connect_ms, partial(self._connect, self._service.attempt))
            case CloseModel():
                self._service.attempt += 1
                self._drop_session()
                self._later(10, partial(self._closed, self._service.attempt))
            case ClosePhone():
                self._phone_down.send(self.now_ms, phone.BridgeClosed(1000, order.reason))
                self._agenda.at(self._phone_down.arrival(self.now_ms), partial(self._feed, PhoneClosed(1000)))
            case HangUp():
                self._later(self._timing.hang_up_ms, self._hang_up)
            case CheckPhone():
                self._later(50, self._check_phone)
            case RunTool():
                self._run_tool(order)
            case CallColleague():
                self._call_colleague(order)
            case CallEnded():
                self.ended = order
                self.reports.append((self.now_ms, order))
            case _:
                self.reports.append((self.now_ms, order))

    def _hang_up(self) -> None:
        problem = self._line.mishaps.hang_up_problem
        if not problem:
            self._to_phone(phone.HangUp("ended_by_rest"))
        self._feed(HangUpFinished(problem))

    def _check_phone(self) -> None:
        self._feed(PhoneChecked(alive=not self._line.dead(self.now_ms)))

    def _call_colleague(self, order: CallColleague) -> None:
        """Let whoever is called answer as a tool of their name would: a failure is why they do not take the caller."""
        work = _work(self._tools.get(order.destination.name, ""), order.summary)
        room, problem = ("", work.output) if work.failed else ("room", "")
        self._do(work, partial(self._feed, ColleagueAnswered(order.call_id, room, problem)))

    def _run_tool(self, order: RunTool) -> None:
        work = _work(self._tools.get(order.name, "null"), order.arguments)
        self._do(work, partial(self._feed, ToolFinished(order.call_id, work.output, failed=work.failed)))

    def _do(self, work: ToolWork, answer: Callable[[], None]) -> None:
        if not work.answers:
            return
        if work.after_ms is None:
            self._later(self._timing.tool_ms, answer)
        else:
            self._agenda.at(self.now_ms + work.after_ms, answer)

    # --- the phone ---------------------------------------------------------------------------------------------------

    def _begin_stream(self) -> None:
        self._carry_phone(self.carrier.start(self.now_ms))
        self._carrier_due_ms = _or_never(self.carrier.deadline())
        self._ask_caller()

    def _ask_caller(self) -> None:
        for action in self._caller.act(self.carrier.now_ms, self.carrier):
            self._to_phone(action)
        self._caller_due_ms = self.now_ms + 20 if self._carrier_due_ms < NEVER else NEVER
        if self._carrier_due_ms <= self.now_ms:
            self._to_phone(_CARRIER_TIME)  # a frame, nearly always: spares the clock a step

    def _reach_phone(self, received: phone.Input) -> None:
        if not self._line.dead(self.now_ms):
            self._to_phone(received)

    def _to_phone(self, received: phone.Input) -> None:
        carrier = self.carrier
        outputs = carrier.feed(self.now_ms, received)
        due_ms = carrier.deadline()
        self._carrier_due_ms = NEVER if due_ms is None else due_ms
        if outputs:
            self._carry_phone(outputs)

    def _carry_phone(self, outputs: list[phone.Output]) -> None:
        now_ms, line = self.now_ms, self._line
        for output in outputs:
            if type(output) is phone.CloseSocket or type(output) is phone.CallEnded:
                self._end_stream(output)
                continue
            message = output if self._direct else PhoneText(encode(output))
            if line.sound:
                self._phone_up.send(now_ms, message)
            else:
                for _ in range(line.copies(now_ms, output)):
                    self._phone_up.send(now_ms, message)

    def _end_stream(self, output: phone.CloseSocket | phone.CallEnded) -> None:
        if isinstance(output, phone.CallEnded):
            self.left_ms = self.now_ms
        elif not self._line.dead(self.now_ms):
            self._phone_up.send(self.now_ms, PhoneClosed(output.code))

    # --- the model ---------------------------------------------------------------------------------------------------

    def _connect(self, attempt: int) -> None:
        if attempt != self._service.attempt:
            return  # given up meanwhile
        if self._service.unreachable:
            self._service.unreachable -= 1
            self._feed(ModelRefused(None, "the network is unreachable"))
            return
        faults = self._service.faults.pop(0) if self._service.faults else None
        if faults is not None and faults.slow_upgrade_ms:
            self._agenda.at(self.now_ms + faults.slow_upgrade_ms, partial(self._answer_upgrade, attempt, faults))
        else:
            self._answer_upgrade(attempt, faults)

    def _answer_upgrade(self, attempt: int, faults: model.Faults | None) -> None:
        if attempt != self._service.attempt:
            return
        if faults is not None and faults.status is not None:
            refusal = refuse_upgrade(
                faults.status, azure=False, model=self._service.options.model, retry_after_s=faults.retry_after_s
            )
            refused = ModelRefused(
                refusal.status,
                explain_refusal(refusal.status, refusal.body, _ENDPOINT),
                faults.retry_after_s if "Retry-After" in refusal.headers else None,
            )
            self._model_down.send(self.now_ms, refused)
            return
        self._session_began_ms = self.now_ms
        self.sessions += 1
        # No service uses an id twice, not in another session either.
        ids = f"{self.sessions}_" if self.sessions > 1 else ""
        options = msgspec.structs.replace(
            self._service.options, ids=ids, dialect=self.setup.models[self._service.endpoint].dialect
        )
        session = model.RealtimeSession(options, Energy())
        self.session = session if faults is None else model.FaultySession(session, faults)
        for timed in () if faults is None else faults.timed:
            if timed.what == "silence":
                self._agenda.at(self.now_ms + timed.at_ms + KEEP_ALIVE_MS, partial(self._find_broken, self.session))
        self._model_down.send(self.now_ms, ModelOpened())
        outputs = self.session.start(0)
        self._session_due_ms = _or_never(self.session.deadline()) + self._session_began_ms
        self._carry_model(outputs)

    def _closed(self, attempt: int) -> None:
        if attempt == self._service.attempt:
            self._feed(ModelClosed(1000))

    def _drop_session(self) -> None:
        self.session = None
        self._session_due_ms = NEVER

    def _find_broken(self, session: model.Session) -> None:
        if self.session is session:
            self._drop_session()
            self._feed(ModelClosed(None, "keepalive ping timeout"))

    def _to_session(self, received: model.Input) -> None:
        if self.session is not None:
            outputs = self.session.feed(self.now_ms - self._session_began_ms, received)
            due_ms = self.session.deadline()
            self._session_due_ms = NEVER if due_ms is None else due_ms + self._session_began_ms
            if outputs:
                self._carry_model(outputs)

    def _carry_model(self, outputs: list[model.Output]) -> None:
        session = self.session
        for output in outputs:
            match output:
                case model.SendAudio() if self._direct:
                    key = AudioKey(output.response_id, output.item_id, output.content_index)
                    self._model_down.send(self.now_ms, Delta(key, output.delta))
                case model.SendAudio() | model.SendEvent() | model.SendText():
                    self._model_down.send(self.now_ms, ModelText(output.text))
                case model.Recognise():
                    heard = model.Recognised(output.item_id, next(self._service.heard, "hello"))
                    self._later(self._timing.recognise_ms, partial(self._answer, session, heard))
                case model.Think():
                    self._later(self._timing.think_ms, partial(self._think, session, output))
                case model.Speak():
                    spoken = model.Spoken(
                        output.response_id, output.item_id, self._service.speak(output.text), last=True
                    )
                    self._later(self._timing.speak_ms, partial(self._answer, session, spoken))
                case model.ListTools():
                    self._later(self._timing.tool_ms, partial(self._answer, session, self._listed(output)))
                case model.CallTool():
                    self._call_remote(session, output)
                case model.StopWork() | model.PlayFrame():
                    pass
                case model.CloseSocket():
                    self._drop_session()
                    self._model_down.send(self.now_ms, _closed(output))
                case _:
                    assert_never(output)

    def _listed(self, order: model.ListTools) -> model.Input:
        tools = self._service.mcp.get(order.server.label)
        if tools is None:
            return model.ListingFailed(order.item_id)
        return model.ToolsListed(order.item_id, tuple(model.McpToolInfo(name=name) for name in tools))

    def _call_remote(self, session: model.Session | None, order: model.CallTool) -> None:
        work = _work(self._service.mcp.get(order.server.label, {}).get(order.name, ""), order.arguments)
        answer: model.Input = model.ToolCalled(order.item_id, work.output)
        if work.failed or not work.output:
            answer = model.ToolCallFailed(order.item_id, "tool_execution_error", work.output or "it has no answer")
        self._do(work, partial(self._answer, session, answer))

    def _answer(self, session: model.Session | None, received: model.Input) -> None:
        """Give the result of slow work to the session that wanted it."""
        if self.session is session:
            self._to_session(received)

    def _think(self, session: model.Session | None, think: model.Think) -> None:
        if self.session is not session:
            return
        for thought in self._service.mind(think):
            self._to_session(thought)
        self._to_session(model.ThoughtDone(think.response_id))


def _work(tool: Tool, arguments: str) -> ToolWork:
    work = tool(arguments) if callable(tool) else tool
    return ToolWork(work) if isinstance(work, str) else work


_BRIDGE_TIME = TimerFired()
_CARRIER_TIME = phone.TimerFired()
_SESSION_TIME = model.TimerFired()

_ENDPOINT = Endpoint("ws://world/v1/realtime", {})


def _closed(order: model.CloseSocket) -> ModelClosed:
    """Say it as the leg to the model does."""
    code = None if order.code == model.NO_CLOSE_FRAME else order.code
    return ModelClosed(code, explain_close(order.code, order.reason))


_TONE = (b"\x00\x20" * 24 + b"\x00\xe0" * 24) * 1000
"""One second of a 500 Hz square wave, PCM16 24 kHz."""


@lru_cache(maxsize=16)
def tone(ms: int) -> bytes:
    """Speech for those who need no words: PCM16, 24 kHz."""
    wanted = ms * 48
    return (_TONE * (wanted // len(_TONE) + 1))[:wanted]


_VOICE = (b"\x90" * 8 + b"\x10" * 8) * 500
"""One second of the same as mu-law, 8 kHz: loud enough for any detector."""


def voice(ms: int) -> bytes:
    """What a simulated caller says: mu-law, 8 kHz."""
    wanted = ms * 8
    return (_VOICE * (wanted // len(_VOICE) + 1))[:wanted]
