"""The sideband of a browser's call: a WebSocket beside it, through which our server greets, runs tools and hangs up.

Audio goes between browser and model; nothing here hears it, and the model's server decides about turns and barge-in.
It must not know how the call was begun.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from voice_agent.agent import Agent
from voice_agent.call.commands import AddToolOutput, AnswerMcpApproval, CreateResponse, ModelCommand, Note
from voice_agent.call.events import (
    CallEvent,
    ModelClosed,
    ModelError,
    ModelOpened,
    ModelRefused,
    ResponseCreated,
    ResponseDone,
    TimerFired,
    ToolFinished,
    ToolRequested,
)
from voice_agent.call.facts import RemoteCallBegan, RemoteCallEnded, ResponseWanted
from voice_agent.call.mcp_calls import McpCalls
from voice_agent.call.setup import ModelSetup
from voice_agent.live.leg import Leg
from voice_agent.wire.bridge import Input
from voice_agent.wire.model_codec import ModelCodec
from voice_agent.wire.texts import ModelText

logger = logging.getLogger(__name__)

END_SECONDS = 30.0
"""Longest wait for a goodbye to be heard."""

OVER = 1000
"""The close code of a call that has ended (RFC 6455, 7.4.1)."""

NO_SUCH_CALL = 404

_BEGINNINGS = ('"response.output_audio_transcript.delta"', '"output_audio_buffer.started"')
"""Speech that is made will be played, though that it is comes as news a little later."""

_STOPPED, _CLEARED = '"output_audio_buffer.stopped"', '"output_audio_buffer.cleared"'


class Tools(Protocol):
    """What is needed of `tools.run.ToolRunner`."""

    async def run(self, call_id: str, name: str, arguments: str) -> ToolFinished:
        """Run one tool; whatever goes wrong is an answer."""
        ...


class Sideband:
    """One call's. Every function call of the model is answered once, and spoken of when all of them are answered."""

    def __init__(self, agent: Agent, leg: Leg, tools: Tools, hang_up: Callable[[], Awaitable[None]]) -> None:
        """`agent` is rendered. `leg` leads to the call. `hang_up` ends it."""
        self._agent = agent
        self._kinds = {tool.name: tool.kind for tool in agent.tools}
        self._mcp = McpCalls(agent)
        self._leg = leg
        self._tools = tools
        self._hang_up = hang_up
        self._codec = ModelCodec(ModelSetup())
        self._inbox: asyncio.Queue[Input] = asyncio.Queue()
        self._active: set[str] = set()
        """Responses that have begun and not ended."""
        self._running: set[str] = set()
        """Calls of tools, ours and those of MCP servers, that are not answered."""
        self._owes_words = False
        """Results came that no response has spoken of."""
        self._owes_remote_words = False
        """Results of MCP servers came that no response has spoken of."""
        self._told: str | None = None
        """What is to be said of an MCP server that does not answer."""
        self._playing = False
        self._ending: str | None = None
        """The function call that asked to hang up."""
        self._requests = 0
        self._until = 0.0
        self._limit = asyncio.timeout(None)

    async def run(self) -> None:
        """Attend the call until it ends, or hang it up: its agent's longest time is over, or the sideband is lost."""
        self._until = asyncio.get_running_loop().time() + self._agent.limits.minutes * 60
        self._limit = asyncio.timeout_at(self._until)
        try:
            async with self._limit, asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._leg.run(self._inbox.put_nowait))
                try:
                    await self._attend(tasks)
                finally:
                    self._leg.close("the call is over")
                    if not reading.done():
                        await asyncio.wait([reading])
        except TimeoutError:
            logger.info("a browser's call has taken its longest time")
            await self._hang_up()

    def stop(self) -> None:
        """Attend it no longer: `run` returns soon."""
        self._inbox.put_nowait(ModelClosed(OVER, "the server stops"))

    async def _attend(self, tasks: asyncio.TaskGroup) -> None:
        working: set[asyncio.Task[None]] = set()
        try:
            while True:
                match await self._next():
                    case TimerFired() as fired:
                        self._note_mcp(fired)
                    case ModelOpened():
                        self._greet()
                    case ModelText() as message:
                        self._note_playing(message.text)
                        for event in self._codec.receive(message.text):
                            if isinstance(event, ToolRequested) and self._kinds.get(event.name) != "hang_up":
                                self._running.add(event.call_id)
                                working.add(tasks.create_task(self._work(event)))
                            else:
                                self._note(event)
                                self._note_mcp(event)
                    case ToolFinished() as result:
                        self._answer(result.call_id, result.output)
                    case ModelRefused() as refused:
                        logger.error("the sideband is refused: %s", refused.detail)
                        if refused.status != NO_SUCH_CALL:
                            await self._hang_up()
                        return
                    case ModelClosed(code=code, reason=reason):
                        if code != OVER:
                            logger.warning("the sideband was closed, and its call is hung up: %s", reason)
                            await self._hang_up()
                        return
                if self._may_hang_up():
                    await self._hang_up()
                    return
                self._speak()
        finally:
            for task in working:
                task.cancel()

    async def _next(self) -> Input:
        due_ms = self._mcp.deadline()
        if due_ms is None:
            return await self._inbox.get()
        try:
            async with asyncio.timeout(max(0, due_ms - self._now_ms()) / 1000):
                return await self._inbox.get()
        except TimeoutError:
            return TimerFired()

    def _now_ms(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000)

    def _greet(self) -> None:
        if self._agent.greeting is not None:
            # A response's instructions replace the session's, so what matters is repeated.
            said = f'{self._agent.instructions}\n\nThe call has just begun. Say exactly: "{self._agent.greeting}"'
            self._request(said, "none")

    def _note(self, event: CallEvent) -> None:
        match event:
            case ToolRequested():
                self._ending = event.call_id
                self._limit.reschedule(min(self._until, asyncio.get_running_loop().time() + END_SECONDS))
            case ResponseCreated():
                self._active.add(event.response_id)
                # The server knew these results before we did.
                self._owes_remote_words = False
            case ResponseDone():
                self._active.discard(event.response_id)
            case ModelError(code="conversation_already_has_active_response"):
                # The caller's turn came first; its answer knows nothing of results that came after it began.
                self._owes_words = True
            case _:
                pass  # turns and words are the browser's affair

    def _note_mcp(self, event: CallEvent) -> None:
        """Follow the calls of MCP servers by the rules of a telephone call."""
        for output in self._mcp.feed(self._now_ms(), event):
            match output:
                case AnswerMcpApproval():
                    self._send(output)
                case Note():
                    logger.log(
                        logging.getLevelNamesMapping()[output.level.upper()], "%s: %s", output.what, output.fields
                    )
                case RemoteCallBegan():
                    self._running.add(output.call_id)
                case RemoteCallEnded():
                    self._running.discard(output.call_id)
                    self._owes_remote_words = True
                case ResponseWanted():
                    self._owes_remote_words = True
                    self._told = output.instructions

    def _note_playing(self, text: str) -> None:
        head = text[:200]
        if any(name in head for name in _BEGINNINGS):
            self._playing = True
        elif _STOPPED in head or _CLEARED in head:
            self._playing = False
        if _CLEARED in head and self._ending is not None:
            # The caller spoke before the goodbye was over: the call goes on.
            self._answer(self._ending, '{"error": "the caller spoke, so the call goes on"}')
            self._ending = None
            self._limit.reschedule(self._until)

    def _may_hang_up(self) -> bool:
        return self._ending is not None and not self._active and not self._playing

    async def _work(self, event: ToolRequested) -> None:
        self._inbox.put_nowait(await self._tools.run(event.call_id, event.name, event.arguments))

    def _answer(self, call_id: str, output: str) -> None:
        self._running.discard(call_id)
        self._send(AddToolOutput(f"output-{call_id}", call_id, output))
        self._owes_words = True

    def _speak(self) -> None:
        """Ask for one response to all results, when none is being made."""
        owes = self._owes_words or self._owes_remote_words
        if owes and not self._running and not self._active and self._ending is None:
            self._owes_words = self._owes_remote_words = False
            told, self._told = self._told, None
            self._request(told, "auto" if told is None else "none")

    def _request(self, instructions: str | None, tool_choice: str) -> None:
        self._requests += 1
        choice: Literal["auto", "none"] = "none" if tool_choice == "none" else "auto"
        self._send(CreateResponse(f"sideband-{self._requests}", instructions, choice))

    def _send(self, command: ModelCommand) -> None:
        for text in self._codec.send(command):
            self._leg.send(text)
