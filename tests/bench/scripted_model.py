"""A Realtime server that hears nothing and answers on a schedule, in coded audio: the far side of a bench.

    python -m tests.bench.scripted_model

It prints its port in one line, serves the GA dialect on every path until its standard input ends, then prints one line
of JSON: a `Session` for each socket. Each speaks for two seconds in every four (in deltas of 200 ms at twice real
time, as real ones come faster than they play), beginning with the first audio that it gets. A `response.create` begins
the next response at once.
"""

import asyncio
import sys
import time
from collections import deque
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec
import pybase64
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.bench.coded_audio import FRAME_MS, Follower, mulaw_frames, pcm_frames

_EVERY_S = 4.0
_DELTAS = 10
_DELTA_FRAMES = 10
_DELTA_EVERY_S = _DELTA_FRAMES * FRAME_MS / 1000 / 2

_PCM = {"type": "audio/pcm", "rate": 24_000}


class Session(msgspec.Struct):
    """What one session heard and said; times in ns of CLOCK_MONOTONIC, which all processes of a machine share."""

    call: int
    """From the audio itself; -1 if none came."""
    arrived: list[tuple[int, int]]
    """The caller's frames: number, time."""
    lost: int
    repeated: int
    bytes: int
    sent: list[tuple[int, int]]
    """Deltas: number of the first frame, time. Frames are numbered through the session."""


class _FromClient(msgspec.Struct):
    type: str
    audio: str = ""
    session: dict[str, Any] = {}
    response: dict[str, Any] = {}
    item_id: str = ""
    content_index: int = 0
    audio_end_ms: int = 0


_read = msgspec.json.Decoder(_FromClient).decode


def merge(into: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """Apply a partial `session.update`: objects merge, everything else replaces."""
    for key, value in update.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into


@cache
def _delta(first: int, *, pcm: bool) -> str:
    frames = pcm_frames if pcm else mulaw_frames
    return pybase64.b64encode(frames(first, _DELTA_FRAMES, 0)).decode()


class _Socket:
    """One session."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        audio = {"input": {"format": _PCM, "turn_detection": None}, "output": {"format": _PCM, "voice": "marin"}}
        self._session: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": "sess_1",
            "audio": audio,
        }
        self._events = 0
        self._responses = 0
        self._sent_frames = 0
        self._wanted: deque[dict[str, Any]] = deque()
        self._begin = asyncio.Event()
        self._asked = asyncio.Event()
        self.heard = Follower(pcm=True)
        self.sent: list[tuple[int, int]] = []

    async def run(self) -> None:
        """Serve until the client goes away."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._tell("session.created", session=self._session)
                speaking = tasks.create_task(self._speak())
                async for text in self._socket:
                    await self._take(_read(text))
                speaking.cancel()
        except* ConnectionClosed:
            pass  # the client may close while we speak

    def result(self) -> Session:
        """Give the account so far."""
        heard = self.heard
        return Session(heard.call, heard.arrived, heard.lost, heard.repeated, heard.bytes, self.sent)

    async def _take(self, event: _FromClient) -> None:
        match event.type:
            case "input_audio_buffer.append":
                self.heard.hear(pybase64.b64decode(event.audio), time.perf_counter_ns())
                self._begin.set()
            case "session.update":
                merge(self._session, event.session)
                if not self.heard.bytes:
                    self.heard = Follower(pcm=self._session["audio"]["input"]["format"]["type"] == "audio/pcm")
                await self._tell("session.updated", session=self._session)
            case "response.create":
                self._wanted.append(event.response.get("metadata") or {})
                self._asked.set()
                self._begin.set()
            case "conversation.item.truncate":
                place = {"item_id": event.item_id, "content_index": event.content_index}
                await self._tell("conversation.item.truncated", **place, audio_end_ms=event.audio_end_ms)

    async def _speak(self) -> None:
        await self._begin.wait()
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _EVERY_S
            await self._respond(self._wanted.popleft() if self._wanted else None)
            if not self._wanted:
                self._asked.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._asked.wait()

    async def _respond(self, metadata: dict[str, Any] | None) -> None:
        self._responses += 1
        words = "One, two, three."
        item: dict[str, Any] = {"id": f"item_{self._responses}", "object": "realtime.item", "type": "message"}
        item |= {"role": "assistant", "status": "in_progress", "content": []}
        response: dict[str, Any] = {"id": f"resp_{self._responses}", "object": "realtime.response", "output": []}
        response |= {"status": "in_progress", "metadata": metadata}
        ids = {"response_id": response["id"], "output_index": 0}
        place = {**ids, "item_id": item["id"], "content_index": 0}
        await self._tell("response.created", response=response)
        await self._tell("response.output_item.added", **ids, item=item)
        await self._tell("conversation.item.added", previous_item_id=None, item=item)
        await self._tell("response.content_part.added", **place, part={"type": "audio", "transcript": ""})
        await self._tell("response.output_audio_transcript.delta", **place, delta=words)
        await self._say(place)
        await self._tell("response.output_audio.done", **place)
        await self._tell("response.output_audio_transcript.done", **place, transcript=words)
        await self._tell("response.content_part.done", **place, part={"type": "audio", "transcript": words})
        item |= {"status": "completed", "content": [{"type": "output_audio", "transcript": words}]}
        await self._tell("conversation.item.done", previous_item_id=None, item=item)
        await self._tell("response.output_item.done", **ids, item=item)
        await self._tell("response.done", response={**response, "status": "completed", "output": [item]})

    async def _say(self, place: dict[str, Any]) -> None:
        clock = asyncio.get_running_loop().time
        pcm = self._session["audio"]["output"]["format"]["type"] == "audio/pcm"
        due = clock()
        for _ in range(_DELTAS):
            audio = _delta(self._sent_frames % 64, pcm=pcm)
            self.sent.append((self._sent_frames, time.perf_counter_ns()))
            self._sent_frames += _DELTA_FRAMES
            await self._tell("response.output_audio.delta", **place, delta=audio)
            due += _DELTA_EVERY_S
            await asyncio.sleep(due - clock())

    async def _tell(self, kind: str, **fields: Any) -> None:
        self._events += 1
        event = {"type": kind, "event_id": f"event_{self._events}", **fields}
        await self._socket.send(msgspec.json.encode(event).decode())


async def main() -> None:
    """Serve until standard input ends."""
    sessions: list[_Socket] = []

    async def session(socket: ServerConnection) -> None:
        sessions.append(_Socket(socket))
        await sessions[-1].run()

    async with serve(session, "127.0.0.1", 0, compression=None, max_size=None) as server:
        sys.stdout.write(f"{next(iter(server.sockets)).getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.buffer.read)
    sys.stdout.write(msgspec.json.encode([one.result() for one in sessions]).decode() + "\n")


if __name__ == "__main__":
    uvloop.run(main())
