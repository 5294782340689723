"""A bridge on openai-agents: see `tests.system.witnesses.agents_phone`.

    .venv-bench-agents/bin/python -m tests.bench.agents_bridge --realtime ws://127.0.0.1:9000/v1/realtime --audio g711

Its port is printed in one line. It runs without the project's packages.
"""

import argparse
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket

from tests.system.witnesses.agents_phone import Phone


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
        await Phone(websocket, options.realtime, "Be brief.").talk()

    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(application, log_level="critical")).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1:])
