"""What goes wrong in a call, a fault each, at a model, a phone's socket, tools and a REST API that do it on purpose.

The model knows whose call a session is by the caller's number, which the agent's instructions name. A fault comes with
the answer that the caller asks for next, once a call.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientSession, web
from websockets.asyncio.server import ServerConnection

from tests.support.tiny_realtime import send
from tests.system.reliability import SENTENCE, TalkingModel
from voice_agent.emulator.twilio.call import EmulatedCall

AGENT = """
name: reception
default: true
instructions: The caller is {{ caller }}.
greeting: Hello!
recording: audio
limits: {minutes: 10, idle_seconds: 0, tool_seconds: 4}
tools:
  - hang_up
  - python: faulty_tools:look_up
"""

TOOLS = '''
"""A tool that fails as it is told."""

import os
import time


def look_up(how: str) -> object:
    """Fail.

    how: in which way
    """
    if how == "raises":
        raise RuntimeError(how)
    if how == "hangs":
        time.sleep(20)
    if how == "exits":
        raise SystemExit(how)
    return {"huge": "x" * 2_000_000, "strange": object()}.get(how, how)
'''

MODEL = (
    "drop", "close-1000", "close-1008", "close-1011", "failed-server_error", "failed-rate_limit_exceeded", "incomplete",
    "nothing", "late", "drop-midway", "failed-midway", "malformed", "nested", "unknown", "binary", "error", "expired",
    "huge", "done-twice", "stray-audio",
)  # fmt: skip
PHONE = ("phone-abort", "phone-close", "phone-garbage", "phone-binary", "phone-unknown", "phone-mark", "phone-huge",
         "phone-stalls")  # fmt: skip
TOOL = ("tool-raises", "tool-hangs", "tool-exits", "tool-huge", "tool-strange", "tool-unknown", "tool-arguments")
REST = ("rest-500", "rest-429", "rest-garbage", "rest-drop", "rest-hangs")
FATAL = ("close-1008",)
"""Nothing is tried again; the caller hears an apology, and the call ends."""

ALL = (*MODEL, *PHONE, *TOOL, *REST)

LATE_S = 5.0


class FaultyModel(TalkingModel):
    """Says a sentence whenever it is asked, and once a call something else."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, str] = {}
        """By caller's number."""
        self.open = 0
        self.wrong_truncations = 0
        self.armed: set[str] = set()
        """Callers whose next answer goes wrong."""
        self.asked_at: dict[str, float] = {}
        """When a caller's answer was asked for last."""
        self._callers: dict[ServerConnection, str] = {}
        self._calls = 0

    async def hold(self, socket: ServerConnection) -> None:
        self.open += 1
        try:
            await super().hold(socket)
        finally:
            self.open -= 1

    async def answer(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] == "session.update" and (found := re.search(r"\+1425\d+", json.dumps(message))):
            self._callers[socket] = found[0]
        if message["type"] == "conversation.item.truncate":
            self.wrong_truncations += not 0 <= message["audio_end_ms"] <= 600
        if message["type"] == "response.create":
            caller = self._callers.get(socket, "")
            self.asked_at[caller] = asyncio.get_running_loop().time()
            if caller in self.armed:
                self.armed.discard(caller)
                await self._fail(socket, message, self.faults[caller])
                return
        await super().answer(socket, message)

    async def _fail(self, socket: ServerConnection, message: dict[str, Any], fault: str) -> None:
        response = {"id": f"resp_f{id(message)}", "status": "in_progress", "output": [],
                    "metadata": message.get("response", {}).get("metadata")}  # fmt: skip
        ids = {"response_id": response["id"], "item_id": f"item_f{id(message)}", "output_index": 0, "content_index": 0}
        kind, _, what = fault.partition("-")
        if what == "midway":
            await send(socket, type="response.created", response=response)
            await send(socket, type="response.output_audio.delta", delta=SENTENCE, **ids)
        match kind:
            case "drop":
                socket.transport.abort()
            case "close":
                await socket.close(int(what))
            case "failed" | "incomplete":
                if what != "midway":
                    await send(socket, type="response.created", response=response)
                details = {"type": kind, "error": {"type": "server_error", "code": what}, "reason": "content_filter"}
                await send(
                    socket, type="response.done", response={**response, "status": kind, "status_details": details}
                )
            case "nothing":
                pass
            case "late":
                await asyncio.sleep(LATE_S)
                await super().answer(socket, message)
            case "tool":
                call = {"unknown": ("nobody", "{}"), "arguments": ("look_up", '{"how": ')}
                await self._call(socket, response, *call.get(what, ("look_up", json.dumps({"how": what}))))
            case "rest":
                await self._call(socket, response, "hang_up", "{}")
            case "expired":
                error = {"type": "invalid_request_error", "code": "session_expired", "message": "It is over."}
                await send(socket, type="error", error=error)
                await socket.close(1001)
            case _:
                await self._disturb(socket, kind, ids)
                await super().answer(socket, message)
                if kind == "done":
                    await send(socket, type="response.done", response={**response, "status": "completed"})

    async def _disturb(self, socket: ServerConnection, kind: str, ids: dict[str, Any]) -> None:
        match kind:
            case "malformed":
                await socket.send('{"type": "response.')
            case "nested":
                await socket.send("[" * 10_000)
            case "unknown":
                await send(socket, type="rate_limits.of_tomorrow", what={"a": 1})
            case "binary":
                await socket.send(bytes(1000))
            case "error":
                await send(socket, type="error", error={"type": "server_error", "code": None, "message": "Oh."})
            case "huge":
                await send(socket, type="of.nobody", what="x" * 1_000_000)
            case "stray":
                await send(socket, type="response.output_audio.delta", delta=SENTENCE, **ids)

    async def _call(self, socket: ServerConnection, response: dict[str, Any], name: str, arguments: str) -> None:
        self._calls += 1
        item = {"id": f"item_c{self._calls}", "type": "function_call", "call_id": f"call_{self._calls}", "name": name,
                "arguments": arguments, "status": "completed"}  # fmt: skip
        place = {"response_id": response["id"], "output_index": 0}
        await send(socket, type="response.created", response=response)
        await send(socket, type="response.output_item.added", item={**item, "arguments": ""}, **place)
        await send(socket, type="response.function_call_arguments.done", item_id=item["id"], call_id=item["call_id"],
                   arguments=arguments, name=name, **place)  # fmt: skip
        await send(socket, type="response.output_item.done", item=item, **place)
        await send(socket, type="response.done", response={**response, "status": "completed", "output": [item]})


