"""Turns: who may speak. Here barge-in is decided, and every response of ours is asked for.

Three policies, set as the session's flags:

    policy       interrupt_response  create_response  who decides
    at once      true                true             the server cancels and answers; we clear and truncate
    protected    false               false            nobody cuts; a turn committed meanwhile is answered once, by us,
                                                      when the protected text has been heard
    after N ms   false               false            we cut and cancel once speech has lasted N ms; a shorter sound
                                                      while the agent speaks is no turn that wants an answer

Before any of them comes the opening: speech that begins in the first second of the greeting, or before it, and is no
longer than a "hello?", neither cuts the greeting nor is answered beside it. The greeting that was not heard yet waits
for its end; speech that goes on is a turn as any other.

Before that, in calls that we placed: while it is not known whether a person has answered, only the greeting is
asked for, and nobody cuts it; a turn committed behind it is answered once, when that is known. A machine never is.

A key that is pressed can be heard, and a detector takes its tone for speech. Speech that begins with a key is therefore
overheard, whoever decides, until it has outlasted the tone; and where we decide, tones alone are no turn. While digits
are collected we decide, so that no key stops the question or is answered.

Rules that hold under each: between `speech_started` and the end of that turn no response is asked for; a response that
is created while the caller speaks is cancelled unheard, and so is one that has not come to its first sound when the
caller outlasts what is heard; one response at a time; a wanted response waits its turn.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from voice_agent.agent import Agent
from voice_agent.call.caller_turn import CallerTurn
from voice_agent.call.commands import CallerBegan, Command, CreateResponse, Note, ResponseUsed
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    Event,
    McpCalled,
    ModelAudio,
    ModelError,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TimerFired,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.facts import (
    AgentChanged,
    BargeIn,
    CallOver,
    ClipWanted,
    CollectionBegan,
    CollectionEnded,
    ConversationOpened,
    Fact,
    GoodbyeTakenBack,
    KeyHeard,
    LineClosing,
    MachineReached,
    ModelGone,
    OwnSpeechWanted,
    PlaybackBusy,
    PlaybackIdle,
    RequestDue,
    ResponseAsked,
    ResponseDropped,
    ResponseWanted,
    SessionFailed,
    SessionLost,
    SessionOpened,
    SessionReady,
    SpeechLasted,
    TurnClosed,
    TurnHeardAgain,
    TurnOpened,
    TurnUnanswered,
)
from voice_agent.call.floor import HELLO_MS, OPENING_MS, Floor
from voice_agent.call.key_tones import TONE_MS
from voice_agent.call.open_response import OpenResponse
from voice_agent.call.part import Handled
from voice_agent.call.wanted import FIRST_WORDS, RESULTS, WITHDRAWN, Requests

SERVER_ANSWER_MS = 2000
"""The server creates its response right after it committed the turn; later than this it will not."""

COMMIT_MS = 2000
"""`committed` follows `speech_stopped` at once; later than this the turn is taken as closed."""

HEARD_AGAIN_MS = 2000
"""A session that is given what the caller said before it began hears it at once; later than this it hears nothing."""

MOST_FAILURES = 2
"""So many failed responses in a row, and the session is of no use: one retry."""

WITHHELD = "content_filter"
"""The provider's filter stopped the answer: a fixed line of ours is heard instead."""

HELLO = "what was said into the opening is answered by the greeting"
BY_KEY = "what the caller began with a key is taken for its tone"
ONLY_TONES = "only keys were heard in a turn, and it is not answered"


