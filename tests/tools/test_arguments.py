import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools import sample_tools
from voice_agent.config.python_tools import python_tool
from voice_agent.tools.arguments import MAX_ARGUMENT_CHARACTERS, ArgumentsError, read_arguments

HOURS = python_tool(f"{sample_tools.__name__}:hours", "")
EVERYTHING = python_tool(f"{sample_tools.__name__}:everything", "")
NOTHING = python_tool(f"{sample_tools.__name__}:nothing", "")


def refusal(arguments: str) -> str:
    with pytest.raises(ArgumentsError) as raised:
        read_arguments(EVERYTHING, arguments)
    return str(raised.value)


def with_value(**changed: object) -> str:
    return json.dumps({"text": "a", "number": 1.5, "flag": True, "names": ["b"]} | changed)


def test_fitting_arguments_are_read() -> None:
    assert read_arguments(EVERYTHING, with_value(size=2)) == {
        "text": "a", "number": 1.5, "flag": True, "names": ["b"], "size": 2,
    }  # fmt: skip
    assert read_arguments(EVERYTHING, with_value(size=None))["size"] is None


def test_nothing_at_all_counts_as_no_arguments() -> None:
    assert read_arguments(NOTHING, "") == {}
    assert read_arguments(NOTHING, " \n") == {}


def test_numbers_become_what_the_function_expects() -> None:
    whole = read_arguments(HOURS, '{"day": "Monday", "week": 3.0}')["week"]
    real = read_arguments(EVERYTHING, with_value(number=3))["number"]

    assert (whole, type(whole)) == (3, int)
    assert (real, type(real)) == (3.0, float)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{", "the arguments are not JSON"),
        ("[]", "the arguments must be a JSON object"),
        ('"\ud800"', "the arguments are not JSON"),
        ("[" * 60_000, "the arguments are not JSON"),
        ("{}" + " " * MAX_ARGUMENT_CHARACTERS, "the arguments are too long"),
        ("{}", 'the argument "text" is missing'),
        (with_value(extra=1), 'there is no argument "extra"; there are: text, number, flag, names, size'),
        (with_value(text=1), '"text" must be a text'),
        (with_value(number="1"), '"number" must be a number'),
        (with_value(number=True), '"number" must be a number'),
        (with_value(number=10**400), '"number" is too large'),
        (with_value(flag=1), '"flag" must be true or false'),
        (with_value(names="b"), '"names" must be a list'),
        (with_value(names=["b", 1]), 'an entry of "names" must be a text'),
        (with_value(size=3), '"size" must be one of: 1, 2'),
        (with_value(size=1.5), '"size" must be a whole number or null'),
        (with_value(size=False), '"size" must be a whole number or null'),
    ],
)
def test_what_does_not_fit_is_told_to_the_model(arguments: str, told: str) -> None:
    assert refusal(arguments) == told


def test_a_tool_without_parameters_says_that_it_takes_none() -> None:
    with pytest.raises(ArgumentsError, match='there is no argument "a"; there are: none'):
        read_arguments(NOTHING, '{"a": 1}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.text() | st.dictionaries(st.sampled_from(["text", "number", "flag", "names", "size", "x"]), JSON).map(json.dumps)
)
def test_any_text_is_arguments_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ArgumentsError):
        assert isinstance(read_arguments(EVERYTHING, text)["number"], float)
