'''A `python:` tool: finding its function, and telling the model what it is for and what it takes.

    def free_table(day: Day, people: Annotated[int, "how many"], time: str = "19:00") -> str:
        """Find a free table.

        :param day: The day of the week.
        """

The docstring up to its parameters is the description that the model reads; their JSON Schema comes from the type hints
(str, int, float, bool, Literal, list[...], any of them `| None`), their descriptions from `Annotated` or from the
docstring (`Args:` lines or `:param day: ...`). A parameter with a default may be left out. Sync or async.

Modules are imported once a process; the agent's folder stands last on the import path, so that a tool module cannot
take the place of an installed one. It must not run a tool.
'''

import importlib
import inspect
import json
import re
import sys
import traceback
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from voice_agent.agent import Tool
from voice_agent.errors import ConfigError

Function = Callable[..., Any]

_TARGET = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<function>[A-Za-z_]\w*)", re.ASCII)
_TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""What the Realtime API takes as a function's name and Python as an identifier."""

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_SECTION = re.compile(r"(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?):\s*$")
_FIELD = re.compile(r":(?P<field>\w+)\s*(?P<name>\w*)\s*:\s*(?P<text>.*)")
_ARGUMENT = re.compile(r"(?P<name>\w+)\s*(\([^)]*\))?:\s*(?P<text>.*)")


def python_tool(target: str, folder: str) -> Tool:
    """Describe the tool that `package.module:function` is; raises `ConfigError` (without a place)."""
    function = find_function(target, folder)
    name = target.partition(":")[2]
    if not _TOOL_NAME.fullmatch(name):
        raise ConfigError(f'"{name}" is too long for a function that a model calls; 64 characters are allowed')
    description, documented = _read_docstring(function)
    if not description:
        raise ConfigError(f'"{target}" has no docstring; write one: it tells the model what the tool is for')
    tool = Tool(
        name=name,
        description=description,
        parameters=_schema(target, function, documented),
        kind="python",
        target=target,
    )
    try:
        msgspec.json.encode(tool)
    except UnicodeEncodeError:
        raise ConfigError(f'"{target}" says half a surrogate pair to the model, which is no character') from None
    return tool


def find_function(target: str, folder: str) -> Function:
    """Find the function of a target, its module imported if need be; raises `ConfigError` (without a place)."""
    parts = _TARGET.fullmatch(target)
    if parts is None:
        raise ConfigError(f'"{target}" is no tool; write "package.module:function"')
    module = _import(parts["module"], folder)
    function = getattr(module, parts["function"], None)
    origin = getattr(module, "__file__", None) or "built in"
    if function is None:
        raise ConfigError(f'module "{parts["module"]}" ({origin}) has no "{parts["function"]}"')
    if not inspect.isfunction(function):
        raise ConfigError(f'"{target}" ({origin}) is not a function; point to one made with "def"')
    return function


def _import(name: str, folder: str) -> types.ModuleType:
    if folder and folder not in sys.path:
        sys.path.append(folder)
        importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # the user's module runs here and may fail in any way
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            looked = f" in {folder} and on the import path" if folder else " on the import path"
            raise ConfigError(f'no module "{error.name}"{looked}; is the name right?') from None
        raise ConfigError(f'importing "{name}" failed: {_last_line(error)}') from error
    own = Path(folder, *name.split(".")).with_suffix(".py")
    if folder and own.is_file() and module.__file__:
        there = Path(module.__file__)
        if not there.exists():
            # The folder of the agents was moved, and modules are imported once.
            raise ConfigError(f'"{name}" was imported from {there}, which is gone; restart to import {own}')
        if not own.samefile(there):
            raise ConfigError(f'"{name}" is another module already ({there}); give {own} another name')
    return module


def _last_line(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    at, said = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else "", str(error)
    if isinstance(error, SyntaxError) and error.filename:
        at, said = f" ({error.filename}:{error.lineno})", error.msg
    return f"{type(error).__name__}: {' '.join(said.split())}{at}"


def _schema(target: str, function: Function, documented: dict[str, str]) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # evaluating a hint runs whatever it says
        raise ConfigError(f'the type hints of "{target}" cannot be read: {_last_line(error)}') from error
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        what = f'parameter "{name}" of "{target}"'
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(f"{what} has no name of its own; a model gives every argument by name")
        if name not in hints:
            raise ConfigError(f'{what} has no type; write e.g. "{name}: str"')
        properties[name] = _parameter(what, hints[name], documented.get(name, ""))
        if parameter.default is parameter.empty:
            required.append(name)
        else:
            properties[name] |= _default(parameter.default)
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _default(value: object) -> dict[str, Any]:
    """State a default that JSON can say; another one stays between the function and itself."""
    if value is None or not isinstance(value, str | int | float | bool | list | tuple):
        return {}
    try:
        return {"default": json.loads(json.dumps(value, allow_nan=False))}
    except (TypeError, ValueError):
        return {}


def _parameter(what: str, hint: Any, documented: str) -> dict[str, Any]:
    description = documented
    if typing.get_origin(hint) is typing.Annotated:
        hint, *notes = typing.get_args(hint)
        description = next((note for note in notes if isinstance(note, str)), documented)
    schema = _of_type(what, hint)
    return {**schema, "description": description} if description else schema


def _of_type(what: str, hint: Any) -> dict[str, Any]:
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and hint in _JSON_TYPES:  # not every other hint can be looked up
        return {"type": _JSON_TYPES[hint]}
    if origin is Literal and all(isinstance(member, str) for member in members):
        return {"type": "string", "enum": list(members)}
    if origin is Literal and all(isinstance(member, int) and not isinstance(member, bool) for member in members):
        return {"type": "integer", "enum": list(members)}
    if origin is list and members:
        return {"type": "array", "items": _of_type(what, members[0])}
    if origin in (typing.Union, types.UnionType):
        others = [member for member in members if member is not types.NoneType]
        if len(others) == 1 and len(members) == 2:
            return _or_null(_of_type(what, others[0]))
    raise ConfigError(
        f"{what} has the type {getattr(hint, '__name__', hint)}; "
        "use str, int, float, bool, Literal, list[...], or one of them | None"
    )


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    null = {**schema, "type": [schema["type"], "null"]}
    return {**null, "enum": [*schema["enum"], None]} if "enum" in schema else null


def _read_docstring(function: Function) -> tuple[str, dict[str, str]]:
    """Read the description, one paragraph a line, and what the docstring says of each parameter."""
    description: list[str] = []
    documented: dict[str, str] = {}
    section, current = "", ""
    for line in (inspect.getdoc(function) or "").splitlines():
        text = line.strip()
        if field := _FIELD.fullmatch(text):
            section, current = "fields", field["name"] if field["field"] == "param" else ""
            documented |= {current: field["text"]} if current else {}
        elif heading := _SECTION.fullmatch(text):
            section, current = heading[1], ""
        elif not section:
            description.append(text)
        elif section in ("Args", "Arguments", "Parameters") and (argument := _ARGUMENT.fullmatch(text)):
            current = argument["name"]
            documented[current] = argument["text"]
        elif current and text:
            documented[current] += f" {text}"
        else:
            current = ""
    paragraphs = "\n".join(description).strip().split("\n\n")
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip()), documented
