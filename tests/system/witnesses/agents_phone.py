"""One call on openai-agents: its realtime session and playback tracker; the messages of Twilio by hand, as it does.

The package has no Twilio code of its own in Python, only an example; this follows the same path with our own words:
mu-law both ways, 50 ms of caller audio at a time, a mark behind every chunk of agent audio, `clear` on
`audio_interrupted`, and the tracker moved on by the audio of each mark that comes back. It runs without the project's
packages.
"""

import asyncio
import base64
import json
from typing import Any

from agents.realtime import RealtimeAgent, RealtimePlaybackTracker, RealtimeRunner
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

CHUNK_BYTES = 400  # 50 ms


class Phone:
    """One call: the socket of Twilio beside a realtime session."""

    def __init__(
        self, websocket: WebSocket, realtime_url: str, instructions: str, *, tracks: bool = True, **settings: Any
    ) -> None:
        """`tracks`: by marks; otherwise by the package's own clock. `settings`: of the model, beyond its audio."""
        self._websocket = websocket
        self._tracker = RealtimePlaybackTracker() if tracks else None
        self._url = realtime_url
        self._instructions = instructions
        self._settings = settings
        self._stream_sid = ""
        self._marked: dict[str, tuple[str, int, bytes]] = {}
        self._marks = 0

    async def talk(self) -> None:
        """Hold the call until Twilio goes."""
        runner = RealtimeRunner(RealtimeAgent(name="phone", instructions=self._instructions))
        model_config: dict[str, Any] = {
            "api_key": "sk-local",
            "url": self._url,
            "initial_model_settings": {
                "input_audio_format": "g711_ulaw",
                "output_audio_format": "g711_ulaw",
                **self._settings,
            },
        }
        if self._tracker is not None:
            model_config["playback_tracker"] = self._tracker
        async with await runner.run(model_config=model_config) as session:
            reading = asyncio.ensure_future(self._listen(session))
            speaking = asyncio.ensure_future(self._speak(session))
            await asyncio.wait({reading, speaking}, return_when=asyncio.FIRST_COMPLETED)
            for task in (reading, speaking):
                task.cancel()
            await asyncio.gather(reading, speaking, return_exceptions=True)

    async def _listen(self, session: Any) -> None:
        waiting = bytearray()
        try:
            while True:
                message = json.loads(await self._websocket.receive_text())
                if message["event"] == "start":
                    self._stream_sid = message["start"]["streamSid"]
                elif message["event"] == "media":
                    waiting += base64.b64decode(message["media"]["payload"])
                    if len(waiting) >= CHUNK_BYTES:
                        await session.send_audio(bytes(waiting))
                        waiting.clear()
                elif message["event"] == "mark":
                    self._played(message["mark"]["name"])
                elif message["event"] == "stop":
                    return
        except WebSocketDisconnect:
            return

    def _played(self, name: str) -> None:
        item_id, content_index, audio = self._marked.pop(name)
        if self._tracker is not None:
            self._tracker.on_play_bytes(item_id, content_index, audio)

    async def _speak(self, session: Any) -> None:
        async for event in session:
            if event.type == "audio":
                self._marks += 1
                name = str(self._marks)
                self._marked[name] = (event.item_id, event.content_index, event.audio.data)
                await self._send("media", media={"payload": base64.b64encode(event.audio.data).decode()})
                await self._send("mark", mark={"name": name})
            elif event.type == "audio_interrupted":
                await self._send("clear")

    async def _send(self, event: str, **fields: Any) -> None:
        await self._websocket.send_text(json.dumps({"event": event, "streamSid": self._stream_sid, **fields}))
