"""The assistant's side of a session: which responses run, when they may think, and what their input costs."""

from typing import Any

from voice_agent.sim.realtime.hearing import Hearing
from voice_agent.sim.realtime.item_requests import read_input
from voice_agent.sim.realtime.items import Conversation, Item
from voice_agent.sim.realtime.mcp import McpServers
from voice_agent.sim.realtime.memory import Memory, TooLong, count
from voice_agent.sim.realtime.messages import (
    CutShort,
    RealtimeOptions,
    Spoken,
    Think,
    ThoughtCall,
    ThoughtDone,
    ThoughtText,
    WorkFailed,
)
from voice_agent.sim.realtime.outbox import Outbox
from voice_agent.sim.realtime.refusals import ClientError
from voice_agent.sim.realtime.responses import Response, read_request, setting_of
from voice_agent.sim.realtime.settings import Settings

REQUESTS_PER_MINUTE = 200
TOKENS_PER_MINUTE = 100_000
"""Azure's first tier; the stand-in refuses nobody, it only tells."""

_TOO_LONG = "The conversation is longer than the model's context, and the session's truncation is disabled."


class Answering:
    """The responses of one session: at most one writes to the conversation, any number run beside it."""

    def __init__(
        self,
        settings: Settings,
        conversation: Conversation,
        hearing: Hearing,
        mcp: McpServers,
        *,
        outbox: Outbox,
        options: RealtimeOptions,
    ) -> None:
        self.spoke = False
        """Assistant audio exists: the voice is frozen."""
        self._settings = settings
        self._conversation = conversation
        self._hearing = hearing
        self._mcp = mcp
        self._outbox = outbox
        self._options = options
        self._responses: dict[str, Response] = {}
        self._thoughtless: list[tuple[Response, list[Item] | None]] = []
        """Responses that wait for the caller's words or for tools, with their own input."""
        self._memory = Memory(options.context_tokens)
        self._used_tokens = 0
        self._requests = 0

    @property
    def active(self) -> Response | None:
        """The one that writes to the conversation."""
        return next((response for response in self._responses.values() if response.request.in_conversation), None)

    def runs(self, response_id: str) -> bool:
        """Whether more may still come of a response."""
        return response_id in self._responses

    def create(self, given: dict[str, Any] | None) -> None:
        """Begin a response; raises `ClientError`."""
        request = read_request(given, self._settings, spoke=self.spoke)
        if request.in_conversation and self.active is not None:
            raise ClientError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        items = None
        if request.input is not None:
            items = read_input(request.input, self._conversation, self._settings.input_format)
        self._mcp.learn(request.tools)
        response = Response(request, self._outbox, self._options, self._conversation, self._mcp)
        self._responses[response.id] = response
        response.open()
        self._tell_rate_limits()
        self._thoughtless.append((response, items))
        self.think()

    def think(self) -> None:
        """Order the thinking of every response whose words and tools are there."""
        if self._hearing.waits_for_words:
            return
        waiting, self._thoughtless = self._thoughtless, []
        for response, own_items in waiting:
            request = response.request
            if request.tool_choice != "none" and self._mcp.is_listing(request.tools):
                self._thoughtless.append((response, own_items))
                continue
            response.remote = self._mcp.offered(request.tools)
            functions = [tool for tool in request.tools if tool["type"] == "function"]
            response.tools = [*functions, *(tool.wire() for tool in response.remote.values())]
            try:
                items = self._remembered(response, own_items)
            except TooLong:
                response.fail(_TOO_LONG, "context_length_exceeded")
                self._forget(response)
                continue
            lines = tuple(line for item in items for line in item.lines())
            named = response.must_call() if isinstance(request.tool_choice, dict) else None
            choice = request.tool_choice if named is None else {"type": "function", "name": named}
            self._outbox.order(Think(response.id, lines, request.instructions, tuple(response.tools), choice))

    def take(
        self, now_ms: int, result: ThoughtText | ThoughtCall | ThoughtDone | Spoken | WorkFailed | CutShort
    ) -> Response | None:
        """Take a result of slow work (one for a response that has ended is dropped), then `advance`."""
        response = self._responses.get(result.response_id)
        if response is None:
            return None
        match result:
            case ThoughtText():
                response.add_text(result.text)
            case ThoughtCall():
                response.add_call(result.name, result.arguments)
            case ThoughtDone():
                response.close()
            case Spoken():
                self.spoke = True
                response.add_speech(result.item_id, result.pcm, last=result.last)
            case WorkFailed():
                response.fail(result.problem, result.code)
            case CutShort():
                response.cut_short(result.reason)
        return self.advance(now_ms)

    def advance(self, now_ms: int) -> Response | None:
        """Send what is due; return the response of the conversation if it ended in this step."""
        if not self._responses:
            return None
        ended = None
        for response in list(self._responses.values()):
            if not response.finished:
                response.advance(now_ms)
            if response.finished:
                self._forget(response)
                ended = response if response.request.in_conversation else ended
        return ended

    def interrupt(self) -> None:
        """Cancel what writes to the conversation, because the caller speaks."""
        if self.active is not None:
            response = self.active
            response.cancel("turn_detected")
            self._forget(response)

    def cancel(self, response_id: str | None) -> None:
        """Cancel by the client's will; raises `ClientError` when there is nothing to cancel."""
        response = self.active if response_id is None else self._responses.get(response_id)
        if response is None:
            raise ClientError("response_cancel_not_active", "Cancellation failed: no active response found")
        response.cancel("client_cancelled")
        self._forget(response)

    def due(self) -> int | None:
        """When `advance` has something to do."""
        earliest_ms: int | None = None
        for response in self._responses.values():
            due_ms = response.due()
            if due_ms is not None and (earliest_ms is None or due_ms < earliest_ms):
                earliest_ms = due_ms
        return earliest_ms

    def _forget(self, response: Response) -> None:
        self._responses.pop(response.id, None)
        self._thoughtless = [entry for entry in self._thoughtless if entry[0] is not response]
        output = response.output_tokens()
        self._used_tokens += response.input_tokens.text + response.input_tokens.audio + output.text + output.audio

    def _remembered(self, response: Response, own_items: list[Item] | None) -> list[Item]:
        """Choose what a response reads, and count it; raises `TooLong`."""
        setting, tokens = setting_of(response)
        counted = count(self._conversation.items if own_items is None else own_items)
        if own_items is None:
            counted = self._memory.retain(counted, tokens, self._settings.truncation)
        response.input_tokens, response.cached = self._memory.read(setting, tokens, counted)
        return [item for item, _ in counted]

    def _tell_rate_limits(self) -> None:
        self._requests += 1
        self._outbox.send(
            "rate_limits.updated",
            rate_limits=[
                _limit("requests", REQUESTS_PER_MINUTE, self._requests),
                _limit("tokens", TOKENS_PER_MINUTE, self._used_tokens),
            ],
        )


def _limit(name: str, limit: int, used: int) -> dict[str, Any]:
    return {"name": name, "limit": limit, "remaining": max(0, limit - used), "reset_seconds": 60.0}
