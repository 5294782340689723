"""The whole core under every event in every state: nothing raises, time goes forward, and the end is the end."""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.every_event import every_event, every_setup
from tests.support.script import CLIPS
from voice_agent.call.call import Call
from voice_agent.call.commands import CallCommand, CallEnded, ClearPlayback, ConnectModel, PlayAudio, SendMark
from voice_agent.call.events import (
    AgentTranscript,
    CallerAudio,
    CallEvent,
    MarkEchoed,
    ModelAudio,
    ModelOpened,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    StreamStarted,
    TimerFired,
    ToolRequested,
    TurnCommitted,
    Usage,
)
from voice_agent.call.setup import CallSetup

LINE_TOOLS = ["hang_up", "transfer", "ask", "collect_digits", "pin", "open_door", "press", "handoff", "take_call"]
ARGUMENTS = {
    "transfer": '{"to":"front_desk"}',
    "ask": '{"to":"ana","summary":"A caller."}',
    "open_door": '{"digits":"front"}',
    "press": '{"digits":"1w2#"}',
    "handoff": '{"to":"billing"}',
}

MOST_FIRINGS = 20
"""More timers than that at one instant is a loop."""


class EveryEvent(RuleBasedStateMachine):
    """One call to which anything happens."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.ended = False
        self.played_ms = 0
        self.marks: deque[tuple[int, str]] = deque()
        """When each will be reached."""
        self.call: Call

    @initialize(setup=every_setup(), clips=st.sampled_from([{}, CLIPS]), talks=st.booleans())
    def begin(self, setup: CallSetup, clips: dict[str, bytes], talks: bool) -> None:
        """Half of the calls are in the middle of a conversation."""
        self.call = Call(setup, clips)
        commands = self.call.start()
        assert commands == ([ConnectModel()] if setup.preconnect else [])
        if talks:
            for event in (ModelOpened(), SessionCreated("s"), SessionUpdated(), StreamStarted("MZ1", "CA1")):
                self.happen(event)

    @rule(event=every_event())
    def happen(self, event: CallEvent) -> None:
        self.look(self.call.feed(self.now_ms, event))

    @rule(name=st.sampled_from(LINE_TOOLS), number=st.integers(1, 9))
    def use_a_tool(self, name: str, number: int) -> None:
        """Call a tool of the line as a model does."""
        arguments, response = ARGUMENTS.get(name, "{}"), f"r{number}"
        self.happen(ResponseCreated(response, None))
        self.happen(ToolRequested(response, f"f{number}", f"c{number}", name, arguments))
        self.happen(ResponseDone(response, "completed"))

    @rule(number=st.integers(1, 9), ms=st.sampled_from([20, 500, 3000]), done=st.booleans())
    def let_the_agent_speak(self, number: int, ms: int, done: bool) -> None:
        """Give an answer as a model does, all of it at once."""
        response, item = f"r{number}", f"item{number}"
        self.happen(ResponseCreated(response, None))
        self.happen(AgentTranscript(response, item, "Some words."))
        self.happen(ModelAudio(response, item, 0, b"\x10" * (8 * ms), ms, done=True))
        if done:
            self.happen(ResponseDone(response, "completed", usage=Usage(1)))

    @rule(frames=st.integers(1, 40), speaks=st.booleans())
    def play(self, frames: int, speaks: bool) -> None:
        """Be the carrier: send the caller's frames, and echo what was played meanwhile."""
        turn = f"u{self.now_ms}"
        if speaks:
            self.happen(SpeechStarted(turn, self.now_ms))
        for _ in range(frames):
            self.wait(20)
            self.happen(CallerAudio(self.now_ms, (b"\x10" if speaks else b"\xff") * 160))
            while self.marks and self.marks[0][0] <= self.now_ms:
                self.happen(MarkEchoed(self.marks.popleft()[1]))
        if speaks:
            self.happen(SpeechStopped(turn, self.now_ms))
            self.happen(TurnCommitted(turn))

    @rule(ms=st.sampled_from([1, 20, 150, 800, 2000, 5000, 20_000]))
    def wait(self, ms: int) -> None:
        until, firings = self.now_ms + ms, 0
        while (deadline := self.call.deadline()) is not None and deadline <= until:
            firings = firings + 1 if deadline <= self.now_ms else 0
            assert firings <= MOST_FIRINGS, f"timers without progress: {self.call}"
            self.now_ms = max(self.now_ms, deadline)
            self.happen(TimerFired())
        self.now_ms = until

    def look(self, commands: list[CallCommand]) -> None:
        assert not (self.ended and commands), f"{commands} after the end"
        ends = [place for place, command in enumerate(commands) if isinstance(command, CallEnded)]
        assert ends in ([], [len(commands) - 1])
        self.ended = self.ended or bool(ends)
        for command in commands:
            match command:
                case PlayAudio():
                    self.played_ms = max(self.played_ms, self.now_ms) + len(command.audio) // 8
                case SendMark():
                    self.marks.append((max(self.played_ms, self.now_ms), command.name))
                case ClearPlayback():
                    self.played_ms = self.now_ms
                    self.marks = deque((self.now_ms, name) for _, name in self.marks)
                case _:
                    pass

    @invariant()
    def can_be_asked_at_any_time(self) -> None:
        if hasattr(self, "call"):
            assert repr(self.call).startswith("<Call")
            self.call.resumption()
            assert not self.ended or self.call.deadline() is None

    def teardown(self) -> None:
        """Whoever is left alone comes to an end: the limit is a minute, a transfer and an apology take others."""
        if hasattr(self, "call"):
            for _ in range(20):
                self.wait(20_000)
            assert self.ended, f"{self.call}"


EveryEvent.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestEveryEventInEveryState = EveryEvent.TestCase
