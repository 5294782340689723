"""A browser without a browser: aiortc as the client of a Realtime call, as the vendor's WebRTC quickstart has it."""

import asyncio
import fractions
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

Event = dict[str, Any]

FRAME_BYTES = 960
"""20 ms of PCM16 at 24 kHz."""


class Microphone(MediaStreamTrack):
    """Speaks in real time what it is given, silence between."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._speech = b""
        self._due: float | None = None
        self._samples = 0

    def say(self, pcm: bytes) -> None:
        """Say PCM16, 24 kHz, after what is being said."""
        self._speech += pcm

    async def recv(self) -> AudioFrame:
        now = asyncio.get_running_loop().time()
        self._due = now if self._due is None else self._due + 0.02
        await asyncio.sleep(max(0.0, self._due - now))
        frame = AudioFrame(format="s16", layout="mono", samples=480)
        frame.planes[0].update(self._speech[:FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))
        self._speech = self._speech[FRAME_BYTES:]
        frame.sample_rate, frame.time_base, frame.pts = 24000, fractions.Fraction(1, 24000), self._samples
        self._samples += 480
        return frame


class WebRtcClient:
    """One call: events and sound as they come."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.loud_ms = 0
        """How long sound was heard."""
        self.microphone = Microphone()
        self.location = ""
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._channel = self.connection.createDataChannel("oai-events")
        self._woken = asyncio.Event()
        """Something came."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._channel.on("message", self._receive)
        self.connection.on("track", self._hear)
        self.connection.on("connectionstatechange", self._woken.set)
        self.connection.addTrack(self.microphone)

    async def offer(self) -> str:
        """Make the offer, with all candidates."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, response: aiohttp.ClientResponse) -> None:
        """Take the answer of `POST .../calls`."""
        assert response.status == 201, await response.text()
        self.location = response.headers["Location"]
        await self.connection.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))

    def send(self, **event: Any) -> None:
        """Send an event over the data channel."""
        self._channel.send(json.dumps(event))

    async def until(self, event_type: str, count: int = 1) -> Event:
        """Wait for the given number of an event; gives the last of them."""
        found: list[Event] = await self._wait(lambda: self.of(event_type)[count - 1 : count])
        return found[0]

    async def until_loud(self, duration_ms: int) -> None:
        """Wait until so much sound was heard."""
        await self._wait(lambda: self.loud_ms >= duration_ms)

    async def until_closed(self) -> None:
        """Wait until the connection has ended."""
        await self._wait(lambda: self.connection.connectionState in {"closed", "failed"})

    def of(self, event_type: str) -> list[Event]:
        """All events of a type so far."""
        return [event for event in self.events if event["type"] == event_type]

    async def close(self) -> None:
        """Hang up as a closed tab does."""
        self.microphone.stop()
        await self.connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait(self, ready: Any) -> Any:
        while not (found := ready()):
            self._woken.clear()
            await self._woken.wait()
        return found

    def _receive(self, message: str) -> None:
        self.events.append(json.loads(message))
        self._woken.set()

    def _hear(self, track: MediaStreamTrack) -> None:
        task = asyncio.get_running_loop().create_task(self._measure(track))
        self._tasks.add(task)

    async def _measure(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            level = float(np.sqrt(np.mean(frame.to_ndarray().astype(np.float64) ** 2)))
            self.loud_ms += 20 if level > 500 else 0
            self._woken.set()


@asynccontextmanager
async def called(
    url: str, *, session: Event | None = None, secret: str = "", query: str = ""
) -> AsyncIterator[WebRtcClient]:
    """Hold a call with the server whose `.../realtime` is at `url`: by a session and any key, or by a secret."""
    client = WebRtcClient()
    try:
        offer = await client.offer()
        async with aiohttp.ClientSession() as http:
            if secret:
                headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/sdp"}
                async with http.post(f"{url}/calls{query}", data=offer, headers=headers) as response:
                    await client.accept(response)
            else:
                form = aiohttp.FormData()
                form.add_field("sdp", offer, content_type="application/sdp")
                form.add_field("session", json.dumps(session or {"type": "realtime"}), content_type="application/json")
                headers = {"Authorization": "Bearer any"}
                async with http.post(f"{url}/calls{query}", data=form(), headers=headers) as response:
                    await client.accept(response)
        yield client
    finally:
        await client.close()
