"""A web server on loopback that answers what a test tells it to, in Twilio's place."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest

from voice_agent.errors import PeerError

ACCOUNT = "AC00000000000000000000000000000001"
CALL = "CA00000000000000000000000000000001"
KEY = "SK00000000000000000000000000000001"
CALL_PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run within some seconds."""

    async def limited() -> T:
        async with asyncio.timeout(30):
            return await work

    return asyncio.run(limited())


def problem_of(work: Coroutine[Any, Any, object]) -> str:
    """Run what fails, and give its line."""
    with pytest.raises(PeerError) as raised:
        run(work)
    return str(raised.value)


class FakeRest:
    """Answers every request alike and keeps what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body: object = {}
        """JSON, or a string that is sent as it is."""
        self.requests: list[tuple[str, str, str, str]] = []
        """Method, path with query, body, Authorization."""
        self.released = threading.Event()
        """Set: answers are given. Clear it to keep a client waiting."""
        self.released.set()
        self.url = ""


@contextmanager
def fake_rest() -> Iterator[FakeRest]:
    """Serve until the block ends."""
    rest = FakeRest()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length).decode()
            rest.requests.append((self.command, self.path, body, self.headers.get("Authorization", "")))
            rest.released.wait(10)
            answer = (rest.body if isinstance(rest.body, str) else json.dumps(rest.body)).encode()
            self.send_response(rest.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden method
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of a client that did not wait."""

    with Server(("127.0.0.1", 0), Handler) as server:
        rest.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield rest
        finally:
            rest.released.set()
            server.shutdown()
            thread.join()
