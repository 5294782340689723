import asyncio
import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.agent import Agent, Tool
from voice_agent.tools.arguments import ArgumentsError
from voice_agent.tools.run import ToolRunner
from voice_agent.tools.secret_digits import SecretDigits

TEXT = {"type": "object", "properties": {"pin": {"type": "string"}}, "required": ["pin"]}


def digits(**kept: str) -> SecretDigits:
    secret = SecretDigits()
    for name, typed in kept.items():
        secret.keep(name, typed)
    return secret


def test_names_become_digits_wherever_they_stand_in_the_arguments() -> None:
    filled = digits(digits_1="0042").filled({"pin": "${digits_1}", "all": ["x ${digits_1} y", 7, {"a": "${digits_1}"}]})

    assert filled == {"pin": "0042", "all": ["x 0042 y", 7, {"a": "0042"}]}


def test_names_that_are_not_theirs_stay() -> None:
    assert digits(digits_1="0042").filled("${HOME} $digits_1 ${}") == "${HOME} $digits_1 ${}"


def test_digits_of_another_stream_are_not_known_any_more() -> None:
    with pytest.raises(ArgumentsError, match=re.escape("${digits_2} are not known any more; let the caller type them")):
        digits(digits_1="0042").filled(["${digits_2}"])


def test_digits_are_covered_and_few_of_them_only_alone() -> None:
    secret = digits(digits_1="0042", digits_2="7", digits_3="00421")

    assert secret.covered("pin=0042, x00429, 7 of 17") == "pin=${digits_1}, x${digits_1}9, ${digits_2} of 17"
    assert secret.covered("00421") == "${digits_3}"
    assert digits(digits_1="0042", digits_2="1").covered("0042 and 1") == "${digits_1} and ${digits_2}"


def test_a_representation_shows_names_only() -> None:
    assert repr(digits(digits_1="0042")) == "<SecretDigits digits_1>"
    assert repr(SecretDigits()) == "<SecretDigits none>"


@given(st.text("0123456789*#", min_size=4, max_size=12), st.text(), st.text())
def test_what_is_covered_holds_no_digits(typed: str, before: str, behind: str) -> None:
    assert typed not in digits(digits_1=typed).covered(f"{before}{typed}{behind}").replace("${digits_1}", "")


# --- in the runner ---------------------------------------------------------------------------------------------------


def ran(function: str, arguments: dict[str, Any], kind: str = "python") -> dict[str, Any] | str:
    tool = Tool(function, "", TEXT, kind, f"tests.tools.test_secret_digits:{function}")  # type: ignore[arg-type]
    runner = ToolRunner(Agent(name="test", instructions="", tools=(tool,)))
    runner.keep_digits("digits_1", "730194")
    finished = asyncio.run(runner.run("c1", function, json.dumps(arguments)))
    return finished.output


def echo(pin: str) -> dict[str, Any]:
    assert pin == "730194"
    return {"pin": pin, "right": True}


def refuse(pin: str) -> None:
    raise ValueError(f"no such number as {pin}")


def break_down(pin: str) -> None:
    raise RuntimeError(f"cannot look up {pin}")


def test_a_tool_gets_the_digits_and_what_it_says_of_them_is_covered() -> None:
    assert ran("echo", {"pin": "${digits_1}"}) == '{"pin":"${digits_1}","right":true}'


@pytest.mark.parametrize("function", ["refuse", "break_down"])
def test_no_failure_tells_them_to_the_model_or_the_log(function: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        output = ran(function, {"pin": "${digits_1}"})

    assert "730194" not in str(output)
    assert "730194" not in caplog.text
    assert "${digits_1}" in caplog.text


def test_a_schema_that_the_name_does_not_fit_is_said_so() -> None:
    schema = {"type": "object", "properties": {"pin": {"type": "integer"}}}
    runner = ToolRunner(
        Agent(name="test", instructions="", tools=(Tool("echo", "", schema, "python", "tests.tools:none"),))
    )
    finished = asyncio.run(runner.run("c1", "echo", '{"pin": "${digits_1}"}'))

    assert finished.output == '{"error":"\\"pin\\" must be a whole number"}'
