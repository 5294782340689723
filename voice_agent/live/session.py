"""The pump of one call: feeds what happens to its `Bridge`, one input at a time, and carries out what comes out of it.

A 20 ms frame: the leg's read task -> `feed` -> `Bridge` -> the other leg's outbox -> that leg's write task. There is no
queue and no `await` between the read and the outbox. Work that takes time becomes a task, its result an input. The pump
must not know what any text, event or report means, beyond who carries it out.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from voice_agent.call.commands import (
    CallColleague,
    CallEnded,
    CheckPhone,
    CloseModel,
    ClosePhone,
    ConnectModel,
    HangUp,
    HideCaller,
    HideKeys,
    Hiding,
    KeepDigits,
    OpenStandby,
    Report,
    RunTool,
    SettleTransfer,
    ShowCaller,
    ShowKeys,
)
from voice_agent.call.events import (
    EndRequested,
    MachineVerdict,
    ModelClosed,
    ModelFault,
    ModelOpened,
    PhoneChecked,
    PhoneClosed,
    TimerFired,
    ToolFinished,
)
from voice_agent.live.clock import CallClock
from voice_agent.live.leg import Leg, PhoneSocket
from voice_agent.live.session_needs import CallBridge, Recorder, Work
from voice_agent.live.standby import Standby
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText

Observer = Callable[[int, Report], None]
"""Is told every report with its `now_ms`, at once: it must be quick and must not wait."""


Listener = Callable[[int, Input, Sequence[Output]], None]
"""Is given every step while it goes on: `now_ms`, the input, what came of it. As quick as an observer."""


def _ignore(received: Input) -> None:
    del received


async def _at_once(received: Input) -> Input:
    return received


class Session:
    """One call in progress. `run` holds it; the carrier's stream joins by `serve`."""

    def __init__(
        self,
        bridge: CallBridge,
        work: Work,
        *,
        observers: Sequence[Observer] = (),
        recorder: Recorder | None = None,
        clock: CallClock | None = None,
        leaving: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`recorder`: `None` where nothing may be kept. `clock`: begins now unless given.

        `leaving`: is waited for before the stream is closed from here; it has a bound of its own.
        """
        self.ended: CallEnded | None = None
        """How it ended; `None` while it lasts."""
        self.unsent = 0
        """Texts that were never written: their leg was gone already, or went before their turn came."""
        self.dropped = 0
        """Messages of the caller's audio that were dropped for a model that reads too slowly."""
        self.causes: dict[str, str] = {}
        """Why tools failed, by the ids of their calls: for the operator alone, so the core does not report it."""
        self.hidden: tuple[HideKeys | HideCaller, ...] = ()
        """What is in force of what must not be recorded, for whoever begins to listen in the middle of it."""
        self._bridge = bridge
        self._work = work
        self._observers = observers
        self._recorder = recorder
        self._clock = clock or CallClock()
        self._leaving = leaving
        self._listeners: list[Listener] = []
        self._inbox: deque[Input] = deque()
        self._stepping = False
        self._phone: PhoneSocket | None = None
        self._joined = False
        self._early_end: EndRequested | None = None
        self._early_verdict: MachineVerdict | None = None
        self._model: Leg | None = None
        self._standby: Standby | None = None
        self._open_legs = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._due = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._jobs: set[asyncio.Task[None]] = set()
        self._running = asyncio.Event()
        self._finished = asyncio.Event()

    @property
    def joined(self) -> bool:
        """Whether the carrier's stream has come, even if it is gone again."""
        return self._joined

    @property
    def waiting(self) -> tuple[int, int]:
        """How many texts wait to be written to the phone and to the model."""
        return (
            self._phone.waiting if self._phone is not None else 0,
            self._model.waiting if self._model is not None else 0,
        )

    async def run(self) -> None:
        """Hold the call, from its beginning until it has ended and both sockets are closed."""
        try:
            async with self._tasks:
                self._spawn(self._tick())
                outputs = self._bridge.start()
                if self._recorder is not None:
                    self._recorder.record(0, None, outputs)
                self._carry_out(0, outputs)
                self._arm()
                self._running.set()
                if self._early_verdict is not None:
                    self.tell(self._early_verdict)
                if self._early_end is not None:
                    self._spawn(self._answer(partial(_at_once, self._early_end)))
                await self._finished.wait()
                for job in self._jobs:
                    job.cancel()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._running.set()
            self._finished.set()

    async def serve(self, phone: PhoneSocket, first: Sequence[str]) -> None:
        """Join the carrier's stream to the call and wait for the call's end; at most once in a call.

        `first`: the texts that admission has read already. A call that has ended meanwhile closes the stream.
        """
        assert not self._joined, "one stream a call: whoever admits it has looked"
        self._joined = True
        await self._running.wait()
        if self.ended is not None or self._finished.is_set():
            phone.close("the call has ended")
            await phone.run(_ignore)
            return
        self._phone = phone
        self._start_leg(phone, "phone", first)
        await self._finished.wait()

    def end(self, reason: str, *, goodbye: bool = False, to: str = "") -> None:
        """Ask for the call's end, from outside its tasks: soon, not at once. For `goodbye` and `to` see the event."""
        asked = EndRequested(reason, goodbye, to)
        if not self._running.is_set():
            self._early_end = asked
        elif not self._finished.is_set():
            self._spawn(self._answer(partial(_at_once, asked)))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Give a listener every step from now on; gives what ends that."""
        self._listeners = [*self._listeners, listener]
        return partial(self._stop_listening, listener)

    def _stop_listening(self, listener: Listener) -> None:
        # A list of its own, for this may be called by a listener.
        self._listeners = [other for other in self._listeners if other is not listener]

    def lose(self) -> None:
        """Take the stream for gone, as the carrier says: soon, not at once. A call without a stream ends, too."""
        if self._running.is_set() and not self._finished.is_set():
            self._spawn(self._lose_phone())

    async def _lose_phone(self) -> None:
        if self._phone is not None:
            self._phone.close("the carrier says that it has ended")
            self._phone = None
        self.feed(PhoneClosed(None, "and nobody told"))

    def tell(self, verdict: MachineVerdict) -> None:
        """Tell the call who has answered it: soon, not at once."""
        if not self._running.is_set():
            self._early_verdict = verdict
        elif not self._finished.is_set():
            self._spawn(self._answer(partial(_at_once, verdict)))

    async def finished(self) -> None:
        """Wait until the call has ended and both sockets are closed."""
        await self._finished.wait()

    def feed(self, received: Input) -> None:
        """Take one input and carry out what follows from it, at once.

        What is fed meanwhile, by what is being carried out, waits for its turn. After the call's end: ignored.
        """
        if self.ended is not None:
            return
        if self._stepping:
            self._inbox.append(received)
            return
        self._stepping = True
        try:
            self._step(received)
            while self._inbox and self.ended is None:
                self._step(self._inbox.popleft())
        finally:
            self._stepping = False
        self._arm()

    def _step(self, received: Input) -> None:
        now_ms = self._clock.now_ms()
        outputs = self._bridge.feed(now_ms, received)
        if self._recorder is not None:
            self._recorder.record(now_ms, received, outputs)
        for listener in self._listeners:
            listener(now_ms, received, outputs)
        self._carry_out(now_ms, outputs)

    def _carry_out(self, now_ms: int, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output:
                case PhoneText():
                    self._to_phone(output.text)
                case ModelText():
                    self._to_model(output.text)
                case ConnectModel() | OpenStandby() | CloseModel():
                    self._link(output)
                case ClosePhone():
                    if self._leaving is not None:
                        self._spawn(self._leave(self._leaving, output.reason))
                    elif self._phone is not None:
                        self._phone.close(output.reason)
                case RunTool() | KeepDigits() | CallColleague() | SettleTransfer() | HangUp() | CheckPhone():
                    self._have_done(output)
                case HideKeys() | HideCaller() | ShowCaller() | ShowKeys():
                    self._hide(output)
                case _:
                    self._tell(now_ms, output)

    def _link(self, order: ConnectModel | OpenStandby | CloseModel) -> None:
        """Change what connects the call with the model."""
        standby, self._standby = self._standby, None
        if self._model is not None and not isinstance(order, OpenStandby):
            self._model.close("")
        if isinstance(order, ConnectModel) and standby is not None and standby.take():
            self._model = standby
            self._inbox.append(ModelOpened())
            return
        if standby is not None:
            standby.close("")
        match order:
            case ConnectModel():
                self._model = self._work.model_leg(order.endpoint)
                self._start_leg(self._model, "model")
            case OpenStandby():
                self._standby = Standby(self._work.model_leg(order.endpoint))
                self._start_leg(self._standby, "standby")

    def _hide(self, order: Hiding) -> None:
        """Note what the recorder has obeyed already."""
        match order:
            case HideKeys():
                self.hidden = (order,)
            case HideCaller():
                self.hidden = (*self.hidden, order)
            case ShowCaller():
                self.hidden = self.hidden[:1]
            case ShowKeys():
                self.hidden = ()

    def _have_done(self, order: RunTool | KeepDigits | CallColleague | SettleTransfer | HangUp | CheckPhone) -> None:
        """Have slow work done; its results are inputs."""
        match order:
            case RunTool():
                self._spawn(self._answer(partial(self._run_tool, order)))
            case KeepDigits():
                self._work.keep_digits(order)
            case CallColleague():
                self._spawn(self._answer(partial(self._work.call_colleague, order)))
            case SettleTransfer():
                self._spawn(self._work.settle_transfer(order.accepted))
            case HangUp():
                self._spawn(self._answer(self._work.hang_up))
            case CheckPhone():
                self._spawn(self._answer(self._check_phone))

    def _tell(self, now_ms: int, report: Report) -> None:
        for observer in self._observers:
            observer(now_ms, report)
        if isinstance(report, CallEnded):
            self.ended = report
            for leg in (self._phone, self._model, self._standby):
                if leg is not None:
                    leg.close(report.reason)
            self._look_whether_finished()

    async def _leave(self, leaving: Callable[[], Awaitable[None]], reason: str) -> None:
        await leaving()
        if self._phone is not None:
            self._phone.close(reason)

    def _to_phone(self, text: str) -> None:
        if self._phone is None:
            self._lose(1, "phone")
        elif self._phone.send(text) is None:
            self._phone.close("it does not take its audio")
            self._phone = None
            self._inbox.append(PhoneClosed(None, "it does not take its audio"))

    def _to_model(self, text: str) -> None:
        if self._model is None:
            self._lose(1, "model")
            return
        dropped = self._model.send(text)
        if dropped is None:
            self._model.close("")
            self._model = None
            self._inbox.append(ModelClosed(None, "it does not take its messages"))
        elif dropped:
            self.dropped += dropped
            self._inbox.append(ModelFault(f"{dropped} messages of caller audio dropped: it reads too slowly"))

    def _lose(self, count: int, leg: str) -> None:
        """Note that texts were not written, for whoever looks at the recording later."""
        self.unsent += count
        if self._recorder is not None:
            self._recorder.remark(self._clock.now_ms(), f"{count} messages for the {leg} were never written")

    def _start_leg(self, leg: Leg, name: str, first: Sequence[str] = ()) -> None:
        self._open_legs += 1
        self._spawn(self._run_leg(leg, name, first))

    async def _run_leg(self, leg: Leg, name: str, first: Sequence[str]) -> None:
        def hear(received: Input) -> None:
            # One that was given up, or replaced by a reconnect, is not heard any more: its end has been fed already.
            if leg is self._phone or leg is self._model or leg is self._standby:
                self.feed(received)

        for text in first:
            hear(PhoneText(text))
        await leg.run(hear)
        if leg.waiting:
            self._lose(leg.waiting, name)
        if leg is self._phone:
            self._phone = None
        if leg is self._model:
            self._model = None
        if leg is self._standby:
            self._standby = None
        self._open_legs -= 1
        self._look_whether_finished()

    def _look_whether_finished(self) -> None:
        if self.ended is not None and not self._open_legs:
            self._finished.set()

    async def _run_tool(self, order: RunTool) -> ToolFinished:
        finished = await self._work.run_tool(order)
        if finished.cause:
            self.causes[finished.call_id] = finished.cause
        return finished

    async def _check_phone(self) -> PhoneChecked:
        alive = self._phone is not None and await self._phone.ping()
        if alive and await self._work.is_in_progress() is False:
            alive = False
        return PhoneChecked(alive)

    async def _answer(self, work: Callable[[], Awaitable[Input]]) -> None:
        self.feed(await work())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            job = self._tasks.create_task(work)
        except RuntimeError:
            # It is breaking off by a fault: whoever asks it for something meanwhile must not break off, too.
            work.close()
            return
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def _arm(self) -> None:
        """Make sure that something wakes at the deadline; one that moves away is looked at when its old time comes."""
        deadline_ms = self._bridge.deadline()
        if deadline_ms is None or self.ended is not None:
            return
        if self._timer is not None:
            if self._timer_ms <= deadline_ms:
                return
            self._timer.cancel()
        self._timer_ms = deadline_ms
        wait_ms = max(0, deadline_ms - self._clock.now_ms())
        self._timer = asyncio.get_running_loop().call_later(wait_ms / 1000, self._due.set)

    async def _tick(self) -> None:
        """Feed `TimerFired` whenever the deadline is reached: in a task, so that a fault ends the call and is seen."""
        while True:
            await self._due.wait()
            self._due.clear()
            self._timer = None
            deadline_ms = self._bridge.deadline()
            # A loop's timer may be early by a millisecond, or late for a deadline that has moved away.
            if deadline_ms is not None and deadline_ms <= self._clock.now_ms():
                self.feed(TimerFired())
            else:
                self._arm()
