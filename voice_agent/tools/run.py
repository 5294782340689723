"""Runs one tool call of the model: checks its arguments, does its work within its time, bounds what comes back.

Whatever goes wrong becomes an answer that the model can say something about; nothing is raised but a cancellation.
It must not know the call, its audio or who asked.
"""

import asyncio
import contextvars
import inspect
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from voice_agent.agent import RUN_HERE, Agent, TextMessage, Tool
from voice_agent.call.events import ToolFinished
from voice_agent.config.python_tools import find_function
from voice_agent.config.references import NOTHING, References
from voice_agent.config.scenario_keys import GivenAnswer
from voice_agent.tools.arguments import ArgumentsError, read_arguments
from voice_agent.tools.cause import one_line, place_of, raised
from voice_agent.tools.http_answer import AnswerError
from voice_agent.tools.http_client import HttpFailure
from voice_agent.tools.http_exchange import exchange, secrets_of
from voice_agent.tools.secret_digits import SecretDigits
from voice_agent.tools.text_message import MOST_A_CALL, MessageSender, NotSentError, compose, send

MAX_OUTPUT_CHARACTERS = 16_000
"""About 4,000 tokens: as much as a caller's question can need, and paid for with every later response of the call."""

NOT_AVAILABLE = "it is not available now"

_log = logging.getLogger(__name__)


class _Equipment:
    """What one agent's tools are run with."""

    def __init__(self, agent: Agent) -> None:
        self.tools = {tool.name: tool for tool in agent.tools if tool.kind in RUN_HERE}
        self.folder = agent.folder
        self.seconds = agent.limits.tool_seconds


