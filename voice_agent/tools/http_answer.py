"""Takes from an HTTP answer what the model gets: all of it, or the parts that the agent's file names.

Whatever an answer is, it becomes a value or one sentence. It must not do any I/O.
"""

import codecs
from collections.abc import Sequence
from typing import Any

import msgspec

_TEXTUAL = ("text/", "application/xml", "application/xhtml+xml", "application/x-yaml", "application/yaml")

_OF_NO_TEXT = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Codecs of Python's that servers may name, too. Some raise anyhow; Punycode takes a minute for a MiB."""


class AnswerError(Exception):
    """An answer that gives nothing; the text is for the model, `detail` for the log."""

    def __init__(self, said: str, detail: str = "") -> None:
        super().__init__(said)
        self.detail = detail or said


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    content_type: str
    """In lower case, without parameters."""
    charset: str
    """Empty: not said."""
    body: bytes


def taken(answer: Answer, take: Sequence[str]) -> Any:
    """Give what the model gets of an answer; raises `AnswerError`.

    No path: all of it. One: what stands there. Several: a mapping of those that are there, by path. A path is names and
    indices with dots between, `slots.0.time`.
    """
    refuse(answer)
    value = _value(answer)
    if not take:
        return value
    if not isinstance(value, dict | list):
        raise AnswerError("its answer has another form than expected", "the answer is no JSON object or list")
    parts = {path: part for path in take if (part := _part(value, path)) is not None}
    if not parts:
        raise AnswerError("its answer has another form than expected", f"the answer holds no {', '.join(take)}")
    return parts[take[0]].value if len(take) == 1 else {path: part.value for path, part in parts.items()}


def part_of(value: Any, path: str) -> Any:
    """Give what stands at a path of a JSON value, see `taken`; `None` where nothing does."""
    part = _part(value, path)
    return None if part is None else part.value


def refuse(answer: Answer) -> None:
    """Raise `AnswerError` for a status that is no success."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status in (404, 410):
        said = f"nothing was found (HTTP {status})"
    elif status in (400, 409, 422):
        said = f"its server refuses these values (HTTP {status})"
    elif status == 429:
        said = "its server is asked too often now"
    elif status >= 500:
        said = f"its server has trouble now (HTTP {status})"
    else:
        said = "it is not available now"
    raise AnswerError(said, f"HTTP {status}: {_excerpt(answer)}".removesuffix(": "))


def _excerpt(answer: Answer) -> str:
    text = " ".join(answer.body[:2000].decode("utf-8", "replace").split())
    return "".join(character for character in text if character.isprintable())[:200]


def _value(answer: Answer) -> Any:
    kind = answer.content_type
    if not answer.body.strip():
        return "done; the server sent no content"
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return msgspec.json.decode(answer.body)
        except (ValueError, RecursionError):  # no JSON, no UTF-8, nested beyond reason
            raise AnswerError("its answer cannot be read", "the answer is said to be JSON and is none") from None
    if kind and not kind.startswith(_TEXTUAL):
        raise AnswerError("its answer is no text", f"the answer is {kind[:60]}, neither JSON nor text")
    return _decoded(answer)


def _decoded(answer: Answer) -> Any:
    if not answer.content_type:
        try:
            return msgspec.json.decode(answer.body)
        except (ValueError, RecursionError):  # no JSON, no UTF-8, nested beyond reason
            pass  # nobody said that it is JSON
    try:
        charset = codecs.lookup(answer.charset or "utf-8").name
        return answer.body.decode("utf-8" if charset in _OF_NO_TEXT else charset, "replace")
    except LookupError:
        return answer.body.decode("utf-8", "replace")


class _Part(msgspec.Struct, frozen=True):
    value: Any


def _part(value: Any, path: str) -> _Part | None:
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdecimal() and int(step[:9]) < len(value):
            value = value[int(step[:9])]
        else:
            return None
    return _Part(value)
