"""Calls that anything may happen to: events of every kind in any order, and what must hold whatever happens.

`events()` draws from small pools of ids, so that what is drawn meets what was drawn before.
"""

from collections import Counter

import msgspec
from hypothesis import strategies as st

from tests.support.script import CLIPS, an_agent
from voice_agent.agent import Agent, BargeIn, Limits, McpServer
from voice_agent.call.call import Call
from voice_agent.call.commands import (
    AddToolOutput,
    AddUserText,
    AnswerMcpApproval,
    AppendAudio,
    CallCommand,
    CallEnded,
    CancelResponse,
    ClearPlayback,
    CloseModel,
    ClosePhone,
    ConfigureSession,
    ConnectModel,
    CreateResponse,
    HangUp,
    PlayAudio,
    SendMark,
    SetTurnFlags,
    TruncateItem,
)
from voice_agent.call.events import (
    AgentTranscript,
    CallerAudio,
    CallerTranscribed,
    CallEvent,
    EndRequested,
    HangUpFinished,
    ItemTruncated,
    KeyPressed,
    MarkEchoed,
    McpAnswered,
    McpApprovalAsked,
    McpCallBegan,
    McpCalled,
    McpCallEnded,
    McpListingFailed,
    McpToolsListed,
    ModelAudio,
    ModelClosed,
    ModelError,
    ModelFault,
    ModelOpened,
    ModelRefused,
    PhoneChecked,
    PhoneClosed,
    PhoneFault,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    StandbyFailed,
    StandbyReady,
    StreamStarted,
    StreamStopped,
    TimerFired,
    ToolFinished,
    ToolRequested,
    TranscriptionFailed,
    TurnCommitted,
    Usage,
)
from voice_agent.call.setup import CallSetup

MOST_FIRINGS = 20
"""More timers than that at one instant is a loop."""

COMMIT_MS = 2000
"""A turn that is not committed so long after its speech ended is over."""

ToModel = (
    ConfigureSession
    | SetTurnFlags
    | AppendAudio
    | CreateResponse
    | CancelResponse
    | TruncateItem
    | AddUserText
    | AddToolOutput
    | AnswerMcpApproval
)
ToPhone = PlayAudio | SendMark | ClearPlayback

RESPONSES = st.sampled_from(["r1", "r2", "r3"])
ITEMS = st.sampled_from(["a", "b"])
TURNS = st.sampled_from(["u1", "u2"])
CALLS = st.sampled_from(["c1", "c2", "c3"])
MCP_ITEMS = st.sampled_from(["m1", "m2", "a1"])
REQUESTS = st.sampled_from(
    [None, "greeting-1", "tool-1", "keys-1", "mcp-1", "goodbye-1", "goodbye-2", "turn-1", "retry-1"]
)
MARKS = st.builds("{}-{}".format, st.sampled_from(["start", "play", "cut"]), st.integers(1, 12))
AUDIO = st.integers(0, 12).map(lambda frames: b"\x10" * (frames * 800))
SMALL = st.integers(0, 5000)


def events() -> st.SearchStrategy[CallEvent]:
    """Any one event. Those that end a call are rare, or no call would last."""
    return st.one_of(*_of_the_phone(), *_of_the_model(), _endings(), *_of_the_rest())


def _of_the_phone() -> list[st.SearchStrategy[CallEvent]]:
    return [
        st.just(StreamStarted("MZ1", "CA1")),
        st.builds(CallerAudio, SMALL, st.just(b"\xff" * 160)),
        st.builds(KeyPressed, st.sampled_from("1#")),
        st.builds(MarkEchoed, MARKS),
        st.just(PhoneFault("not JSON")),
        st.just(PhoneChecked(alive=True)),
        st.builds(HangUpFinished, st.sampled_from(["", "401"])),
    ]


def _of_the_model() -> list[st.SearchStrategy[CallEvent]]:
    speech: list[st.SearchStrategy[CallEvent]] = [
        st.builds(SpeechStarted, TURNS, SMALL),
        st.builds(SpeechStopped, TURNS, SMALL),
        st.builds(TurnCommitted, TURNS),
    ]
    statuses = st.sampled_from(["completed", "cancelled", "incomplete", "failed"])
    codes = st.sampled_from([None, "conversation_already_has_active_response", "invalid_value"])
    responses: list[st.SearchStrategy[CallEvent]] = [
        st.builds(ResponseCreated, RESPONSES, REQUESTS),
        st.builds(_audio, RESPONSES, ITEMS, AUDIO, st.booleans()),
        st.builds(AgentTranscript, RESPONSES, ITEMS, st.just("some words ")),
        st.builds(
            ToolRequested, RESPONSES, ITEMS, CALLS, st.sampled_from(["look_up", "hang_up", "none"]), st.just("{}")
        ),
        st.builds(ResponseDone, RESPONSES, statuses, st.just(""), st.sampled_from([None, Usage(1)])),
    ]
    rest: list[st.SearchStrategy[CallEvent]] = [
        st.sampled_from([ModelOpened(), SessionCreated("sess_1"), SessionUpdated(), SessionUpdated("voice")]),
        st.builds(CallerTranscribed, TURNS, st.just("words")),
        st.builds(TranscriptionFailed, TURNS, st.just("")),
        st.builds(ItemTruncated, ITEMS, SMALL),
        st.builds(ModelError, codes, st.just("problem"), REQUESTS),
        st.just(ModelFault("not JSON")),
    ]
    return [*speech, *responses, *rest, *_of_mcp(), *speech, *responses]


