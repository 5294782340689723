"""Ending: how a call comes to its end, once, whoever begins it.

The agent's goodbye is heard whole before the line is closed; a caller who speaks before that, or presses a key that the
model is told of, keeps the call. A transfer is a goodbye behind which the carrier takes the caller elsewhere; keys that
the carrier presses end the stream alone.
Closing sockets, REST hang-up, `stop`, a vanished caller, a lost model and the time limit all meet here.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.commands import (
    AddToolOutput,
    CallEnded,
    ClosePhone,
    Command,
    Destination,
    HangUp,
    Note,
    Outcome,
    ToolAnswered,
)
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    EndRequested,
    Event,
    HangUpFinished,
    ModelAudio,
    PhoneChecked,
    PhoneClosed,
    PhoneEvent,
    PhoneFault,
    ResponseCreated,
    ResponseDone,
    StreamStarted,
    StreamStopped,
    TimerFired,
)
from voice_agent.call.facts import (
    SESSION_LOST,
    AgentChanged,
    BargeIn,
    CallOver,
    CallTaken,
    CarrierKeysWanted,
    ClipWanted,
    Fact,
    GoodbyeTakenBack,
    GoodbyeWanted,
    HangUpWanted,
    KeyLeft,
    LineClosing,
    MachineReached,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    ResponseAsked,
    ResponseWanted,
    StopPlaying,
    TransferAgreed,
    TurnClosed,
    TurnOpened,
)
from voice_agent.call.part import Handled
from voice_agent.call.states import Cause, Phase, after
from voice_agent.call.transfer import named

STREAM_WAIT_MS = 10_000
"""A webhook whose stream does not come: the caller hung up meanwhile, or somebody only pretends to call."""

GRACE_MS = 300
"""From the last mark to the hang-up: the way from the carrier to the ear."""

GOODBYE_MS = 30_000
"""Longest goodbye."""

APOLOGY_MS = 60_000
"""Longest wait for the apology, which is heard behind what is queued, also where the carrier says it."""

CLOSE_MS = 5000
"""Longest wait for the carrier once the line is being closed."""

LONGEST_MS = 3_600_000
"""No session of the model lives longer, whoever has the call."""

SHORTEST_MS = 30_000
"""Who comes back when the time is up is told why, and then goodbye."""

LAST_WORDS_MS = 15_000
"""So long before the time limit the agent begins its goodbye."""

LAST_ANSWER_MS = 5000
"""A caller who speaks into the goodbye at the time limit is answered for so long before it is said again."""

TIME_LIMIT = "the time limit was reached"


class Ending:
    """See the module and `states`."""

    HANDLES: ClassVar[Handled] = (
        StreamStarted,
        StreamStopped,
        PhoneClosed,
        PhoneFault,
        PhoneChecked,
        HangUpFinished,
        HangUpWanted,
        GoodbyeWanted,
        MachineReached,
        AgentChanged,
        ResponseAsked,
        ResponseCreated,
        ResponseDone,
        ClipWanted,
        ModelAudio,
        PlaybackBusy,
        PlaybackIdle,
        TurnOpened,
        TurnClosed,
        BargeIn,
        KeyLeft,
        TransferAgreed,
        CallTaken,
        CarrierKeysWanted,
        ModelGone,
        StopPlaying,
        EndRequested,
        TimerFired,
    )

    def __init__(self, agent: Agent, *, rest: bool, apologies: Mapping[str, str], left_ms: int | None = None) -> None:
        """`apologies`: by the agent that has the call, the clip that says it. `left_ms`: see `Resumption`."""
        self.phase = Phase.WAITING
        self._left_ms = left_ms
        self._limit_ms: int | None = None
        self._agent = agent
        self._rest = rest
        self._apologies = apologies
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The earliest of: stream, limits, goodbye, leaving."""
        self._deadlines.set("stream", STREAM_WAIT_MS)
        self._phone_open = False
        self._began_ms = 0
        """When the stream began."""
        self._busy = False
        """The carrier has something to play."""
        self._caller_speaks = False
        self._caller_has_floor = False
        self._model_gone: str | None = None
        self._time_is_up = False
        self._limited_by: str | None = None
        """What has taken the place of the time limit."""
        self._machine = False
        """Nobody is there who could take the goodbye back."""
        self._taken = False
        """The carrier will take the call elsewhere: what ends the stream is no hang-up."""
        self._outcome: Outcome = "caller_hung_up"
        self._reason = ""
        # The goodbye: the open call of `hang_up` or `transfer`, where the caller goes, the response that holds the last
        # words, and how far it is.
        self._hang_up: tuple[str, int] | None = None
        self._destination: Destination | None = None
        self._keys: str | None = None
        """What the carrier is to press."""
        self._last_response: str | None = None
        self._last_request: str | None = None
        self._last_done = False
        self._spoken: str | None = None
        """The response whose sound came last."""
        self._words = False
        """What plays, if anything does, is what the agent says, not only a clip of ours."""

    def feed(self, now_ms: int, event: Event | Fact) -> Iterable[Command | Fact]:
        """Take one event or fact."""
        if isinstance(event, ModelAudio):
            if event.audio:
                self._spoken = event.response_id
                self._words = True
            return ()
        return self._take(now_ms, event)

    def _take(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        match event:
            case StreamStarted() | StreamStopped() | PhoneClosed() | PhoneFault() | PhoneChecked() | HangUpFinished():
                yield from self._take_phone(now_ms, event)
            case ResponseAsked() | ResponseCreated() | ResponseDone() | ClipWanted():
                yield from self._take_response(now_ms, event)
            case TurnOpened() | TurnClosed() | BargeIn() | KeyLeft():
                yield from self._take_caller(now_ms, event)
            case PlaybackBusy() | PlaybackIdle() | StopPlaying():
                yield from self._take_playback(now_ms, event)
            case HangUpWanted():
                yield from self._want_hang_up(now_ms, event)
            case GoodbyeWanted():
                yield from self._want_goodbye(now_ms, event)
            case MachineReached():
                yield from self._reach_machine(now_ms, event)
            case AgentChanged():
                self._hand_over(now_ms, event.agent)
            case TransferAgreed() | CallTaken() | CarrierKeysWanted():
                yield from self._agree(now_ms, event)
            case ModelGone():
                yield from self._lose_model(now_ms, event.reason)
            case EndRequested():
                yield from self._end_on_request(now_ms, event)
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    yield from self._due(now_ms, name)

    def _take_phone(self, now_ms: int, event: PhoneEvent) -> Iterator[Command | Fact]:
        match event:
            case StreamStarted():
                yield from self._begin(now_ms)
            case StreamStopped():
                yield from self._lose_caller(now_ms, "caller_hung_up", "the carrier ended the stream")
            case PhoneClosed():
                self._phone_open = False
                reason = f"the stream's socket closed {event.reason}".strip()
                yield from self._lose_caller(now_ms, "stream_lost", reason)
            case PhoneChecked(alive=False):
                yield from self._lose_caller(now_ms, "stream_lost", "the stream is dead")
            case PhoneFault():
                what = "the stream cannot be used" if event.fatal else "a message of the stream was skipped"
                yield Note("warning", what, {"problem": event.problem})
                if event.fatal:
                    # Its socket is open, though its stream never began.
                    self._phone_open = self._phone_open or self.phase is Phase.WAITING
                    yield from self._lose_caller(now_ms, "stream_lost", event.problem)
            case HangUpFinished():
                if event.problem:
                    yield Note("warning", "the carrier refused to hang up", {"problem": event.problem})
                if self.phase is Phase.LEAVING:
                    yield from self._close_phone()

    def _take_playback(self, now_ms: int, event: PlaybackBusy | PlaybackIdle | StopPlaying) -> Iterator[Command | Fact]:
        match event:
            case PlaybackBusy():
                self._busy = True
                self._deadlines.clear("heard")
            case PlaybackIdle():
                self._busy = self._words = False
                self._hear_out(now_ms)
            case StopPlaying():
                yield from self._close_line()

    def _take_response(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        match event:
            case ResponseAsked(purpose="goodbye"):
                self._last_request = event.request
            case ResponseCreated():
                if event.request is not None and event.request == self._last_request:
                    self._last_response = event.response_id
            case ClipWanted():
                self._last_done = self._last_done or event.instead_of == self._last_response
            case ResponseDone():
                yield from self._end_response(now_ms, event)

    def _take_caller(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        match event:
            case TurnOpened():
                self._caller_speaks = True
                if not event.overheard:
                    self._caller_has_floor = True
                    yield from self._take_back(now_ms)
            case BargeIn():
                self._caller_has_floor = True
                yield from self._take_back(now_ms)
            case TurnClosed():
                self._caller_speaks = self._caller_has_floor = False
            case KeyLeft():
                yield from self._take_back(now_ms)

    def _move(self, cause: Cause) -> bool:
        phase = after(self.phase, cause)
        if phase is None:
            return False
        self.phase = phase
        return True

    def _begin(self, now_ms: int) -> Iterator[Command | Fact]:
        if not self._move(Cause.STREAM):
            return
        self._phone_open = True
        self._deadlines.clear("stream")
        self._began_ms = now_ms
        self._limit(now_ms)
        if self._model_gone is not None:
            yield from self._lose_model(now_ms, self._model_gone)

    def _limit(self, now_ms: int) -> None:
        """Give the agent its longest time from now on, within what a session lives."""
        own_ms = self._agent.limits.minutes * 60_000 if self._left_ms is None else max(self._left_ms, SHORTEST_MS)
        self._limit_ms = limit_ms = min(now_ms + own_ms, self._began_ms + LONGEST_MS)
        self._deadlines.set("last words", limit_ms - LAST_WORDS_MS)
        self._deadlines.set("limit", limit_ms)

    def _end_on_request(self, now_ms: int, event: EndRequested) -> Iterator[Command | Fact]:
        """End at once, connect the caller with somebody, or bring the time limit forward, whoever has the call."""
        if event.to:
            where = named(self._agent, event.to)
            if where is not None and self.phase in {Phase.TALKING, Phase.GOODBYE, Phase.APOLOGY}:
                self._destination = where
                yield from self._leave(now_ms, Cause.END_REQUESTED, "transferred", f"transferred to {where.name}")
        elif not event.goodbye or self.phase is Phase.WAITING:
            yield from self._leave(now_ms, Cause.END_REQUESTED, "stopped", event.reason)
        elif self._limited_by is None and self.phase in {Phase.TALKING, Phase.GOODBYE}:
            self._limited_by = event.reason
            self._deadlines.set("last words", now_ms)
            self._deadlines.set("limit", now_ms + LAST_WORDS_MS)

    def _hand_over(self, now_ms: int, agent: Agent) -> None:
        self._agent = agent
        if self.phase is Phase.TALKING and self._limited_by is None:
            self._time_is_up = False
            self._left_ms = None
            self._limit(now_ms)

    def left_ms(self, now_ms: int) -> int | None:
        """Tell what is left of the agent's time; `None`: all of it."""
        return self._left_ms if self._limit_ms is None else max(0, self._limit_ms - now_ms)

    # --- the goodbye -------------------------------------------------------------------------------------------------

    def _want_hang_up(self, now_ms: int, event: HangUpWanted) -> Iterator[Command | Fact]:
        if self._machine or not self._move(Cause.HANG_UP_WANTED):
            yield from _answer(event.call_id, "The call is ending already.", took_ms=0)
            return
        self._hang_up = (event.call_id, now_ms)
        if self._caller_has_floor:
            # The two crossed: the model had not heard the caller yet.
            yield from self._take_back(now_ms)
            return
        self._last_response = event.response_id
        self._last_request = None
        self._last_done = False
        self._destination = event.destination
        self._reason = "the agent hung up" if event.destination is None else f"transferred to {event.destination.name}"
        self._deadlines.set("goodbye", now_ms + GOODBYE_MS)

    def _want_goodbye(self, now_ms: int, event: GoodbyeWanted) -> Iterator[Command | Fact]:
        if not self._move(Cause.HANG_UP_WANTED):
            return
        self._reason = event.reason
        self._deadlines.set("goodbye", now_ms + GOODBYE_MS)
        yield from self._ask_for_goodbye(event.instructions)

    def _ask_for_goodbye(self, instructions: str) -> Iterator[Command | Fact]:
        self._last_response = self._last_request = None
        self._last_done = False
        yield ResponseWanted("goodbye", instructions, "none", keep=True)

    def _reach_machine(self, now_ms: int, event: MachineReached) -> Iterator[Command | Fact]:
        yield from self._take_back(now_ms)
        self._machine = True
        if event.hangs_up or self._model_gone is not None:
            outcome = self._good_end() if self._model_gone is None else "model_failed"
            yield from self._leave(now_ms, Cause.GAVE_UP, outcome, f"answered by {event.answered_by}")

    def _good_end(self) -> Outcome:
        if self._machine:
            return "machine"
        return "completed" if self._destination is None else "transferred"

    def _end_response(self, now_ms: int, event: ResponseDone) -> Iterator[Command | Fact]:
        if self.phase is not Phase.GOODBYE or event.response_id != self._last_response:
            return
        silent = self._spoken != event.response_id
        failed = event.status in {"failed", "incomplete"} or event.reason == SESSION_LOST
        if silent and failed and self._last_request is not None:
            return  # `turns` asks for it once more, has a clip played in its place, or gives the session up
        if silent and self._last_request is None and not self._words:
            yield from self._ask_for_words(now_ms)
            return
        self._last_done = True
        if not self._busy:
            self._hear_out(now_ms)

    def _ask_for_words(self, now_ms: int) -> Iterator[Command | Fact]:
        """Have the caller told first: the model called the tool without a word."""
        if self._destination is None:
            answer, what = "Say goodbye to the caller now.", "The call is ending. Say a short goodbye."
        else:
            answer = f"Tell the caller now that you are connecting them with {self._destination.name}."
            what = "The call is being transferred. Tell the caller so in a few words."
        yield from self._answer_hang_up(now_ms, answer)
        yield from self._ask_for_goodbye(f"{self._agent.instructions}\n\n{what}")

    def _hear_out(self, now_ms: int) -> None:
        """Nothing plays any more: if the last words are through, wait for the ear and leave."""
        if (self.phase is Phase.GOODBYE and self._last_done) or self.phase is Phase.APOLOGY:
            self._deadlines.set("heard", now_ms + GRACE_MS)

    def _take_back(self, now_ms: int) -> Iterator[Command | Fact]:
        if self._machine:
            return
        if self._move(Cause.CALLER_SPOKE):
            self._deadlines.clear("heard", "goodbye")
            self._destination = None
            yield from self._answer_hang_up(now_ms, "The caller spoke: the call goes on.")
            yield GoodbyeTakenBack()
            if self._model_gone is not None:
                # It went while its last words were heard: there is nobody who could answer.
                yield from self._lose_model(now_ms, self._model_gone)
            elif self._time_is_up:
                self._deadlines.set("last words", now_ms + LAST_ANSWER_MS)

    def _answer_hang_up(self, now_ms: int, output: str) -> Iterator[Command]:
        if self._hang_up is not None:
            call_id, began_ms = self._hang_up
            self._hang_up = None
            if self._model_gone is None:
                yield from _answer(call_id, output, took_ms=now_ms - began_ms)

    # --- leaving -----------------------------------------------------------------------------------------------------

    def _due(self, now_ms: int, name: str) -> Iterator[Command | Fact]:
        match name:
            case "stream":
                yield from self._end(now_ms, Cause.GAVE_UP, "no_stream", "the stream did not come")
            case "last words":
                self._time_is_up = True
                yield from self._want_goodbye(
                    now_ms,
                    GoodbyeWanted(
                        self._limited_by or TIME_LIMIT,
                        f"{self._agent.instructions}\n\nThe time for this call is over. Say so and say goodbye.",
                    ),
                )
            case "limit":
                reason = (self._limited_by or TIME_LIMIT) if self._destination is None else self._reason
                yield from self._leave(now_ms, Cause.GAVE_UP, self._good_end(), reason)
            case "heard" if self._caller_speaks and self.phase is Phase.GOODBYE and not self._machine:
                # What was too short to interrupt the goodbye has outlasted it.
                yield from self._take_back(now_ms)
            case "heard":
                outcome: Outcome = "model_failed" if self.phase is Phase.APOLOGY else self._good_end()
                yield from self._leave(now_ms, Cause.HEARD, outcome, self._reason)
            case "goodbye":
                yield Note("warning", "the goodbye took too long")
                yield from self._leave(now_ms, Cause.GAVE_UP, self._good_end(), self._reason)
            case "apology":
                yield from self._leave(now_ms, Cause.GAVE_UP, "model_failed", self._reason)
            case "closed":
                yield from self._end(now_ms, Cause.GAVE_UP, self._outcome, self._reason)

    def _leave(self, now_ms: int, cause: Cause, outcome: Outcome, reason: str) -> Iterator[Command | Fact]:
        if not self._move(cause):
            return
        self._outcome, self._reason = outcome, reason
        if self.phase is Phase.ENDED:
            yield from self._finish(now_ms)
            return
        self._deadlines.clear_all()
        self._deadlines.set("closed", now_ms + CLOSE_MS)
        if outcome != "transferred":
            self._destination = None
        yield from self._answer_hang_up(now_ms, self._told(outcome))
        if self._busy:
            yield StopPlaying()  # and then, when that is done
        else:
            yield from self._close_line()

    def _close_line(self) -> Iterator[Command | Fact]:
        if self._rest and self._outcome in {"completed", "machine"}:
            yield HangUp()
        else:
            # The `<Connect action>` decides what becomes of the caller.
            yield from self._close_phone()
        yield LineClosing()

    def _told(self, outcome: Outcome) -> str:
        """Say what the model is told that has called `hang_up` or `transfer`."""
        if outcome == "keys_sent":
            return "The keys are pressed first. Call it again behind them."
        where = self._destination
        return "The call has ended." if where is None else f"The caller is being connected with {where.name}."

    def _agree(self, now_ms: int, event: TransferAgreed | CallTaken | CarrierKeysWanted) -> Iterator[Command | Fact]:
        """The carrier takes over: no goodbye, and nothing that could be taken back."""
        if isinstance(event, CallTaken):
            self._taken = True
            return
        if self.phase not in {Phase.TALKING, Phase.GOODBYE}:
            return
        took_ms = now_ms - event.began_ms
        if isinstance(event, CarrierKeysWanted):
            self._keys = event.keys
            for call_id, told in event.answers:
                yield from _answer(call_id, told, took_ms)
            yield from self._leave(now_ms, Cause.GAVE_UP, "keys_sent", "the carrier presses keys")
        else:
            self._destination = event.destination
            yield from _answer(event.call_id, self._told("transferred"), took_ms)
            yield from self._leave(now_ms, Cause.GAVE_UP, "transferred", f"transferred to {event.destination.name}")

    def _close_phone(self) -> Iterator[Command]:
        if self._phone_open:
            self._phone_open = False
            yield ClosePhone(self._reason)

    def _lose_model(self, now_ms: int, reason: str) -> Iterator[Command | Fact]:
        self._model_gone = reason
        if self.phase is Phase.GOODBYE and self._destination is not None and not self._last_done:
            # Who is being transferred needs no model any more.
            self._last_done = True
            if not self._busy:
                self._hear_out(now_ms)
        goodbye_is_out = self.phase is Phase.GOODBYE and self._last_done
        if goodbye_is_out or not self._move(Cause.MODEL_GONE):
            return
        self._reason = reason
        self._deadlines.clear_all()
        self._deadlines.set("apology", now_ms + APOLOGY_MS)
        if self._agent.name in self._apologies and not self._machine:
            yield ClipWanted(self._apologies[self._agent.name])
        elif not self._busy or self._machine:
            yield from self._leave(now_ms, Cause.GAVE_UP, "model_failed", reason)

    def _lose_caller(self, now_ms: int, outcome: Outcome, reason: str) -> Iterator[Command | Fact]:
        if self.phase is Phase.LEAVING:
            outcome, reason = self._outcome, self._reason
        elif self._taken:
            outcome, reason = "transferred", "the colleague takes the call"
        yield from self._answer_hang_up(now_ms, f"The call has ended: {reason}.")
        yield from self._end(now_ms, Cause.CALLER_GONE, outcome, reason)

    def _end(self, now_ms: int, cause: Cause, outcome: Outcome, reason: str) -> Iterator[Command | Fact]:
        self._move(cause)
        self._outcome, self._reason = outcome, reason
        yield from self._finish(now_ms)

    def _finish(self, now_ms: int) -> Iterator[Command | Fact]:
        yield from self._close_phone()
        yield CallOver()
        destination = self._destination if self._outcome == "transferred" else None
        yield CallEnded(self._outcome, self._reason, now_ms, destination, self._keys)

    def __repr__(self) -> str:
        return f"<Ending {self.phase}, {self._deadlines}>"


def _answer(call_id: str, output: str, took_ms: int) -> Iterator[Command]:
    yield AddToolOutput(f"output-{call_id}", call_id, output)
    yield ToolAnswered(call_id, output, failed=False, took_ms=took_ms)
