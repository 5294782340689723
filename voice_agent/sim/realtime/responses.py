"""One response: what it was asked for, its items as they come, its end and its usage."""

from typing import Any, Literal

import msgspec

from voice_agent.sim.realtime import shapes
from voice_agent.sim.realtime.formats import FORMATS, Mouth
from voice_agent.sim.realtime.items import CHARACTERS_PER_TOKEN, Conversation, Item
from voice_agent.sim.realtime.mcp import McpServers, RemoteTool
from voice_agent.sim.realtime.memory import Tokens
from voice_agent.sim.realtime.messages import RealtimeOptions, Speak, StopWork
from voice_agent.sim.realtime.outbox import Outbox
from voice_agent.sim.realtime.refusals import ClientError
from voice_agent.sim.realtime.settings import (
    FORMAT,
    MAX_OUTPUT_TOKENS,
    MODALITIES,
    PROMPT,
    TOOL_CHOICE,
    TOOLS,
    VOICE,
    Settings,
    check_modalities,
)
from voice_agent.sim.realtime.speech import CallOutput, McpOutput, Pacer, SpokenOutput, Stage, TextOutput


def _metadata(value: Any, path: str) -> Any:
    pairs = shapes.nullable(shapes.mapping_of_anything)(value, path) or {}
    if len(pairs) > 16:
        raise ClientError("object_above_max_properties", f"Invalid '{path}': at most 16 pairs are allowed.", path)
    for key, text in pairs.items():
        if len(key) > 64 or len(shapes.text(text, f"{path}.{key}")) > 512:
            raise ClientError(
                "string_above_max_length", f"Invalid '{path}.{key}': keys hold 64 characters, values 512.", path
            )
    return value


