"""Resimulation: a recorded call held again by today's bridge, in a world made of the recording, on a virtual clock.

The caller's audio, keys and hang-up are as recorded. The simulated carrier plays what today's bridge sends and answers
with its own marks. The model's recorded responses answer what today's bridge asks, re-timed to it. For changes that are
meant to change what a call does: what changed is reported, and what must never happen is watched.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import cast, get_args

import msgspec

from voice_agent.call.commands import (
    AppendAudio,
    CallColleague,
    CallEnded,
    CheckPhone,
    ClearPlayback,
    CloseModel,
    ClosePhone,
    ConnectModel,
    HangUp,
    OpenStandby,
    PlayAudio,
    Report,
    RunTool,
    SendMark,
)
from voice_agent.call.events import (
    HangUpFinished,
    ModelClosed,
    ModelOpened,
    ModelRefused,
    PhoneChecked,
    PhoneClosed,
    StandbyFailed,
    StandbyReady,
    TimerFired,
    ToolFinished,
)
from voice_agent.call.setup import CallSetup
from voice_agent.live.clips import hashes
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Step
from voice_agent.recording.format import Header
from voice_agent.recording.reader import Recording
from voice_agent.recording.telling import clock
from voice_agent.recording.writer import written
from voice_agent.replay.held_call import HeldCall, changes
from voice_agent.replay.parts import BYTES_PER_MS, Connection, Parts, ToolRun, parts_of
from voice_agent.replay.recorded_model import RecordedModel
from voice_agent.sim import carrier as phone
from voice_agent.sim.invariants import Invariants
from voice_agent.wire.bridge import Bridge, Input, Output, Sound
from voice_agent.wire.model_codec import ModelCodec
from voice_agent.wire.phone_codec import PhoneCodec
from voice_agent.wire.texts import ModelText, PhoneText
from voice_agent.wire.twilio import FromTwilio, encode

PATIENCE_MS = 15_000
"""So long a caller stays whose recording has ended while the call goes on."""

LAST_MS = 10_000
"""So long a call may take to end when its caller has left."""

QUICK_MS = 20
"""How long slow work takes that the recording has no example of."""

_NEVER = 1 << 60

_SOUND = frozenset(get_args(Sound))
_REPORTS = frozenset(get_args(Report))
_FROM_TWILIO = frozenset(get_args(FromTwilio))


class Resimulated(msgspec.Struct, frozen=True):
    """A call, held again."""

    then: HeldCall
    now: HeldCall
    log: "Log"
    """The call as it is today."""
    changed: tuple[str, ...]
    """What a person would notice."""
    diverged: tuple[str, ...]
    """Where the recording had nothing to go by."""
    broken: tuple[str, ...]
    """What must never happen, and did."""
    duration_ms: int
    recorded_ms: int
    """How long the recorded call is."""
    cut_at: int | None
    """The byte from which on the recording is missing; `None`: it is whole."""
    damage: str
    """Why the rest of the recording cannot be read; empty: it could."""


_Feed = tuple[int, Input | FromTwilio | None, tuple[Output | Sound, ...]]
"""When, what, and what came of it: tuples to the end, which the garbage collector has nothing to do with."""


class Log:
    """All feeds of a call that was held again. What was spared its text gets it here, when it is asked for."""

    def __init__(self, header: Header, feeds: list[_Feed], stream: PhoneCodec) -> None:
        self._header = header
        self._feeds = feeds
        self._stream = stream
        self._session = ModelCodec(header.setup.model)

    def write(self) -> bytes:
        """Write it as a recording."""
        return written(self._header, self._steps())

    def _steps(self) -> Iterator[Step]:
        for now_ms, received, outputs in self._feeds:
            entry = None if received is None else describe(_as_received(received))
            sent = (describe(text) for output in outputs for text in self._as_sent(output))
            yield Step(now_ms, entry, tuple(sent))

    def _as_sent(self, output: Output | Sound) -> list[Output]:
        match output:
            case ConnectModel():
                self._session = ModelCodec(self._header.setup.models[output.endpoint])
                return [output]
            case AppendAudio():
                return [ModelText(text) for text in self._session.send(output)]
            case PlayAudio() | SendMark() | ClearPlayback():
                return [PhoneText(self._stream.send(output))]
            case _:
                return [output]


def _as_received(received: Input | FromTwilio) -> Input:
    if type(received) in _FROM_TWILIO:
        return PhoneText(encode(cast("FromTwilio", received)))
    return cast("Input", received)


def resimulate(recording: Recording, clips: Mapping[str, bytes], setup: CallSetup | None = None) -> Resimulated:
    """Hold a call again; `setup` replaces the recorded one, e.g. for today's agent.

    Raises `PeerError` when the recording holds no call.
    """
    parts = parts_of(recording)
    setup = setup or recording.header.setup
    world = _World(parts, setup, clips)
    is_whole = recording.cut_at is None and not parts.damage
    broken = world.run() if is_whole else world.run_to_the_cut()
    reports = [
        (ms, cast("Report", output)) for ms, _, outputs in world.log for output in outputs if type(output) in _REPORTS
    ]
    then = HeldCall(parts.reports, recording.header.setup.model.model)
    now = HeldCall(reports, setup.model.model)
    now.diverged = world.diverged
    header = msgspec.structs.replace(
        recording.header, setup=setup, clips=hashes(clips), made_by=f"voice-agent {version('voice-agent')}"
    )
    return Resimulated(
        then=then,
        now=now,
        log=Log(header, world.log, world.stream),
        changed=tuple(changes(then, now)),
        diverged=tuple(world.diverged),
        broken=tuple(broken),
        duration_ms=world.now_ms,
        recorded_ms=parts.ends_ms,
        cut_at=recording.cut_at,
        damage=parts.damage,
    )


class _World:
    """One call on a virtual clock."""

    def __init__(self, parts: Parts, setup: CallSetup, clips: Mapping[str, bytes]) -> None:
        self.now_ms = 0
        self.log: list[_Feed] = []
        """Every feed, as a recording keeps it, but for the texts of what crosses most often."""
        self.diverged: list[str] = []
        self._parts = parts
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._ended = self._caller_left = False
        self._phone_is_closed = self._model_is_closing = False
        self._failed = ""
        stream = parts.stream
        self._carrier = phone.Carrier(
            phone.CarrierCall(
                call_sid=setup.call_sid,
                stream_sid="" if stream is None else stream.stream_sid,
                account_sid="" if stream is None else stream.start.account_sid,
            ),
            phone.Switches(silent_gaps=True, frame_ms=parts.frame_ms),
        )
        self._invariants = Invariants(setup, self._carrier)
        self._model = RecordedModel(parts, setup.model, self)
        self._connections, self._standbys = list(parts.connections), list(parts.standbys)
        self._tools = list(parts.tools)
        self._colleagues = list(parts.colleagues)
        self._checks, self._hang_ups, self._closings = list(parts.checks), list(parts.hang_ups), list(parts.closings)
        self._plan()
        self._bridge = Bridge(setup, clips)
        self.stream = self._bridge.phone
        self._bridge_due_ms = self._carrier_due_ms = _NEVER

    def run(self) -> list[str]:
        """Hold the call; give what was broken."""
        self._carry_out(None, self._bridge.start())
        last_ms = self._parts.ends_ms + PATIENCE_MS
        while not self._ended and self._step(last_ms):
            pass
        if not self._ended and not self._caller_left:
            self.diverge("the call goes on where the recording has ended; the caller hangs up")
            self._leave(phone.HangUp())
            while not self._ended and self._step(last_ms + LAST_MS):
                pass
        return [self._failed] if self._failed else self._invariants.finish()

    def run_to_the_cut(self) -> list[str]:
        """Hold the call as far as its recording can be read; what would have become of it nobody knows."""
        self._carry_out(None, self._bridge.start())
        while not self._ended and self._step(self._parts.ends_ms):
            pass
        return [self._failed] if self._failed else [str(found) for found in self._invariants.broken]

    def at(self, at_ms: int, happen: Callable[[], None]) -> None:
        """See `recorded_model.Line`."""
        self._count += 1
        heapq.heappush(self._events, (at_ms, self._count, happen))

    def feed(self, received: Input | FromTwilio) -> None:
        """Give something to the bridge."""
        if self._ended:
            return
        try:
            outputs = self._watched(received)
        except Exception as error:  # noqa: BLE001 - what the replay is to find: a fault of today's core
            self._failed = f"{self.now_ms} ms: the core fails: {type(error).__name__}: {error}"
            self._ended = True
            return
        self._carry_out(received, outputs)

    def _watched(self, received: Input | FromTwilio) -> list[Output | Sound]:
        """Feed the bridge; sound stays as it is, for nobody here needs its text."""
        bridge, outputs = self._bridge, list[Output | Sound]()
        for event in bridge.read(received):
            commands = bridge.call.feed(self.now_ms, event)
            self._invariants.watch(self.now_ms, event, commands)
            for command in commands:
                if type(command) in _SOUND:
                    outputs.append(cast("Sound", command))
                else:
                    outputs += bridge.write(command)
        return outputs

    def diverge(self, what: str) -> None:
        """See `recorded_model.Line`."""
        self.diverged.append(f"diverged at {clock(self.now_ms)}: {what}")

    # --- the clock ---------------------------------------------------------------------------------------------------

    def _step(self, until_ms: int) -> bool:
        due_ms = self._events[0][0] if self._events else _NEVER
        which: Callable[[], None] = self._happen
        if self._bridge_due_ms < due_ms:
            due_ms, which = self._bridge_due_ms, partial(self.feed, TimerFired())
        if self._carrier_due_ms < due_ms:
            due_ms, which = self._carrier_due_ms, partial(self._to_phone, phone.TimerFired())
        if due_ms > until_ms:
            self.now_ms = max(self.now_ms, until_ms)
            return False
        self.now_ms = max(self.now_ms, due_ms)
        which()
        return True

    def _happen(self) -> None:
        heapq.heappop(self._events)[2]()

    def _plan(self) -> None:
        """Let happen what happened by itself."""
        parts = self._parts
        if parts.stream is not None:
            self.at(parts.origin_ms, self._begin_stream)
        for ms, text in parts.verbatim:
            self.at(ms, partial(self.feed, PhoneText(text)))
        for ms, fact in parts.facts:
            self.at(ms, partial(self._take_fact, fact))
        for ms, digit in parts.keys:
            self.at(ms, partial(self._to_phone, phone.PressKey(digit)))
        left = parts.left
        if left is not None:
            order = phone.HangUp(with_stop=left.with_stop, with_close=left.code is not None)
            self.at(left.ms, partial(self._leave, order))

    def _take_fact(self, fact: Input) -> None:
        if isinstance(fact, ModelClosed):
            if self._model_is_closing:
                return
            self._model.close()
        self.feed(fact)

    # --- the bridge --------------------------------------------------------------------------------------------------

    def _carry_out(self, received: Input | FromTwilio | None, outputs: Sequence[Output | Sound]) -> None:
        due_ms = self._bridge.deadline()
        self._bridge_due_ms = _NEVER if due_ms is None else due_ms
        self.log.append((self.now_ms, received, tuple(outputs)))
        for output in outputs:
            match output:
                case AppendAudio():
                    pass  # the recorded model has heard the caller already
                case PlayAudio() | SendMark() | ClearPlayback():
                    message = self._bridge.phone.message(output)
                    self.at(self.now_ms + self._parts.round_trip_ms, partial(self._to_phone, message))
                case ModelText():
                    self._model.take(output.text)
                case CallEnded():
                    self._ended = True
                case ConnectModel() | OpenStandby() | CloseModel():
                    self._link(output)
                case ClosePhone() | HangUp() | CheckPhone() | RunTool():
                    self._work(output)
                case CallColleague():
                    self._call_colleague(output)
                case _:
                    pass  # reports

    def _link(self, order: ConnectModel | OpenStandby | CloseModel) -> None:
        match order:
            case ConnectModel():
                self._model.close()
                self._model_is_closing = False
                self._connect()
            case OpenStandby():
                # Where the recording has none, the session was exchanged without: then there was another one.
                another = StandbyReady() if self._connections else StandbyFailed("the recording has no such connection")
                self._later(*(self._standbys.pop(0) if self._standbys else (0, another)))
            case CloseModel():
                self._model.close()
                self._model_is_closing = True
                self._later(QUICK_MS, ModelClosed(1000))

    def _work(self, order: ClosePhone | HangUp | CheckPhone | RunTool) -> None:
        match order:
            case ClosePhone():
                after_ms = self._closings.pop(0) if self._closings else QUICK_MS
                self._to_phone(phone.BridgeClosed(1000, order.reason))
                self.at(self.now_ms + after_ms, partial(self._close_phone, 1000))
            case HangUp():
                after_ms, done = self._hang_ups.pop(0) if self._hang_ups else (QUICK_MS, HangUpFinished())
                if not done.problem:
                    self.at(self.now_ms + after_ms, partial(self._leave, phone.HangUp("ended_by_rest")))
                self._later(after_ms, done)
            case CheckPhone():
                alive = PhoneChecked(alive=not self._phone_is_closed)
                self._later(*(self._checks.pop(0) if self._checks else (QUICK_MS, alive)))
            case RunTool():
                self._run_tool(order)

    def _later(self, after_ms: int, received: Input) -> None:
        self.at(self.now_ms + after_ms, partial(self.feed, received))

    def _connect(self) -> None:
        if not self._connections:
            self.diverge("asked for a connection to the model that the recording has not")
            self._later(QUICK_MS, ModelRefused(None, "the recording has no such connection"))
            return
        connection = self._connections.pop(0)
        self.at(self.now_ms + connection.after_ms, partial(self._connected, connection))

    def _connected(self, connection: Connection) -> None:
        if isinstance(connection.answer, ModelOpened) and not self._model_is_closing:
            self._model.open(connection.began)
        self.feed(connection.answer)

    def _call_colleague(self, order: CallColleague) -> None:
        if self._colleagues:
            after_ms, answered = self._colleagues.pop(0)
            self._later(after_ms, msgspec.structs.replace(answered, call_id=order.call_id))

    def _run_tool(self, order: RunTool) -> None:
        run = self._tool_run(order)
        if run is None:
            self.diverge(f"asked for the tool {order.name} {order.arguments}, which the recording has no answer of")
            output = '{"error": "the recording has no answer of this tool"}'
            self._later(QUICK_MS, ToolFinished(order.call_id, output, failed=True))
            return
        self._tools.remove(run)
        if run.answer is None:
            return  # it outlasts the call, as it did then
        self._later(run.after_ms, msgspec.structs.replace(run.answer, call_id=order.call_id))

    def _tool_run(self, order: RunTool) -> ToolRun | None:
        """Find the nearest run: this very call, the same question, any question to that tool."""
        of_name = [run for run in self._tools if run.name == order.name]
        same = [run for run in of_name if run.call_id == order.call_id]
        alike = [run for run in of_name if run.arguments == order.arguments]
        return next(iter(same or alike or of_name), None)

    # --- the phone ---------------------------------------------------------------------------------------------------

    def _begin_stream(self) -> None:
        self._carrier.start(self.now_ms)  # the recorded beginning is fed instead: it holds what the TwiML gave
        for frame in self._parts.frames:
            self._carrier.caller.put(frame.timestamp_ms * BYTES_PER_MS, frame.audio)
        self._wake_carrier()

    def _to_phone(self, received: phone.Input) -> None:
        outputs = self._carrier.feed(self.now_ms, received)
        self._wake_carrier()
        for output in outputs:
            match output:
                case phone.CloseSocket():
                    left = self._parts.left
                    after_ms = 0 if left is None else left.closed_ms - left.ms
                    self.at(self.now_ms + after_ms, partial(self._close_phone, output.code))
                case phone.CallEnded():
                    pass
                case _:
                    self.feed(output)

    def _wake_carrier(self) -> None:
        due_ms = self._carrier.deadline()
        self._carrier_due_ms = _NEVER if due_ms is None else due_ms

    def _close_phone(self, code: int | None) -> None:
        if not self._phone_is_closed:
            self._phone_is_closed = True
            self.feed(PhoneClosed(code))

    def _leave(self, order: phone.HangUp) -> None:
        self._caller_left = True
        self._to_phone(order)