def _of_mcp() -> list[st.SearchStrategy[CallEvent]]:
    tools = st.sampled_from(["free_slots", "book"])
    servers = st.sampled_from(["calendar", "elsewhere"])
    return [
        st.sampled_from([McpToolsListed("calendar", ("book",)), McpListingFailed("calendar"), McpListingFailed("")]),
        st.builds(McpCalled, RESPONSES, MCP_ITEMS, servers, tools, st.just("{}")),
        st.builds(McpCallBegan, MCP_ITEMS),
        st.builds(McpCallEnded, MCP_ITEMS, st.booleans()),
        st.builds(McpAnswered, MCP_ITEMS, servers, tools, st.just("{}"), st.just("42"), st.sampled_from(["", "http"])),
        st.builds(McpApprovalAsked, MCP_ITEMS, servers, tools, st.just("{}")),
    ]


def _of_the_rest() -> list[st.SearchStrategy[CallEvent]]:
    standbys: st.SearchStrategy[CallEvent] = st.sampled_from([StandbyReady(), StandbyFailed("401")])
    return [st.just(TimerFired()), standbys, st.builds(ToolFinished, CALLS, st.just("42"), st.booleans())]


def _endings() -> st.SearchStrategy[CallEvent]:
    return st.sampled_from(
        [
            StreamStopped(),
            PhoneClosed(None),
            PhoneChecked(alive=False),
            PhoneFault("another format", fatal=True),
            ModelClosed(1006),
            ModelRefused(401, "401"),
            SessionUpdated("formats", unusable=True),
            EndRequested("drained"),
            EndRequested("spent", goodbye=True),
        ]
    )


def _audio(response: str, item: str, audio: bytes, done: bool) -> ModelAudio:
    return ModelAudio(response, f"{response}-{item}", 0, audio, 0, done)


def steps(most: int = 60) -> st.SearchStrategy[list[tuple[CallEvent, int]]]:
    """Events, each with the milliseconds that pass before it."""
    delays = st.sampled_from([0, 0, 1, 20, 100, 400, 800, 2000, 5000, 20_000])
    return st.lists(st.tuples(events(), delays), max_size=most)


def agents() -> st.SearchStrategy[Agent]:
    """Agents under every policy."""
    policies = [BargeIn(), BargeIn(after_ms=300), BargeIn(protect_greeting=True), BargeIn(300, protect_greeting=True)]
    return st.builds(
        lambda greeting, policy, idle, mcp: an_agent(
            greeting=greeting, barge_in=policy, limits=Limits(minutes=1, idle_seconds=idle), mcp=mcp
        ),
        st.sampled_from([None, "Hello."]),
        st.sampled_from(policies),
        st.sampled_from([0, 5]),
        st.sampled_from([(), (_CALENDAR,)]),
    )


_CALENDAR = McpServer(
    server_label="calendar",
    server_url="https://mcp.example.com/mcp",
    require_approval="always",
    approve=("free_slots",),
)


def setups() -> st.SearchStrategy[CallSetup]:
    """Calls of every kind."""
    return st.builds(
        lambda agent, preconnect, rest: CallSetup(call_sid="CA1", agent=agent, preconnect=preconnect, rest=rest),
        agents(),
        st.booleans(),
        st.booleans(),
    )


BEGINNINGS: list[list[CallEvent]] = [
    [],
    [StreamStarted("MZ1", "CA1")],
    [
        ModelOpened(),
        SessionCreated("sess_1"),
        SessionUpdated(),
        StreamStarted("MZ1", "CA1"),
        CallerAudio(0, b"\xff" * 160),
    ],
]


