"""A Twilio bot on pipecat: its FastAPI transport, Twilio serializer and OpenAI Realtime service; nothing of ours."""

import argparse
import asyncio

from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import EndFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
    TurnDetection,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

from tests.system.witnesses.arguments import parse, serve

RATE_HZ = 8000
ACCOUNT_SID, AUTH_TOKEN = "AC00000000000000000000000000000001", "0123456789abcdef0123456789abcdef"
"""The emulated account's."""


async def talk(websocket: WebSocket, told: argparse.Namespace) -> None:
    """Hold one call, from `connected` to the end of the socket."""
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    serializer = TwilioFrameSerializer(
        stream_sid=call.stream_id,
        call_sid=call.call_id,
        account_sid=ACCOUNT_SID,
        auth_token=AUTH_TOKEN,
        base_url=told.rest_url,
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
    )
    heard = AudioInput(transcription=InputAudioTranscription(), turn_detection=TurnDetection())
    model = OpenAIRealtimeLLMService(
        api_key="sk-local",
        base_url=told.realtime_url,
        settings=OpenAIRealtimeLLMService.Settings(
            system_instruction="You answer the phone.",
            session_properties=SessionProperties(audio=AudioConfiguration(input=heard)),
        ),
    )
    both = LLMContextAggregatorPair(LLMContext([]))
    worker = PipelineWorker(
        Pipeline([transport.input(), both.user(), model, transport.output(), both.assistant()]),
        params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
    )

    async def greet(_: object, __: object) -> None:
        # Left out, the service answers the first turn twice: the first context that it gets asks for a response.
        await worker.queue_frames([LLMRunFrame()])
        if told.end_after:
            await asyncio.sleep(told.end_after)
            await worker.queue_frames([EndFrame()])  # its serializer hangs up by REST

    async def end(_: object, __: object) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_connected", greet)
    transport.add_event_handler("on_client_disconnected", end)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    """Serve until the process is ended."""
    told = parse(__doc__)
    application = FastAPI()

    @application.websocket("/media")
    async def _media(websocket: WebSocket) -> None:
        await talk(websocket, told)

    asyncio.run(serve(application))


if __name__ == "__main__":
    main()
