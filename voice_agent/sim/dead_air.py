"""Dead air: a caller who is owed sound must hear some within 3 s; mutual silence owes nothing.

What is owed is read from what the call was told and ordered; what was heard is the carrier's truth. Owed are: the
session of a call that has begun, the greeting, the answer to a turn, what was asked of the model, a response that is
being made, what a tool was called for, and when the model is gone the apology. A response that completes without a word
has said what it had to say; one that fails, or is left incomplete before its first sound and calls no tool, still owes
it.

Some bounds are wider, because nothing in a call can be sooner:

- A turn that the server leaves open is the caller's until its end is told. A server that falls silent in the middle of
  one is noticed by the socket's keep-alive only, after 40 s, and then another session hears the turn. (A detector of
  our own would make it sooner.)
- Where the carrier loses the echoes of marks, audio counts as being played for 3 s longer than it was.
- A line on which nothing passes any more owes nothing.
- What begins right behind a key, and into the agent's speech, is taken for the key's tone, and wants no answer; not
  what the caller was heard to say for longer than a tone sounds.
- Speech that begins before the greeting has been heard for a second, and that is through before the greeting is, wants
  no answer of its own, if it does not cut it.
- A brief sound into the agent's speech while digits are collected is taken for a key whose message is on its way, and
  wants no answer, if it does not cut it.
- A session that is lost takes its turns and responses with it: what it owed, the next one owes. Nobody can be heard
  until that is there.
- An agent that wants no `hold_sound` lets its callers wait: as long as each tool runs, or a session is sought.
- A call that we placed is held until it is known who answered: the answer to a turn is due then, and a machine is owed
  nothing.
"""

from collections.abc import Sequence

