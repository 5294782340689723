"""The conversation: its items, their order, and what a client may do to them.

Knows nothing of responses and turns: they make items and put them here.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from voice_agent.sim.realtime.formats import PCM, AudioFormat
from voice_agent.sim.realtime.messages import Line
from voice_agent.sim.realtime.refusals import ClientError

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English; only the arithmetic of usage rests on it."""


class Part(msgspec.Struct):
    """One content part of a message."""

    type: Literal["input_text", "input_audio", "output_text", "output_audio"]
    text: str = ""
    """The text, or the transcript of audio."""
    heard: bool = True
    """Audio: whether the transcript exists (yet, or still: truncation removes it)."""
    audio: bytes | bytearray = b""
    format: AudioFormat = PCM

    @property
    def audio_ms(self) -> int:
        """Whole milliseconds of audio."""
        return len(self.audio) // self.format.bytes_per_ms

    def wire(self, with_audio: bool) -> dict[str, Any]:
        """Show the part as the client sees it; audio only on request (`conversation.item.retrieve`)."""
        if self.type in {"input_text", "output_text"}:
            return {"type": self.type, "text": self.text}
        shown: dict[str, Any] = {"type": self.type, "transcript": self.text if self.heard else None}
        if with_audio:
            shown["audio"] = base64.b64encode(self.audio).decode()
        return shown


class Item(msgspec.Struct, kw_only=True):
    """One item. Which fields count depends on `type`."""

    id: str
    type: Literal[
        "message",
        "function_call",
        "function_call_output",
        "mcp_list_tools",
        "mcp_call",
        "mcp_approval_request",
        "mcp_approval_response",
    ]
    status: Literal["in_progress", "completed", "incomplete"] = "completed"
    role: Literal["system", "user", "assistant"] = "user"
    content: list[Part] = []
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str = ""
    server_label: str = ""
    tools: list[dict[str, Any]] = []
    approval_request_id: str | None = None
    approve: bool = False
    reason: str | None = None
    error: dict[str, Any] | None = None
    settled: bool = False
    """Of an MCP call: it is over."""

    def wire(self, with_audio: bool = False) -> dict[str, Any]:
        """Show the item as the client sees it."""
        if self.type.startswith("mcp_"):
            return self._mcp_wire()
        shown: dict[str, Any] = {"id": self.id, "object": "realtime.item", "type": self.type, "status": self.status}
        if self.type == "message":
            shown |= {"role": self.role, "content": [part.wire(with_audio) for part in self.content]}
        elif self.type == "function_call":
            shown |= {"call_id": self.call_id, "name": self.name, "arguments": self.arguments}
        else:
            shown |= {"call_id": self.call_id, "output": self.output}
        return shown

    def _mcp_wire(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": self.id, "type": self.type}
        match self.type:
            case "mcp_list_tools":
                return shown | {"server_label": self.server_label, "tools": self.tools}
            case "mcp_approval_response":
                answer = {"approval_request_id": self.approval_request_id, "approve": self.approve}
                return shown | answer | {"reason": self.reason}
            case "mcp_call":
                shown |= {"approval_request_id": self.approval_request_id, "error": self.error}
                shown |= {"output": self.output if self.settled and self.error is None else None}
        return shown | {"server_label": self.server_label, "name": self.name, "arguments": self.arguments}

    def lines(self) -> Iterator[Line]:
        """Show the item as a brain reads it: an MCP call that is over as two lines, what says nothing as none.

        A truncated answer keeps the words that its remaining audio held.
        """
        match self.type:
            case "function_call":
                yield Line("call", self.arguments, self.name, self.call_id)
            case "function_call_output":
                yield Line("output", self.output, call_id=self.call_id)
            case "message":
                yield Line(self.role, " ".join(part.text for part in self.content if part.text))
            case "mcp_call" if self.settled:
                yield Line("call", self.arguments, self.name, self.id)
                error = None if self.error is None else json.dumps({"error": self.error["message"]})
                yield Line("output", error or self.output, call_id=self.id)

    def text_tokens(self) -> int:
        """Tokens of its texts. A transcript is no input: the model has the audio."""
        length = len(self.name) + len(self.arguments) + len(self.output)
        for part in self.content:
            if part.type in {"input_text", "output_text"}:
                length += len(part.text)
        for tool in self.tools:
            length += len(str(tool))
        return -(-length // CHARACTERS_PER_TOKEN)

    def audio_tokens(self) -> int:
        """Tokens of its audio: one for 100 ms of the caller, one for 50 ms of the assistant."""
        span_ms = 50 if self.role == "assistant" else 100
        return sum(-(-part.audio_ms // span_ms) for part in self.content if part.audio)


class Conversation:
    """The items of the default conversation, in order."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def find(self, item_id: str) -> Item | None:
        """Give the item of that id."""
        return next((item for item in self.items if item.id == item_id), None)

    def has_call(self, call_id: str) -> bool:
        """Whether a function call of that id is there to be answered."""
        return any(item.type == "function_call" and item.call_id == call_id for item in self.items)

    def last_id(self) -> str | None:
        """Tell what the next item's `previous_item_id` will be."""
        return self.items[-1].id if self.items else None

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Add an item behind `after` (`root`: first; `None`: last); return the id before it. The id must be there."""
        if after == "root":
            self.items.insert(0, item)
            return None
        if after is None:
            previous = self.last_id()
            self.items.append(item)
            return previous
        place = next(index for index, present in enumerate(self.items) if present.id == after)
        self.items.insert(place + 1, item)
        return after

    def before(self, item: Item) -> str | None:
        """Tell the id of the item before this one, which must be there; `None`: it is the first."""
        place = self.items.index(item)
        return self.items[place - 1].id if place else None

    def delete(self, item_id: str) -> None:
        """Remove an item."""
        self.items.remove(self._known(item_id, "delete"))

    def retrieve(self, item_id: str) -> Item:
        """Give the item of that id."""
        return self._known(item_id, "retrieve")

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut an assistant's audio behind `audio_end_ms` and drop the part's transcript."""
        item = self._known(item_id, "truncate")
        if item.type != "message" or item.role != "assistant":
            raise ClientError("invalid_value", "Only model output audio messages can be truncated.", "item_id")
        if not 0 <= content_index < len(item.content) or item.content[content_index].type != "output_audio":
            raise ClientError("invalid_value", f"Content {content_index} of the item holds no audio.", "content_index")
        part = item.content[content_index]
        if audio_end_ms < 0 or audio_end_ms > part.audio_ms:
            raise ClientError(
                "invalid_value",
                f"Audio content of {part.audio_ms}ms is already shorter than {audio_end_ms}ms",
                "audio_end_ms",
            )
        if part.audio_ms:
            part.text = part.text[: len(part.text) * audio_end_ms // part.audio_ms]
        part.audio = part.audio[: audio_end_ms * part.format.bytes_per_ms]
        part.heard = False

    def _known(self, item_id: str, verb: str) -> Item:
        item = self.find(item_id)
        if item is None:
            raise ClientError(
                f"item_{verb}_invalid_item_id",
                f"Error {verb.removesuffix('e')}ing item: the item with id '{item_id}' does not exist.",
                "item_id",
            )
        return item
