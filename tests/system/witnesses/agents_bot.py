"""A Twilio bot on openai-agents: see `agents_phone`."""

import asyncio

from fastapi import FastAPI, WebSocket

from tests.system.witnesses.agents_phone import Phone
from tests.system.witnesses.arguments import parse, serve

TURNS = {"type": "semantic_vad", "interrupt_response": True, "create_response": True}


def main() -> None:
    """Serve until the process is ended."""
    told = parse(__doc__)
    application = FastAPI()

    @application.websocket("/media")
    async def _media(websocket: WebSocket) -> None:
        await websocket.accept()
        url, tracks = f"{told.realtime_url}?model=gpt-realtime-2.1", told.tracker == "marks"
        await Phone(websocket, url, "You answer the phone.", tracks=tracks, turn_detection=TURNS).talk()

    asyncio.run(serve(application))


if __name__ == "__main__":
    main()
