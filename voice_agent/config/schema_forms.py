"""The forms that the JSON Schema of our YAML is made of: texts, words, numbers, flags, mappings, each with its bounds.

And what several keys share: patterns, and the bounds of a tool's time. It must not know any key.
"""

from typing import Any, NamedTuple

Schema = dict[str, Any]


class Whole(NamedTuple):
    """The bounds of a whole number, both allowed."""

    lowest: int
    highest: int


class Real(NamedTuple):
    """The bounds of a number, both allowed."""

    lowest: float
    highest: float


NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
PREFIX = r"\+[1-9][0-9]{0,14}"
"""Of a phone number: a country's, or more."""
E164 = r"\+[1-9][0-9]{1,14}"
"""ITU-T E.164: at most 15 digits."""
LANGUAGE = "[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}"
VARIABLE = "[A-Za-z_][A-Za-z0-9_]{0,63}"
SAYABLE = r"[\s\S]*\S[\s\S]*"
"""Patterns that the whole text must match; of the kind that Python and JavaScript read alike."""

TOOL_SECONDS = Whole(1, 120)

ANY_TEXT = {"type": ["string", "number", "boolean"]}
"""YAML reads `2026` and `yes` as other things; an agent's texts are taken as they are typed."""


def text(about: str, pattern: str = "", **more: Any) -> Schema:
    """Any text; with a pattern, one that is a string and matches it whole, or that is not empty (`SAYABLE`)."""
    kind = ANY_TEXT if pattern in ("", SAYABLE) else {"type": "string"}
    form = {"pattern": f"^(?:{pattern})$"} if pattern else {}
    return {**kind, **form, "description": about} | more


def words(words: tuple[str, ...], about: str, default: str | None = None) -> Schema:
    """One of these."""
    return {"enum": list(words), "description": about} | ({} if default is None else {"default": default})


def whole(bounds: Whole, about: str, default: int | None = None) -> Schema:
    """A whole number."""
    schema = {"type": "integer", "minimum": bounds.lowest, "maximum": bounds.highest, "description": about}
    return schema | ({} if default is None else {"default": default})


def flag(about: str, default: bool) -> Schema:
    """Yes or no, in the words of YAML."""
    words = {"type": "string", "pattern": "^(?:[Tt]rue|TRUE|[Ff]alse|FALSE|yes|no|on|off)$"}
    return {"description": about, "anyOf": [{"type": "boolean"}, words], "default": default}


def real(bounds: Real, about: str, default: float | None = None) -> Schema:
    """A number."""
    schema = {"type": "number", "minimum": bounds.lowest, "maximum": bounds.highest, "description": about}
    return schema | ({} if default is None else {"default": default})


def mapping(keys: dict[str, Schema], about: str = "", required: tuple[str, ...] = ()) -> Schema:
    """These keys and no others."""
    schema: Schema = {"type": "object", "properties": keys, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {}) | ({"description": about} if about else {})


def either(about: str, *forms: Schema) -> Schema:
    """One of these forms."""
    return {"description": about, "anyOf": list(forms)}
