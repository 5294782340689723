"""Judges server events by the types of the openai package: right types, nothing undeclared, nothing missing.

The package's own client does not check what it reads; its models take undeclared fields without a word.
"""

import typing
from typing import Any

from openai.types.beta.realtime import RealtimeServerEvent as PreviewServerEvent
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter


def _by_type(annotated: object) -> dict[str, TypeAdapter[Any]]:
    union, *_ = typing.get_args(annotated)
    found = {}
    for model in typing.get_args(union):
        (name,) = typing.get_args(model.model_fields["type"].annotation)
        found[name] = TypeAdapter(model)
    return found


_ADAPTERS = {"ga": _by_type(RealtimeServerEvent), "preview": _by_type(PreviewServerEvent)}


def faults(event: dict[str, Any], dialect: str = "ga") -> list[str]:
    """Name everything that is wrong with an event; empty when it conforms. Wrong types raise pydantic's error."""
    adapter = _ADAPTERS[dialect].get(event["type"])
    if adapter is None:
        return [f"{event['type']}: no such server event"]
    return list(_undeclared(adapter.validate_python(event, strict=True), event["type"]))


def _undeclared(value: object, path: str) -> typing.Iterator[str]:
    if isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            yield f"{path}: undeclared field '{name}'"
        for name in type(value).model_fields:
            yield from _undeclared(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _undeclared(element, f"{path}[{index}]")
