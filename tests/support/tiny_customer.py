"""A customer of Twilio in a few lines: a webhook server that remembers what it was asked, and a stream server."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from twilio.request_validator import RequestValidator
from websockets.asyncio.server import ServerConnection, serve

TOKEN = "0123456789abcdef0123456789abcdef"
ACCOUNT_SID = "AC00000000000000000000000000000001"
CALLER, CALLED = "+14255550199", "+14255550100"

Answer = tuple[int, str, str]
"""Status, content type, body."""


def xml(body: str) -> Answer:
    return 200, "text/xml; charset=utf-8", f"<Response>{body}</Response>"


class Asked:
    """One request, with its fields and what the twilio package says of its signature."""

    def __init__(self, base_url: str, head: str, body: str) -> None:
        request_line, *lines = head.split("\r\n")
        self.method, self.target, _ = request_line.split()
        self.headers = dict(line.lower().split(": ", 1) for line in lines if line)
        self.path = urlsplit(self.target).path
        query = parse_qsl(urlsplit(self.target).query, keep_blank_values=True)
        form = parse_qsl(body, keep_blank_values=True)
        self.fields = dict(query + form)
        signature = next((line.split(": ", 1)[1] for line in lines if line.startswith("X-Twilio-Signature")), "")
        self.signed = bool(RequestValidator(TOKEN).validate(base_url + self.target, dict(form), signature))


class Customer:
    """Answers by path; a list is answered one by one, the last for ever. Unknown paths get 404."""

    def __init__(self, answers: dict[str, Answer | list[Answer]]) -> None:
        self.answers = answers
        self.asked: list[Asked] = []
        self.url = ""
        self._news = asyncio.Event()

    def at(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    async def told(self, path: str, count: int) -> list[Asked]:
        """Wait until this was asked for so often: callbacks travel on their own."""
        while len(self.at(path)) < count:
            self._news.clear()
            await self._news.wait()
        return self.at(path)

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length")), 0)
            asked = Asked(self.url, head, (await reader.readexactly(length)).decode())
            self.asked.append(asked)
            self._news.set()
            answer = self.answers.get(asked.path, (404, "text/plain", "nothing here"))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            status, content_type, body = answer
            writer.write(
                f"HTTP/1.1 {status} x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body.encode())}\r\n"
                f"Connection: close\r\n\r\n{body}".encode()
            )
        finally:
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def customer(answers: dict[str, Answer | list[Answer]] | None = None) -> AsyncIterator[Customer]:
    it = Customer(answers or {})
    server = await asyncio.start_server(it.serve_one, "127.0.0.1", 0)
    it.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield it
    finally:
        server.close()
        await server.wait_closed()


class Stream:
    """The server's end of a media stream."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.received: list[dict[str, Any]] = []

    async def read(self, event: str) -> dict[str, Any]:
        while True:
            message = json.loads(await self.socket.recv())
            self.received.append(message)
            if message["event"] == event:
                return dict(message)

    async def send(self, event: str, **fields: Any) -> None:
        sid = next(message["streamSid"] for message in self.received if message["event"] == "start")
        await self.socket.send(json.dumps({"event": event, "streamSid": sid, **fields}))

    async def play(self, audio: bytes, mark: str = "") -> None:
        await self.send("media", media={"payload": base64.b64encode(audio).decode()})
        if mark:
            await self.send("mark", mark={"name": mark})


@asynccontextmanager
async def stream_server(talk: Callable[[Stream], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve streams with `talk`, to which `start` has come already; gives the URL."""

    async def hold(socket: ServerConnection) -> None:
        stream = Stream(socket)
        await stream.read("start")
        await talk(stream)

    async with serve(hold, "127.0.0.1", 0, compression=None, close_timeout=0.5) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/media"
