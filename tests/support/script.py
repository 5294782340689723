"""A call read like a script: what happens, at which millisecond, and what comes out.

`Script` keeps the carrier's side of a call in step with time: it sends a frame of silence every 20 ms, so that the
carrier's clock runs, and can play the carrier's part of echoing marks exactly on time.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from voice_agent.agent import Agent, Limits, Tool
from voice_agent.call.call import Call
from voice_agent.call.commands import CallCommand, ClearPlayback, Command, CreateResponse, PlayAudio, SendMark
from voice_agent.call.conversation import Resumption
from voice_agent.call.events import (
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
    TurnCommitted,
)
from voice_agent.call.setup import CallSetup, ModelSetup

OrderedBy = TypeVar("OrderedBy", bound=Command)

CLIPS = {"apology": b"\x80" * 800, "moment": b"\x81" * 400}

SILENT_FRAME = b"\xff" * 160

LOUD_FRAME = (b"\x90" * 8 + b"\x10" * 8) * 10

_WRITTEN = msgspec.json.Decoder(list[CallCommand])

MOST_FIRINGS = 20
"""More timers than that at one instant is a loop."""


def an_agent(**changes: object) -> Agent:
    """Make an agent that greets nobody, unless told otherwise."""
    values: dict[str, object] = {
        "name": "test",
        "instructions": "Be brief.",
        "limits": Limits(minutes=10, idle_seconds=0),
        "tools": (
            Tool("hang_up", "End the call.", {}, "hang_up"),
            Tool("look_up", "Look it up.", {}, "python", "m:f"),
        ),
    }
    return Agent(**(values | changes))  # type: ignore[arg-type]  # the test names the fields


class Script:
    """One call on a virtual clock, with a carrier that has no delay and plays exactly."""

    def __init__(
        self,
        agent: Agent | None = None,
        *,
        rest: bool = False,
        preconnect: bool = True,
        clips: Mapping[str, bytes] = CLIPS,
        resumed: Resumption | None = None,
        outbound: bool = False,
        others: Sequence[Agent] = (),
        kept_greeting: bytes | None = None,
        fallbacks: int = 0,
    ) -> None:
        """`fallbacks`: endpoints beside the first one."""
        setup = CallSetup(
            call_sid="CA1",
            agent=agent or an_agent(),
            rest=rest,
            preconnect=preconnect,
            resumed=resumed,
            outbound=outbound,
            others=tuple(others),
            kept_greeting=kept_greeting,
            fallbacks=(ModelSetup(),) * fallbacks,
        )
        self.call = Call(setup, clips)
        self.now_ms = 0
        self.said: list[CallCommand] = self.call.start()
        """Everything that ever came out."""
        self._fresh = 0
        self._stream_at: int | None = None
        self._queue: deque[tuple[str, int]] = deque()
        self._frames = 0
        self._audio_until = 0
        self._responses: set[str] = set()
        self._sent: dict[str, int] = {}
        self._firings = (0, 0)
        """The newest instant at which timers fired, and how many."""
        self.frame = SILENT_FRAME
        """What the caller's frames hold."""
        self.frames_come = True
        """Whether the carrier sends frames; some send none in silence."""
        self.echo = True
        """Whether the carrier echoes marks."""

    # --- driving -----------------------------------------------------------------------------------------------------

    def feed(self, *events: CallEvent) -> list[CallCommand]:
        """Feed events now; give what came out since the last look."""
        for event in events:
            outputs = self.call.feed(self.now_ms, event)
            assert _WRITTEN.decode(msgspec.json.encode(outputs)) == outputs  # as a recording keeps them, types and all
            self.said += outputs
            for output in outputs:
                self._carry(output)
        return self.fresh()

    def fresh(self) -> list[CallCommand]:
        """Give what came out since the last look."""
        new = self.said[self._fresh :]
        self._fresh = len(self.said)
        return new

    def wait(self, ms: int) -> list[CallCommand]:
        """Let time pass: frames arrive, marks are echoed, timers fire."""
        until = self.now_ms + ms
        while True:
            at = min(x for x in (until, self._next_frame(), self._next_echo(), self.call.deadline()) if x is not None)
            if at >= until and not self._due(until):
                self.now_ms = until
                return self.fresh()
            self.now_ms = max(self.now_ms, min(at, until))
            self._one_step()

    def _due(self, until: int) -> bool:
        return any(x is not None and x <= until for x in (self._next_frame(), self._next_echo(), self.call.deadline()))

    def _one_step(self) -> None:
        kept = self._fresh
        echo, frame, deadline = self._next_echo(), self._next_frame(), self.call.deadline()
        if echo is not None and echo <= self.now_ms:
            self.feed(MarkEchoed(self._queue.popleft()[0]))
        elif frame is not None and frame <= self.now_ms and self._stream_at is not None:
            self._frames += 1
            self.feed(CallerAudio((self._frames - 1) * 20, self.frame))
        elif deadline is not None and deadline <= self.now_ms:
            self._count_firing()
            self.feed(TimerFired())
        self._fresh = kept

    def _count_firing(self) -> None:
        at_ms, times = self._firings
        self._firings = (self.now_ms, times + 1 if at_ms == self.now_ms else 1)
        assert self._firings[1] <= MOST_FIRINGS, f"timers without progress: {self.call}"

    # --- the carrier -------------------------------------------------------------------------------------------------

    def _next_frame(self) -> int | None:
        if not self.frames_come:
            return None
        return None if self._stream_at is None else self._stream_at + (self._frames + 1) * 20

    def _next_echo(self) -> int | None:
        return max(self._queue[0][1], self.now_ms) if self._queue and self.echo else None

    def _carry(self, output: CallCommand) -> None:
        match output:
            case PlayAudio():
                self._audio_until = max(self._audio_until, self.now_ms) + len(output.audio) // 8
            case SendMark():
                self._queue.append((output.name, max(self._audio_until, self.now_ms)))
            case ClearPlayback():
                self._audio_until = self.now_ms
                self._queue = deque((name, self.now_ms) for name, _ in self._queue)

    # --- scenes ------------------------------------------------------------------------------------------------------

    def begin_stream(self) -> list[CallCommand]:
        """The phone's stream starts."""
        self._stream_at = self.now_ms
        self._frames = 0
        return self.feed(StreamStarted("MZ1", "CA1"))

    def begin_session(self) -> list[CallCommand]:
        """The model's session becomes usable."""
        return self.feed(ModelOpened(), SessionCreated("sess_1"), SessionUpdated())

    def begin(self) -> "Script":
        """Bring the call to where both sides can speak."""
        self.begin_session()
        self.begin_stream()
        return self

    def agent_speaks(self, item: str, ms: int, *, response: str = "r1", done: bool = True, chunk_ms: int = 200) -> None:
        """The model begins a response (if it is new) and sends audio much faster than it plays."""
        if response not in self._responses:
            self._responses.add(response)
            self.feed(ResponseCreated(response, self._last_request()))
        for start in range(0, ms, chunk_ms):
            length = min(chunk_ms, ms - start)
            sent = self._sent.get(item, 0) + length
            self._sent[item] = sent
            self.feed(ModelAudio(response, item, 0, b"\x10" * (8 * length), sent))
        if done:
            self.feed(ModelAudio(response, item, 0, b"", self._sent[item], done=True))

    def response_done(self, response: str = "r1", status: str = "completed") -> list[CallCommand]:
        """The model ends a response."""
        return self.feed(ResponseDone(response, status))  # type: ignore[arg-type]  # the test names the status

    def caller_speaks(self, item: str = "u1") -> list[CallCommand]:
        """Server VAD hears the caller, who goes on speaking."""
        self.frame = LOUD_FRAME
        return self.feed(SpeechStarted(item, 0))

    def caller_stops(self, item: str = "u1") -> list[CallCommand]:
        """Server VAD hears the end and commits the turn."""
        self.frame = SILENT_FRAME
        return self.feed(SpeechStopped(item, 0), TurnCommitted(item))

    def _last_request(self) -> str | None:
        requests = self.ordered(CreateResponse)
        return requests[-1].request if requests else None

    # --- looking -----------------------------------------------------------------------------------------------------

    def ordered(self, kind: type[OrderedBy]) -> list[OrderedBy]:
        """All commands of one kind that ever came out."""
        return [command for command in self.said if isinstance(command, kind)]