class Turns:
    """See the module."""

    HANDLES: ClassVar[Handled] = (
        SessionOpened,
        SessionReady,
        SessionLost,
        SessionUpdated,
        AgentChanged,
        SpeechStarted,
        SpeechStopped,
        SpeechLasted,
        TurnCommitted,
        TurnHeardAgain,
        ResponseCreated,
        ResponseDone,
        ModelAudio,
        ToolRequested,
        McpCalled,
        ModelError,
        ResponseWanted,
        RequestDue,
        GoodbyeTakenBack,
        ConversationOpened,
        MachineReached,
        KeyHeard,
        CollectionBegan,
        CollectionEnded,
        OwnSpeechWanted,
        PlaybackBusy,
        PlaybackIdle,
        ModelGone,
        LineClosing,
        TimerFired,
        CallOver,
    )

    def __init__(self, agent: Agent, *, can_excuse: bool, held: bool, greets: bool) -> None:
        """`can_excuse`: there is a clip `withheld`. `held`: it is not known yet who answered. `greets`: the agent."""
        self._can_excuse = can_excuse
        self._floor = Floor(agent, held=held, opening=greets)
        self._turn = CallerTurn(agent.turn_detection)
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest
        """The earliest of what the server owes, and of a barge-in that needs a length."""
        self._over = False
        self._busy = False
        self._words = False
        """What plays, if anything does, is what the agent says, not only a clip of ours."""
        self._answer_owed = False
        """A turn was committed while nobody could be answered."""
        self._response = OpenResponse()
        self._opening_ends_ms: int | None = None
        self._again = False
        """The next session hears the open turn, or the last one, once more."""
        self._requests = Requests()
        self._failures = 0

    def feed(self, now_ms: int, event: Event | Fact) -> Iterable[Command | Fact]:
        """Take one event or fact."""
        if self._over:
            return ()
        if isinstance(event, ModelAudio):
            if not event.audio:
                return ()  # the end of an item, of which nothing may have come
            self._response.sounds = self._response.sounds or event.response_id == self._response.id
            self._words = self._words or not self._response.is_cancelled(event.response_id)
            if self._floor.opening:
                self._begin_opening(now_ms)
            return ()
        return self._decide(now_ms, event)

    def _decide(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        yield from self._take(now_ms, event)
        self._pay()
        if self._next() is not None:
            yield RequestDue()  # behind whatever else is wanted in this moment: one request is for all of it

    def _take(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:  # noqa: C901, PLR0912 - one match
        match event:
            case SpeechStarted():
                yield from self._open_turn(now_ms, event.audio_start_ms)
            case SpeechStopped():
                self._await_commit(now_ms, event.audio_end_ms)
            case SpeechLasted():
                if self._deadlines.armed("barge-in") and not self._turn.tones.by_key:
                    self._deadlines.clear("barge-in")
                    yield from self._due(now_ms, "barge-in")
            case TurnCommitted():
                yield from self._close_turn(now_ms)
            case ResponseCreated():
                yield from self._begin_response(event)
            case ResponseDone():
                yield from self._end_response(event)
            case ToolRequested() | McpCalled():
                self._response.calls = self._response.calls or event.response_id == self._response.id
            case ModelError():
                yield from self._refused(now_ms, event)
            case ResponseWanted():
                self._want(event)
            case RequestDue():
                yield from self._ask()
            case GoodbyeTakenBack():
                self._requests.withdraw("goodbye")
            case KeyHeard():
                yield from self._hear_key(now_ms, event.session_ms)
            case SessionOpened() | SessionReady() | SessionLost():
                yield from self._take_session(now_ms, event)
            case TurnHeardAgain():
                self._requests.withdraw("turn")
                self._again = True
            case ConversationOpened() | CollectionBegan() | CollectionEnded() | SessionUpdated():
                yield from self._floor.take(event)
            case MachineReached():
                yield from self._reach_machine(event)
            case AgentChanged():
                yield from self._hand_over(event)
            case OwnSpeechWanted():
                self._words = True  # a greeting that was kept
                self._begin_opening(now_ms)
            case PlaybackBusy():
                self._busy = True
            case PlaybackIdle():
                yield from self._fall_silent()
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    yield from self._due(now_ms, name)
            case ModelGone() | LineClosing() | CallOver():
                self._end()

    def _hand_over(self, changed: AgentChanged) -> Iterator[Command]:
        """Follow the rules that another agent came with; what the former one was still to say is not said."""
        self._turn.forget_tones(changed.agent.turn_detection)
        yield from self._floor.hand_over(changed.agent, changed.voice)
        for purpose in ("greeting", "idle"):
            self._requests.withdraw(purpose)

    def _end(self) -> None:
        self._over = True
        self._deadlines.clear_all()

    # --- the session -------------------------------------------------------------------------------------------------

    def _take_session(self, now_ms: int, fact: Event | Fact) -> Iterator[Command | Fact]:
        match fact:
            case SessionOpened():
                yield self._floor.configure()
            case SessionReady():
                self._floor.ready = True
                self._begin_opening(now_ms)
                yield from self._floor.give()
                if self._again or self._turn.speaking:
                    self._again = True
                    self._deadlines.set("heard again", now_ms + HEARD_AGAIN_MS)
            case SessionLost():
                yield from self._lose_session()

    def _lose_session(self) -> Iterator[Fact]:
        """Keep what is still to be said, and ask the next session for it."""
        lost = self._response.comes and self._requests.active is not WITHDRAWN
        unheard = lost and not (self._response.sounds or self._response.calls)
        answer_due = self._deadlines.armed("server answer") or (unheard and self._requests.active is None)
        # When what came of a response was heard, the next session goes on from there.
        self._answer_owed = self._answer_owed or (lost and self._response.sounds)
        if unheard:
            self._floor.greeting_failed(self._response.id)
        self._requests.lose(with_open=unheard)
        self._turn.hello = False
        if self._deadlines.armed("opening") and not self._requests.comes("greeting"):
            self._floor.opening = False
        self._response.lose()
        self._suspend()
        self._turn.forget_tones(self._floor.agent.turn_detection)
        self._failures = 0
        if answer_due or self._requests.comes("turn"):
            self._want(ResponseWanted("turn"))
            yield TurnUnanswered()

    def _suspend(self) -> None:
        self._floor.ready = False
        self._deadlines.clear_all()

    def _give_up(self, reason: str) -> Iterator[Fact]:
        """Say that the session is of no use; from this moment nothing is asked of it."""
        if self._floor.ready:
            self._suspend()
            yield SessionFailed(reason)

    # --- the caller's turn -------------------------------------------------------------------------------------------

    def _open_turn(self, now_ms: int, audio_start_ms: int) -> Iterator[Command | Fact]:
        self._turn.begins(audio_start_ms)
        self._deadlines.clear("commit", "server answer", "heard again")
        agent_has_floor = self._busy or self._response.id is not None
        protected = self._floor.held or self._floor.greets
        # An answer that cannot be heard yet must not begin while the caller speaks, however short that is: not behind a
        # clip of ours either.
        words = self._busy and self._words
        patience_ms = self._turn.patience_ms(self._floor, words=words)
        opening = self._floor.opening and (self._opening_ends_ms is None or now_ms < self._opening_ends_ms)
        self._turn.hello = opening and not self._turn.tones.by_key and self._is_greeting()
        self._turn.overheard = agent_has_floor and (protected or patience_ms > 0 or (self._turn.hello and words))
        if not self._again:
            yield CallerBegan()
        self._again = False
        yield TurnOpened(self._turn.overheard or self._turn.tones.by_key or self._floor.collecting)
        if self._turn.tones.by_key:
            yield Note("debug", BY_KEY)
        if self._turn.hello:
            self._deadlines.set("hello", now_ms + HELLO_MS + self._turn.tones.silence_ms)
        if not agent_has_floor or protected or self._turn.hello:
            waits = self._turn.hello or (self._floor.held and not self._floor.machine)
            if waits and not (words or (self._floor.held and self._busy) or self._floor.greets):
                yield from self._put_off()
            return
        if self._turn.overheard:
            self._deadlines.set("barge-in", now_ms + patience_ms)
        else:
            yield from self._cut(cancel=not self._floor.in_force)

    def _hear_key(self, now_ms: int, session_ms: int) -> Iterator[Command]:
        if self._turn.tones.pressed(session_ms):
            yield Note("debug", BY_KEY)
        if self._turn.tones.by_key and self._deadlines.armed("barge-in"):
            self._deadlines.set("barge-in", now_ms + TONE_MS + self._turn.tones.silence_ms)

    def _fall_silent(self) -> Iterator[Command | Fact]:
        """Let nothing begin over a caller who has outlasted what was heard; what has begun goes on after its pause."""
        if self._words and not self._requests.greets:
            yield from self._floor.open()
        self._busy = self._words = False
        yield from self._floor.greeting_over(self._response.id)
        goes_on = self._response.sounds or self._floor.closed
        if self._turn.overheard and self._turn.speaking and self._response.id is not None and not goes_on:
            yield from self._put_off() if self._turn.hello and self._requests.greets else self._cut(cancel=True)

    def _cut(self, *, cancel: bool) -> Iterator[Command | Fact]:
        self._turn.cuts()
        yield BargeIn(self._response.id)
        if cancel and self._response.id is not None:
            yield from self._response.cancel(self._response.id)

    def _await_commit(self, now_ms: int, audio_end_ms: int) -> None:
        self._turn.tones.speech_stopped(audio_end_ms)
        self._deadlines.clear("barge-in", "hello")
        if self._turn.speaking:
            self._deadlines.set("commit", now_ms + COMMIT_MS)

    def _close_turn(self, now_ms: int) -> Iterator[Command | Fact]:
        self._deadlines.clear("commit", "barge-in", "hello")
        if self._turn.speaking:
            self._turn.speaking = False
            yield TurnClosed()
        if self._turn.tones.alone and not self._turn.has_cut and not self._floor.in_force:
            yield Note("debug", ONLY_TONES)
        elif self._turn.hello and self._is_greeting():
            yield Note("debug", HELLO)
        else:
            yield from self._floor.open()
            self._answer_turn(now_ms)
        self._turn.overheard = self._turn.hello = False

    def _answer_turn(self, now_ms: int) -> None:
        if self._floor.closed:
            # A greeting that is still to come answers a "hello?".
            self._answer_owed = self._answer_owed or not (self._floor.held and self._requests.comes("greeting"))
        elif self._floor.in_force:
            # The server answers what the conversation holds at this moment; a result that comes later is not in it.
            self._requests.keep(lambda waiting: waiting.keep)
            self._deadlines.set("server answer", now_ms + SERVER_ANSWER_MS)
        elif not (self._turn.overheard and self._agent_has_words()):
            # As the server would: the answer takes the place of what was only waiting to be said.
            self._requests.keep(lambda waiting: waiting.keep or waiting.instructions is None)
            self._want(ResponseWanted("turn"))

    def _agent_has_words(self) -> bool:
        """Whether it says, or will say, what a sound too short to count leaves alone; a clip of ours is no answer."""
        return self._response.comes or (self._busy and self._words)

    # --- the opening -------------------------------------------------------------------------------------------------

    def _is_greeting(self) -> bool:
        """Whether the greeting, or what is left of it, is still to be heard."""
        return self._requests.greets or (self._busy and self._words)

    def _begin_opening(self, now_ms: int) -> None:
        """Let its time run once the greeting is heard and the caller can be."""
        if self._floor.opening and self._floor.ready and self._words and not self._deadlines.armed("opening"):
            self._opening_ends_ms = now_ms + OPENING_MS
            self._deadlines.set("opening", self._opening_ends_ms)

    def _go_on(self) -> Iterator[Command | Fact]:
        """Take that the caller says more than hello."""
        self._turn.hello = False
        yield from self._floor.open()
        if not self._floor.closed and (self._busy or self._response.id is not None):
            yield from self._cut(cancel=True)

    # --- responses ---------------------------------------------------------------------------------------------------

    def _want(self, wanted: ResponseWanted) -> None:
        if not self._floor.machine or wanted.purpose == "goodbye":
            self._requests.want(wanted)

    def _next(self) -> ResponseWanted | None:
        """Give what can be asked for now."""
        free = (
            self._floor.ready
            and not self._turn.speaking
            and self._response.id is None
            and self._requests.requested is None
            and not any(map(self._deadlines.armed, ("server answer", "other response", "heard again")))
        )
        may = (one for one in self._requests.waiting if not self._floor.closed or one.purpose in FIRST_WORDS)
        return next(may, None) if free else None

    def _ask(self) -> Iterator[Command | Fact]:
        wanted = self._next()
        if wanted is not None:
            request = self._requests.ask(wanted)
            yield CreateResponse(request, wanted.instructions, wanted.tool_choice)
            yield ResponseAsked(wanted.purpose, request)

    def _begin_response(self, event: ResponseCreated) -> Iterator[Command | Fact]:
        self._deadlines.clear("server answer")
        wanted = self._requests.settle(event.request)
        if event.request is None:
            # The server's own answer takes the place of all that was waiting, but for what it does not know yet.
            self._requests.keep(lambda waiting: waiting.keep or waiting.purpose in RESULTS)
        self._requests.withdraw("idle")  # the silence is broken
        self._response.begin(event.response_id)
        self._requests.active = None
        early = self._floor.held and (wanted is None or wanted.purpose not in FIRST_WORDS)
        if self._turn.speaking or early or wanted is WITHDRAWN:
            # A sound that is no turn gets no answer which would take its place.
            no_turn = self._turn.overheard or self._turn.hello or self._floor.held
            self._requests.put_back(wanted if event.request is None else wanted or WITHDRAWN, anyway=no_turn)
            self._requests.active = WITHDRAWN  # whatever becomes of it, it waits again or is not wanted
            yield ResponseDropped(event.response_id)
            yield from self._response.cancel(event.response_id)
            return
        self._requests.active = wanted
        # What has words of its own answers nothing.
        self._answer_owed = self._answer_owed and wanted is not None and wanted.instructions is not None
        if wanted is not None and wanted.purpose == "greeting":
            self._floor.greeting_begins(event.response_id)

    def _end_response(self, event: ResponseDone) -> Iterator[Command | Fact]:
        if event.usage is not None:
            yield ResponseUsed(event.usage)
        wanted, came = None, True
        if event.response_id == self._response.id:
            wanted, came = self._requests.active, self._response.came
            self._response.id = self._requests.active = None
        self._deadlines.clear("other response")
        if event.status == "failed":
            yield Note("warning", "a response failed", {"reason": event.reason})
            yield from self._try_again(wanted or ResponseWanted("retry"), event.reason)
        elif event.status == "incomplete":
            yield from self._end_incomplete(event, wanted or ResponseWanted("retry"), came=came)
        else:
            self._failures = 0
        if not self._busy:
            if not self._requests.greets:
                yield from self._floor.open()
            yield from self._floor.greeting_over(self._response.id)

    def _end_incomplete(self, event: ResponseDone, wanted: ResponseWanted, *, came: bool) -> Iterator[Command | Fact]:
        yield Note("warning", "a response was left incomplete", {"reason": event.reason})
        excused = self._can_excuse and event.reason == WITHHELD and not (self._turn.speaking or self._floor.machine)
        if excused:
            yield ClipWanted("withheld", event.response_id)
        if excused or came:
            self._failures = 0
        else:
            # Nothing of it can be heard, nor comes of a tool: to the caller it has failed.
            yield from self._try_again(wanted, f"left incomplete: {event.reason}")

    def _try_again(self, wanted: ResponseWanted, reason: str) -> Iterator[Fact]:
        self._failures += 1
        if wanted is not WITHDRAWN:
            if wanted.purpose == "greeting":
                self._floor.greeting_failed()
            self._want(wanted)
        if self._failures >= MOST_FAILURES:
            yield from self._give_up(f"responses keep failing: {reason}")

    def _refused(self, now_ms: int, event: ModelError) -> Iterator[Command | Fact]:
        already = event.code == "conversation_already_has_active_response"
        wanted = self._requests.settle(event.event_id)
        if wanted is None:
            if already and self._deadlines.armed("server answer"):
                # Its own answer to the turn fell upon a response that was still being cancelled.
                self._deadlines.clear("server answer")
                self._want(ResponseWanted("turn"))
        elif already:
            # The server was first. Its response, known or about to be, comes to an end; then ours is asked for again,
            # unless that was the answer.
            if wanted.instructions is not None or wanted.purpose in RESULTS:
                self._requests.waiting.insert(0, wanted)
            if self._response.id is None:
                self._deadlines.set("other response", now_ms + SERVER_ANSWER_MS)
        else:
            reason = f"{event.code or 'error'}: {event.message}"
            yield Note("warning", "a response failed", {"reason": reason})
            yield from self._try_again(wanted, reason)

    def _due(self, now_ms: int, name: str) -> Iterator[Command | Fact]:
        match name:
            case "barge-in":
                if self._busy or self._response.id is not None:
                    yield from self._cut(cancel=True)
            case "hello":
                yield from self._go_on()
            case "opening" if self._turn.hello:
                self._deadlines.set("opening", now_ms + HELLO_MS)  # by then it is over, or goes on
            case "opening":
                yield from self._floor.open()
            case "commit":
                yield Note("warning", "the server did not commit the caller's turn")
                yield from self._close_turn(now_ms)
            case "heard again":
                self._again = False
                if self._turn.speaking:
                    yield TurnClosed()
                self._turn.speaking = False
                if not self._turn.overheard:
                    self._want(ResponseWanted("turn"))
            case "server answer":
                yield Note("warning", "the server did not answer the caller's turn by itself")
                self._want(ResponseWanted("turn"))
            case "other response":
                # It ended unseen, or never was: `_ask` may go on, but not for ever.
                yield from self._try_again(WITHDRAWN, "the model says that it makes one, and none is seen")

    # --- who may speak at all ----------------------------------------------------------------------------------------

    def _pay(self) -> None:
        """Ask for the answer that is owed, once it can be given."""
        if self._answer_owed and not (self._floor.closed or self._busy or self._response.id is not None):
            self._answer_owed = False
            self._want(ResponseWanted("turn"))

    def _put_off(self) -> Iterator[Command | Fact]:
        """Let what is begun in the opening and not heard yet wait: somebody says hello first."""
        wanted = self._requests.give_up_open(self._response.id)
        if wanted is not None:
            self._want(wanted)
            yield from self._cut(cancel=True)

    def _reach_machine(self, reached: MachineReached) -> Iterator[Command | Fact]:
        self._requests.withdraw_all()
        self._deadlines.clear("barge-in", "server answer", "hello", "opening")
        self._turn.hello = False
        yield from self._floor.take(reached)
        if self._busy or self._response.id is not None:
            yield from self._cut(cancel=True)

    def __repr__(self) -> str:
        speaks = "speaking" if self._turn.speaking else "silent"
        waiting = [wanted.purpose for wanted in self._requests.waiting]
        return f"<Turns caller {speaks}, response {self._response.id}, waiting {waiting}, {self._deadlines}>"
