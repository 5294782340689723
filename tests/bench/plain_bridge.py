"""The yardstick: the bridge that everybody writes first, after the usual sample.

    python -m tests.bench.plain_bridge --port 8080 --realtime ws://127.0.0.1:9000/v1/realtime --audio pcm24k

One FastAPI endpoint on uvicorn (with uvloop, as uvicorn takes it where it is installed), `websockets`, `json`, `base64`
and, for `pcm24k`, `audioop.ratecv`, all with their defaults; no signatures, no tokens, no recording, no checks of what
either side sends. Its port is printed in one line; 0 takes any.
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

_FORMATS = {"pcm24k": {"type": "audio/pcm", "rate": 24_000}, "g711": {"type": "audio/pcmu"}}


def make_app(realtime_url: str, audio: str) -> FastAPI:
    """Make the server; it calls `realtime_url` once a stream."""
    app = FastAPI()
    pcm = audio == "pcm24k"
    session = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": "Be brief.",
        "audio": {
            "input": {"format": _FORMATS[audio], "turn_detection": {"type": "server_vad"}},
            "output": {"format": _FORMATS[audio], "voice": "marin"},
        },
    }

    @app.websocket("/media-stream")
    async def media_stream(phone: WebSocket) -> None:
        await phone.accept()
        async with websockets.connect(realtime_url) as model:
            await model.send(json.dumps({"type": "session.update", "session": session}))
            stream: dict[str, str] = {}
            try:
                async with asyncio.TaskGroup() as tasks:
                    speaking = tasks.create_task(_to_phone(phone, model, stream, pcm=pcm))
                    await _to_model(phone, model, stream, pcm=pcm)
                    speaking.cancel()
            except* (WebSocketDisconnect, websockets.ConnectionClosed, RuntimeError):
                pass  # either side may hang up at any moment; starlette has a RuntimeError for it, too

    return app


async def _to_model(phone: WebSocket, model: websockets.ClientConnection, stream: dict[str, str], *, pcm: bool) -> None:
    state: Any = None
    async for text in phone.iter_text():
        data = json.loads(text)
        if data["event"] == "media":
            audio = data["media"]["payload"]
            if pcm:
                linear = audioop.ulaw2lin(base64.b64decode(audio), 2)
                raw, state = audioop.ratecv(linear, 2, 1, 8_000, 24_000, state)
                audio = base64.b64encode(raw).decode("ascii")
            await model.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        elif data["event"] == "start":
            stream["sid"] = data["start"]["streamSid"]


async def _to_phone(phone: WebSocket, model: websockets.ClientConnection, stream: dict[str, str], *, pcm: bool) -> None:
    state: Any = None
    async for text in model:
        response = json.loads(text)
        if response["type"] == "response.output_audio.delta" and "sid" in stream:
            payload = response["delta"]
            if pcm:
                raw, state = audioop.ratecv(base64.b64decode(payload), 2, 1, 24_000, 8_000, state)
                payload = base64.b64encode(audioop.lin2ulaw(raw, 2)).decode("ascii")
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
    parser.add_argument("--audio", choices=_FORMATS, default="pcm24k")
    options = parser.parse_args(arguments)
    listening = socket.create_server(("127.0.0.1", options.port))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(make_app(options.realtime, options.audio), log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1:])
