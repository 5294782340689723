import asyncio
import inspect
import json
import logging
import re
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
import pytest

from tests.tools import sample_tools
from voice_agent.agent import Agent, Limits
from voice_agent.call.events import ToolFinished
from voice_agent.config.python_tools import python_tool
from voice_agent.config.references import References
from voice_agent.config.scenario_keys import GivenAnswer
from voice_agent.config.secret import Secret
from voice_agent.config.tool_keys import HANG_UP
from voice_agent.tools.run import MAX_OUTPUT_CHARACTERS, ToolRunner

T = TypeVar("T")
MODULE = r"tests\.tools\.sample_tools"
NAMES = [name for name, value in vars(sample_tools).items() if inspect.isfunction(value)]


def runner(tool_seconds: int = 5) -> ToolRunner:
    tools = tuple(python_tool(f"{sample_tools.__name__}:{name}", "") for name in NAMES)
    agent = Agent(name="a", instructions="", tools=(*tools, HANG_UP), limits=Limits(tool_seconds=tool_seconds))
    return ToolRunner(agent, call_sid="CA1")


def within(work: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(bounded())


def ran(name: str, arguments: str = "{}", tool_seconds: int = 5) -> ToolFinished:
    return within(runner(tool_seconds).run("call_1", name, arguments))


def error_of(finished: ToolFinished) -> str:
    assert finished.failed
    return str(json.loads(finished.output)["error"])


def test_a_result_is_given_as_json() -> None:
    assert ran("hours", '{"day": "Monday"}') == ToolFinished("call_1", '{"day":"Monday","week":1}')
    assert ran("nothing", "") == ToolFinished("call_1", "null")


def test_a_text_is_given_as_it_is() -> None:
    assert ran("later", '{"name": "Ann"}') == ToolFinished("call_1", "hello Ann")


def test_a_decorator_may_hide_that_a_function_is_asynchronous() -> None:
    assert ran("later_still", '{"name": "Ann"}') == ToolFinished("call_1", "hello Ann")


def test_a_function_that_may_block_runs_in_a_thread_of_its_own() -> None:
    assert ran("where").output == "tool"


def test_tools_run_beside_each_other() -> None:
    async def main() -> list[ToolFinished]:
        tools = runner()
        waiting = asyncio.ensure_future(tools.run("slow", "blocks", "{}"))
        quick = await tools.run("quick", "later", '{"name": "Ann"}')
        sample_tools.release.set()
        return [quick, await waiting]

    sample_tools.release.clear()
    assert [(finished.call_id, finished.failed) for finished in within(main())] == [
        ("quick", False),
        ("slow", False),
    ]


@pytest.mark.parametrize("name", ["blocks", "hangs"])
def test_a_tool_that_takes_too_long_is_given_up(name: str) -> None:
    sample_tools.release.clear()
    finished = ran(name, tool_seconds=0)
    sample_tools.release.set()

    assert error_of(finished) == f"{name} took longer than 0 s and was given up"
    assert finished.cause == f"tests.tools.sample_tools:{name}: no answer within 0 s"


def test_a_result_that_comes_after_the_loop_has_closed_harms_nobody() -> None:
    sample_tools.release.clear()
    ran("blocks", tool_seconds=0)
    threads = [thread for thread in threading.enumerate() if thread.name == "tool"]
    sample_tools.release.set()
    for thread in threads:
        thread.join(5)

    assert not any(thread.is_alive() for thread in threads)


def test_a_cancelled_call_cancels_its_tool() -> None:
    async def main() -> bool:
        task = asyncio.ensure_future(runner().run("call_1", "hangs", "{}"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert within(main())


def test_the_text_of_a_value_error_is_for_the_model() -> None:
    finished = ran("refuses", '{"day": "Funday"}')

    assert error_of(finished) == "refuses failed: no such day: Funday"
    assert re.fullmatch(rf"{MODULE}, line \d+: ValueError: no such day: Funday", finished.cause), "a bug's looks alike"


def test_the_text_of_the_agent_s_own_kind_of_it_is_for_the_model_too() -> None:
    assert error_of(ran("is_full")) == "is_full failed: that day is full"


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("breaks", rf"{MODULE}, line \d+: KeyError: 'password of the database'"),
        ("exits", "RuntimeError: the function raised SystemExit"),
        ("exits_later", rf"{MODULE}, line \d+: SystemExit: 3"),
        ("stops", "RuntimeError: the function raised StopIteration"),
        ("cancels_itself", rf"{MODULE}, line \d+: asyncio.exceptions.CancelledError"),
        ("times_out_itself", rf"{MODULE}, line \d+: TimeoutError: the server of the calendar"),
        ("decodes", r".*JSONDecodeError: Expecting value: line 1 column 1 \(char 0\)"),
        ("unencodable", "TypeError: Encoding objects of type object is unsupported"),
    ],
)
def test_any_other_failure_is_told_to_the_operator_alone(
    name: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        finished = ran(name)

    assert error_of(finished) == f"{name} failed: it is not available now"
    assert re.fullmatch(cause, finished.cause)
    assert f"tool {name} raised an exception (call_1)" in caplog.text
    assert [getattr(record, "call", "") for record in caplog.records] == ["CA1"]
    assert "Traceback" in caplog.text


def test_a_tool_that_nobody_has_is_named() -> None:
    assert error_of(ran("fly")).startswith('there is no tool "fly"; there are: hours, later, ')
    assert error_of(ran("hang_up")).startswith('there is no tool "hang_up"')
    assert error_of(within(ToolRunner(Agent(name="a", instructions="")).run("c", "x", "{}"))).endswith(
        "there are: none"
    )


def test_wrong_arguments_run_nothing() -> None:
    finished = ran("hours", '{"day": "Funday"}')

    assert error_of(finished) == '"day" must be one of: Monday, Sunday'
    assert finished.cause == "", "the model was told all there is"


def test_the_cause_holds_no_secret_of_the_environment_and_nothing_typed_in_secret() -> None:
    references = References({"CRM_KEY": Secret("open sesame"), "CRM_CODE": Secret("line\nfeed")})
    tool = python_tool(f"{sample_tools.__name__}:refuses", "")
    runner = ToolRunner(Agent(name="a", instructions="", tools=(tool,)), references=references)
    runner.keep_digits("digits_1", "8642")

    finished = within(runner.run("c", "refuses", '{"day": "open sesame 8642 line\\nfeed"}'))

    assert finished.cause.endswith("ValueError: no such day: ${CRM_KEY} ${digits_1} ${CRM_CODE}")


def test_a_tool_whose_function_is_gone_fails_like_any_other() -> None:
    tool = python_tool(f"{sample_tools.__name__}:nothing", "")
    agent = Agent(
        name="a", instructions="", tools=(type(tool)(tool.name, "x", tool.parameters, "python", "gone:gone"),)
    )

    finished = within(ToolRunner(agent).run("c", "nothing", "{}"))

    assert error_of(finished) == "nothing failed: it is not available now"
    assert finished.cause == 'no module "gone" on the import path; is the name right?'


def test_a_long_output_is_cut_and_says_so() -> None:
    finished = ran("long")

    assert finished.output == "x" * MAX_OUTPUT_CHARACTERS + "… (cut here)"
    assert not finished.failed


def test_what_fits_into_no_message_is_replaced() -> None:
    assert ran("unspeakable").output == "a?b"
    assert error_of(ran("refuses", '{"day": "\\ud83d\\ude00"}')) == "refuses failed: no such day: \U0001f600"


def test_a_tool_whose_answer_is_given_is_not_run_but_its_arguments_are_judged() -> None:
    tool = msgspec.structs.replace(
        python_tool(f"{sample_tools.__name__}:{NAMES[0]}", ""), name="find", target="no:where"
    )
    parameters = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
    agent = Agent(name="a", instructions="", tools=(msgspec.structs.replace(tool, parameters=parameters),))
    runner = ToolRunner(agent, given={"find": GivenAnswer({"free": True})})

    assert within(runner.run("c", "find", '{"day": "Monday"}')) == ToolFinished("c", '{"free":true}')
    assert error_of(within(runner.run("c", "find", "{}"))) == 'the argument "day" is missing'


def test_a_tool_is_that_of_the_agent_who_has_the_call() -> None:
    name = sample_tools.__name__
    hours = Agent(name="desk", instructions="", tools=(python_tool(f"{name}:hours", ""),))
    nothing = Agent(name="billing", instructions="", tools=(python_tool(f"{name}:nothing", ""),))
    tools = ToolRunner(hours, others=[nothing])

    assert within(tools.run("c", "nothing", "", "billing")) == ToolFinished("c", "null")
    assert error_of(within(tools.run("c", "nothing", ""))) == 'there is no tool "nothing"; there are: hours'
    assert not within(tools.run("c", "hours", '{"day": "Monday"}', "desk")).failed
