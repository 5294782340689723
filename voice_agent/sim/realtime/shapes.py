"""What a JSON value may look like: small checks that combine, and refuse as the Realtime API does.

A check takes a value and its path (`session.audio.input.format`) and returns the value, defaults filled in, or raises
`ClientError` with the API's code.
"""

from collections.abc import Callable, Mapping
from typing import Any

from voice_agent.sim.realtime.refusals import ClientError

Check = Callable[[Any, str], Any]

_NAMES = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array", dict: "an object"}


def _wrong_type(value: object, path: str, expected: str) -> ClientError:
    got = "null" if value is None else _NAMES.get(type(value), type(value).__name__)
    return ClientError("invalid_type", f"Invalid type for '{path}': expected {expected}, but got {got} instead.", path)


def text(value: Any, path: str) -> Any:
    """Allow any string."""
    if not isinstance(value, str):
        raise _wrong_type(value, path, "a string")
    return value


def boolean(value: Any, path: str) -> Any:
    """Allow `true` and `false`."""
    if not isinstance(value, bool):
        raise _wrong_type(value, path, "a boolean")
    return value


def number(low: float, high: float, *, whole: bool = False) -> Check:
    """Allow numbers within bounds, both included."""

    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise _wrong_type(value, path, "an integer" if whole else "a number")
        kind = "integer" if whole else "decimal"
        if value < low:
            raise ClientError(
                f"{kind}_below_min_value",
                f"Invalid '{path}': {kind} below minimum value. Expected a value >= {low}, but got {value} instead.",
                path,
            )
        if value > high:
            raise ClientError(
                f"{kind}_above_max_value",
                f"Invalid '{path}': {kind} above maximum value. Expected a value <= {high}, but got {value} instead.",
                path,
            )
        return value

    return check


def one_of(*allowed: object) -> Check:
    """Allow a few literals."""

    def check(value: Any, path: str) -> Any:
        if any(type(value) is type(literal) and value == literal for literal in allowed):
            return value
        known = ", ".join(f"'{literal}'" for literal in allowed)
        raise ClientError("invalid_value", f"Invalid value: '{value}'. Supported values are: {known}.", path)

    return check


def nullable(inner: Check) -> Check:
    """Allow `null` and what `inner` allows."""
    return lambda value, path: None if value is None else inner(value, path)


def first_of(by_type: Mapping[type, Check], expected: str) -> Check:
    """Check different JSON types differently."""

    def check(value: Any, path: str) -> Any:
        inner = by_type.get(type(value))
        if inner is None:
            raise _wrong_type(value, path, expected)
        return inner(value, path)

    return check


def array(inner: Check) -> Check:
    """Allow arrays of what `inner` allows."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise _wrong_type(value, path, "an array")
        return [inner(element, f"{path}[{index}]") for index, element in enumerate(value)]

    return check


def mapping(fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    """Allow objects with these fields and no others; those that are absent stay absent."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong_type(value, path, "an object")
        for name in required:
            if name not in value:
                raise ClientError(
                    "missing_required_parameter", f"Missing required parameter: '{path}.{name}'.", f"{path}.{name}"
                )
        checked = {}
        for name, given in value.items():
            if name not in fields:
                raise ClientError("unknown_parameter", f"Unknown parameter: '{path}.{name}'.", f"{path}.{name}")
            checked[name] = fields[name](given, f"{path}.{name}")
        return checked

    return check


def mapping_of_anything(value: Any, path: str) -> Any:
    """Allow any object, such as a JSON Schema."""
    if not isinstance(value, dict):
        raise _wrong_type(value, path, "an object")
    return value


def tagged(kinds: Mapping[str, Check]) -> Check:
    """Let an object's `type` say which check applies."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong_type(value, path, "an object")
        if "type" not in value:
            raise ClientError(
                "missing_required_parameter", f"Missing required parameter: '{path}.type'.", f"{path}.type"
            )
        one_of(*kinds)(value["type"], f"{path}.type")
        return kinds[value["type"]](value, path)

    return check


def with_defaults(inner: Check, defaults: Mapping[str, Any]) -> Check:
    """Allow what `inner` allows, with absent fields filled in."""
    return lambda value, path: {**defaults, **inner(value, path)}
