"""What every witness is told, and how it says where it listens."""

import argparse
import asyncio
from typing import Any

import uvicorn


def parse(description: str | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--realtime-url", required=True, help="ws://.../v1/realtime, without a query")
    parser.add_argument("--rest-url", required=True, help="the carrier's REST API")
    parser.add_argument("--tracker", choices=["marks", "clock"], default="marks", help="openai-agents only")
    parser.add_argument("--end-after", type=float, default=0, metavar="SECONDS", help="pipecat only: it hangs up then")
    return parser.parse_args()


async def serve(application: Any) -> None:
    """Serve on a free port, and print it."""
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=0, log_level="warning"))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.wait({serving}, timeout=0.05)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the test waits for this line
    await serving
