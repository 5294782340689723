"""Callers: N calls that speak Media Streams to any server in coded audio, and account for what comes back.

How a call gets in - straight to a URL, or through a signed webhook - is the business of an `Admission`. Frames are
written past the library's queue, and by a timer instead of a task: a call costs some 20 microseconds a frame.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import NamedTuple

import msgspec
import pybase64
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from voice_agent.emulator.load.coded_audio import FRAME_MS, Follower, mulaw_frames
from voice_agent.emulator.twilio import webhook
from voice_agent.errors import PeerError
from voice_agent.text_frames import ClientFrames
from voice_agent.wire import twiml
from voice_agent.wire.signature import sign
from voice_agent.wire.twilio import Clear, OutgoingMark, OutgoingMedia, parse_outgoing

ACCOUNT_SID = "AC" + "0" * 32

STAGGER_S = 0.017
"""Between the beginnings of two calls: not a part of 20 ms, so that frames of different calls do not come in step."""

CONNECT_S = 20.0
"""How long a call may take to be admitted."""


class Admitted(NamedTuple):
    """The way into one call."""

    url: str
    headers: Mapping[str, str]
    """Of the WebSocket upgrade."""
    parameters: Mapping[str, str]
    """`start.customParameters`."""


Admission = Callable[[str], Awaitable[Admitted]]
"""Takes the CallSid of a new call; raises `PeerError`."""


def straight_to(url: str, token: str = "") -> Admission:
    """Let every call in at one URL; `token` signs the upgrade."""

    async def admit(_call_sid: str) -> Admitted:
        return Admitted(url, {"X-Twilio-Signature": sign(token, url)} if token else {}, {})

    return admit


def by_webhook(url: str, token: str) -> Admission:
    """Let calls in as Twilio comes: by the voice webhook, whose TwiML names the stream and its parameters."""

    async def admit(call_sid: str) -> Admitted:
        fields = {
            "CallSid": call_sid,
            "AccountSid": ACCOUNT_SID,
            "From": f"+1425555{int(call_sid[-4:], 16) % 10_000:04}",
            "To": "+14255550100",
            "CallStatus": "ringing",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
        }
        answer = await webhook.request(url, fields, token)
        verbs = twiml.parse(answer.body) if answer.status == 200 else []
        found = next((verb for verb in verbs if isinstance(verb, twiml.Connect)), None)
        if found is None:
            raise PeerError(f"{url} answers no <Connect><Stream> (HTTP {answer.status}): is a limit of calls reached?")
        return Admitted(found.url, {"X-Twilio-Signature": sign(token, found.url)}, found.parameters)

    return admit


class Cut(NamedTuple):
    """The agent's audio was cut by a `clear`."""

    at_ns: int
    played_frames: float
    """How far the caller had heard the agent's audio, in frames as the model numbers them."""


class CallRecord(NamedTuple):
    """What one call said and heard; times in ns of CLOCK_MONOTONIC."""

    call: int
    sent_ns: list[int]
    """When each frame went out."""
    heard: Follower
    cuts: list[Cut]
    ended_ns: int
    """When the caller stopped listening."""
    broken: str
    """What ended it before its time; empty: nothing."""


@cache
def _payload(place: int, call: int) -> str:
    return pybase64.b64encode(mulaw_frames(place, 1, call)).decode()


