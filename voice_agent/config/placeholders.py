"""Placeholders: `{{ name }}` in what an `http` tool sends stands for an argument or for a variable of the call.

A name and nothing else: no expression is evaluated where a model's words arrive. It must not know in which place of a
request a text stands.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"

_PLACEHOLDER = re.compile(r"\{\{\s*(" + NAME + r")\s*\}\}")
_BRACES = re.compile(r"\{\{|\}\}|\{%|%\}")


def names_in(text: str) -> list[str]:
    """List the names that a text leaves open, each once."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def has_broken(text: str) -> bool:
    """Tell whether braces stand there that are no placeholder."""
    return _BRACES.search(_PLACEHOLDER.sub("", text)) is not None


def whole_name(text: str) -> str:
    """Give the name if a text is one placeholder and nothing else, else an empty text."""
    found = _PLACEHOLDER.fullmatch(text.strip())
    return found[1] if found else ""


def filled(text: str, values: Mapping[str, Any], write: Callable[[str, Any], str]) -> str:
    """Put `write(name, value)` in the place of each placeholder; every name must have a value."""
    return _PLACEHOLDER.sub(lambda found: write(found[1], values[found[1]]), text)


def leaves(tree: Any) -> list[str]:
    """List the texts of a JSON tree, keys left out."""
    match tree:
        case str():
            return [tree]
        case dict():
            return [text for value in tree.values() for text in leaves(value)]
        case list():
            return [text for value in tree for text in leaves(value)]
        case _:
            return []


def keys_of(tree: Any) -> list[str]:
    """List the keys of a JSON tree."""
    match tree:
        case dict():
            return [name for key, value in tree.items() for name in (key, *keys_of(value))]
        case list():
            return [name for value in tree for name in keys_of(value)]
        case _:
            return []
