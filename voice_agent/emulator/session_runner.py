"""Runs one `sim.realtime` session: real time, real speech models and a brain.

The session itself is a pure core that is fed one input at a time; recognising and speaking run in a few threads,
thinking in tasks, and all of them answer through the same inbox as the clients. It must not know what kind of
connection the clients have.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from types import ModuleType
from typing import Any

import msgspec

from voice_agent.emulator.brain import Brain, ToolCall
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.errors import PeerError
from voice_agent.sim.realtime import (
    CallTool,
    CloseSocket,
    Input,
    ListingFailed,
    ListTools,
    Output,
    PlayFrame,
    Recognise,
    Recognised,
    RecognitionFailed,
    SendAudio,
    SendEvent,
    SendText,
    Session,
    Speak,
    Spoken,
    StopWork,
    Think,
    ThoughtCall,
    ThoughtDone,
    ThoughtText,
    TimerFired,
    ToolCallFailed,
    WorkFailed,
)

_log = logging.getLogger(__name__)


class Mind(msgspec.Struct, frozen=True):
    """What all sessions of a server share."""

    speech: Speech
    brain: Brain
    threads: ThreadPoolExecutor
    """Where speech is recognised and made."""


class SessionRunner:
    """Feeds one session and carries out what it orders."""

    def __init__(
        self,
        session: Session,
        mind: Mind,
        send: Callable[[str], Awaitable[None]],
        play: Callable[[bytes], None] | None = None,
    ) -> None:
        """`send` delivers a text to the client or clients; raises `ConnectionError` when the last one has gone.

        `play` takes each frame of a session that plays by itself.
        """
        self._session = session
        self._mind = mind
        self._send = send
        self._play = play
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._inbox: asyncio.Queue[Input | None] = asyncio.Queue()
        """`None`: the client has gone."""
        self._texts: asyncio.Queue[Speak] = asyncio.Queue()
        self._stopped: set[str] = set()
        """Responses that nobody waits for any more."""
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, received: Input) -> None:
        """Take what came from a client."""
        self._inbox.put_nowait(received)

    def leave(self) -> None:
        """Note that the last client has gone: `run` returns."""
        self._inbox.put_nowait(None)

    async def run(self) -> CloseSocket | None:
        """Hold the session until the client goes (`None`) or the session ends: how the connection is to be closed."""
        async with asyncio.TaskGroup() as group:
            self._spawn(group, self._speak())
            try:
                return await self._pump(group)
            except ConnectionError as error:
                _log.info("the client went without a word: %s", error)
                return None
            finally:
                for task in self._tasks:
                    task.cancel()

    def _spawn(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        task = group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _now_ms(self) -> int:
        return int((self._loop.time() - self._began) * 1000)

    async def _pump(self, group: asyncio.TaskGroup) -> CloseSocket | None:
        end = await self._carry_out(self._session.start(self._now_ms()), group)
        while end is None:
            received = await self._next_input()
            if received is None:
                return None
            end = await self._carry_out(self._session.feed(self._now_ms(), received), group)
        return end

    async def _next_input(self) -> Input | None:
        deadline = self._session.deadline()
        assert deadline is not None, "an open session ends after an hour at the latest"
        try:
            # One millisecond is added because the clock is cut to whole ones: the timer must not fire before its time.
            async with asyncio.timeout(max(0, deadline - self._now_ms()) / 1000 + 0.001):
                return await self._inbox.get()
        except TimeoutError:
            return TimerFired()

    async def _carry_out(self, outputs: list[Output], group: asyncio.TaskGroup) -> CloseSocket | None:
        """Do what was ordered, in order; gives the order that ends the session."""
        for output in outputs:
            match output:
                case SendEvent() | SendAudio() | SendText():
                    await self._send(output.text)
                case PlayFrame():
                    assert self._play is not None, "only who has a peer asks for frames"
                    self._play(output.pcm)
                case Recognise():
                    self._spawn(group, self._recognise(output))
                case Think():
                    self._spawn(group, self._think(output))
                case Speak():
                    self._texts.put_nowait(output)
                case ListTools():
                    self._spawn(group, self._list_tools(output))
                case CallTool():
                    self._spawn(group, self._call_tool(output))
                case StopWork():
                    self._stopped.add(output.response_id)
                case CloseSocket():
                    return output
        return None

    async def _recognise(self, order: Recognise) -> None:
        try:
            text = await self._loop.run_in_executor(self._mind.threads, self._hear, order)
        except PeerError as error:
            self._inbox.put_nowait(RecognitionFailed(order.item_id, str(error)))
        else:
            self._inbox.put_nowait(Recognised(order.item_id, text))

    def _hear(self, order: Recognise) -> str:
        return self._mind.speech.hearing.recognise(order.pcm)

    async def _think(self, order: Think) -> None:
        try:
            async with aclosing(self._mind.brain.think(order)) as thoughts:
                async for thought in thoughts:
                    if order.response_id in self._stopped:
                        return
                    self._inbox.put_nowait(
                        ThoughtCall(order.response_id, thought.name, thought.arguments)
                        if isinstance(thought, ToolCall)
                        else ThoughtText(order.response_id, thought)
                    )
        except PeerError as error:
            _log.warning("no answer: %s", error)
            self._inbox.put_nowait(WorkFailed(order.response_id, str(error)))
        else:
            self._inbox.put_nowait(ThoughtDone(order.response_id))

    async def _list_tools(self, order: ListTools) -> None:
        try:
            # Its packages take a second to import: in a thread, for other sessions are heard meanwhile.
            client = await asyncio.to_thread(_mcp_client)
            listed: Input = await client.list_tools(order)
        except PeerError as error:
            _log.warning("the MCP server %s cannot be used: %s", order.server.label, error)
            listed = ListingFailed(order.item_id)
        self._inbox.put_nowait(listed)

    async def _call_tool(self, order: CallTool) -> None:
        try:
            client = await asyncio.to_thread(_mcp_client)
            called: Input = await client.call_tool(order)
        except PeerError as error:
            called = ToolCallFailed(order.item_id, "http_error", str(error), 502)
        if isinstance(called, ToolCallFailed):
            _log.warning("the MCP tool %s (%s) failed: %s", order.name, order.server.label, called.message)
        self._inbox.put_nowait(called)

    async def _speak(self) -> None:
        """Say one text after the other; what was stopped is skipped."""
        while True:
            order = await self._texts.get()
            chunks = self._mind.speech.speaking.speak(order.text)
            while order.response_id not in self._stopped:
                chunk = await self._loop.run_in_executor(self._mind.threads, _next_chunk, chunks)
                last = chunk is None
                self._inbox.put_nowait(Spoken(order.response_id, order.item_id, chunk or b"", last))
                if last:
                    break


def _mcp_client() -> ModuleType:
    """Give the module that needs the package `mcp`; raises `PeerError` where it is missing."""
    try:
        from voice_agent.emulator import mcp_client  # noqa: PLC0415 - large, and may be missing
    except ModuleNotFoundError as error:
        raise PeerError(f'a package is missing ({error.name}): pip install "voice-agent[emulator]"') from None
    return mcp_client


def _next_chunk(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)
