"""A client of `RealtimeSession` on a virtual clock, whose slow work is done at once by a script.

Speech is a tone of 10 ms a character; a turn is "recognised" as the next text of `words`.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.support.openai_types import faults
from voice_agent.sim.realtime import (
    CallTool,
    ClientText,
    CloseSocket,
    Energy,
    FaultySession,
    Input,
    ListingFailed,
    ListTools,
    McpToolInfo,
    Output,
    OutputBuffer,
    PlayFrame,
    RealtimeOptions,
    RealtimeSession,
    Recognise,
    Recognised,
    SendAudio,
    SendEvent,
    SendText,
    Session,
    Speak,
    Spoken,
    StopWork,
    Think,
    ThoughtCall,
    ThoughtDone,
    ThoughtText,
    TimerFired,
    ToolCalled,
    ToolCallFailed,
    ToolsListed,
    parse_faults,
)

Event = dict[str, Any]
SPEECH_MS_PER_CHARACTER = 10


def tone(duration_ms: int, rate_hz: int = 24000, amplitude: int = 8000) -> bytes:
    """A 440 Hz tone as PCM16."""
    time = np.arange(duration_ms * rate_hz // 1000) / rate_hz
    return (amplitude * np.sin(2 * np.pi * 440 * time)).astype("<i2").tobytes()


def silence(duration_ms: int) -> bytes:
    """Digital silence as PCM16, 24 kHz."""
    return bytes(48 * duration_ms)


def _nine(order: CallTool) -> ToolCalled:
    return ToolCalled(order.item_id, "9:00")


class VirtualClient:
    """Sends events, keeps what comes back. Every event is judged by the openai package's types."""

    def __init__(
        self, options: RealtimeOptions | None = None, output: OutputBuffer | None = None, faults: str = ""
    ) -> None:
        self.now_ms = 0
        options = options or RealtimeOptions()
        self._dialect = options.dialect
        self.session = RealtimeSession(options, Energy(), output)
        self.peer: Session = FaultySession(self.session, parse_faults(faults)) if faults else self.session
        self.events: list[Event] = []
        self.orders: list[Output] = []
        self.words = iter(["hello"] * 100)
        self.brain: Callable[[Think], list[str | tuple[str, str]]] = lambda _: ["Hello there.", "How can I help?"]
        """Makes sentences (str) and function calls (name, arguments)."""
        self.lazy = False
        """Do no slow work: the test feeds the results itself."""
        self.mcp: dict[str, tuple[McpToolInfo, ...]] = {}
        """The tools of each MCP server, by its label; a server that is not there cannot be listed."""
        self.answer_mcp: Callable[[CallTool], ToolCalled | ToolCallFailed | None] = _nine
        self.closed: CloseSocket | None = None
        self._take(self.peer.start(0))

    def send(self, **event: Any) -> list[Event]:
        """Send a client event; return the events that it caused at once."""
        return self.feed(ClientText(json.dumps(event)))

    def setup(self, *, server_vad: bool = False, **session: Any) -> None:
        """Update the session; manual turns unless told otherwise."""
        detection = {"type": "server_vad", "silence_duration_ms": 500} if server_vad else None
        audio = {"input": {"turn_detection": detection, "transcription": {"model": "gpt-4o-mini-transcribe"}}}
        self.send(type="session.update", session={"type": "realtime", "audio": audio} | session)

    def append(self, audio: bytes) -> list[Event]:
        """Append audio at once."""
        return self.send(type="input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    def stream(self, audio: bytes, bytes_per_ms: int = 48) -> list[Event]:
        """Append audio in frames of 20 ms as time passes."""
        before = len(self.events)
        for start in range(0, len(audio), 20 * bytes_per_ms):
            self.wait(20)
            self.append(audio[start : start + 20 * bytes_per_ms])
        return self.events[before:]

    def wait(self, duration_ms: int) -> list[Event]:
        """Let time pass, firing the timers that come due."""
        before = len(self.events)
        end_ms = self.now_ms + duration_ms
        while (deadline := self.peer.deadline()) is not None and deadline <= end_ms:
            self.now_ms = max(self.now_ms, deadline)
            self.feed(TimerFired())
        self.now_ms = end_ms
        return self.events[before:]

    def feed(self, received: Input) -> list[Event]:
        """Feed one input, and do the slow work that it orders."""
        before = len(self.events)
        self._take(self.peer.feed(self.now_ms, received))
        return self.events[before:]

    def of(self, event_type: str) -> list[Event]:
        """All events of a type so far."""
        return [event for event in self.events if event["type"] == event_type]

    def spoken(self) -> bytes:
        """All audio deltas so far."""
        return b"".join(base64.b64decode(event["delta"]) for event in self.of("response.output_audio.delta"))

    def _take(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, SendEvent | SendAudio | SendText):
                event = json.loads(output.text)
                assert faults(event, self._dialect) == []
                self.events.append(event)
            elif isinstance(output, CloseSocket):
                self.closed = output
            else:
                self.orders.append(output)
        if not self.lazy:
            for output in outputs:
                for result in self._work(output):
                    self.feed(result)

    def _work(self, output: Output) -> list[Input]:
        match output:
            case Recognise():
                return [Recognised(output.item_id, next(self.words))]
            case Think():
                thoughts: list[Input] = []
                for thought in self.brain(output):
                    if isinstance(thought, str):
                        thoughts.append(ThoughtText(output.response_id, thought))
                    else:
                        thoughts.append(ThoughtCall(output.response_id, *thought))
                return [*thoughts, ThoughtDone(output.response_id)]
            case Speak():
                pcm = tone(SPEECH_MS_PER_CHARACTER * len(output.text))
                return [Spoken(output.response_id, output.item_id, pcm, last=True)]
            case ListTools():
                tools = self.mcp.get(output.server.label)
                return [ListingFailed(output.item_id) if tools is None else ToolsListed(output.item_id, tools)]
            case CallTool():
                answered = self.answer_mcp(output)
                return [] if answered is None else [answered]
            case SendEvent() | SendAudio() | SendText() | PlayFrame() | CloseSocket() | StopWork():
                return []
