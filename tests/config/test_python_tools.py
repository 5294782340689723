# ruff: noqa: E501 - a table of faults is read a line each
from pathlib import Path

import pytest

from voice_agent.config.python_tools import find_function, python_tool
from voice_agent.errors import ConfigError

HERE = "tests.config.sample_tools"


def refusal(target: str, folder: str = "") -> str:
    with pytest.raises(ConfigError) as raised:
        python_tool(target, folder)
    return str(raised.value)


def test_type_hints_become_a_schema() -> None:
    tool = python_tool(f"{HERE}:everything", "")

    assert (tool.name, tool.kind, tool.target) == ("everything", "python", f"{HERE}:everything")
    assert tool.description == "Find a free table.\nTables are given for two hours."
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "day": {"type": "string", "enum": ["Monday", "Tuesday"], "description": "The day of the week, in English."},
            "people": {"type": "integer", "description": "How many come."},
            "price": {"type": "number", "description": "in euros"},
            "outside": {"type": "boolean"},
            "names": {"type": "array", "items": {"type": "string"}},
            "table": {"type": ["integer", "null"], "enum": [1, 2, None]},
            "note": {"type": ["string", "null"]},
            "hours": {"type": "integer", "default": 2},
        },
        "additionalProperties": False,
        "required": ["day", "people", "price", "outside", "names", "table"],
    }


def test_a_docstring_with_fields_describes_parameters_too() -> None:
    tool = python_tool(f"{HERE}:with_fields", "")

    assert tool.description == "Look up something."
    assert tool.parameters["properties"] == {
        "day": {"type": "string", "description": "The day of the week, in English."},
        "time": {"type": "string", "description": "The time."},
    }


def test_a_coroutine_function_is_a_tool() -> None:
    assert python_tool(f"{HERE}:asynchronous", "").description == "Answer later."


def test_a_default_that_json_cannot_say_is_not_told() -> None:
    properties = python_tool(f"{HERE}:with_odd_default", "").parameters["properties"]

    assert properties["day"] == {"type": "string", "default": "Monday"}
    assert "default" not in properties["when"]
    assert "default" not in properties["what"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("without_docstring", "has no docstring; write one: it tells the model what the tool is for"),
        ("without_type", 'parameter "day" of "{}" has no type; write e.g. "day: str"'),
        ("with_mapping", 'parameter "filters" of "{}" has the type dict; use str, int, float, bool, Literal, list[...], or'),
        ("with_two_types", 'parameter "day" of "{}" has the type '),
        ("with_mixed_literal", 'parameter "day" of "{}" has the type Literal'),
        ("with_any_list", 'parameter "days" of "{}" has the type List; use str, int, float, bool, Literal, list[...], or'),
        ("with_lists_in_literal", 'parameter "day" of "{}" has the type Literal; use str, '),
        ("with_half_a_character", '"{}" says half a surrogate pair to the model, which is no character'),
        ("with_rest", 'parameter "days" of "{}" has no name of its own; a model gives every argument by name'),
        ("with_unknown_hint", "the type hints of \"{}\" cannot be read: NameError: name 'Dya' is not defined"),
        ("instance", "is not a function; point to one made with \"def\""),
        ("partial", "is not a function"),
        ("NotAFunction", "is not a function"),
        ("nothing", 'has no "nothing"'),
        ("a_function_whose_name_is_so_long_that_the_api_would_refuse_to_take_it_", "64 characters are allowed"),
    ],
)  # fmt: skip
def test_a_function_that_no_model_could_call_is_refused(name: str, told: str) -> None:
    target = f"{HERE}:{name}"

    assert told.format(target) in refusal(target)


@pytest.mark.parametrize(
    "target", ["", "alder", "alder:", ":hours", "alder.:hours", "al-der:hours", "alder:hours()", "ä:b"]
)
def test_a_target_names_a_module_and_a_function(target: str) -> None:
    assert refusal(target) == f'"{target}" is no tool; write "package.module:function"'


def test_a_module_beside_the_agent_is_found(tmp_path: Path) -> None:
    (tmp_path / "tool_beside_the_agent.py").write_text('def hours(day: str) -> str:\n    """Tell."""\n    return day\n')

    assert find_function("tool_beside_the_agent:hours", str(tmp_path))("Monday") == "Monday"


def test_a_module_that_is_nowhere_is_named_with_the_folder(tmp_path: Path) -> None:
    assert refusal("nowhere_at_all:x", str(tmp_path)) == (
        f'no module "nowhere_at_all" in {tmp_path} and on the import path; is the name right?'
    )
    assert refusal("tests.nowhere:x") == 'no module "tests.nowhere" on the import path; is the name right?'


def test_a_module_that_fails_to_import_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "tool_that_raises.py").write_text("x = 1\ny = 1 / 0\n")
    (tmp_path / "tool_that_exits.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "tool_unfinished.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "tool_that_needs.py").write_text("import something_not_installed\n")
    folder = str(tmp_path)

    assert refusal("tool_that_raises:x", folder) == (
        f'importing "tool_that_raises" failed: ZeroDivisionError: division by zero ({tmp_path}/tool_that_raises.py:2)'
    )
    assert refusal("tool_unfinished:x", folder) == (
        f'importing "tool_unfinished" failed: SyntaxError: invalid syntax ({tmp_path}/tool_unfinished.py:2)'
    )
    assert refusal("tool_that_exits:x", folder).startswith('importing "tool_that_exits" failed: SystemExit: 3 (')
    assert "No module named 'something_not_installed'" in refusal("tool_that_needs:x", folder)


def test_a_module_that_another_one_hides_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text('def hours() -> str:\n    """Tell."""\n    return ""\n')

    told = refusal("json:hours", str(tmp_path))

    assert told.startswith('"json" is another module already (')
    assert told.endswith(f"give {tmp_path}/json.py another name")


def test_a_module_whose_folder_was_moved_needs_a_restart(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "tool_that_moves.py").write_text('def f() -> str:\n    """Do."""\n    return ""\n')
    find_function("tool_that_moves:f", str(tmp_path / "before"))
    (tmp_path / "before").rename(tmp_path / "after")

    assert refusal("tool_that_moves:f", str(tmp_path / "after")) == (
        f'"tool_that_moves" was imported from {tmp_path}/before/tool_that_moves.py, which is gone; '
        f"restart to import {tmp_path}/after/tool_that_moves.py"
    )
