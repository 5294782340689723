"""Checks the arguments of a tool call against its schema, in words that let the model try again.

Knows the part of JSON Schema that `config.python_tools` makes: type (one, or one and null), enum, items, properties,
required. It must not run anything.
"""

from typing import Any

import msgspec

from voice_agent.agent import Tool

MAX_ARGUMENT_CHARACTERS = 64 * 1024
"""A model writes some hundred; beyond this it has lost its way, and the JSON is not worth parsing."""

_ARTICLE = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "null": "null",
}


class ArgumentsError(Exception):
    """The model's arguments do not fit; the text is for the model."""


def read_arguments(tool: Tool, arguments: str) -> dict[str, Any]:
    """Parse and check the arguments as the model wrote them; empty counts as `{}`. Raises `ArgumentsError`.

    A whole number given as `3.0` becomes the int that a function with an `int` parameter expects, and an int given
    for a `float` parameter a float.
    """
    if len(arguments) > MAX_ARGUMENT_CHARACTERS:
        raise ArgumentsError("the arguments are too long")
    try:
        values = msgspec.json.decode(arguments) if arguments.strip() else {}
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise ArgumentsError("the arguments are not JSON") from None
    if not isinstance(values, dict):
        raise ArgumentsError("the arguments must be a JSON object")
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    for name in tool.parameters.get("required", ()):
        if name not in values:
            raise ArgumentsError(f'the argument "{name}" is missing')
    for name in values:
        if name not in properties:
            known = ", ".join(properties) or "none"
            raise ArgumentsError(f'there is no argument "{name[:64]}"; there are: {known}')
    return {name: _value(f'"{name}"', value, properties[name]) for name, value in values.items()}


def _value(what: str, value: Any, schema: dict[str, Any]) -> Any:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind = next((kind for kind in types if _fits(value, kind)), None)
    if kind is None:
        raise ArgumentsError(f"{what} must be {' or '.join(_ARTICLE[kind] for kind in types)}")
    if kind == "array":
        return [_value(f"an entry of {what}", entry, schema["items"]) for entry in value]
    if kind == "integer":
        value = int(value)
    elif kind == "number":
        value = _float(what, value)
    if "enum" in schema and value not in schema["enum"]:
        choices = ", ".join(str(choice) for choice in schema["enum"] if choice is not None)
        raise ArgumentsError(f"{what} must be one of: {choices}")
    return value


def _float(what: str, value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ArgumentsError(f"{what} is too large") from None


def _fits(value: Any, kind: str) -> bool:
    """Tell whether a JSON value is of a JSON Schema type; true and false are no numbers there."""
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "array":
            return isinstance(value, list)
        case "number":
            return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool))
        case "integer":
            return (isinstance(value, int) and not isinstance(value, bool)) or (
                isinstance(value, float) and value.is_integer()
            )
    raise AssertionError(f"config.python_tools makes no schema of type {kind}")