_PARAMETERS = shapes.mapping(
    {
        "conversation": shapes.one_of("auto", "none"),
        "metadata": _metadata,
        "instructions": shapes.text,
        "output_modalities": MODALITIES,
        "tools": TOOLS,
        "tool_choice": TOOL_CHOICE,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "input": shapes.array(shapes.mapping_of_anything),
        "audio": shapes.mapping({"output": shapes.mapping({"format": FORMAT, "voice": VOICE})}),
        "parallel_tool_calls": shapes.boolean,
        "reasoning": shapes.mapping_of_anything,
        "prompt": shapes.nullable(PROMPT),
    }
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a response was asked for: its own parameters over the session's."""

    instructions: str
    modality: Literal["audio", "text"]
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    parallel_calls: bool
    max_output_tokens: int | Literal["inf"]
    voice: str
    output_format: dict[str, Any]
    in_conversation: bool
    metadata: dict[str, str] | None
    input: list[dict[str, Any]] | None
    """Items as on the wire that stand in for the conversation."""


def read_request(given: dict[str, Any] | None, settings: Settings, *, spoke: bool) -> Request:
    """Check the parameters of `response.create`; raises `ClientError`. `spoke`: the voice is frozen."""
    own = _PARAMETERS(given or {}, "response")
    merged = settings.response_defaults() | own
    check_modalities(merged["output_modalities"], "response.output_modalities")
    output = own.get("audio", {}).get("output", {})
    voice = output.get("voice", settings.voice)
    if spoke and voice != settings.voice:
        raise ClientError(
            "cannot_update_voice",
            "Cannot update a conversation's voice if assistant audio is present.",
            "response.audio.output.voice",
        )
    return Request(
        instructions=merged["instructions"],
        modality=merged["output_modalities"][0],
        tools=merged["tools"],
        tool_choice=merged["tool_choice"],
        parallel_calls=merged.get("parallel_tool_calls", True),
        max_output_tokens=merged["max_output_tokens"],
        voice=voice["id"] if isinstance(voice, dict) else voice,
        output_format=output.get("format", settings.output_format.wire()),
        in_conversation=own.get("conversation", "auto") == "auto",
        metadata=own.get("metadata"),
        input=own.get("input"),
    )


def setting_of(response: "Response") -> tuple[str, int]:
    """Give what stands before all items, the instructions and the tools, with its tokens."""
    setting = response.request.instructions + (str(response.tools) if response.tools else "")
    return setting, -(-len(setting) // CHARACTERS_PER_TOKEN)


class Response:
    """One response from `response.created` to `response.done`."""

    def __init__(
        self,
        request: Request,
        outbox: Outbox,
        options: RealtimeOptions,
        conversation: Conversation,
        mcp: McpServers,
    ) -> None:
        self.tools: list[dict[str, Any]] = request.tools
        """What the brain is offered; set with `remote` when thinking begins."""
        self.remote: dict[str, RemoteTool] = {}
        """Those of MCP servers, by name."""
        self._mcp = mcp
        self.id = outbox.new_id("resp")
        self.request = request
        self.finished = False
        self.pacer = Pacer(options.delta_ms, options.pace)
        self.cached = Tokens(0, 0)
        """What of the input was read by an earlier response; set with `input_tokens` when thinking begins."""
        self.input_tokens = Tokens(0, 0)
        self._outbox = outbox
        self._stage = Stage(
            outbox, self.id, conversation if request.in_conversation else None, self.pacer, self._has_tokens_left
        )
        self._outputs: list[CallOutput | McpOutput | TextOutput | SpokenOutput] = []
        self._current = 0
        self._thought = False
        self._status = "in_progress"
        self._details: dict[str, Any] | None = None

    def open(self) -> None:
        """Tell that it began."""
        self._outbox.send("response.created", response=self.wire())

    def add_text(self, text: str) -> None:
        """Take the brain's next words: order their speech, or write them."""
        last = self._outputs[-1] if self._outputs else None
        if last is None or isinstance(last, CallOutput | McpOutput):
            last = self._new_message()
            self._outputs.append(last)
        last.add_text(text)
        if isinstance(last, SpokenOutput):
            self._outbox.order(Speak(self.id, last.item.id, text))

    def add_call(self, name: str, arguments: str) -> None:
        """Take a function call of the brain, unless the request allows none, or no second one."""
        request = self.request
        called = any(isinstance(output, CallOutput | McpOutput) for output in self._outputs)
        if request.tool_choice == "none" or (called and not request.parallel_calls):
            return
        self._close_message()
        if name in self.remote:
            self._outputs.append(self._remote_call(self.remote[name], arguments))
            return
        item = Item(
            id=self._outbox.new_id("item"),
            type="function_call",
            status="in_progress",
            call_id=self._outbox.new_id("call"),
            name=name,
            arguments=arguments,
        )
        self._outputs.append(CallOutput(self._stage, item, len(self._outputs)))

    def _remote_call(self, tool: RemoteTool, arguments: str) -> McpOutput:
        item = Item(
            id=self._outbox.new_id("item"),
            type="mcp_call",
            server_label=tool.target.label,
            name=tool.info.name,
            arguments=arguments,
        )
        in_conversation = self.request.in_conversation

        def begin(item: Item, output_index: int) -> None:
            self._mcp.begin(item, tool, output_index, in_conversation=in_conversation)

        return McpOutput(self._stage, item, len(self._outputs), begin)

    def add_speech(self, item_id: str, pcm: bytes, *, last: bool) -> None:
        """Speech for one of its messages."""
        for output in self._outputs:
            if isinstance(output, SpokenOutput) and output.item.id == item_id:
                output.add_speech(pcm, last=last)

    def close(self) -> None:
        """Expect no more: the brain has said everything. One that made no call though it had to makes an empty one."""
        name = self.must_call()
        if name is not None and not any(isinstance(output, CallOutput | McpOutput) for output in self._outputs):
            self.add_call(name, "{}")
        self._thought = True
        self._close_message()

    def advance(self, now_ms: int) -> None:
        """Send what is there and due; end when all is sent, or when the limit of tokens is reached."""
        while self._current < len(self._outputs) and self._outputs[self._current].advance(now_ms):
            self._current += 1
        if self._thought and self._current == len(self._outputs):
            self._end("completed", None)
        elif not self._has_tokens_left():
            self.cut_short("max_output_tokens")

    def due(self) -> int | None:
        """When `advance` has something to do again."""
        return self._outputs[self._current].due() if self._current < len(self._outputs) else None

    def cancel(self, reason: Literal["turn_detected", "client_cancelled"]) -> None:
        """Stop generating; what was sent stays, as incomplete."""
        self.stop("cancelled", {"type": "cancelled", "reason": reason})

    def fail(self, problem: str, code: str = "server_error") -> None:
        """End it because the server cannot do its work."""
        error = {"type": "server_error", "code": code, "message": problem}
        self.stop("failed", {"type": "failed", "error": error})

    def cut_short(self, reason: Literal["content_filter", "max_output_tokens"]) -> None:
        """End it because of what it says, or how much."""
        self.stop("incomplete", {"type": "incomplete", "reason": reason})

    def stop(self, status: str, details: dict[str, Any]) -> None:
        """End it before its time."""
        if self._current < len(self._outputs):
            self._outputs[self._current].cut()
        self._outbox.order(StopWork(self.id))
        self._end(status, details)

    def wire(self) -> dict[str, Any]:
        """Show the response object, as far as it has come."""
        output = {"format": self.request.output_format, "voice": self.request.voice}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self._status,
            "status_details": self._details,
            "output": [output.item.wire() for output in self._outputs if output.begun],
            "conversation_id": "conv_1" if self.request.in_conversation else None,
            "output_modalities": [self.request.modality],
            "max_output_tokens": self.request.max_output_tokens,
            "audio": {"output": output},
            "usage": None if self._status == "in_progress" else self._usage(),
            "metadata": self.request.metadata,
        }

    def output_tokens(self) -> Tokens:
        """Count what was sent so far: texts, transcripts and calls as text, speech as audio."""
        items = [output.item for output in self._outputs if output.begun]
        characters = sum(len(part.text) for item in items for part in item.content)
        characters += sum(len(item.name) + len(item.arguments) for item in items)
        audio = sum(-(-part.audio_ms // 50) for item in items for part in item.content)
        return Tokens(-(-characters // CHARACTERS_PER_TOKEN), audio)

    def must_call(self) -> str | None:
        """Give the tool that has to be called: the one that is named, or where any will do, the first."""
        choice = self.request.tool_choice
        if isinstance(choice, dict) and choice["type"] == "function":
            return str(choice["name"])
        fitting = [str(tool["name"]) for tool in self.tools]
        if isinstance(choice, dict):
            label, named = choice["server_label"], choice.get("name")
            remote = [name for name, tool in self.remote.items() if tool.target.label == label]
            fitting = [name for name in remote if named in {None, name}]
        elif choice != "required":
            return None
        return fitting[0] if fitting else None

    def _has_tokens_left(self) -> bool:
        limit = self.request.max_output_tokens
        if limit == "inf":
            return True
        used = self.output_tokens()
        return used.text + used.audio < limit

    def _new_message(self) -> TextOutput | SpokenOutput:
        item = Item(id=self._outbox.new_id("item"), type="message", role="assistant", status="in_progress", content=[])
        if self.request.modality == "text":
            return TextOutput(self._stage, item, len(self._outputs))
        audio_format = FORMATS[self.request.output_format["type"]]
        mouth = Mouth(audio_format, self.request.voice)
        return SpokenOutput(self._stage, item, len(self._outputs), mouth, audio_format)

    def _close_message(self) -> None:
        if self._outputs and not isinstance(self._outputs[-1], CallOutput | McpOutput):
            self._outputs[-1].close()

    def _end(self, status: str, details: dict[str, Any] | None) -> None:
        self.finished = True
        self._status = status
        self._details = details
        self._outbox.send("response.done", response=self.wire())

    def _usage(self) -> dict[str, Any]:
        output = self.output_tokens()
        read = self.input_tokens
        cached = self.cached
        return {
            "total_tokens": read.text + read.audio + output.text + output.audio,
            "input_tokens": read.text + read.audio,
            "output_tokens": output.text + output.audio,
            "input_token_details": {
                **read.wire(),
                "image_tokens": 0,
                "cached_tokens": cached.text + cached.audio,
                "cached_tokens_details": {**cached.wire(), "image_tokens": 0},
            },
            "output_token_details": output.wire(),
        }