class _Call:
    """One call: speaks a frame every 20 ms, plays what it hears at 8 bytes a millisecond, echoes marks when reached."""

    def __init__(self, number: int, call_sid: str, socket: ClientConnection) -> None:
        self._number = number
        self._call_sid = call_sid
        self._stream_sid = f"MZ{number:032x}"
        self._socket = socket
        self._frames = ClientFrames()
        self._messages = 0
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._played_until = 0.0
        self._marks: deque[tuple[float, str]] = deque()
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.speaking = True
        self.sent_ns: list[int] = []
        self.cuts: list[Cut] = []
        self.heard = Follower(pcm=False)
        self.ended_ns = 0
        """When it stopped listening."""

    async def run(self, parameters: Mapping[str, str], hang_up: asyncio.Event) -> None:
        """Hold the call until it is to be hung up; raises `ConnectionClosed` when the server does it first."""
        self._write('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        self._start(parameters)
        self._began = self._clock()
        self._tick()
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen())
                await hang_up.wait()
                listening.cancel()
            self._send("stop", f'"stop":{{"accountSid":"{ACCOUNT_SID}","callSid":"{self._call_sid}"}}')
        finally:
            self.ended_ns = time.perf_counter_ns()
            if self._timer is not None:
                self._timer.cancel()

    def _start(self, parameters: Mapping[str, str]) -> None:
        start = {
            "streamSid": self._stream_sid,
            "accountSid": ACCOUNT_SID,
            "callSid": self._call_sid,
            "tracks": ["inbound"],
            "customParameters": dict(parameters),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        self._send("start", f'"start":{msgspec.json.encode(start).decode()}')

    def _tick(self) -> None:
        number = len(self.sent_ns)
        if self.speaking:
            payload = _payload(number % 64, self._number)
            media = f'"track":"inbound","chunk":"{number + 1}","timestamp":"{number * FRAME_MS}","payload":"{payload}"'
            self.sent_ns.append(time.perf_counter_ns())
            self._send("media", f'"media":{{{media}}}')
            due = self._began + (number + 1) * FRAME_MS / 1000
        else:
            due = self._clock() + FRAME_MS / 1000
        self._echo()
        self._timer = self._loop.call_at(due, self._tick)

    async def _listen(self) -> None:
        async for text in self._socket:
            message = parse_outgoing(text if isinstance(text, str) else "")
            match message:
                case OutgoingMedia():
                    audio = message.media.payload
                    self.heard.hear(audio, time.perf_counter_ns())
                    self._played_until = max(self._played_until, self._clock()) + len(audio) / 8000
                case OutgoingMark():
                    self._marks.append((self._played_until, message.mark.name))
                    self._echo()
                case Clear():
                    waiting = max(0.0, self._played_until - self._clock()) * 1000 / FRAME_MS
                    self.cuts.append(Cut(time.perf_counter_ns(), self.heard.expected - waiting))
                    self._played_until = 0.0
                    self._marks = deque((0.0, name) for _, name in self._marks)
                    self._echo()
        raise ConnectionClosed(None, None)

    def _echo(self) -> None:
        while self._marks and self._marks[0][0] <= self._clock():
            self._send("mark", f'"mark":{msgspec.json.encode({"name": self._marks.popleft()[1]}).decode()}')

    def _send(self, event: str, body: str) -> None:
        self._messages += 1
        self._write(
            f'{{"event":"{event}","sequenceNumber":"{self._messages}","streamSid":"{self._stream_sid}",{body}}}'
        )

    def _write(self, text: str) -> None:
        if not self._socket.transport.is_closing():
            self._socket.transport.write(self._frames.text(text))


class Callers:
    """Calls at once, begun one shortly after the other. Usage: `begin`, `stop_speaking`, `end`, once."""

    def __init__(self, admission: Admission, run: str = "") -> None:
        """`run`: hexadecimal digits that tell these calls' SIDs from those of others on the same server."""
        self._admission = admission
        self._run = run
        self._hang_up = asyncio.Event()
        self._settled = asyncio.Semaphore(0)
        """Counts the calls that speak or have failed."""
        self._calls: list[_Call] = []
        self._tasks: list[asyncio.Task[CallRecord]] = []

    @property
    def ended(self) -> int:
        """How many calls are over, before their time or not."""
        return sum(task.done() for task in self._tasks)

    async def begin(self, calls: int, tasks: asyncio.TaskGroup) -> None:
        """Begin calls, and wait until all of them speak or have failed."""
        for number in range(calls):
            self._tasks.append(tasks.create_task(self._hold(number)))
            await asyncio.sleep(STAGGER_S)
        for _ in range(calls):
            await self._settled.acquire()

    def stop_speaking(self) -> None:
        """Let the callers only listen from now on."""
        for call in self._calls:
            call.speaking = False

    async def end(self) -> list[CallRecord]:
        """Hang up."""
        self._hang_up.set()
        return list(await asyncio.gather(*self._tasks))

    async def _hold(self, number: int) -> CallRecord:
        call_sid = f"CA{self._run}{number:0{32 - len(self._run)}x}"
        call, broken = None, ""
        try:
            async with asyncio.timeout(CONNECT_S):
                admitted = await self._admission(call_sid)
                socket = await connect(
                    admitted.url,
                    additional_headers=admitted.headers,
                    compression=None,
                    max_size=None,
                    close_timeout=1,
                    ping_interval=None,
                    proxy=None,
                )
            async with socket:
                call = _Call(number, call_sid, socket)
                self._calls.append(call)
                self._settled.release()
                await call.run(admitted.parameters, self._hang_up)
        except* PeerError as errors:
            broken = str(errors.exceptions[0])
        except* ConnectionClosed:
            broken = "the server closed the stream"
        except* TimeoutError:
            broken = f"no stream within {CONNECT_S:g} s"
        except* (OSError, WebSocketException) as errors:
            broken = f"no stream: {errors.exceptions[0]}"
        if call is None:
            self._settled.release()
            return CallRecord(number, [], Follower(pcm=False), [], time.perf_counter_ns(), broken)
        return CallRecord(number, call.sent_ns, call.heard, call.cuts, call.ended_ns, broken)