from voice_agent.call.commands import (
    AddToolOutput,
    AppendAudio,
    CallColleague,
    CallCommand,
    CallEnded,
    CancelResponse,
    ClearPlayback,
    ClosePhone,
    ConnectModel,
    CreateResponse,
    HandedOver,
    HangUp,
    KeysPressed,
    Note,
    PlayAudio,
    RunTool,
    SendMark,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.events import (
    CallerAudio,
    CallEvent,
    KeyPressed,
    MarkEchoed,
    McpCalled,
    ModelAudio,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    StreamStarted,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.floor import HELLO_MS, OPENING_MS
from voice_agent.call.setup import CallSetup
from voice_agent.call.turns import BY_KEY, ONLY_TONES
from voice_agent.sim.carrier import Carrier
from voice_agent.sim.track import BYTES_PER_MS

LONGEST_MS = 3000
"""The promise of design 6."""

ECHO_MS = 400
"""The longest way of a mark's echo, a frame and the jitter with it."""

OPEN_TURN_MS = 45_000
"""See the module: the keep-alive's time, and that of the apology's way."""

KEY_WAY_MS = 1000
"""The longest time between the news of a key and that of the sound which began with it."""

KEY_SOUND_MS = 500
"""The longest time from the news of a key to the end of its tone: the 350 ms that a call waits, and a frame's way."""

HELD_MS = 4000
"""How long a call that we placed waits for the verdict on who answered."""

BRIEF_WAY_MS = 3000
"""By then a "hello?" is over for certain: its length, the detector's silence, and the news of both."""

UNTOLD_MS = 45_000
"""The longest wait of which nobody is told, where the agent wants it so: the longest of a tool and of a session."""

PAUSE_MS = 2000
"""The pause of somebody who talks on for longer, and then is no machine to leave a message on."""

_ANSWERED_BY_ANY = ("greeting", "answer", "request", "keys")
"""Whatever the model begins to say is the answer to these."""

_SOUND = frozenset({CallerAudio, MarkEchoed, ModelAudio, AppendAudio, PlayAudio, SendMark})
"""What happens 50 times a second: it is sound, or is about it, and changes no debt."""


_HEARD = frozenset({ModelAudio, MarkEchoed})
"""Where the agent's sound comes in or is played."""


class DeadAir:
    """Watches one call; `watch` says once of each silence that it is too long."""

    def __init__(self, setup: CallSetup, carrier: Carrier, longest_ms: int = LONGEST_MS, *, held: bool = False) -> None:
        """`held`: the conversation waits for the carrier's verdict."""
        agent = setup.agent
        by_model = "" if agent.greeting is None else "model"
        self._greeting_by = by_model if setup.kept_greeting is None else "us"
        """Who is to say it, while it is to be said."""
        opens = agent.greeting is not None and setup.resumed is None
        self._opening_ends_ms: int | None = None if opens else -1
        """When speech that begins wants an answer again, whatever it begins in."""
        self._held = held
        self._detects = held
        self._pause_ms = PAUSE_MS if agent.on_machine is not None and agent.on_machine.do == "leave" else 0
        self._opens_ms = 0
        """When it opens without a verdict, if nobody speaks then."""
        self._machine = False
        self._agent = agent
        self._agents = {each.name: each for each in (*setup.others, agent)}
        self._carrier = carrier
        self._longest_ms = longest_ms
        self._owed: set[str] = set()
        self._cancelled: set[str] = set()
        """Responses that were cancelled and are not done."""
        self._owed_since_ms = 0
        self._ready = self._streaming = self._over = False
        self._speaking = False
        self._speaking_since_ms = 0
        self._silent_since_ms = 0
        """When the caller's last turn ended, as the call was told."""
        self._overheard = False
        self._key_ms = -KEY_WAY_MS
        """When the call was told of a key last."""
        self._tone_end_ms = 0
        """When its tone is over for certain, on the carrier's clock."""
        self._by_key = False
        """The call took what began the open turn for a tone."""
        self._brief = False
        """The open turn wants no answer if it is a brief one: it began in the opening, or while digits were collected,
        and has not cut what was heard."""
        self._collects: set[str] = set()
        """Calls that collect digits."""
        self._came = ""
        """The response of which something came last: sound, or a call of a tool."""
        self._sent_ms = -ECHO_MS
        """When sound was ordered last."""
        self._told = False

    def stop(self) -> None:
        """Nothing is owed any more: the caller is gone, or cannot be reached."""
        self._over = True

    def wait(self, now_ms: int) -> str:
        """Look at a step in which nothing but time has passed; give what is wrong, or nothing."""
        if self._over:
            return ""
        wrong = self._listen(now_ms) if self._owed or self._speaking else ""
        if not self._owed:
            self._owed_since_ms = now_ms
        return wrong

    def hear(self, now_ms: int) -> None:
        """Look at a step in which a mark came back and nothing followed."""
        if not (self._owed or self._over):
            self._owed_since_ms = now_ms

    def watch(self, now_ms: int, event: CallEvent, commands: Sequence[CallCommand]) -> str:
        """Look at one step; give what is wrong, or nothing."""
        if self._over:
            return ""
        owed = bool(self._owed)
        if type(event) is ModelAudio:
            self._came = event.response_id if event.audio else self._came
            if f"response {event.response_id}" not in self._cancelled:
                self._begin_opening(now_ms)
        heard = type(event) in _HEARD
        wrong = self._listen(now_ms) if (owed or self._speaking) and not heard else ""
        if type(event) not in _SOUND:
            self._take(now_ms, event)
        for command in commands:
            if type(command) not in _SOUND:
                self._obey(now_ms, command)
            elif type(command) is PlayAudio:
                self._sent_ms = now_ms
                if type(event) is ResponseDone:
                    self._owed.discard("answer")  # a clip of ours stands for it
        if not owed:
            self._owed_since_ms = now_ms
        return wrong

    def _listen(self, now_ms: int) -> str:
        carrier = self._carrier
        if self._machine or carrier.deadline() is None:
            return ""  # nobody is there: a machine, or nobody yet, or any more
        if self._speaking:
            open_ms = min(now_ms - self._speaking_since_ms, carrier.now_ms - carrier.caller.end // BYTES_PER_MS)
            return f"the caller waits in an open turn for {open_ms} ms" if self._is_new(open_ms > OPEN_TURN_MS) else ""
        longest_ms = self._longest_ms if self._agent.hold_sound else UNTOLD_MS
        silent_ms = min(
            carrier.now_ms - carrier.agent.end // BYTES_PER_MS,
            now_ms - self._owed_since_ms,
            now_ms - self._silent_since_ms,
        )
        return f"dead air: owed {', '.join(sorted(self._owed))}" if self._is_new(silent_ms > longest_ms) else ""

    def _is_new(self, broken: bool) -> bool:
        told, self._told = self._told, broken
        return broken and not told

    def _sounding(self, now_ms: int) -> bool:
        """Whether the agent is heard, is about to be, or was until so recently that the call cannot know better."""
        known_ms = self._carrier.now_ms - ECHO_MS - (self._longest_ms - LONGEST_MS)
        return self._carrier.agent.end > known_ms * BYTES_PER_MS or now_ms - self._sent_ms < ECHO_MS

    def _take(self, now_ms: int, event: CallEvent) -> None:
        match event:
            case StreamStarted():
                self._streaming = True
                self._opens_ms = now_ms + max(HELD_MS, self._pause_ms)
                if not self._ready:
                    self._owed.add("session")
                self._owe_greeting()
                self._begin_kept(now_ms)
            case SessionUpdated() if not self._ready:
                self._ready = not event.unusable
                self._owed.discard("session")
                self._owe_greeting()
                self._begin_kept(now_ms)
            case SpeechStarted():
                self._open_turn(now_ms)
            case KeyPressed():
                self._key_ms, self._tone_end_ms = now_ms, self._carrier.now_ms + KEY_SOUND_MS
                if not self._machine:
                    self._open_conversation(now_ms)
            case TurnCommitted():
                self._close_turn(now_ms)
            case ResponseCreated():
                self._owed.difference_update(_ANSWERED_BY_ANY)
                self._owed.add(f"response {event.response_id}")
            case ToolRequested() | McpCalled():
                self._came = event.response_id
                if not self._agent.hold_sound:
                    self._owed_since_ms = now_ms
            case ResponseDone():
                self._owed.discard(f"response {event.response_id}")
                self._cancelled.discard(f"response {event.response_id}")
                if event.status in {"failed", "incomplete"} and event.response_id != self._came:
                    self._owed.add("answer")

    def _owe_greeting(self) -> None:
        if self._ready and self._streaming and self._greeting_by == "model":
            self._owed.add("greeting")

    def _begin_kept(self, now_ms: int) -> None:
        if self._greeting_by == "us" and self._ready and self._streaming:
            self._begin_opening(now_ms)

    def _begin_opening(self, now_ms: int) -> None:
        if self._opening_ends_ms is None:
            self._opening_ends_ms = now_ms + OPENING_MS + HELLO_MS

    def _lose_session(self, now_ms: int) -> None:
        self._ready = False
        if self._greeting_by == "model":
            self._greeting_by = ""
        lost = {debt for debt in self._owed if debt.startswith("response")}
        if lost - self._cancelled:
            self._owed.add("answer")
        self._owed = self._owed - lost | {"session"}
        self._cancelled.clear()
        if self._speaking:
            self._fall_silent(now_ms)

    def _fall_silent(self, now_ms: int) -> None:
        self._speaking, self._silent_since_ms = False, now_ms
        if self._held:
            self._opens_ms = self._silent_since_ms = max(self._opens_ms, now_ms + self._pause_ms)

    def _open_turn(self, now_ms: int) -> None:
        self._held = self._held and now_ms < self._opens_ms
        if not self._speaking:
            self._speaking, self._speaking_since_ms = True, now_ms
        self._owed.discard("greeting")
        # A sound that must last to count, and falls into the agent's speech, is no turn until it cuts.
        self._overheard = self._agent.barge_in.after_ms > 0 and self._busy(now_ms)
        self._by_key = False
        opening = self._opening_ends_ms is None or now_ms < self._opening_ends_ms
        self._brief = opening or bool(self._collects)

    def _close_turn(self, now_ms: int) -> None:
        self._fall_silent(now_ms)
        tone = self._by_key and self._carrier.caller.end <= self._tone_end_ms * BYTES_PER_MS
        brief = self._brief and now_ms - self._speaking_since_ms < BRIEF_WAY_MS
        if not ((self._overheard or tone or brief) and self._busy(now_ms)):
            self._owed.add("answer")

    def _busy(self, now_ms: int) -> bool:
        return self._sounding(now_ms) or any(debt.startswith("response") for debt in self._owed)

    def _judge(self, now_ms: int, answered_by: object) -> None:
        if answered_by in {"human", "unknown"}:
            self._open_conversation(now_ms)
        else:
            self._machine = True

    def _open_conversation(self, now_ms: int) -> None:
        if self._held:
            self._held, self._silent_since_ms = False, now_ms

    def _read(self, now_ms: int, note: Note) -> None:
        match note.what:
            case what if what == ONLY_TONES:
                self._owed.discard("answer")
            case what if what == BY_KEY and now_ms - self._key_ms < KEY_WAY_MS:
                self._by_key = self._by_key or self._busy(now_ms)
            case "the server did not commit the caller's turn" if self._speaking:
                self._close_turn(now_ms)
            case "the carrier says who answered" if self._detects:
                self._judge(now_ms, note.fields["answered_by"])
            case "a late verdict on who answered is not obeyed":
                self._machine = False
            case "the model is gone":
                self._owed = {"apology"}
                if self._speaking:
                    self._speaking, self._silent_since_ms = False, now_ms

    def _ask(self, request: str) -> None:
        self._owed.add("request")
        if request.startswith("greeting"):
            self._opening_ends_ms = None  # it is said anew, and so is its first second

    def _obey(self, now_ms: int, command: CallCommand) -> None:
        match command:
            case ClearPlayback() | CancelResponse():
                self._overheard = self._by_key = self._brief = False
                if isinstance(command, CancelResponse):
                    self._cancelled.add(f"response {command.response_id}")
            case ConnectModel() if self._ready:
                self._lose_session(now_ms)
            case CreateResponse():
                self._ask(command.request)
            case RunTool() | CallColleague():
                self._owed.add(f"tool {command.call_id}")
            case ToolStarted() if command.server:
                self._owed.add(f"tool {command.call_id}")
            case ToolStarted():
                if any(tool.name == command.name and tool.kind == "collect_digits" for tool in self._agent.tools):
                    self._collects.add(command.call_id)
            case ToolAnswered():
                self._owed.discard(f"tool {command.call_id}")
                self._collects.discard(command.call_id)
            case AddToolOutput():
                self._owed.discard(f"tool {command.call_id}")
            case KeysPressed():
                self._owed.add("keys")
            case Note():
                self._read(now_ms, command)
            case HandedOver():
                self._agent = self._agents[command.agent]
            case HangUp() | ClosePhone() | CallEnded():
                self._over = True