async def break_phone(call: EmulatedCall, socket: Any, fault: str) -> None:
    """Do to a call's socket what the carrier never does, or seldom."""
    match fault:
        case "phone-abort":
            socket.transport.abort()
        case "phone-close":
            await socket.close(1001)
        case "phone-garbage":
            await socket.send('{"event": "media", "media": {"pay')
        case "phone-binary":
            await socket.send(bytes(160))
        case "phone-unknown":
            await socket.send('{"event": "weather", "streamSid": "MZ1"}')
        case "phone-mark":
            await socket.send(
                json.dumps({"event": "mark", "streamSid": "MZ1", "sequenceNumber": "7", "mark": {"name": "9"}})
            )
        case "phone-huge":
            await socket.send("x" * 100_000)
        case "phone-stalls":
            socket.transport.pause_reading()
            await asyncio.sleep(1.5)
            socket.transport.resume_reading()
        case _:
            raise AssertionError(fault)


@contextlib.asynccontextmanager
async def faulty_rest(base_url: str, faults: dict[str, str]) -> AsyncIterator[str]:
    """Stand before an emulated account's REST API; `faults` by CallSid. Gives the address."""

    async def answer(request: web.Request) -> web.StreamResponse:
        sid = next((part.removesuffix(".json") for part in request.path.split("/") if part.startswith("CA")), "")
        match faults.get(sid):
            case "rest-500":
                return web.json_response({"code": 20500, "message": "An internal error"}, status=500)
            case "rest-429":
                return web.json_response({"code": 20429, "message": "Too many"}, status=429)
            case "rest-garbage":
                return web.Response(text="<html>", status=200)
            case "rest-drop":
                assert request.transport is not None
                request.transport.close()
            case "rest-hangs":
                await asyncio.sleep(30)
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name in {"Authorization", "Content-Type"}}
        url = f"{base_url}{request.rel_url}"
        async with ClientSession() as session, session.request(request.method, url, data=body, headers=headers) as got:
            return web.Response(body=await got.read(), status=got.status, content_type=got.content_type)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
