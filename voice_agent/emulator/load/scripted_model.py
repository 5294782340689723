"""A Realtime server that hears nothing and answers on a schedule, in coded audio: the far side of a bridge under load.

It serves the GA dialect on every path. Each session speaks for two seconds in every four (in deltas of 200 ms at twice
real time, as real ones come faster than they play), beginning with the first audio that it gets. A `response.create`
begins the next response at once. One response in `interrupt` is broken off by a caller: the server's turn detection
says so a second into the answer, as a real one does that has `interrupt_response`.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any, NamedTuple

import msgspec
import pybase64
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from voice_agent.emulator.load.coded_audio import FRAME_MS, Follower, mulaw_frames, pcm_frames
from voice_agent.text_frames import FrameCutter, client_text

EVERY_S = 4.0
DELTAS = 10
DELTA_FRAMES = 10
_DELTA_EVERY_S = DELTA_FRAMES * FRAME_MS / 1000 / 2

_BROKEN_OFF_AFTER = 5
"""Deltas: two seconds of speech have been sent in half of them, so that half of what was sent is not heard yet."""

_CALLER_TALKS_S = 0.5
"""How long the caller who broke in talks, as turn detection has it."""

_PCM = {"type": "audio/pcm", "rate": 24_000}
_FRAME_BYTES = 60_000
"""Of a client's message: 200 ms of PCM take 13,000, and no bridge waits longer."""


class Delta(NamedTuple):
    """Ten frames of the agent's speech."""

    first: int
    """Number of its first frame; frames are numbered through the session."""
    at_ns: int
    response: int
    opening: bool
    """It is the first of its response."""


class Truncation(NamedTuple):
    """What the bridge said was heard of an item."""

    response: int
    audio_end_ms: int
    at_ns: int


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
    return pybase64.b64encode(frames(first, DELTA_FRAMES, 0)).decode()


class _Connection(ServerConnection):
    """The library's, but texts in one frame are given on where they arrive, without its queue."""

    take: Callable[[str], None] | None = None
    _cutter: FrameCutter | None = None

    def data_received(self, data: bytes) -> None:
        if self.protocol.state is not State.OPEN:
            super().data_received(data)
            return
        if self._cutter is None:
            self._cutter = FrameCutter(masked=True, most=_FRAME_BYTES)
        for is_text, frame in self._cutter.cut(data):
            if self.take is not None and is_text:
                self.take(client_text(frame))
            else:
                super().data_received(frame)


