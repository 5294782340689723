"""Makes the request of an `http` tool from the model's arguments: each one gets into its own place and nowhere else.

In the URL's path an argument is one segment or a part of one, in its query one value, in the body one JSON value. What
no template names goes into the query, or into the JSON body of a method that has one. It must not do any I/O.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode

import msgspec

from voice_agent.agent import HttpRequest
from voice_agent.config.http_tools import WITH_BODY
from voice_agent.config.placeholders import filled, leaves, names_in, whole_name
from voice_agent.tools.arguments import ArgumentsError


class Prepared(msgspec.Struct, frozen=True):
    """A request as it is sent, but for the secrets in its headers."""

    method: str
    url: str
    """Percent-encoded."""
    body: bytes | None
    """JSON."""


def prepare(request: HttpRequest, arguments: Mapping[str, Any]) -> Prepared:
    """Fill the templates; `arguments` fit the tool's schema. Raises `ArgumentsError`, for the model."""
    values = {**request.values, **arguments}
    named = {name for text in (request.url, *leaves(request.body)) for name in names_in(text)}
    left = {name: value for name, value in arguments.items() if name not in named}
    url = _url(request.url, values)
    if request.method not in WITH_BODY:
        return Prepared(request.method, _with_query(url, left), None)
    body = left if request.body is None else _tree(request.body, values)
    return Prepared(request.method, url, msgspec.json.encode(body))


def _url(template: str, values: Mapping[str, Any]) -> str:
    place, question, query = template.partition("?")
    path = filled(place, values, _in_path)
    for segment in path.split("/"):
        # Servers and libraries take these steps, however they are encoded, some with parameters behind them.
        if unquote(segment).partition(";")[0] in (".", ".."):
            what = " and ".join(f'"{name}"' for name in names_in(place)) or "it"
            raise ArgumentsError(f"{what} must be more than dots")
    return path + question + filled(query, values, lambda _, value: quote(_text(value), safe=""))


def _in_path(name: str, value: Any) -> str:
    text = _text(value)
    if not text:
        raise ArgumentsError(f'"{name}" must not be empty')
    # Encoded, they are still taken for separators by servers that decode a path before they divide it.
    if "/" in text or "\\" in text or not text.isprintable():
        raise ArgumentsError(f'"{name}" must hold no slash, backslash or control character')
    # A decoder that is run twice finds no separator either.
    if unquote(text) != text:
        raise ArgumentsError(f'"{name}" must hold no percent-encoding')
    return quote(text, safe="")


def _with_query(url: str, left: Mapping[str, Any]) -> str:
    pairs = [
        (name, _text(entry))
        for name, value in left.items()
        for entry in (value if isinstance(value, list) else [value])
    ]
    if not pairs:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs, quote_via=quote, safe='')}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_ABSENT = object()


def _tree(template: Any, values: Mapping[str, Any]) -> Any:
    """Fill a body: a text that is one placeholder becomes the value as it is, and vanishes with an absent argument."""
    match template:
        case str() if name := whole_name(template):
            return values.get(name, _ABSENT)
        case str():
            return filled(template, values, lambda _, value: _text(value))
        case dict():
            entries = {key: _tree(value, values) for key, value in template.items()}
            return {key: value for key, value in entries.items() if value is not _ABSENT}
        case list():
            return [value for entry in template if (value := _tree(entry, values)) is not _ABSENT]
        case _:
            return template