class ToolRunner:
    """Runs the tools of one call's agents, any number at a time.

    A function made with `async def` runs on the event loop and must not block it; any other runs in a thread of its
    own. One that outlives its time is answered for and left alone: Python cannot end a thread, but a daemon thread
    neither holds up other calls nor the end of the process.
    """

    def __init__(
        self,
        agent: Agent,
        call_sid: str = "",
        references: References = NOTHING,
        messages: MessageSender | None = None,
        *,
        given: Mapping[str, GivenAnswer] | None = None,
        others: Iterable[Agent] = (),
    ) -> None:
        """`call_sid` is for the log only. `references`: secrets that headers name; no answer and no log holds them.

        `messages`: `None` where none can be sent. `given`: by the names of tools that are not run. `others`: agents
        that the call can be handed over to.
        """
        self._given = given or {}
        self._messages = messages
        self._sent = 0
        self._equipment = {each.name: _Equipment(each) for each in (*others, agent)}
        self._equipment[""] = self._equipment[agent.name]
        self._references = references
        self._extra = {"call": call_sid}
        self._digits = SecretDigits()

    def keep_digits(self, name: str, digits: str) -> None:
        """Hold what a caller typed in secret: `${name}` in the arguments of `python` and `http` tools stands for it."""
        self._digits.keep(name, digits)

    async def run(self, call_id: str, name: str, arguments: str, agent: str = "") -> ToolFinished:
        """Run one tool with the arguments as the model wrote them (JSON); `agent`: whose, empty: the first one's.

        The output is a text as the function returned it, anything else as JSON; a failure is `{"error": ...}`. The
        text of a `ValueError`, or of one that the agent's own modules derive from it, is for the model ("no such day"),
        that of any other exception for the operator only: it may hold what a caller must not hear.
        """
        equipment = self._equipment[agent]
        tool = equipment.tools.get(name)
        if tool is None:
            known = ", ".join(equipment.tools) or "none"
            return self._failed(call_id, name, f'there is no tool "{name[:64]}"; there are: {known}')
        own = None if tool.http is None else tool.http.seconds
        seconds = equipment.seconds if own is None else min(own, equipment.seconds)
        deadline = asyncio.timeout(seconds)
        try:
            values = read_arguments(tool, arguments)
            async with deadline:
                result = await self._call(tool, values, equipment.folder)
            return self._finished(call_id, name, result)
        except ArgumentsError as error:
            return self._failed(call_id, name, str(error))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._broken(tool, call_id, error)  # the function cancelled itself; nobody cancelled the call
        except (HttpFailure, AnswerError, NotSentError) as error:
            return self._refused(tool, call_id, error)
        except ValueError as error:
            said = _one_line(error) if _is_said_to_the_model(error, tool, equipment.folder) else NOT_AVAILABLE
            return self._broken(tool, call_id, error, said)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's function may fail in any way; `_broken` logs it
            if deadline.expired():
                cause = f"{place_of(tool)}: no answer within {seconds} s"
                return self._failed(call_id, name, f"{name} took longer than {seconds} s and was given up", cause)
            return self._broken(tool, call_id, error)

    async def _call(self, tool: Tool, values: dict[str, Any], folder: str) -> object:
        given = self._given.get(tool.name)
        if given is not None:
            await asyncio.sleep(given.after_ms / 1000)
            return given.answer
        if tool.http is not None:
            return await exchange(tool.http, self._digits.filled(values), self._references)
        if tool.sms is not None:
            return await self._send(tool.sms, values)
        values = self._digits.filled(values)
        function = find_function(tool.target, folder)
        if inspect.iscoroutinefunction(function):
            return await function(**values)
        result = await _in_thread(lambda: function(**values))
        # A decorator hides that a function is one of `async def`.
        return await result if inspect.isawaitable(result) else result

    def _finished(self, call_id: str, name: str, result: object) -> ToolFinished:
        output = self._digits.covered(result if isinstance(result, str) else msgspec.json.encode(result).decode())
        if len(output) > MAX_OUTPUT_CHARACTERS:
            _log.warning(
                "tool %s returned %d characters, cut to %d (%s)",
                name, len(output), MAX_OUTPUT_CHARACTERS, call_id, extra=self._extra,
            )  # fmt: skip
            output = f"{output[:MAX_OUTPUT_CHARACTERS]}… (cut here)"
        # A lone surrogate (from a file name, say) fits into no message to the model.
        return ToolFinished(call_id, output.encode(errors="replace").decode())

    def _failed(self, call_id: str, name: str, problem: str, cause: str = "") -> ToolFinished:
        problem = self._digits.covered(problem)
        _log.warning("tool %s failed: %s (%s)", name, problem, call_id, extra=self._extra)
        return self._answer(call_id, problem, cause)

    async def _send(self, message: TextMessage, values: dict[str, Any]) -> object:
        outgoing = compose(message, values)
        if self._sent >= MOST_A_CALL:
            raise NotSentError(
                "enough messages were sent in this call", f"{MOST_A_CALL} messages are the most of a call"
            )
        self._sent += 1
        return await send(outgoing, self._messages)

    def _refused(self, tool: Tool, call_id: str, error: HttpFailure | AnswerError | NotSentError) -> ToolFinished:
        """Answer for work that came to nothing; the log gets what the model need not know."""
        detail = error.detail if tool.http is None else secrets_of(tool.http, self._references).covered(error.detail)
        detail = self._digits.covered(detail)
        _log.warning("tool %s failed: %s (%s)", tool.name, detail, call_id, extra=self._extra)
        return self._answer(call_id, f"{tool.name} failed: {error}", f"{place_of(tool)}: {error.detail}")

    def _broken(self, tool: Tool, call_id: str, error: BaseException, problem: str = NOT_AVAILABLE) -> ToolFinished:
        """Answer for a function that raised; the log gets the traceback."""
        # As a text, not as the exception: a formatter would write down what it was given.
        trace = self._digits.covered(traceback.format_exc().rstrip())
        _log.error("tool %s raised an exception (%s)\n%s", tool.name, call_id, trace, extra=self._extra)
        return self._answer(call_id, f"{tool.name} failed: {problem}", raised(error, tool))

    def _answer(self, call_id: str, problem: str, cause: str) -> ToolFinished:
        text = self._digits.covered(problem).encode(errors="replace").decode()
        # A function may have read any of them from the environment.
        cause = one_line(self._references.covered(self._digits.covered(cause)))
        return ToolFinished(call_id, msgspec.json.encode({"error": text}).decode(), failed=True, cause=cause)


def _is_said_to_the_model(error: ValueError, tool: Tool, folder: str) -> bool:
    """Tell a text that was written for a caller from a library's, which may quote an address with its key."""
    name = type(error).__module__
    if type(error) is ValueError or name.partition(".")[0] == re.split("[.:]", tool.target)[0]:
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    return bool(folder and file) and Path(str(file)).is_relative_to(folder)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or "the value does not fit"


async def _in_thread(function: Callable[[], object]) -> object:
    """Run in a daemon thread: `asyncio.to_thread` has few threads, and the process waits for each at its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[object] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: object, error: BaseException | None) -> None:
        if done.done():  # given up meanwhile
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def work() -> None:
        result: object = None
        error: BaseException | None = None
        try:
            result = context.run(function)
        except BaseException as caught:  # noqa: BLE001 - raised again where the tool is awaited
            # A future refuses StopIteration; what else ends a thread is no reason to end the process.
            plain = isinstance(caught, Exception) and not isinstance(caught, StopIteration)
            error = caught if plain else RuntimeError(f"the function raised {type(caught).__name__}")
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            return  # the loop has closed: the call is over, nobody waits

    threading.Thread(target=work, name="tool", daemon=True).start()
    return await done