class Session:
    """One session: what it heard and said; times in ns of CLOCK_MONOTONIC."""

    def __init__(self, socket: ServerConnection, interrupt: int) -> None:
        self._socket = socket
        self._interrupt = interrupt
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
        self._asked = asyncio.Event()
        self._begin = asyncio.Event()
        self._answers: asyncio.Queue[_FromClient] = asyncio.Queue()
        self.heard = Follower(pcm=True)
        """The caller; `call` is -1 if none came."""
        self.sent: list[Delta] = []
        self.broken_off: set[int] = set()
        """Responses."""
        self.truncations: list[Truncation] = []

    async def run(self) -> None:
        """Serve until the client goes away."""
        with suppress(ConnectionClosed):
            await self._tell("session.created", session=self._session)
        if isinstance(self._socket, _Connection):
            self._socket.take = self._take
        try:
            async with asyncio.TaskGroup() as tasks:
                speaking = tasks.create_task(self._speak())
                answering = tasks.create_task(self._answer())
                async for text in self._socket:
                    self._take(text if isinstance(text, str) else "{}")
                speaking.cancel()
                answering.cancel()
        except* ConnectionClosed:
            pass  # the client may close while we speak

    def _take(self, text: str) -> None:
        event = _read(text)
        if event.type == "input_audio_buffer.append":
            self.heard.hear(pybase64.b64decode(event.audio), time.perf_counter_ns())
            self._begin.set()
        elif event.type == "response.create":
            self._wanted.append(event.response.get("metadata") or {})
            self._asked.set()
            self._begin.set()
        else:
            if event.type == "session.update":
                merge(self._session, event.session)
                if not self.heard.bytes:
                    self.heard = Follower(pcm=self._session["audio"]["input"]["format"]["type"] == "audio/pcm")
            self._answers.put_nowait(event)

    async def _answer(self) -> None:
        while True:
            event = await self._answers.get()
            if event.type == "session.update":
                await self._tell("session.updated", session=self._session)
            elif event.type == "conversation.item.truncate":
                response = int(event.item_id.rpartition("_")[2])
                self.truncations.append(Truncation(response, event.audio_end_ms, time.perf_counter_ns()))
                place = {"item_id": event.item_id, "content_index": event.content_index}
                await self._tell("conversation.item.truncated", **place, audio_end_ms=event.audio_end_ms)

    async def _speak(self) -> None:
        await self._begin.wait()
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + EVERY_S
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
        whole = await self._say(place)
        status = "completed" if whole else "incomplete"
        await self._tell("response.output_audio.done", **place)
        await self._tell("response.output_audio_transcript.done", **place, transcript=words)
        await self._tell("response.content_part.done", **place, part={"type": "audio", "transcript": words})
        item |= {"status": status, "content": [{"type": "output_audio", "transcript": words}]}
        await self._tell("conversation.item.done", previous_item_id=None, item=item)
        await self._tell("response.output_item.done", **ids, item=item)
        done = {**response, "status": "completed" if whole else "cancelled", "output": [item]}
        if not whole:
            done["status_details"] = {"type": "cancelled", "reason": "turn_detected"}
        await self._tell("response.done", response=done)
        if not whole:
            await self._hear_the_caller_out()

    async def _say(self, place: dict[str, Any]) -> bool:
        """Say one answer; false: the caller broke in."""
        clock = asyncio.get_running_loop().time
        pcm = self._session["audio"]["output"]["format"]["type"] == "audio/pcm"
        due = clock()
        breaks = self._interrupt > 0 and self._responses % self._interrupt == 0
        for number in range(_BROKEN_OFF_AFTER if breaks else DELTAS):
            audio = _delta(self._sent_frames % 64, pcm=pcm)
            self.sent.append(Delta(self._sent_frames, time.perf_counter_ns(), self._responses, number == 0))
            self._sent_frames += DELTA_FRAMES
            await self._tell("response.output_audio.delta", **place, delta=audio)
            due += _DELTA_EVERY_S
            await asyncio.sleep(due - clock())
        if breaks:
            self.broken_off.add(self._responses)
            heard_ms = self.heard.bytes // (48 if self.heard.pcm else 8)
            turn = {"item_id": f"caller_{self._responses}"}
            await self._tell("input_audio_buffer.speech_started", **turn, audio_start_ms=heard_ms)
        return not breaks

    async def _hear_the_caller_out(self) -> None:
        await asyncio.sleep(_CALLER_TALKS_S)
        turn = {"item_id": f"caller_{self._responses}"}
        heard_ms = self.heard.bytes // (48 if self.heard.pcm else 8)
        await self._tell("input_audio_buffer.speech_stopped", **turn, audio_end_ms=heard_ms)
        await self._tell("input_audio_buffer.committed", **turn, previous_item_id=None)

    async def _tell(self, kind: str, **fields: Any) -> None:
        self._events += 1
        event = {"type": kind, "event_id": f"event_{self._events}", **fields}
        await self._socket.send(msgspec.json.encode(event).decode())


class ScriptedModel(NamedTuple):
    """A server that runs."""

    url: str
    sessions: list[Session]
    """All so far."""


@asynccontextmanager
async def scripted_model(port: int = 0, interrupt: int = 0) -> AsyncIterator[ScriptedModel]:
    """Serve on this machine. `interrupt`: which of a session's responses is broken off; 0: none."""
    sessions: list[Session] = []

    async def session(socket: ServerConnection) -> None:
        sessions.append(Session(socket, interrupt))
        await sessions[-1].run()

    async with serve(
        session,
        "127.0.0.1",
        port,
        compression=None,
        max_size=None,
        ping_interval=None,
        close_timeout=0.5,
        create_connection=_Connection,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield ScriptedModel(f"ws://127.0.0.1:{port}/v1/realtime?model=scripted", sessions)
