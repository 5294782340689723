"""The brain with a model: any OpenAI-compatible chat endpoint, streamed, said sentence by sentence.

`url` is the base that such servers name, up to and with `/v1`; `/chat/completions` is added where it is missing.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import msgspec

from voice_agent.emulator.brain import Thought, ToolCall, cut_sentences
from voice_agent.errors import PeerError
from voice_agent.sim.realtime import Line, Think

_SILENCE_SECONDS = 30
"""Longest wait for the next bytes: small models on slow machines need a while to read the prompt."""

_NO_STREAM = "LLM_URL sent something that is no chat completion stream"

_SPOKEN = (
    "You are heard on the telephone: answer in plain spoken sentences, without lists, markup or emoji. "
    "The caller's words were recognised by a machine and may be a little wrong."
)


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Part(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    """What is read of a piece of the stream."""

    content: str | None = None
    tool_calls: list[_Part] | None = None


class _Call(msgspec.Struct):
    """What has come of a call."""

    index: int
    id: str
    name: str = ""
    arguments: str = ""


class ChatBrain:
    """Streams each response from a chat endpoint; the whole conversation goes along each time."""

    def __init__(self, url: str, model: str, api_key: str = "") -> None:
        base = url.rstrip("/")
        self._url = base if base.endswith("/chat/completions") else f"{base}/chat/completions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        """Stream sentences as they are complete, then the calls. Raises `PeerError`."""
        unsaid = ""
        calls: list[_Call] = []
        async for delta in self._deltas(_request(self._model, think)):
            unsaid += delta.content or ""
            *complete, unsaid = cut_sentences(unsaid)
            for sentence in complete:
                if sentence.strip():
                    yield sentence.strip()
            for part in delta.tool_calls or ():
                _add_call(calls, part)
        if unsaid.strip():
            yield unsaid.strip()
        for call in calls:
            yield ToolCall(call.name, call.arguments or "{}")

    async def _deltas(self, request: dict[str, Any]) -> AsyncIterator[_Delta]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self._headers) as client,
                client.post(self._url, json=request) as response,
            ):
                if response.status != 200:
                    detail = (await response.text(errors="replace"))[:200].replace("\n", " ")
                    raise PeerError(f"LLM_URL answered {response.status}: {detail}")
                streamed = False
                async for line in response.content:
                    streamed = streamed or line.startswith(b"data:")
                    delta = _read_line(line)
                    if delta is not None:
                        yield delta
                if not streamed:
                    raise PeerError(_NO_STREAM)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PeerError(f"LLM_URL cannot be used: {error or 'no answer in time'}") from error


def _request(model: str, think: Think) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": f"{think.instructions}\n\n{_SPOKEN}"}]
    for line in think.conversation:
        _add_message(messages, line)
    request: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if think.tools:
        request["tools"] = [
            {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}
            for tool in think.tools
        ]
        request["tool_choice"] = think.tool_choice
        if isinstance(think.tool_choice, dict):
            # The Realtime API has the name beside the type, the chat API inside.
            request["tool_choice"] = {"type": "function", "function": {"name": think.tool_choice["name"]}}
    return request


def _add_message(messages: list[dict[str, Any]], line: Line) -> None:
    if line.kind == "call":
        call = {"id": line.call_id, "type": "function", "function": {"name": line.name, "arguments": line.text}}
        last = messages[-1]
        if last["role"] == "assistant":
            # Words and calls of one response are one message here.
            last.setdefault("tool_calls", []).append(call)
        else:
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    elif line.kind == "output":
        messages.append({"role": "tool", "tool_call_id": line.call_id, "content": line.text})
    elif line.text:
        messages.append({"role": line.kind, "content": line.text})


def _read_line(line: bytes) -> _Delta | None:
    """Read one line of the event stream: the first choice's delta, or nothing."""
    if not line.startswith(b"data:") or line[5:].strip() in {b"", b"[DONE]"}:
        return None
    try:
        event = json.loads(line[5:])
        if "error" in event:
            raise PeerError(f"LLM_URL answered in its stream: {str(event['error'])[:200]}")
        delta = event["choices"][0]["delta"] if event.get("choices") else None
        return msgspec.convert(delta, _Delta) if isinstance(delta, dict) else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise PeerError(_NO_STREAM) from error


def _add_call(calls: list[_Call], part: _Part) -> None:
    """Add a piece of a streamed call: the name comes once, the arguments in pieces.

    Some servers give every call the same index; then a name with another id begins the next one.
    """
    index, id_, function = part.index or 0, part.id or "", part.function or _Function()
    call = next((call for call in reversed(calls) if call.index == index), None)
    if call is None or (function.name and id_ not in ("", call.id)):
        call = _Call(index, id_)
        calls.append(call)
    call.name += function.name or ""
    call.arguments += function.arguments or ""
