"""The yardstick: the bridge that everybody writes first, after the usual sample.

    python -m tests.bench.plain_bridge --port 8080 --realtime ws://127.0.0.1:9000/v1/realtime

One FastAPI endpoint, `websockets`, `json`, `base64` and `audioop.ratecv`, all with their defaults; no signatures, no
tokens, no recording, no checks of what either side sends. Its port is printed in one line; 0 takes any.
"""

import argparse
import asyncio
import base64
import json
import socket
import sys
from typing import Any

import uvicorn
import websockets
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from voice_agent.audio.audioop_import import audioop

_PCM = {"type": "audio/pcm", "rate": 24_000}
_SESSION = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "Be brief.",
    "audio": {
        "input": {"format": _PCM, "turn_detection": {"type": "server_vad"}},
        "output": {"format": _PCM, "voice": "marin"},
    },
}


def make_app(realtime_url: str) -> FastAPI:
    """Make the server; it calls `realtime_url` once a stream."""
    app = FastAPI()

    @app.websocket("/media-stream")
    async def media_stream(phone: WebSocket) -> None:
        await phone.accept()
        async with websockets.connect(realtime_url) as model:
            await model.send(json.dumps({"type": "session.update", "session": _SESSION}))
            stream: dict[str, str] = {}
            try:
                async with asyncio.TaskGroup() as tasks:
                    speaking = tasks.create_task(_to_phone(phone, model, stream))
                    await _to_model(phone, model, stream)
                    speaking.cancel()
            except* (WebSocketDisconnect, websockets.ConnectionClosed):
                pass  # either side may hang up at any moment

    return app


async def _to_model(phone: WebSocket, model: websockets.ClientConnection, stream: dict[str, str]) -> None:
    state: Any = None
    async for text in phone.iter_text():
        data = json.loads(text)
        if data["event"] == "media":
            linear = audioop.ulaw2lin(base64.b64decode(data["media"]["payload"]), 2)
            pcm, state = audioop.ratecv(linear, 2, 1, 8_000, 24_000, state)
            audio = base64.b64encode(pcm).decode("ascii")
            await model.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        elif data["event"] == "start":
            stream["sid"] = data["start"]["streamSid"]


async def _to_phone(phone: WebSocket, model: websockets.ClientConnection, stream: dict[str, str]) -> None:
    state: Any = None
    async for text in model:
        response = json.loads(text)
        if response["type"] == "response.output_audio.delta" and "sid" in stream:
            pcm, state = audioop.ratecv(base64.b64decode(response["delta"]), 2, 1, 24_000, 8_000, state)
            payload = base64.b64encode(audioop.lin2ulaw(pcm, 2)).decode("ascii")
            await phone.send_json({"event": "media", "streamSid": stream["sid"], "media": {"payload": payload}})
            mark = {"event": "mark", "streamSid": stream["sid"], "mark": {"name": "responsePart"}}
            await phone.send_json(mark)
        elif response["type"] == "input_audio_buffer.speech_started" and "sid" in stream:
            await phone.send_json({"event": "clear", "streamSid": stream["sid"]})


def main(arguments: list[str]) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--realtime", required=True)
    options = parser.parse_args(arguments)
    listening = socket.create_server(("127.0.0.1", options.port))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(make_app(options.realtime), log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1:])