class AnyCall:
    """One call that is fed anything; it watches what must hold. `broken` stays empty."""

    def __init__(self, setup: CallSetup) -> None:
        self.call = Call(setup, CLIPS)
        self.now_ms = 0
        self.said: list[CallCommand] = []
        self.broken: list[str] = []
        self._counts: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._speaking = False
        self._stopped_ms: int | None = None
        self._set_up = False
        self._active: str | None = None
        self._dead: set[str] = set()
        self._streaming = False
        self._look(None, self.call.start())

    def run(self, beginning: list[CallEvent], happenings: list[tuple[CallEvent, int]]) -> "AnyCall":
        """Feed all of it, and every timer on the way."""
        for event in beginning:
            self.feed(event)
        for event, delay_ms in happenings:
            self.wait(delay_ms)
            self.feed(event)
        return self

    def wait(self, ms: int) -> None:
        """Let time pass: timers fire when they are due."""
        until = self.now_ms + ms
        firings = 0
        while (deadline := self.call.deadline()) is not None and deadline <= until:
            firings = firings + 1 if deadline <= self.now_ms else 0
            if firings > MOST_FIRINGS:
                self.broken.append(f"timers without progress: {self.call}")
                return
            self.now_ms = max(self.now_ms, deadline)
            self.feed(TimerFired())
        self.now_ms = until

    def feed(self, event: CallEvent) -> None:
        """Feed one event and look at what comes out."""
        if isinstance(event, ModelAudio):
            self._sent[event.item_id] += len(event.audio) // 8
            event = msgspec.structs.replace(event, sent_ms=self._sent[event.item_id])
        match event:
            case StreamStarted() if not self._counts["ClosePhone"]:
                self._streaming = True
            case SessionUpdated() if not self._set_up:
                # A session that is not set up has been given nothing that it could hear.
                self._set_up, self._speaking = True, False
            case SpeechStarted():
                self._speaking, self._stopped_ms = True, None
            case SpeechStopped() if self._speaking:
                self._stopped_ms = self.now_ms
            case TurnCommitted():
                self._speaking = False
            case TimerFired() if self._stopped_ms is not None and self.now_ms - self._stopped_ms >= COMMIT_MS:
                self._speaking = False
            case ResponseCreated():
                self._active = event.response_id
        self._look(event, self.call.feed(self.now_ms, event))
        if isinstance(event, ResponseDone):
            self._dead.discard(event.response_id)
            self._active = None if event.response_id == self._active else self._active

    def _look(self, event: CallEvent | None, commands: list[CallCommand]) -> None:
        for command in commands:
            if self._counts["CallEnded"]:
                self._break(f"{command} after the end")
            self.said.append(command)
            self._count(command)
            match command:
                case ClosePhone():
                    self._streaming = False
                case CancelResponse():
                    self._dead.add(command.response_id)
                case ClearPlayback() if self._active is not None:
                    self._dead.add(self._active)
                case PlayAudio() if isinstance(event, ModelAudio) and event.response_id in self._dead:
                    self._break(f"audio of {event.response_id} was played after it was cut")
                case CreateResponse() if self._speaking:
                    self._break(f"{command.request} was asked for while the caller speaks")
                case TruncateItem() if not 0 <= command.audio_end_ms <= self._sent[command.item_id]:
                    self._break(f"{command} of {self._sent[command.item_id]} ms")
                case _:
                    pass

    def _count(self, command: CallCommand) -> None:
        kind = type(command).__name__
        self._counts[kind] += 1
        if isinstance(command, ConnectModel):
            self._begin_session()
        if isinstance(command, CallEnded | ClosePhone | CloseModel | HangUp | ConfigureSession):
            self._once(kind, self._counts[kind])
        if isinstance(command, ToModel) and self._counts["CloseModel"]:
            self._break(f"{command} to a model that was closed")
        if isinstance(command, ToModel) and self._counts["ConnectModel"] > 1 and not self._counts["ConfigureSession"]:
            self._break(f"{command} to a session that is not set up")
        if isinstance(command, ToPhone) and not self._streaming:
            self._break(f"{kind} to a phone that is not there yet, or not any more")
        for name in _names(command):
            self._counts[name] += 1
            self._once(name, self._counts[name])

    def _begin_session(self) -> None:
        """Forget what was said to the former one, and in it; the caller is heard again."""
        for name in [name for name in self._counts if name.startswith("event ") or name == "ConfigureSession"]:
            del self._counts[name]
        self._sent.clear()
        self._speaking, self._stopped_ms, self._set_up = False, None, False

    def _once(self, what: str, times: int) -> None:
        if times > 1:
            self._break(f"{what}: {times} times")

    def _break(self, what: str) -> None:
        self.broken.append(f"{self.now_ms} ms: {what}")


def _names(command: CallCommand) -> list[str]:
    match command:
        case SendMark():
            return [f"mark {command.name}"]
        case CreateResponse():
            return [f"event {command.request}"]
        case CancelResponse() | TruncateItem() | AddUserText():
            return [f"event {command.event_id}"]
        case AddToolOutput() if command.event_id.startswith("history"):
            return [f"event {command.event_id}"]
        case AddToolOutput():
            return [f"event {command.event_id}", f"call {command.call_id}"]
        case AnswerMcpApproval():
            return [f"event {command.item_id}", f"approval {command.request_id}"]
        case _:
            return []
