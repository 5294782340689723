"""A bridge on pipecat: its FastAPI transport, Twilio serializer and OpenAI Realtime service, with their defaults.

    .venv-bench-pipecat/bin/python -m tests.bench.pipecat_bridge --realtime ws://127.0.0.1:9000/v1 --audio pcm24k

Its port is printed in one line. It runs without the project's packages.
"""

import argparse
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 8000


async def talk(websocket: WebSocket, realtime_url: str) -> None:
    """Hold one call, from `connected` to the end of the socket."""
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    serializer = TwilioFrameSerializer(
        stream_sid=call.stream_id,
        call_sid=call.call_id,
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
    )
    model = OpenAIRealtimeLLMService(
        api_key="sk-local",
        base_url=realtime_url.partition("?")[0],
        settings=OpenAIRealtimeLLMService.Settings(system_instruction="Be brief."),
    )
    both = LLMContextAggregatorPair(LLMContext([]))
    worker = PipelineWorker(
        Pipeline([transport.input(), both.user(), model, transport.output(), both.assistant()]),
        params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
    )

    async def begin(_: object, __: object) -> None:
        await worker.queue_frames([LLMRunFrame()])

    async def end(_: object, __: object) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_connected", begin)
    transport.add_event_handler("on_client_disconnected", end)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main(arguments: list[str]) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--realtime", required=True)
    parser.add_argument("--audio", choices=["pcm24k"], required=True)
    options = parser.parse_args(arguments)
    application = FastAPI()

    @application.websocket("/media-stream")
    async def _media(websocket: WebSocket) -> None:
        await talk(websocket, options.realtime)

    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(application, log_level="critical")).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1:])
