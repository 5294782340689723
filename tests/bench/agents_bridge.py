"""A bridge on openai-agents: its realtime session and playback tracker, the messages of Twilio by hand, as its example.

    .venv-bench-agents/bin/python -m tests.bench.agents_bridge --realtime ws://127.0.0.1:9000/v1/realtime --audio g711

Mu-law both ways, 50 ms of the caller at a time, a mark behind every chunk of the agent's audio, and the tracker moved
on by each mark that comes back. Its port is printed in one line. It runs without the project's packages.
"""

import argparse
import asyncio
import base64
import json
import socket
import sys
from typing import Any

import uvicorn
from agents.realtime import RealtimeAgent, RealtimePlaybackTracker, RealtimeRunner
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

CHUNK_BYTES = 400


class Phone:
    """One call."""

    def __init__(self, websocket: WebSocket, realtime_url: str) -> None:
        self._websocket = websocket
        self._url = realtime_url
        self._tracker = RealtimePlaybackTracker()
        self._stream_sid = ""
        self._marked: dict[str, tuple[str, int, bytes]] = {}
        self._marks = 0

    async def talk(self) -> None:
        """Hold the call until the carrier goes."""
        runner = RealtimeRunner(RealtimeAgent(name="phone", instructions="Be brief."))
        model_config: dict[str, Any] = {
            "api_key": "sk-local",
            "url": self._url,
            "initial_model_settings": {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"},
            "playback_tracker": self._tracker,
        }
        async with await runner.run(model_config=model_config) as session:
            reading, speaking = (asyncio.ensure_future(work(session)) for work in (self._listen, self._speak))
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
                    self._tracker.on_play_bytes(*self._marked.pop(message["mark"]["name"]))
                elif message["event"] == "stop":
                    return
        except WebSocketDisconnect:
            return

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


def main(arguments: list[str]) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--realtime", required=True)
    parser.add_argument("--audio", choices=["g711"], required=True)
    options = parser.parse_args(arguments)
    application = FastAPI()

    @application.websocket("/media-stream")
    async def _media(websocket: WebSocket) -> None:
        await websocket.accept()
        await Phone(websocket, options.realtime).talk()

    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(application, log_level="critical")).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1:])
