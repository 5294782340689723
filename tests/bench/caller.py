"""Callers: N calls that speak Media Streams to any server in coded audio, and account for what comes back.

How a call gets in - straight to a URL, or through a signed webhook - is the business of an `Admission`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec
import pybase64
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.bench.coded_audio import FRAME_MS, Follower, mulaw_frames

ACCOUNT_SID = "AC" + "0" * 32

_STAGGER_S = 0.017
"""Between the beginnings of two calls: not a part of 20 ms, so that frames of different calls do not come in step."""

_AFTERWARDS_S = 1.0
"""How long a caller who has said all still listens."""


class Admitted(NamedTuple):
    """The way into one call."""

    url: str
    headers: Mapping[str, str]
    """Of the WebSocket upgrade."""
    parameters: Mapping[str, str]
    """`start.customParameters`."""


Admission = Callable[[str], Awaitable[Admitted]]
"""Takes the CallSid of a new call."""


def straight_to(url: str) -> Admission:
    """Let every call in at one URL with nothing to show."""

    async def admit(_call_sid: str) -> Admitted:
        return Admitted(url, {}, {})

    return admit


class CallRecord(NamedTuple):
    """What one call said and heard; times in ns of CLOCK_MONOTONIC, which all processes of a machine share."""

    call: int
    sent_ns: list[int]
    """When each frame went out."""
    heard: Follower
    ended_ns: int
    """When the caller stopped listening."""


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
        self._messages = 0
        self._clock = asyncio.get_running_loop().time
        self._played_until = 0.0
        self._marks: deque[tuple[float, str]] = deque()
        self.sent_ns: list[int] = []
        self.heard = Follower(pcm=False)

    async def run(self, seconds: float, parameters: Mapping[str, str]) -> None:
        """Hold the call."""
        await self._socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        await self._start(parameters)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            await self._speak(round(seconds * 1000 / FRAME_MS))
            await self._wait(_AFTERWARDS_S)
            await self._send("stop", stop={"accountSid": ACCOUNT_SID, "callSid": self._call_sid})
            listening.cancel()

    async def _start(self, parameters: Mapping[str, str]) -> None:
        start = {
            "streamSid": self._stream_sid,
            "accountSid": ACCOUNT_SID,
            "callSid": self._call_sid,
            "tracks": ["inbound"],
            "customParameters": dict(parameters),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        await self._send("start", start=start)

    async def _speak(self, frames: int) -> None:
        began = self._clock()
        for number in range(frames):
            await asyncio.sleep(began + number * FRAME_MS / 1000 - self._clock())
            media = {
                "track": "inbound",
                "chunk": str(number + 1),
                "timestamp": str(number * FRAME_MS),
                "payload": _payload(number % 64, self._number),
            }
            self.sent_ns.append(time.perf_counter_ns())
            await self._send("media", media=media)
            await self._echo()

    async def _wait(self, seconds: float) -> None:
        until = self._clock() + seconds
        while self._clock() < until:
            await asyncio.sleep(FRAME_MS / 1000)
            await self._echo()

    async def _listen(self) -> None:
        async for text in self._socket:
            message = msgspec.json.decode(text)
            match message["event"]:
                case "media":
                    audio = pybase64.b64decode(message["media"]["payload"])
                    self.heard.hear(audio, time.perf_counter_ns())
                    self._played_until = max(self._played_until, self._clock()) + len(audio) / 8000
                case "mark":
                    self._marks.append((self._played_until, message["mark"]["name"]))
                    await self._echo()
                case "clear":
                    self._played_until = 0.0
                    self._marks = deque((0.0, name) for _, name in self._marks)
                    await self._echo()

    async def _echo(self) -> None:
        while self._marks and self._marks[0][0] <= self._clock():
            await self._send("mark", mark={"name": self._marks.popleft()[1]})

    async def _send(self, event: str, **fields: Any) -> None:
        self._messages += 1
        message = {"event": event, "sequenceNumber": str(self._messages), "streamSid": self._stream_sid, **fields}
        await self._socket.send(msgspec.json.encode(message).decode())


async def hold_call(number: int, seconds: float, admission: Admission) -> CallRecord:
    """Hold one call that speaks for `seconds`; a server that closes early shortens it."""
    call_sid = f"CA{number:032x}"
    admitted = await admission(call_sid)
    async with connect(
        admitted.url, additional_headers=admitted.headers, compression=None, max_size=None, close_timeout=1
    ) as socket:
        call = _Call(number, call_sid, socket)
        try:
            await call.run(seconds, admitted.parameters)
        except* ConnectionClosed:
            pass  # shows as frames that were never heard
    return CallRecord(number, call.sent_ns, call.heard, time.perf_counter_ns())


async def hold_calls(calls: int, seconds: float, admission: Admission) -> list[CallRecord]:
    """Hold calls at once, begun one shortly after the other."""

    async def begin(number: int) -> CallRecord:
        await asyncio.sleep(number * _STAGGER_S)
        return await hold_call(number, seconds, admission)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(begin(number)) for number in range(calls)]
    return [task.result() for task in running]
