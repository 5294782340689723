"""A whole call in one process on a virtual clock: carrier, bridge and model, joined by a network with delays.

Chance is an argument, so a seed decides everything. The carrier keeps the truth of what was heard; `invariants` watches
what must never happen. Hundreds of times faster than life.

The three are joined in one of two ways. Through the wires everything crosses as text, as it does between real peers.
*Direct*, what crosses most often is spared its text and crosses as a value: all that the carrier says, audio, marks and
clears to it, and audio to and from the model; the rest is rare and still crosses as text. A seed gives the same call
either way, so that some calls through the wires prove the others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol, cast

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
    OpenStandby,
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
    PhoneChecked,
    PhoneClosed,
    TimerFired,
    ToolFinished,
)
from voice_agent.call.setup import CallSetup
from voice_agent.sim import carrier as phone
from voice_agent.sim import realtime as model
from voice_agent.sim.invariants import Bounds, Invariants
from voice_agent.sim.mishaps import Line, Mishaps, Tool, ToolWork, work_of
from voice_agent.sim.model_service import TIME, Mind, Served, Service
from voice_agent.sim.network import NEVER, Agenda, Chance, Network, Stall, Timing, Way
from voice_agent.wire.bridge import Bridge, Input, Output, Unwritten
from voice_agent.wire.texts import ModelText, PhoneText
from voice_agent.wire.twilio import Mark, Media, encode


class Caller(Protocol):
    """Who holds the phone."""

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        """Do something or nothing; asked every 20 ms of the stream."""


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
        self.invariants = Invariants(setup, self.carrier, bounds)
        self.bridge = Bridge(setup, clips)
        self.reports: list[tuple[int, Command]] = []
        """Everything that the call reported, with its time."""
        self.log: list[tuple[int, Input, list[Output]]] = []
        """Every feed, as a recording would keep it, without the call's beginning; only through the wires."""
        self.ended: CallEnded | None = None
        self.left_ms: int | None = None
        """When the call left the stream at the carrier."""
        self._caller = caller
        self._chance = chance
        self._timing = timing or Timing()
        self._tools = tools or {}
        self._direct = direct
        mishaps = mishaps or Mishaps()
        self._line = Line(mishaps, chance)
        self._agenda = agenda = Agenda()
        jitter_ms = network.phone_jitter_ms
        self.feed: Callable[[Input | Unwritten], None] = self._feed_direct if direct else self._feed_written
        reach_phone = self._to_phone if mishaps.dead_at_ms is None else self._reach_phone
        self._phone_up = Way(agenda, chance, network.phone_up_ms, jitter_ms, self.feed)
        self._phone_down = Way(agenda, chance, network.phone_down_ms, jitter_ms, reach_phone)
        served = Served(
            mind,
            speak,
            iter(heard),
            mcp or {},
            model.RealtimeOptions(pace=pace, delta_ms=delta_ms, mcp_continues=mcp_continues),
            [setup.dialect for setup in setup.models],
            [model.parse_faults(text) for text in faults],
            mishaps.unreachable,
        )
        self._service = Service(
            served, self, agenda=agenda, chance=chance, network=network, timing=self._timing, direct=direct
        )
        self._model_up = self._service.up
        # When each wants to be woken; but for the caller, asked only after it was fed, which alone can change it.
        self._caller_due_ms = self._bridge_due_ms = self._carrier_due_ms = NEVER
        self.began = self.bridge.start()
        """What came out of the call's beginning."""
        self._carry_out(self.began)
        self._bridge_due_ms = _or_never(self.bridge.deadline())
        self._schedule(mishaps, verdicts)
        for stall in network.stalls:
            self._stall(stall)

    @property
    def session(self) -> model.Session | None:
        """The one that the model's service has with the call now."""
        return self._service.session

    @property
    def sessions(self) -> int:
        """How many sessions the model's service has opened."""
        return self._service.sessions

    def _schedule(self, mishaps: Mishaps, verdicts: Iterable[tuple[int, MachineVerdict]]) -> None:
        if not mishaps.no_stream:
            self._agenda.at(self._timing.stream_ms, self._begin_stream)
        if mishaps.dead_at_ms is not None:
            self._agenda.at(mishaps.dead_at_ms, self.invariants.line_died)
        for at_ms, verdict in verdicts:
            self._agenda.at(at_ms, partial(self.feed, verdict))
        if mishaps.end_requested_ms is not None:
            wish = EndRequested("the operator ended the call", mishaps.end_with_goodbye, mishaps.end_to)
            self._agenda.at(mishaps.end_requested_ms, partial(self.feed, wish))

    def _stall(self, stall: Stall) -> None:
        legs = {"phone": (self._phone_up, self._phone_down), "model": self._service.ways}
        for way in legs["phone"] + legs["model"] if stall.leg == "both" else legs[stall.leg]:
            self._agenda.at(stall.at_ms, partial(way.stall, stall.at_ms + stall.length_ms))

    def run(self, until_ms: int, most_steps: int = NEVER) -> "World":
        """Let time pass until the call has ended on both sides, or to `until_ms`; `most_steps` are never enough."""
        agenda, now_ms = self._agenda, self.now_ms
        entries = agenda.entries
        service = self._service
        happen_next = agenda.step
        ask_caller = self._ask_caller
        fire_bridge = partial(self.feed, _BRIDGE_TIME)
        fire_carrier = partial(self._to_phone, _CARRIER_TIME)
        fire_session = partial(service.feed, TIME)
        for _ in range(most_steps):
            due_ms, fire = entries[0][0] if entries else NEVER, happen_next
            if self._caller_due_ms < due_ms:
                due_ms, fire = self._caller_due_ms, ask_caller
            if self._bridge_due_ms < due_ms:
                due_ms, fire = self._bridge_due_ms, fire_bridge
            if self._carrier_due_ms < due_ms:
                due_ms, fire = self._carrier_due_ms, fire_carrier
            if service.due_ms < due_ms:
                due_ms, fire = service.due_ms, fire_session
            if due_ms > now_ms:
                if due_ms > until_ms:
                    self.now_ms = max(now_ms, until_ms)
                    return self
                self.now_ms = now_ms = due_ms
            fire()
        raise AssertionError(f"time does not pass: {most_steps:,} steps")

    # --- the clock ---------------------------------------------------------------------------------------------------

    def later(self, most_ms: int, happen: Callable[[], None]) -> None:
        """See `model_service.Outside`."""
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
                self._service.connect(order.endpoint)
            case OpenStandby():
                self._service.open_standby()
            case CloseModel():
                self._service.close()
            case ClosePhone():
                self._phone_down.send(self.now_ms, phone.BridgeClosed(1000, order.reason))
                self._agenda.at(self._phone_down.arrival(self.now_ms), partial(self.feed, PhoneClosed(1000)))
            case HangUp():
                self.later(self._timing.hang_up_ms, self._hang_up)
            case CheckPhone():
                self.later(50, self._check_phone)
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
        self.feed(HangUpFinished(problem))

    def _check_phone(self) -> None:
        self.feed(PhoneChecked(alive=not self._line.dead(self.now_ms)))

    def _call_colleague(self, order: CallColleague) -> None:
        """Let whoever is called answer as a tool of their name would: a failure is why they do not take the caller."""
        work = work_of(self._tools.get(order.destination.name, ""), order.summary)
        room, problem = ("", work.output) if work.failed else ("room", "")
        self.do(work, partial(self.feed, ColleagueAnswered(order.call_id, room, problem)))

    def _run_tool(self, order: RunTool) -> None:
        work = work_of(self._tools.get(order.name, "null"), order.arguments)
        self.do(work, partial(self.feed, ToolFinished(order.call_id, work.output, failed=work.failed)))

    def do(self, work: ToolWork, answer: Callable[[], None]) -> None:
        """See `model_service.Outside`."""
        if not work.answers:
            return
        if work.after_ms is None:
            self.later(self._timing.tool_ms, answer)
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


_BRIDGE_TIME = TimerFired()
_CARRIER_TIME = phone.TimerFired()

_VOICE = (b"\x90" * 8 + b"\x10" * 8) * 500
"""One second of the same as mu-law, 8 kHz: loud enough for any detector."""


def voice(ms: int) -> bytes:
    """What a simulated caller says: mu-law, 8 kHz."""
    wanted = ms * 8
    return (_VOICE * (wanted // len(_VOICE) + 1))[:wanted]
